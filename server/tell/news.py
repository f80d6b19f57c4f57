"""Everything that is told of one consequence: whose it is now, the receipt as it stood, what was
read. Webhooks and mails are written from this alone.

It is read when it is sent, so a merged person is the person of now, and of somebody erased there is
nothing to tell.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from server.errors import NotFound
from server.model import STAGE_RANK, Kind, Site
from server.project.rules import Ruleset, Threshold
from server.reports.paging import Paging
from server.reports.people import merged_into, person
from server.reports.shapes import PersonDetail, iso, points
from server.reports.timeline import timeline
from server.reports.timeline_items import PERSON, Subject
from server.storage import deliveries, entries, identities
from server.storage.database import Reader
from server.storage.destinations import Destination
from server.tell.wants import Consequence, read_consequence, threshold_of

PAGES = 5
MOST_LINES = 60  # of a receipt; the rest is one line
MOST_TEXT = 500  # characters of a URL or title


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was read or sent. `ms` is the time it was read, `scroll` per cent."""

    id: str
    at: str
    kind: str
    url: str
    path: str
    title: str
    ms: int = 0
    scroll: int = 0


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One reason of a score. The points of all lines add up to it."""

    rule: str
    label: str
    axis: str
    points: float
    at: str | None = None
    event: str | None = None


class Subjected(msgspec.Struct, frozen=True, kw_only=True):
    """The person a consequence is about, as of now. `known` is false for who is a person no more:
    then only an address may be left."""

    id: str
    email: str = ""
    name: str = ""
    company: str = ""
    stage: str = ""
    score: float = 0
    owner: str = ""
    do_not_contact: bool = False
    tags: tuple[str, ...] = ()
    url: str = ""
    known: bool = True


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What is told. `score` and `receipt` are as they stood; `stage` is where it led, or empty.
    `retracts` is the entry that is taken back, `threshold_points` what had to be reached."""

    kind: Kind
    id: str
    at: str
    site_id: str
    site: str
    zone: str
    person: Subjected
    score: float
    receipt: tuple[Line, ...]
    threshold: str = ""
    threshold_points: float | None = None
    stage_from: str = ""
    stage: str = ""
    reason: str = ""
    cause: Page | None = None
    pages: tuple[Page, ...] = ()
    retracts: str = ""
    test: bool = False


class Telling(NamedTuple):
    """A consequence and its news; without news there is nothing to tell, and `why` says so."""

    consequence: Consequence | None
    news: News | None
    why: str = ""


class Sources(NamedTuple):
    """What reading needs beside the tables."""

    ruleset: Callable[[Site], Ruleset]
    link: Callable[[Site, str], str]  # to the page of a person


#: What moves beside thresholds lead to.
_AUTOMATIC = {"high_intent": "sql", "product_event": "pql"}
GONE = "erased: nothing is told any more"
TAKEN_BACK = "taken back before it was told"
UNTOLD = "what is taken back was not told here"


async def telling(
    reader: Reader, site: Site, destination: Destination, seq: int, by: Sources
) -> Telling:
    """What is to be told of an entry."""
    found = await entries.by_seq(reader, site.site_id, [seq])
    entry = found.get(seq)
    if entry is None or entry.kind < Kind.STAGE_MOVED:
        return Telling(None, None, GONE)
    row = (entry.seq, entry.kind, entry.at, entry.event_id, entry.data)
    consequence = read_consequence(row)
    site_id, number = destination.scope
    if consequence.kind is Kind.RETRACTED:
        if not await deliveries.was_told(reader, site_id, number, consequence.of):
            return Telling(consequence, None, UNTOLD)
    elif await _taken_back(reader, site, consequence):
        return Telling(consequence, None, TAKEN_BACK)
    news = await _news(reader, site, consequence, by)
    return Telling(consequence, news, "" if news else GONE)


def _stage(consequence: Consequence, threshold: Threshold | None) -> str:
    """The stage that was reached, or for what is taken back was said to be; empty if none."""
    if consequence.kind is Kind.STAGE_MOVED:
        return consequence.stage_to
    stage = threshold.stage if threshold else _AUTOMATIC.get(consequence.threshold, "")
    before = STAGE_RANK.get(consequence.stage_from, -1)
    if consequence.kind is Kind.CROSSED and STAGE_RANK.get(stage, -1) <= before:
        return ""
    return "" if consequence.kind is Kind.REARMED else stage


async def _taken_back(reader: Reader, site: Site, consequence: Consequence) -> bool:
    rows = await identities.said_of_claims(
        reader, site.site_id, site.generation, [consequence.person]
    )
    later = [row[1] for row in rows if row[2] == Kind.RETRACTED]
    found = await entries.by_seq(reader, site.site_id, later)
    said = (msgspec.json.decode(one.data) for one in found.values() if one.data)
    return any(one.get("of") == consequence.seq for one in said)


