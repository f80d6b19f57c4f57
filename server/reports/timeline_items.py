"""Moments of a timeline in words: the entry, its signals with their points, and whose it was."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from server.model import Door, Kind, Level, Site
from server.project.lookup import ASSERTING
from server.reports.consequences import Known, known_of, words_of
from server.reports.people import LINK_STATES
from server.reports.receipts import contributions
from server.reports.shapes import LinkOfItem, SignalOfItem, TimelineItem, iso, points
from server.storage import entries, identities
from server.storage import people as rows
from server.storage.database import Reader, Row
from server.storage.derived import SESSIONS
from server.storage.entries import Entry

PERSON, VISITOR = 1, 0
_STATE = SESSIONS.columns[2:].index("state")


class Subject(NamedTuple):
    """Whose timeline: a person, or the unowned sessions of a visitor."""

    kind: int
    subject_id: int


class Moment(NamedTuple):
    """One row of a timeline, comparable by its order. Visitor and session 0 are none."""

    at: int
    q: int
    seq: int
    visitor_id: int
    session_id: int
    ms: int
    scroll: int


class _Words(NamedTuple):
    """What all items of a page are made with."""

    texts: dict[int, str]
    signals: dict[int, dict[str, int]]  # by seq: rule → milli-points
    links: list[Row]
    states: dict[int, int]  # by session
    claims: dict[int, int]  # what no visit is known of: how well, by event
    decided: Known


async def items_of(
    reader: Reader, site: Site, subject: Subject, moments: Sequence[Moment]
) -> list[TimelineItem]:
    """The moments of one page; an entry that was erased meanwhile is left out."""
    if not moments:
        return []
    found = await entries.by_seq(reader, site.site_id, [moment.seq for moment in moments])
    wanted = {
        text_id
        for entry in found.values()
        for text_id in (entry.url_id, entry.title_id, entry.referrer_id, entry.campaign_id)
        if text_id is not None
    }
    sessions = sorted({moment.session_id for moment in moments if moment.session_id > 0})
    stored = await rows.sessions(reader, site.site_id, site.generation, sessions)
    lone = [moment.seq for moment in moments if not moment.visitor_id and moment.session_id]
    known = await identities.claims_at(reader, site.site_id, site.generation, lone)
    decided = [entry for entry in found.values() if entry.kind >= Kind.SITE_CREATED]
    words = _Words(
        await entries.texts(reader, site.site_id, sorted(wanted)) if wanted else {},
        await _signals(reader, site, subject, moments),
        await _links(reader, site, subject) if subject.kind == PERSON else [],
        {row[0]: row[_STATE] for row in stored},
        {row[0]: row[5] for row in known},
        await known_of(reader, site, subject.subject_id, decided),
    )
    return [
        _item(moment, found[moment.seq], words)
        for moment in moments
        if moment.seq in found and found[moment.seq].kind
    ]


def _item(moment: Moment, entry: Entry, words: _Words) -> TimelineItem:
    url = words.texts.get(entry.url_id or 0, "")
    title = words.texts.get(entry.title_id or 0, "")
    return TimelineItem(
        id=f"e{moment.seq}",
        at=iso(moment.at),
        kind=Kind(entry.kind).word,
        url=url,
        path=_path(url),
        title=title,
        session=f"s{moment.session_id}" if moment.session_id else None,
        visitor=f"v{moment.visitor_id}" if moment.visitor_id else None,
        link=_link(moment, entry, words),
        signals=[
            SignalOfItem(rule=rule, points=points(milli))
            for rule, milli in words.signals.get(moment.seq, {}).items()
        ],
        data=_data(moment, entry, words),
    )


def _path(url: str) -> str:
    return (urlsplit(url).path or "/") if url else ""


def _data(moment: Moment, entry: Entry, words: _Words) -> dict[str, Any]:
    if entry.kind >= Kind.SITE_CREATED:
        return words_of(entry, words.decided)
    data: dict[str, Any] = msgspec.json.decode(entry.data) if entry.data else {}
    if entry.kind == Kind.PAGE_VIEW:
        texts = words.texts
        referrer, campaign = texts.get(entry.referrer_id or 0), texts.get(entry.campaign_id or 0)
        found = {
            "ms": moment.ms,
            "scroll": moment.scroll,
            "referrer": referrer,
            "campaign": msgspec.json.decode(campaign) if campaign else None,
        }
        return data | {name: value for name, value in found.items() if value}
    return data


def _link(moment: Moment, entry: Entry, words: _Words) -> LinkOfItem | None:
    """The strongest link that spans the moment, in the state of its session; what no browser did is
    as sure as its claim, or as who told it."""
    if entry.kind >= Kind.SITE_CREATED or (not words.links and moment.visitor_id):
        return None
    state = words.states.get(moment.session_id)
    if not moment.visitor_id:
        told = Level.ASSERTED if Door(entry.door) in ASSERTING else Level.CLAIMED
        level = Level(words.claims.get(moment.seq, told))
        return LinkOfItem(level=level.word, state=LINK_STATES[state or 0])
    links = [row[1:] for row in words.links if row[0] == moment.visitor_id]
    spans = [
        (level, -known)
        for level, known, from_at, to_at in links
        if from_at <= moment.at and (not to_at or moment.at <= to_at)
    ]
    same = [span for span in spans if state is None or span[1] == -state]
    spans = same or spans or [(row[0], -row[1]) for row in links]
    if not spans:
        return None
    level_of_span, known_state = max(spans)
    shown = -known_state if state is None else state
    return LinkOfItem(level=Level(level_of_span).word, state=LINK_STATES[shown])


async def _links(reader: Reader, site: Site, subject: Subject) -> list[Row]:
    return await reader.fetch(
        "SELECT visitor_id, level, state, from_at, to_at FROM links"
        " WHERE site_id = $1 AND gen = $2 AND person_id = $3",
        site.site_id,
        site.generation,
        subject.subject_id,
    )


async def _signals(
    reader: Reader, site: Site, subject: Subject, moments: Sequence[Moment]
) -> dict[int, dict[str, int]]:
    """By event: the rules it met, with what they give the subject now."""
    seqs = {moment.seq for moment in moments}
    sessions = sorted({moment.session_id for moment in moments if moment.session_id})
    found: dict[int, dict[str, int]] = {}
    hits = await rows.signals(reader, site.site_id, site.generation, sessions)
    for _session, rule, seq, _key, _at, pending in hits:
        if seq in seqs and not pending:
            found.setdefault(seq, {})[rule] = 0
    for line in await contributions(reader, site, subject.kind, subject.subject_id):
        if line.seq in seqs:
            of_event = found.setdefault(line.seq, {})
            of_event[line.rule] = of_event.get(line.rule, 0) + line.points
    return found
