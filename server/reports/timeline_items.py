"""Moments of a timeline in words: the entry, its signals with their points, and whose it was."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from server.model import Door, Kind, Level, Site
from server.project.lookup import ASSERTING
from server.reports.people import LINK_STATES
from server.reports.receipts import contributions
from server.reports.shapes import LinkOfItem, SignalOfItem, TimelineItem, iso, points
from server.storage import entries
from server.storage import people as rows
from server.storage.database import Reader, Row
from server.storage.entries import Entry

PERSON, VISITOR = 1, 0
_CONSEQUENCE = {"threshold", "number", "from", "to"}


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
    words = _Words(
        await entries.texts(reader, site.site_id, sorted(wanted)) if wanted else {},
        await _signals(reader, site, subject, moments),
        await _links(reader, site, subject) if subject.kind == PERSON else [],
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
        link=_link(moment, entry, words.links),
        signals=[
            SignalOfItem(rule=rule, points=points(milli))
            for rule, milli in words.signals.get(moment.seq, {}).items()
        ],
        data=_data(moment, entry, words.texts),
    )


def _path(url: str) -> str:
    return (urlsplit(url).path or "/") if url else ""


def _data(moment: Moment, entry: Entry, texts: dict[int, str]) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.json.decode(entry.data) if entry.data else {}
    if entry.kind == Kind.PAGE_VIEW:
        referrer, campaign = texts.get(entry.referrer_id or 0), texts.get(entry.campaign_id or 0)
        found = {
            "ms": moment.ms,
            "scroll": moment.scroll,
            "referrer": referrer,
            "campaign": msgspec.json.decode(campaign) if campaign else None,
        }
        return data | {name: value for name, value in found.items() if value}
    if entry.kind >= Kind.STAGE_MOVED:
        said = {name: value for name, value in data.items() if name in _CONSEQUENCE}
        cause = data.get("cause")
        return said | {
            "score": points(data.get("score", 0)),
            "cause": f"e{cause}" if cause else None,
            "notified": not data.get("mute", False),
        }
    return data


def _link(moment: Moment, entry: Entry, links: list[Row]) -> LinkOfItem | None:
    """The strongest link that spans the moment; what no browser did is as sure as who told it."""
    if entry.kind >= Kind.SITE_CREATED or (not links and moment.visitor_id):
        return None
    if not moment.visitor_id:
        asserted = Door(entry.door) in ASSERTING
        level = Level.ASSERTED if asserted else Level.CLAIMED
        return LinkOfItem(level=level.word, state=LINK_STATES[0])
    spans = [
        (level, -state)
        for visitor_id, level, state, from_at, to_at in links
        if visitor_id == moment.visitor_id
        and from_at <= moment.at
        and (not to_at or moment.at <= to_at)
    ]
    spans = spans or [(row[1], -row[2]) for row in links if row[0] == moment.visitor_id]
    if not spans:
        return None
    level, state = max(spans)
    return LinkOfItem(level=Level(level).word, state=LINK_STATES[-state])


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
