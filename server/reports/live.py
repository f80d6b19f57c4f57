"""Who is on a site now, and what has happened on it after an entry: what the live page is made of.

Only what the projector has passed, only people's own doing: an event that counts in no session
(a robot's, one that came late) is not shown.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from server.model import DAY_MS, Kind, Site
from server.reports.shapes import PersonId, Points, Shape, Time, VisitorId, iso, points
from server.storage import entries
from server.storage.database import Reader, Row, chunks, in_list, padded

#: Who was seen within this time is on the site.
NOW_MS = 5 * 60_000
#: No visit that goes on began before.
LONGEST_MS = 2 * DAY_MS
#: Looked at most, of those who are there: the latest seen.
LOOKED_AT = 1_000
#: Shown at most, of those who are there, and of what has happened.
MOST_NOW, NEWEST = 100, 100
#: Entries that the newest events are looked for in.
LOOKED_THROUGH = 20_000
#: What happened in the background says nothing of its own here.
_SILENT = (int(Kind.ENGAGEMENT),)
_QUARANTINED = 1
_PERSON, _VISITOR = 1, 0


class LiveEvent(Shape, frozen=True, kw_only=True):
    """Something that somebody did just now. `quarantined`: it was done on a browser that may be
    somebody else's, and does not count before it is accepted."""

    seq: int
    at: Time
    kind: str
    path: str
    title: str
    form: str
    visitor: VisitorId | None
    person: PersonId | None
    name: Annotated[str, Meta(description="Name or e-mail; empty for an anonymous visitor.")]
    score: Points
    stage: int
    source: str
    country: str
    quarantined: bool


class OnSite(Shape, frozen=True, kw_only=True):
    """Somebody who was seen within the last five minutes."""

    person: PersonId | None
    visitor: VisitorId | None
    name: str
    score: Points
    page: str
    since: Time
    seen_at: Time
    source: str
    country: str
    page_views: int
    quarantined: bool


class Now(Shape, frozen=True, kw_only=True):
    """Everybody on the site, the hottest first; `more` are those beyond the first hundred."""

    people: list[OnSite]
    more: int


class LiveNow(Shape, frozen=True, kw_only=True):
    """Who is there and what happened last. The stream goes on from `seq`."""

    seq: int
    now: Now
    events: Annotated[list[LiveEvent], Meta(description="The newest hundred, the oldest first.")]


async def position(reader: Reader, site: Site) -> int:
    """The last entry that the projector has passed."""
    rows = await reader.fetch(
        "SELECT seq FROM cursors WHERE site_id = $1 AND gen = $2", site.site_id, site.generation
    )
    return rows[0][0] if rows else 0


async def erased_between(reader: Reader, site: Site, after: int, upto: int) -> bool:
    """Whether somebody was erased: whatever was read before must not be shown any more."""
    rows = await reader.fetch(
        "SELECT 1 FROM entries WHERE site_id = $1 AND seq > $2 AND seq <= $3 AND kind = $4 LIMIT 1",
        site.site_id,
        after,
        upto,
        int(Kind.ERASE),
    )
    return bool(rows)


_EVENTS = (
    "SELECT e.seq, e.kind, e.at, e.visitor_id, e.url_id, e.title_id, e.data, s.session_id"
    " FROM entries e CROSS JOIN session_events s WHERE e.site_id = $1 AND e.seq > $3"
    " AND e.seq <= $4 AND e.kind > 0 AND e.kind < 64 AND e.kind <> $5 AND s.site_id = $1"
    " AND s.gen = $2 AND s.visitor_id = coalesce(e.visitor_id, 0) AND s.at = e.at"
    " AND s.q = coalesce(e.q, 0) AND s.seq = e.seq AND s.session_id > 0"
)


async def events(reader: Reader, site: Site, after: int, upto: int) -> list[LiveEvent]:
    """What happened after an entry up to another, in the order of the log."""
    rows = await reader.fetch(
        f"{_EVENTS} ORDER BY e.seq", site.site_id, site.generation, after, upto, *_SILENT
    )
    return await _shown(reader, site, rows)


async def newest(reader: Reader, site: Site, upto: int) -> list[LiveEvent]:
    """The newest hundred up to an entry, in the order of the log."""
    rows = await reader.fetch(
        f"{_EVENTS} ORDER BY e.seq DESC LIMIT $6",
        site.site_id,
        site.generation,
        max(0, upto - LOOKED_THROUGH),
        upto,
        *_SILENT,
        NEWEST,
    )
    return await _shown(reader, site, rows[::-1])


async def _shown(reader: Reader, site: Site, rows: Sequence[Row]) -> list[LiveEvent]:
    if not rows:
        return []
    texts = await entries.texts(
        reader, site.site_id, sorted({text for row in rows for text in row[4:6] if text})
    )
    sessions = await _sessions(reader, site, {row[7] for row in rows})
    people = await _people(reader, site, {one[1] for one in sessions.values() if one[1]})
    visitors = await _scores(
        reader, site, _VISITOR, {one[0] for one in sessions.values() if not one[1] and one[0]}
    )
    found = []
    for seq, kind, at, visitor_id, url_id, title_id, data, session_id in rows:
        session = sessions.get(session_id)
        if session is None:
            continue
        person_id = session[1]
        known = people.get(person_id)
        score, stage = (known[1:] if known else visitors.get(visitor_id or 0)) or (0, 0)
        found.append(
            LiveEvent(
                seq=seq,
                at=iso(at),
                kind=Kind(kind).word,
                path=_path(texts.get(url_id or 0, "")),
                title=texts.get(title_id or 0, ""),
                form=_form(data),
                visitor=f"v{visitor_id}" if visitor_id else None,
                person=f"p{person_id}" if person_id else None,
                name=known[0] if known else "",
                score=points(score),
                stage=stage,
                source=session[3],
                country=session[4],
                quarantined=session[2] == _QUARANTINED,
            )
        )
    return found


