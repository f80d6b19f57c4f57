"""What rules may ask of the events of sessions, read for many visitors at one time."""

from collections.abc import Sequence
from typing import NamedTuple

from server.storage.database import Reader, Row, chunks, in_list, padded

#: Visitors, or submissions alone, of one query.
AT_ONCE = 64


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


_HAPPENED = (
    "SELECT s.session_id, e.visitor_id, e.seq, e.event_id, e.kind, e.at, e.q, e.url_id,"
    " e.referrer_id, e.campaign_id, e.page_view, e.data"
    " FROM session_events s JOIN entries e ON e.site_id = s.site_id AND e.seq = s.seq"
    " WHERE s.site_id = $1 AND s.gen = $2 AND s.visitor_id "
)


async def of_visitors(
    reader: Reader, site_id: int, gen: int, visitor_ids: Sequence[int]
) -> list[Row]:
    """Rows of `Happened`: all projected events of visitors, in no order."""
    rows: list[Row] = []
    for part in chunks(visitor_ids, AT_ONCE):
        rows += await reader.fetch(
            _HAPPENED + "IN " + in_list(part, 3), site_id, gen, *padded(part)
        )
    return rows


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
