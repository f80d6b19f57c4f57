"""From a batch to events, as two ordered lists of named steps: read this file first.

A batch step sees the request once; an event step sees one event. A step fills in the draft and
returns None, or returns the reason for which the event is refused: the first refusal ends it.
Adding a rule is one function and one line in `EVENT_STEPS`. Nothing here touches the disk, the
clock or the network: what arrives, when, and from whom are arguments.

    decode → find the site → BATCH_STEPS → for each event EVENT_STEPS → writer
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache

import msgspec

from server.errors import Forbidden, Refusal
from server.ingest import limits
from server.ingest.agents import MAX_AGENT, tidy_agent
from server.ingest.consent import COUNTED, WORDS, verdict
from server.ingest.content import read_content
from server.ingest.draft import Arrival, Batch, Draft, Tools
from server.ingest.payload import Envelope, WireEvent, read_id, read_tab, tidy
from server.ingest.urls import read_referrer, read_url
from server.model import (
    EVENT_KINDS,
    PAGE_KINDS,
    RESERVED_IDS,
    Class,
    Consent,
    Door,
    Event,
    Flag,
    Kind,
    Site,
)

__all__ = ["Arrival", "Reading", "Tools", "read_batch"]

#: Plain numbers: an operation on a member of an enum costs half a microsecond.
WEBDRIVER, SUBMISSION_ONLY = int(Flag.WEBDRIVER), int(Flag.SUBMISSION_ONLY)
#: Events whose data may name somebody.
NAMING_KINDS = frozenset({Kind.FORM_SUBMIT, Kind.IDENTIFY, Kind.EMAIL_OPEN, Kind.EMAIL_CLICK})
_agent_text = lru_cache(maxsize=4_096)(tidy_agent)
_verdict = lru_cache(maxsize=1_024)(verdict)


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What a batch came to: events to store, and each refused id with its reason."""

    events: list[Event]
    refused: list[tuple[str, Refusal]]


# ---------------------------------------------------------------- batch steps


def read_clock(batch: Batch) -> Refusal | None:
    sent = batch.wire.t
    if not 0 <= sent < limits.LATEST_MS:
        return Refusal.UNPARSABLE
    batch.sent = int(sent)
    return None


def read_visitor(batch: Batch) -> Refusal | None:
    if batch.wire.v is not None:
        batch.visitor = read_id(batch.wire.v)
        if batch.visitor is None:
            return Refusal.BAD_ID
    batch.tab = read_tab(batch.wire.s)
    return None


def read_consent(batch: Batch) -> Refusal | None:
    batch.consent = WORDS.get(batch.wire.c or "unknown", Consent.UNKNOWN)
    batch.flags = (batch.wire.f or 0) & 15
    if batch.arrival.gpc:
        batch.flags |= Flag.GPC
    return None


def check_origin(batch: Batch) -> Refusal | None:
    """The key names a site and proves nothing; a list of origins keeps other pages out."""
    allowed = batch.site.settings.origins
    if not allowed or batch.arrival.secret or batch.arrival.own_page:
        return None
    origin = (batch.arrival.origin or _origin_of(batch.arrival.referer)).lower()
    return None if origin in allowed else Refusal.ORIGIN


def read_agent(batch: Batch) -> Refusal | None:
    """The device. A server that reports for others is not its visitor's browser."""
    text = batch.arrival.user_agent
    if batch.arrival.secret and not text.startswith("Mozilla/"):
        return None
    batch.agent = batch.tools.agents.read(text)
    batch.agent_text = _agent_text(text) if len(text) <= MAX_AGENT else tidy_agent(text)
    return None


def look_up_place(batch: Batch) -> Refusal | None:
    """Country and company of the address, which is forgotten here."""
    if batch.arrival.address and not batch.arrival.secret:
        batch.place = batch.tools.geo.place(batch.arrival.address)
    return None


BATCH_STEPS: tuple[Callable[[Batch], Refusal | None], ...] = (
    read_clock,
    read_visitor,
    read_consent,
    check_origin,
    read_agent,
    look_up_place,
)


# ---------------------------------------------------------------- event steps


def read_kind(draft: Draft) -> Refusal | None:
    kind = EVENT_KINDS.get(draft.wire.y)
    if kind is None:
        return Refusal.UNKNOWN_TYPE
    draft.kind = kind
    return None


def read_event_id(draft: Draft) -> Refusal | None:
    event_id = read_id(draft.wire.i)
    if event_id is None:
        return Refusal.BAD_ID
    if event_id.startswith(RESERVED_IDS):  # still one id for one event, and out of our way
        event_id = b"\x00" + hashlib.blake2b(event_id, digest_size=15).digest()
    draft.event_id = event_id
    if draft.wire.p:
        draft.page_view = read_id(draft.wire.p)
    return None


def correct_time(draft: Draft) -> Refusal | None:
    """at = received − (sent − t): the client's clock may be wrong, its differences are not.

    Never later than received. Segment's formula.
    """
    arrival, batch = draft.batch.arrival, draft.batch
    if not 0 <= draft.wire.t < limits.LATEST_MS:
        return Refusal.UNPARSABLE
    delay = max(0, batch.sent - int(draft.wire.t))
    draft.at = arrival.received - delay
    if delay > batch.site.settings.retention_days * 86_400_000 or draft.at < 0:
        return Refusal.TOO_OLD
    if delay > limits.LATE_MS:
        draft.flags |= Flag.MUTE if arrival.secret else Flag.LATE
    return None


