"""Deliveries: what was told where, and with what success.

They hold nothing of a person: a row names an entry of the log, its words are ours, and nothing that
a receiver wrote is kept, since it may send back what it got.
"""

import msgspec

from server.errors import NotFound
from server.storage import destinations
from server.storage.database import Query, Reader, Row, Script

COLUMNS = "seq, state, attempts, next_at, words, tries"
MOST_TRIES = 20  # kept of one delivery


class Try(msgspec.Struct, frozen=True, array_like=True):
    """One attempt of a delivery: when (ms), the status that came (0: none), how long (ms)."""

    at: int
    status: int
    ms: int


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What became of telling one entry to one destination. State: waiting, delivered, dead (given
    up), dropped (nothing to tell any more). `next_at` is ms, 0 where nothing follows."""

    seq: int
    state: str
    attempts: int
    next_at: int
    words: str = ""
    tries: tuple[Try, ...] = ()


def _delivery(row: Row) -> Delivery:
    return Delivery(
        seq=row[0],
        state=row[1],
        attempts=row[2],
        next_at=row[3],
        words=row[4],
        tries=tuple(msgspec.json.decode(row[5], type=list[Try])) if row[5] else (),
    )


def first(site_id: int, destination_id: int, old: int, made: Delivery) -> Script[bool]:
    """Record a first attempt: the cursor moves on and the delivery has its row, in one turn."""
    if not (yield from destinations.move(site_id, destination_id, old, made.seq)):
        return False
    yield Query(
        f"INSERT INTO deliveries (site_id, destination_id, {COLUMNS})"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
        " ON CONFLICT (site_id, destination_id, seq) DO UPDATE SET state = excluded.state,"
        " attempts = excluded.attempts, next_at = excluded.next_at, words = excluded.words,"
        " tries = excluded.tries",
        (site_id, destination_id, *_row(made)),
    )
    return True


def again(site_id: int, destination_id: int, attempts: int, made: Delivery) -> Script[bool]:
    """Record a further attempt, if so many were recorded before; False: somebody was faster."""
    rows = yield Query(
        "UPDATE deliveries SET state = $4, attempts = $5, next_at = $6, words = $7,"
        " tries = $8 WHERE site_id = $1 AND destination_id = $2 AND seq = $3 AND attempts = $9"
        " AND state = 'waiting' RETURNING seq",
        (site_id, destination_id, *_row(made), attempts),
    )
    return bool(rows)


def _row(made: Delivery) -> Row:
    tries = msgspec.json.encode(made.tries[-MOST_TRIES:]).decode() if made.tries else ""
    return (made.seq, made.state, made.attempts, made.next_at, made.words, tries)


def replay(site_id: int, destination_id: int, seq: int, now: int) -> Script[None]:
    """Make a delivery as if it had never been tried. Raises `NotFound`."""
    rows = yield Query(
        "UPDATE deliveries SET state = 'waiting', attempts = 0, next_at = $4 WHERE site_id = $1"
        " AND destination_id = $2 AND seq = $3 RETURNING seq",
        (site_id, destination_id, seq, now),
    )
    if not rows:
        raise NotFound("no such delivery")
    yield Query(
        "UPDATE destinations SET revision = revision + 1"
        " WHERE site_id = $1 AND destination_id = $2",
        (site_id, destination_id),
    )


async def due(reader: Reader, site_id: int, destination_id: int, limit: int) -> list[Delivery]:
    """The deliveries that wait, those due first."""
    rows = await reader.fetch(
        f"SELECT {COLUMNS} FROM deliveries WHERE site_id = $1 AND destination_id = $2"
        " AND state = 'waiting' ORDER BY next_at LIMIT $3",
        site_id,
        destination_id,
        limit,
    )
    return [_delivery(row) for row in rows]


async def waiting(reader: Reader, site_id: int, destination_id: int) -> int:
    """How many deliveries wait."""
    rows = await reader.fetch(
        "SELECT count(*) FROM deliveries WHERE site_id = $1 AND destination_id = $2"
        " AND state = 'waiting'",
        site_id,
        destination_id,
    )
    return int(rows[0][0])


async def was_told(reader: Reader, site_id: int, destination_id: int, seq: int) -> bool:
    """Whether an entry was tried at least once at a destination, whatever came of it."""
    rows = await reader.fetch(
        "SELECT 1 FROM deliveries WHERE site_id = $1 AND destination_id = $2 AND seq = $3"
        " AND tries <> ''",
        site_id,
        destination_id,
        seq,
    )
    return bool(rows)


async def newest(
    reader: Reader, site_id: int, destination_id: int, state: str, before: int, limit: int
) -> list[Delivery]:
    """The newest before entry `before`, of one state or of any."""
    states = [state] if state else []
    rows = await reader.fetch(
        f"SELECT {COLUMNS} FROM deliveries WHERE site_id = $1 AND destination_id = $2"
        " AND seq < $3" + (" AND state = $5" if states else "") + " ORDER BY seq DESC LIMIT $4",
        site_id,
        destination_id,
        before,
        limit,
        *states,
    )
    return [_delivery(row) for row in rows]


async def counts(reader: Reader, site_id: int) -> dict[tuple[int, str], int]:
    """How many deliveries, by destination and state."""
    rows = await reader.fetch(
        "SELECT destination_id, state, count(*) FROM deliveries WHERE site_id = $1"
        " GROUP BY destination_id, state",
        site_id,
    )
    return {(row[0], row[1]): row[2] for row in rows}