def _path(url: str) -> str:
    """Host and path alone: what stands behind them may name somebody."""
    return urlsplit(url).path or ("/" if url else "")


def _form(data: str | None) -> str:
    """The name of what was sent, tracked or downloaded."""
    said: dict[str, Any] = msgspec.json.decode(data) if data else {}
    name = said.get("form") or said.get("name") or said.get("href") or ""
    return str(name)[:200]


async def _sessions(reader: Reader, site: Site, ids: Iterable[int]) -> dict[int, Row]:
    """(visitor, person, state, source, country) by session."""
    found: dict[int, Row] = {}
    for part in chunks(sorted(ids)):
        rows = await reader.fetch(
            "SELECT session_id, visitor_id, person_id, state, source, country FROM sessions"
            " WHERE site_id = $1 AND gen = $2 AND session_id IN " + in_list(part, 3),
            site.site_id,
            site.generation,
            *padded(part),
        )
        found.update({row[0]: row[1:] for row in rows})
    return found


async def _people(reader: Reader, site: Site, ids: Iterable[int]) -> dict[int, Row]:
    """(name, milli-points, stage) by person."""
    wanted = sorted(ids)
    scores = await _scores(reader, site, _PERSON, wanted)
    found: dict[int, Row] = {}
    for part in chunks(wanted):
        rows = await reader.fetch(
            "SELECT person_id, name, email FROM persons WHERE site_id = $1 AND gen = $2"
            " AND person_id IN " + in_list(part, 3),
            site.site_id,
            site.generation,
            *padded(part),
        )
        for person_id, name, email in rows:
            called = name or email or f"Person {person_id}"
            found[person_id] = (called, *scores.get(person_id, (0, 0)))
    return found


async def _scores(reader: Reader, site: Site, kind: int, ids: Iterable[int]) -> dict[int, Row]:
    """(milli-points, stage) by subject."""
    found: dict[int, Row] = {}
    for part in chunks(sorted(ids)):
        rows = await reader.fetch(
            "SELECT subject_id, score, stage FROM subjects WHERE site_id = $1 AND gen = $2"
            " AND kind = $3 AND subject_id IN " + in_list(part, 4),
            site.site_id,
            site.generation,
            kind,
            *padded(part),
        )
        found.update({row[0]: row[1:] for row in rows})
    return found


# ---------------------------------------------------------------- who is there

#: By the index of who was seen last, then the visits of each by theirs. The plus keeps SQLite from
#: looking for a visitor among everything that belongs to nobody.
_NOW = (
    "SELECT k.subject_id, k.score, s.session_id, s.start_at, s.end_at, s.exit_page, s.landing,"
    " s.source, s.country, s.page_views, s.state FROM subjects k CROSS JOIN sessions s"
    " WHERE k.site_id = $1 AND k.gen = $2 AND k.kind = $3 AND k.last_seen > $4"
    " AND s.site_id = $1 AND s.gen = $2 AND {whose} AND s.start_at > $5 AND s.end_at > $4"
    " ORDER BY k.last_seen DESC, k.subject_id DESC LIMIT $6"
)
_WHOSE = {
    _PERSON: "s.person_id = k.subject_id",
    _VISITOR: "s.visitor_id = k.subject_id AND +s.person_id = 0",
}


async def on_site(reader: Reader, site: Site, now: int) -> Now:
    """Who was seen within five minutes before `now` (ms), the hottest first."""
    found: list[tuple[int, OnSite]] = []
    for kind in (_PERSON, _VISITOR):
        latest = await _latest(reader, site, kind, now)
        names = await _people(reader, site, latest) if kind == _PERSON else {}
        found += [(row[1], _present(kind, row, names)) for row in latest.values()]
    found.sort(key=lambda one: (-one[0], one[1].seen_at, one[1].person or one[1].visitor or ""))
    people = [one for _, one in found[:MOST_NOW]]
    return Now(people=people, more=len(found) - len(people))


async def _latest(reader: Reader, site: Site, kind: int, now: int) -> dict[int, Row]:
    """The visit of each that goes on, the one that began last where there are several."""
    rows = await reader.fetch(
        _NOW.format(whose=_WHOSE[kind]),
        site.site_id,
        site.generation,
        kind,
        now - NOW_MS,
        now - LONGEST_MS,
        LOOKED_AT,
    )
    return {row[0]: row for row in sorted(rows, key=lambda row: (row[3], row[2]))}


def _present(kind: int, row: Row, names: dict[int, Row]) -> OnSite:
    subject_id, score, _, start, end, exit_page, landing, source, country, page_views, state = row
    known = names.get(subject_id)
    return OnSite(
        person=f"p{subject_id}" if kind == _PERSON else None,
        visitor=f"v{subject_id}" if kind == _VISITOR else None,
        name=known[0] if known else "",
        score=points(score),
        page=exit_page or landing,
        since=iso(start),
        seen_at=iso(end),
        source=source,
        country=country,
        page_views=page_views,
        quarantined=state == _QUARANTINED,
    )