def check_consent(draft: Draft) -> Refusal | None:
    batch = draft.batch
    settings = batch.site.settings
    answer = _verdict(
        settings.consent,
        batch.consent,
        batch.flags,
        settings.honour_gpc,
        draft.kind,
        settings.count_refused,
    )
    if isinstance(answer, Refusal):
        return answer
    if answer == COUNTED:
        draft.bare, answer = True, Flag.COOKIELESS
    draft.flags |= answer
    if batch.visitor is None and not answer:
        if batch.arrival.door is Door.COLLECT:
            # A page that waits for an answer about consent sends a form by itself, with no word.
            if draft.kind is not Kind.FORM_SUBMIT:
                return Refusal.NO_VISITOR
            draft.flags |= SUBMISSION_ONLY
        if batch.arrival.door is Door.PIXEL:
            draft.flags |= Flag.COOKIELESS
    return None


def read_page(draft: Draft) -> Refusal | None:
    wire = draft.wire
    if wire.u:
        page = read_url(wire.u)
        if page is not None:
            draft.url, draft.campaign, draft.local = page.url, page.campaign, page.local
    if not draft.url and draft.kind in PAGE_KINDS:
        return Refusal.BAD_URL
    if draft.kind is not Kind.PAGE_VIEW:
        draft.campaign = ""  # an event on the page repeats its URL; the view has said it
    if wire.r:
        draft.referrer = read_referrer(wire.r)
    if wire.n:
        draft.title = tidy(wire.n, limits.TITLE)
    return None


def read_data(draft: Draft) -> Refusal | None:
    batch = draft.batch
    content = read_content(draft.kind, bytes(draft.wire.d), batch.site, batch.arrival.received)
    if isinstance(content, Refusal):
        return content
    draft.screen, draft.data = content.screen, content.data
    draft.flags |= content.flags
    return None


def classify(draft: Draft) -> Refusal | None:
    """Robots, the owner's own machine and tests are kept in the log and out of the figures."""
    batch = draft.batch
    settings = batch.site.settings
    agent = batch.agent
    if (
        agent is not None
        and agent.bot
        and not (settings.allow_automation and agent.bot == "automation")
    ):
        draft.class_, draft.reason = Class.BOT, agent.bot
    elif draft.flags & WEBDRIVER and not settings.allow_automation:
        draft.class_, draft.reason = Class.BOT, "webdriver"
    elif draft.local and not settings.allow_localhost:
        draft.class_, draft.reason = Class.INTERNAL, "localhost"
    return None


def check_tombstones(draft: Draft) -> Refusal | None:
    """Of somebody who was erased, up to that moment.

    The last step: outside it cannot be told from an event that was taken, so whatever else is wrong
    has been said before.
    """
    batch = draft.batch
    tombstones, site_id = batch.tools.tombstones, batch.site.site_id
    if site_id not in tombstones.sites:
        return None
    data = draft.data if draft.kind in NAMING_KINDS else ""
    gone = tombstones.covers(site_id, draft.at, batch.visitor, data)
    return Refusal.TOMBSTONE if gone else None


EVENT_STEPS: tuple[Callable[[Draft], Refusal | None], ...] = (
    read_kind,
    read_event_id,
    correct_time,
    check_consent,
    read_page,
    read_data,
    classify,
    check_tombstones,
)


# ---------------------------------------------------------------- the runner


def read_batch(site: Site | None, arrival: Arrival, wire: Envelope, tools: Tools) -> Reading:
    """Everything between decoding and the writer. Raises `Forbidden` for an unknown site key."""
    if site is None:
        raise Forbidden("no site has this key", code="unknown_key")
    batch = Batch(site, arrival, wire, tools)
    refused: list[tuple[str, Refusal]] = []
    for step in BATCH_STEPS:
        refusal = step(batch)
        if refusal is not None:
            return Reading([], [(event.i[:64], refusal) for event in wire.e])
    events: list[Event] = []
    for index, event in enumerate(wire.e):
        outcome = Refusal.TOO_MANY if index >= limits.BATCH_EVENTS else _read_event(batch, event)
        if isinstance(outcome, Refusal):
            refused.append((event.i[:64], outcome))
        else:
            events.append(outcome)
    return Reading(events, refused)


def _read_event(batch: Batch, wire: WireEvent) -> Event | Refusal:
    draft = Draft(batch, wire, batch.flags)
    for step in EVENT_STEPS:
        refusal = step(draft)
        if refusal is not None:
            return _stub(draft) if refusal is Refusal.TOMBSTONE else refusal
    arrival = batch.arrival
    alone = draft.flags & SUBMISSION_ONLY or draft.bare
    return Event(
        event_id=draft.event_id,
        kind=draft.kind,
        at=draft.at,
        received=arrival.received,
        visitor=None if alone else batch.visitor,
        tab=None if alone else batch.tab,
        q=min(max(int(wire.q or 0), 0), limits.Q),
        url=draft.url,
        title=draft.title,
        referrer=draft.referrer,
        agent="" if alone else batch.agent_text,
        campaign=draft.campaign,
        place="" if alone else batch.place,
        screen="" if alone else draft.screen,
        page_view=draft.page_view,
        class_=draft.class_,
        reason=draft.reason,
        door=arrival.door,
        consent=batch.consent,
        flags=draft.flags,
        data=draft.data,
    )


def _stub(draft: Draft) -> Event:
    """What is stored of an event of somebody erased: that it was here. Sent again it is a
    duplicate, as anybody's would be, so no answer tells of the erasure."""
    received = draft.batch.arrival.received
    return Event(event_id=draft.event_id, kind=Kind.ERASED, at=received, received=received)


def _origin_of(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}://{rest.split('/', 1)[0]}" if separator else ""
