"""The conflict inbox: what identity refused or doubts, with what is known of both sides.

A quarantine that somebody ended, and whatever was dismissed, is closed and can be looked up; what a
merge has settled is gone, and comes back if the merge is split.
"""

from collections.abc import Sequence

from server.errors import NotFound
from server.model import Level, Site
from server.reports import paging
from server.reports.conflict_items import CLOSED, COLUMNS, OPEN, Item, item_of, told
from server.reports.conflict_shapes import (
    ConflictPerson,
    ConflictRow,
    Conflicts,
    ConflictSession,
)
from server.reports.paging import Key, Paging, Where
from server.reports.shapes import iso
from server.storage import entries
from server.storage.database import Reader, Row, chunks, in_list, padded

STATES = {"open": (OPEN,), "closed": (CLOSED,), "all": (OPEN, CLOSED)}
LAST_SESSIONS = 3
MOST_WAITING = 100


async def conflicts(reader: Reader, site: Site, state: str, kind: str, page: Paging) -> Conflicts:
    """One page of the inbox, the newest first."""
    sort = f"conflicts:{state}:{kind}"
    key = paging.decode(sort, page.cursor, (int, int, str))
    found: list[Row] = []
    for one in STATES[state]:
        found += await _page(reader, site, one, kind, key, page.limit + 1)
    found.sort(key=lambda row: (row[5], row[0], row[1]), reverse=True)
    rows, more = paging.bound(page.limit, found)
    items = await _rows(reader, site, [item_of(row) for row in rows])
    last = rows[-1] if more else None
    following = paging.encode(sort, (last[5], last[0], last[1])) if last else None
    return Conflicts(items=items, next=following)


async def conflict(reader: Reader, site: Site, seq: int, kind: str) -> ConflictRow:
    """One conflict. Raises `NotFound`."""
    found = await reader.fetch(
        f"SELECT {COLUMNS} FROM conflicts WHERE site_id = $1 AND gen = $2 AND seq = $3"
        " AND kind = $4 ORDER BY state, other_id LIMIT 1",
        site.site_id,
        site.generation,
        seq,
        kind,
    )
    if not found:
        raise NotFound("no such conflict")
    return (await _rows(reader, site, [item_of(found[0])]))[0]


async def open_about(reader: Reader, site: Site, person_id: int, limit: int) -> list[ConflictRow]:
    """The newest open ones that are asked of this person first."""
    found = await reader.fetch(
        f"SELECT {COLUMNS} FROM conflicts WHERE site_id = $1 AND gen = $2 AND person_id = $3"
        " AND state = $4 ORDER BY at DESC, seq DESC LIMIT $5",
        site.site_id,
        site.generation,
        person_id,
        OPEN,
        limit,
    )
    return await _rows(reader, site, [item_of(row) for row in found])


async def waiting(reader: Reader, site: Site) -> int:
    """How many wait for somebody's word, at most 100."""
    rows = await reader.fetch(
        "SELECT count(*) FROM (SELECT 1 FROM conflicts WHERE site_id = $1 AND gen = $2"
        " AND state = $3 LIMIT $4) w",
        site.site_id,
        site.generation,
        OPEN,
        MOST_WAITING,
    )
    return int(rows[0][0])


async def _page(
    reader: Reader, site: Site, state: int, kind: str, key: Key | None, count: int
) -> list[Row]:
    where = Where("site_id = $1 AND gen = $2 AND state = $3")
    where.args += [site.site_id, site.generation, state]
    if kind:
        where.add(f"kind = {where.arg(kind)}")
    where.past(("at", "seq", "kind"), key, down=True)
    limit = where.arg(count)
    return await reader.fetch(
        f"SELECT {COLUMNS} FROM conflicts WHERE {where}"
        f" ORDER BY at DESC, seq DESC, kind DESC LIMIT {limit}",
        *where.args,
    )


async def _rows(reader: Reader, site: Site, items: Sequence[Item]) -> list[ConflictRow]:
    persons = sorted({i for item in items for i in (item.person_id, item.other_id) if i})
    known = await _persons(reader, site, persons)
    events = await entries.by_seq(reader, site.site_id, sorted({item.seq for item in items}))
    ids = {text for e in events.values() for text in (e.url_id, e.title_id) if text is not None}
    texts = await entries.texts(reader, site.site_id, sorted(ids))
    visits: dict[int, list[ConflictSession]] = {}
    for visitor_id in sorted({e.visitor_id for e in events.values() if e.visitor_id}):
        visits[visitor_id] = await _sessions(reader, site, "visitor_id", visitor_id)
    return [told(item, known, events.get(item.seq), texts, visits) for item in items]


async def _persons(reader: Reader, site: Site, persons: Sequence[int]) -> dict[int, ConflictPerson]:
    found: dict[int, ConflictPerson] = {}
    for part in chunks(persons):
        rows = await reader.fetch(
            "SELECT person_id, email, name, level FROM persons"
            " WHERE site_id = $1 AND gen = $2 AND person_id IN " + in_list(part, 3),
            site.site_id,
            site.generation,
            *padded(part),
        )
        for person_id, email, name, level in rows:
            found[person_id] = ConflictPerson(
                id=f"p{person_id}",
                email=email,
                name=name,
                level=Level(level).word,
                sessions=await _sessions(reader, site, "state = 0 AND person_id", person_id),
            )
    return found


async def _sessions(reader: Reader, site: Site, whose: str, number: int) -> list[ConflictSession]:
    """The last sessions of a person or on a visitor; `whose` is a constant of ours."""
    rows = await reader.fetch(
        "SELECT session_id, visitor_id, start_at, end_at, page_views, landing, source, device,"
        f" browser, os, country, company FROM sessions WHERE site_id = $1 AND gen = $2 AND {whose}"
        " = $3 ORDER BY start_at DESC, session_id DESC LIMIT $4",
        site.site_id,
        site.generation,
        number,
        LAST_SESSIONS,
    )
    names = ("page_views", "landing", "source", "device", "browser", "os", "country", "company")
    return [
        ConflictSession(
            id=f"s{row[0]}",
            visitor=f"v{row[1]}" if row[1] else None,
            start=iso(row[2]),
            end=iso(row[3]),
            **dict(zip(names, row[4:], strict=True)),
        )
        for row in rows
    ]
