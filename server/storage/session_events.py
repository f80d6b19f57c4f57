"""What rules may ask of the events of sessions, read for many visitors at one time."""

from collections.abc import Sequence
from typing import NamedTuple

from server.errors import Overloaded
from server.storage.database import Reader, Row, chunks, in_list, padded

#: Visitors, or submissions alone, of one query.
AT_ONCE = 64
#: Events of one statement, and of several subjects together.
MOST_ROWS = 20_000


class Happened(NamedTuple):
    """An event with its session: texts by their interned ids, and nothing that no rule asks for.
    `kind` 0 is an event that was erased, of which hardly anything is left."""

    session_id: int
    visitor_id: int | None
    seq: int
    event_id: bytes
    kind: int
    at: int | None
    q: int
    url_id: int | None
    referrer_id: int | None
    campaign_id: int | None
    page_view: bytes | None
    data: str | None


_COLUMNS = (
    "s.session_id, e.visitor_id, e.seq, e.event_id, e.kind, e.at, e.q, e.url_id,"
    " e.referrer_id, e.campaign_id, e.page_view, e.data"
)
_FROM = (
    " FROM session_events s JOIN entries e ON e.site_id = s.site_id AND e.seq = s.seq"
    " WHERE s.site_id = $1 AND s.gen = $2 AND s.visitor_id "
)
_HAPPENED = f"SELECT {_COLUMNS}{_FROM}"


async def of_visitors(
    reader: Reader, site_id: int, gen: int, visitor_ids: Sequence[int], *, bounded: bool = False
) -> list[Row]:
    """Rows of `Happened`: all projected events of visitors, in no order.

    No statement comes near the time limit of a read: where visitors have more than `MOST_ROWS`
    together, `bounded` raises `Overloaded`, and without it each is read on its own, in pages.
    """
    rows: list[Row] = []
    for part in chunks(visitor_ids, AT_ONCE):
        found = await reader.fetch(
            f"{_HAPPENED}IN {in_list(part, 3)} LIMIT {MOST_ROWS + 1}", site_id, gen, *padded(part)
        )
        if bounded and len(rows) + len(found) > MOST_ROWS:
            raise Overloaded(f"more than {MOST_ROWS} events at one time")
        if len(found) > MOST_ROWS:
            found = [row for one in part for row in await _of_visitor(reader, site_id, gen, one)]
        rows += found
    return rows


async def _of_visitor(reader: Reader, site_id: int, gen: int, visitor_id: int) -> list[Row]:
    rows: list[Row] = []
    key: tuple[int, int, int] = (-1, -1, -1)
    while True:
        page = await reader.fetch(
            f"SELECT {_COLUMNS}, s.at, s.q, s.seq{_FROM}= $3 AND (s.at, s.q, s.seq) > ($4, $5, $6)"
            f" ORDER BY s.at, s.q, s.seq LIMIT {MOST_ROWS}",
            site_id,
            gen,
            visitor_id,
            *key,
        )
        rows += [row[: len(Happened._fields)] for row in page]
        if len(page) < MOST_ROWS:
            return rows
        key = page[-1][-3:]


async def alone(
    reader: Reader, site_id: int, gen: int, moments: Sequence[tuple[int, int]]
) -> list[Row]:
    """Rows of `Happened`: events of nobody's browser by (seq, at)."""
    rows: list[Row] = []
    for part in chunks(moments, AT_ONCE):
        seqs, ats = [seq for seq, _ in part], [at for _, at in part]
        within = in_list(seqs, 3)
        again = in_list(ats, 3 + within.count("$"))
        rows += await reader.fetch(
            f"{_HAPPENED}= 0 AND s.seq IN {within} AND s.at IN {again}",
            site_id,
            gen,
            *padded(seqs),
            *padded(ats),
        )
    return rows


async def counts(
    reader: Reader, site_id: int, gen: int, visitor_ids: Sequence[int]
) -> dict[int, int]:
    """How many projected events visitors have; none are named of those who have none."""
    found: dict[int, int] = {}
    for part in chunks(visitor_ids):
        rows = await reader.fetch(
            "SELECT visitor_id, count(*) FROM session_events WHERE site_id = $1 AND gen = $2"
            f" AND visitor_id IN {in_list(part, 3)} GROUP BY visitor_id",
            site_id,
            gen,
            *padded(part),
        )
        found.update(rows)
    return found
