"""Taking entries back: stubs, words nobody uses any more, and the jobs that see to it.

An erased entry keeps its number and its event id, so that the log has no gap and a resend is still
a duplicate. All scripts here may run twice: a job goes on where a kill has stopped it.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from server.errors import NotFound
from server.storage.database import Query, Reader, Row, Script, chunks, in_list, padded

STRING_COLUMNS = (
    "url_id",
    "title_id",
    "referrer_id",
    "agent_id",
    "campaign_id",
    "place_id",
    "screen_id",
    "reason_id",
)
_GONE = (
    "lag",
    "tab",
    "q",
    *STRING_COLUMNS,
    "class",
    "door",
    "consent",
    "flags",
    "page_view",
    "data",
)
_EMPTY = ", ".join(f"{column} = NULL" for column in _GONE)
STUB = f"UPDATE entries SET kind = 0, at = NULL, visitor_id = NULL, {_EMPTY}"
#: What is left of another person's claim on a visitor that others use too.
CLAIM_STUB = f"UPDATE entries SET kind = 0, {_EMPTY}"
_ONE = " WHERE site_id = $1 AND seq = $2"


def stub(site_id: int, seqs: Sequence[int], claims: Sequence[int]) -> Script[None]:
    """Empty entries; `claims` keep visitor and moment, which say that somebody else was there."""
    if seqs:
        yield Query(STUB + _ONE, [(site_id, seq) for seq in seqs], many=True)
    if claims:
        yield Query(CLAIM_STUB + _ONE, [(site_id, seq) for seq in claims], many=True)
    gone = [(site_id, seq) for seq in (*seqs, *claims)]
    if gone:
        yield Query(f"DELETE FROM repeats{_ONE}", gone, many=True)


def reword(site_id: int, texts: Sequence[tuple[int, str]]) -> Script[None]:
    """Give entries (seq, data) other data."""
    sql = "UPDATE entries SET data = $3 WHERE site_id = $1 AND seq = $2 AND kind > 0"
    yield Query(sql, [(site_id, *text) for text in texts], many=True)


def forget_visitors(site_id: int, visitors: Sequence[int]) -> Script[int]:
    """Delete visitors' keys, so that whoever comes with one is a new visitor; the log's head."""
    rows = yield Query(
        "UPDATE heads SET epoch = epoch + 1 WHERE site_id = $1 RETURNING seq", (site_id,)
    )
    if visitors:
        yield Query(
            "DELETE FROM visitors WHERE site_id = $1 AND visitor_id = $2",
            [(site_id, visitor_id) for visitor_id in visitors],
            many=True,
        )
    return int(rows[0][0])


async def keys_of(reader: Reader, site_id: int, visitors: Iterable[int]) -> dict[int, bytes]:
    """The keys of visitors that still have one."""
    found: dict[int, bytes] = {}
    for part in chunks(sorted(visitors)):
        rows = await reader.fetch(
            "SELECT visitor_id, key FROM visitors WHERE site_id = $1 AND visitor_id IN "
            + in_list(part, 2),
            site_id,
            *padded(part),
        )
        found.update({visitor_id: bytes(key) for visitor_id, key in rows})
    return found


async def visitors_after(reader: Reader, site_id: int, after: int, limit: int) -> list[Row]:
    """(visitor_id, key) of the next visitors."""
    return await reader.fetch(
        "SELECT visitor_id, key FROM visitors WHERE site_id = $1 AND visitor_id > $2"
        " ORDER BY visitor_id LIMIT $3",
        site_id,
        after,
        limit,
    )


async def claims_after(
    reader: Reader, site_id: int, gen: int, after: tuple[int, str], limit: int
) -> list[Row]:
    """(seq, type, value, owner) of the next claims: whose the identifier is, 0 if nobody's. Others
    may have named it too."""
    return await reader.fetch(
        "SELECT c.seq, c.type, c.value, coalesce(i.person_id, 0) FROM claims c"
        " LEFT JOIN identifiers i ON i.site_id = c.site_id AND i.gen = c.gen"
        " AND i.type = c.type AND i.value = c.value"
        " WHERE c.site_id = $1 AND c.gen = $2 AND (c.seq, c.type) > ($3, $4)"
        " ORDER BY c.seq, c.type LIMIT $5",
        site_id,
        gen,
        *after,
        limit,
    )


# ---------------------------------------------------------------- words


async def words_of(reader: Reader, site_id: int, seqs: Sequence[int]) -> set[int]:
    """The ids of the strings that entries use."""
    found: set[int] = set()
    for part in chunks(seqs):
        rows = await reader.fetch(
            f"SELECT {', '.join(STRING_COLUMNS)} FROM entries WHERE site_id = $1 AND seq IN "
            + in_list(part, 2),
            site_id,
            *padded(part),
        )
        found.update(text_id for row in rows for text_id in row if text_id is not None)
    return found


def _using(ids: Sequence[int]) -> str:
    listed = in_list(ids, 4)
    uses = " OR ".join(f"{column} IN {listed}" for column in STRING_COLUMNS)
    return (
        f"SELECT {', '.join(STRING_COLUMNS)} FROM entries"
        f" WHERE site_id = $1 AND seq > $2 AND seq <= $3 AND ({uses})"
    )


async def used_in(
    reader: Reader, site_id: int, ids: Iterable[int], after: int, until: int
) -> set[int]:
    """Of these strings, those that entries in a slice of the log use."""
    wanted = set(ids)
    found: set[int] = set()
    for part in chunks(sorted(wanted)):
        rows = await reader.fetch(_using(part), site_id, after, until, *padded(part))
        found.update(text_id for row in rows for text_id in row)
    return found & wanted


def drop_strings(site_id: int, ids: Iterable[int], after: int) -> Script[set[int]]:
    """Delete those of the strings, unused up to entry `after`, that none after it uses; which.

    The epoch tells every writer that what it remembers of strings may be gone.
    """
    rows = yield Query(
        "UPDATE heads SET epoch = epoch + 1 WHERE site_id = $1 RETURNING seq", (site_id,)
    )
    wanted = set(ids)
    for part in chunks(sorted(wanted)):
        args = (site_id, after, rows[0][0], *padded(part))
        for row in (yield Query(_using(part), args)):
            wanted.difference_update(row)
    if wanted:
        yield Query(
            "DELETE FROM strings WHERE site_id = $1 AND string_id = $2",
            [(site_id, string_id) for string_id in sorted(wanted)],
            many=True,
        )
    return wanted


def drop_samples(site_id: int, urls: frozenset[str]) -> Script[None]:
    """Samples of events that were set aside show the page they came from."""
    rows = yield Query(
        "SELECT reason, slot, sample FROM refused_samples WHERE site_id = $1", (site_id,)
    )
    gone = [
        (site_id, reason, slot)
        for reason, slot, sample in rows
        if msgspec.json.decode(sample).get("url") in urls
    ]
    if gone:
        sql = "DELETE FROM refused_samples WHERE site_id = $1 AND reason = $2 AND slot = $3"
        yield Query(sql, gone, many=True)


# ---------------------------------------------------------------- jobs


class Job(NamedTuple):
    """A row of the erasures. `receipt` holds what is left to do until it is done."""

    site_id: int
    erasure_id: int
    subject: str
    author: str
    asked_at: int
    done_at: int | None
    receipt: str


_COLUMNS = "site_id, erasure_id, subject, author, asked_at, done_at, receipt"
ASK = (
    "INSERT INTO erasures (site_id, erasure_id, subject, author, asked_at)"
    " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (site_id, erasure_id) DO NOTHING"
)


def ask(site_id: int, subject: str, author: str, now: int, receipt: str = "") -> Script[int]:
    """Ask for an erasure; its number. One that is under way for the same is not asked twice."""
    yield Query("UPDATE heads SET epoch = epoch WHERE site_id = $1", (site_id,))
    rows = yield Query(
        "SELECT erasure_id FROM erasures WHERE site_id = $1 AND subject = $2 AND done_at IS NULL",
        (site_id, subject),
    )
    if rows:
        return int(rows[0][0])
    rows = yield Query(
        "SELECT coalesce(max(erasure_id), 0) FROM erasures WHERE site_id = $1", (site_id,)
    )
    number: int = max(0, rows[0][0]) + 1
    yield Query(ASK, (site_id, number, subject, author, now))
    if receipt:
        yield from note(site_id, number, receipt)
    return number


def note(site_id: int, erasure_id: int, receipt: str) -> Script[None]:
    """Write down how far a job is."""
    yield Query(
        "UPDATE erasures SET receipt = $3 WHERE site_id = $1 AND erasure_id = $2",
        (site_id, erasure_id, receipt),
    )


def finish(site_id: int, erasure_id: int, receipt: str, now: int) -> Script[None]:
    yield Query(
        "UPDATE erasures SET receipt = $3, done_at = $4 WHERE site_id = $1 AND erasure_id = $2",
        (site_id, erasure_id, receipt, now),
    )


async def unfinished(reader: Reader) -> list[Job]:
    """Jobs that were asked for and are not done, the oldest first."""
    rows = await reader.fetch(
        f"SELECT {_COLUMNS} FROM erasures WHERE done_at IS NULL"
        " ORDER BY asked_at, site_id, erasure_id"
    )
    return [Job._make(row) for row in rows]


async def job(reader: Reader, site_id: int, erasure_id: int) -> Job:
    """Raises `NotFound`."""
    rows = await reader.fetch(
        f"SELECT {_COLUMNS} FROM erasures WHERE site_id = $1 AND erasure_id = $2",
        site_id,
        erasure_id,
    )
    if not rows:
        raise NotFound("no such erasure")
    return Job._make(rows[0])


async def jobs(reader: Reader, site_id: int, limit: int) -> list[Job]:
    """The newest jobs of a site."""
    rows = await reader.fetch(
        f"SELECT {_COLUMNS} FROM erasures WHERE site_id = $1"
        " ORDER BY asked_at DESC, erasure_id DESC LIMIT $2",
        site_id,
        limit,
    )
    return [Job._make(row) for row in rows]


async def under_way(reader: Reader, site_id: int, subject: str) -> int:
    """The job that erases a subject now, 0 if none does."""
    rows = await reader.fetch(
        "SELECT erasure_id FROM erasures WHERE site_id = $1 AND subject = $2 AND done_at IS NULL",
        site_id,
        subject,
    )
    return int(rows[0][0]) if rows else 0


async def seq_of(reader: Reader, site_id: int, event_id: bytes) -> int:
    """The number of an entry by its event id."""
    rows = await reader.fetch(
        "SELECT seq FROM entries WHERE site_id = $1 AND event_id = $2", site_id, event_id
    )
    return int(rows[0][0])