async def _news(reader: Reader, site: Site, consequence: Consequence, by: Sources) -> News | None:
    ruleset = by.ruleset(site)
    who = await _person(reader, site, consequence.person, by)
    if who is None:
        return None
    threshold = threshold_of(ruleset, consequence.threshold)
    pages: Sequence[Page] = ()
    if who.known:
        pages = await _pages(reader, site, int(who.id[1:]))
    return News(
        kind=consequence.kind,
        id=f"e{consequence.seq}",
        at=iso(consequence.at),
        site_id=str(site.site_id),
        site=site.name,
        zone=site.settings.zone,
        person=who,
        score=points(consequence.score),
        receipt=tuple(_lines(consequence, ruleset)),
        threshold=consequence.threshold,
        threshold_points=points(threshold.points) if threshold else None,
        stage_from=consequence.stage_from,
        stage=_stage(consequence, threshold),
        reason=consequence.reason,
        cause=await _cause(reader, site, consequence),
        pages=tuple(pages),
        retracts=f"e{consequence.of}" if consequence.of else "",
    )


# ---------------------------------------------------------------- the person


async def _person(reader: Reader, site: Site, person_id: int, by: Sources) -> Subjected | None:
    """The person of now; None if everything that named the person was erased."""
    try:
        person_id = await merged_into(reader, site, person_id) or person_id
        found = await person(reader, site, person_id)
    except NotFound:
        return await _nobody(reader, site, person_id)
    return _subjected(found, by.link(site, found.id))


def _subjected(found: PersonDetail, url: str) -> Subjected:
    return Subjected(
        id=found.id,
        email=found.email,
        name=found.name[:MOST_TEXT],
        company=found.company[:MOST_TEXT],
        stage=found.stage,
        score=found.score,
        owner=found.owner,
        do_not_contact=found.do_not_contact,
        tags=tuple(found.tags),
        url=url,
    )


async def _nobody(reader: Reader, site: Site, claim: int) -> Subjected | None:
    """Who is a person no more, such as a robot that was taken for one: by the address it gave."""
    rows = await identities.claims_at(reader, site.site_id, site.generation, [claim])
    stored = await entries.by_seq(reader, site.site_id, [claim])
    if not rows or claim not in stored or not stored[claim].kind:
        return None
    email = next((row[2] for row in rows if row[1] == "email"), "")
    return Subjected(id=f"p{claim}", email=email, known=False)


# ---------------------------------------------------------------- the receipt


def _lines(consequence: Consequence, ruleset: Ruleset) -> list[Line]:
    """The receipt as it stood, with the labels of now."""
    labels = {rule.key: rule.label for rule in ruleset.rules}
    kept, more = consequence.receipt[:MOST_LINES], consequence.receipt[MOST_LINES:]
    lines = [
        Line(
            rule=rule,
            label=label_of(rule, labels),
            axis=axis,
            points=points(worth),
            at=iso(at) if seq else None,
            event=f"e{seq}" if seq else None,
        )
        for rule, axis, worth, _base, _factor, at, seq in kept
    ]
    if more:
        rest = points(sum(one[2] for one in more))
        lines.append(Line(rule="more", label=f"{len(more)} more reasons", axis="", points=rest))
    return lines


def label_of(rule: str, labels: dict[str, str]) -> str:
    """A line of a receipt in words; what a bound takes back is named by what it bounds."""
    kind, _, key = rule.rpartition(":")
    label = labels.get(key) or key.replace("_", " ").capitalize()
    if kind.endswith("floor"):
        return f"Floor of “{label}”"
    return f"Limit of “{label}”" if kind else label


# ---------------------------------------------------------------- pages


async def _pages(reader: Reader, site: Site, person_id: int) -> list[Page]:
    """The last pages of a person, the newest first."""
    subject = Subject(PERSON, person_id)
    found = await timeline(reader, site, subject, "page_view", Paging(limit=PAGES))
    return [
        Page(
            id=item.id,
            at=item.at,
            kind=item.kind,
            url=item.url[:MOST_TEXT],
            path=item.path[:MOST_TEXT],
            title=item.title[:MOST_TEXT],
            ms=int(item.data.get("ms", 0)),
            scroll=int(item.data.get("scroll", 0)),
        )
        for item in found.items
    ]


async def _cause(reader: Reader, site: Site, consequence: Consequence) -> Page | None:
    """The event that made it happen; None for a passing midnight and for what was erased."""
    found = await entries.by_seq(reader, site.site_id, [consequence.cause])
    entry = found.get(consequence.cause)
    if entry is None or not entry.kind:
        return None
    ids = [one for one in (entry.url_id, entry.title_id) if one is not None]
    texts = await entries.texts(reader, site.site_id, ids) if ids else {}
    url = texts.get(entry.url_id or 0, "")
    return Page(
        id=f"e{entry.seq}",
        at=iso(entry.at),
        kind=Kind(entry.kind).word,
        url=url[:MOST_TEXT],
        path=path_of(url)[:MOST_TEXT],
        title=texts.get(entry.title_id or 0, "")[:MOST_TEXT],
    )


def path_of(url: str) -> str:
    """The path of a URL, without its query."""
    _, _, rest = url.partition("://")
    path = rest[rest.find("/") :] if "/" in rest else ""
    return path.partition("?")[0].partition("#")[0] or ("/" if rest else "")
