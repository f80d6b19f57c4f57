"""A site's segments: filters of people that somebody gave a name. Each change is a script of one
writer turn, with its row of the audit."""

from typing import NamedTuple

from server.errors import Conflict, NotFound
from server.storage import audit
from server.storage.database import Query, Reader, Row, Script

MOST = 200  # of a site
MOST_NAME = 80  # characters
_COLUMNS = "segment_id, name, filter, author, created_at, changed_at"


class Segment(NamedTuple):
    """A row: `filter` is canonical JSON, times are ms, the author is who made it."""

    segment_id: int
    name: str
    filter: str
    author: str
    created_at: int
    changed_at: int


async def of_site(reader: Reader, site_id: int) -> list[Segment]:
    """All of a site, by name without regard to case."""
    rows = await reader.fetch(
        f"SELECT {_COLUMNS} FROM segments WHERE site_id = $1 AND dropped_at IS NULL", site_id
    )
    found = [Segment._make(row) for row in rows]
    return sorted(found, key=lambda one: (one.name.casefold(), one.segment_id))


async def get(reader: Reader, site_id: int, segment_id: int) -> Segment:
    """Raises `NotFound`."""
    rows = await reader.fetch(
        f"SELECT {_COLUMNS} FROM segments WHERE site_id = $1 AND segment_id = $2"
        " AND dropped_at IS NULL",
        site_id,
        segment_id,
    )
    if not rows:
        raise NotFound("no such segment")
    return Segment._make(rows[0])


def add(site_id: int, name: str, filter_text: str, author: str, now: int) -> Script[int]:
    """A new segment; its number, which none had before. Raises `Conflict` for a name that there is,
    without regard to case, and for one segment too many."""
    known = yield from _names(site_id)
    if len(known) >= MOST:
        raise Conflict(f"a site has at most {MOST} segments: drop one that nobody uses")
    _check_name(known, name)
    rows = yield Query(
        "SELECT coalesce(max(segment_id), 0) + 1 FROM segments WHERE site_id = $1", (site_id,)
    )
    number: int = rows[0][0]
    yield Query(
        f"INSERT INTO segments (site_id, {_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $6)",
        (site_id, number, name, filter_text, author, now),
    )
    yield from audit.add(site_id, author, "segment_added", f"g{number}", now)
    return number


def change(
    site_id: int, number: int, name: str, filter_text: str, author: str, now: int
) -> Script[None]:
    """Another name or another filter; what is empty stays. Raises `NotFound`, `Conflict`."""
    known = yield from _names(site_id)
    if number not in known:
        raise NotFound("no such segment")
    if name:
        _check_name({one: text for one, text in known.items() if one != number}, name)
    yield Query(
        "UPDATE segments SET name = CASE WHEN $3 = '' THEN name ELSE $3 END,"
        " filter = CASE WHEN $4 = '' THEN filter ELSE $4 END, changed_at = $5"
        " WHERE site_id = $1 AND segment_id = $2",
        (site_id, number, name, filter_text, now),
    )
    did = "segment_changed" if filter_text else "segment_renamed"
    yield from audit.add(site_id, author, did, f"g{number}", now)


def drop(site_id: int, number: int, author: str, now: int) -> Script[None]:
    """Raises `NotFound`."""
    known = yield from _names(site_id)
    if number not in known:
        raise NotFound("no such segment")
    yield Query(
        "UPDATE segments SET name = '', filter = '', dropped_at = $3"
        " WHERE site_id = $1 AND segment_id = $2",
        (site_id, number, now),
    )
    yield from audit.add(site_id, author, "segment_dropped", f"g{number}", now)


def _names(site_id: int) -> Script[dict[int, str]]:
    """Names by number, with the site's lock: nobody else changes them before the turn ends."""
    head = yield Query("UPDATE heads SET seq = seq WHERE site_id = $1 RETURNING seq", (site_id,))
    if not head:
        raise NotFound("no such site")
    rows: list[Row] = yield Query(
        "SELECT segment_id, name FROM segments WHERE site_id = $1 AND dropped_at IS NULL",
        (site_id,),
    )
    return dict(rows)


def _check_name(known: dict[int, str], name: str) -> None:
    for number, text in known.items():
        if text.casefold() == name.casefold():
            raise Conflict(f"there is a segment “{text}” (g{number}) already: choose another name")
