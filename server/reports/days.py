"""The visits of a day and who first reached a stage on it, as columns: what filtered figures read.

A day that is over is stored so (`reports.packing`); any other is made from the tables when it is
asked for. Both are the same.
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from itertools import groupby
from struct import pack, unpack
from typing import NamedTuple

import msgspec

from server.model import STAGE_RANK, Site
from server.project.rollups import DIMENSIONS
from server.reports.columns import Rows, StoredRows, stored_rows
from server.reports.reaches import Reach, reaches
from server.reports.spans import Span
from server.storage import packed
from server.storage.database import Reader, Row

#: Days read by one statement: none comes near the time limit of a read.
SLICE_DAYS = 15
_VISITS = f"visitor_id, alone, page_views, leads, prev_day, {', '.join(DIMENSIONS)}"
#: How long it took, where the first session is no visit.
NO_TIME = -1


class StoredDay(msgspec.Struct, frozen=True, array_like=True):
    """A day as bytes; another shape of it is another `packed.LAYOUT`. `visitors` has eight bytes
    for each visit."""

    visits: StoredRows
    visitors: bytes
    apart: StoredRows
    reached: StoredRows


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(StoredDay)


class Day(NamedTuple):
    """A day, open. `visitors` are the ids of the visits' visitors. `apart` are sessions that are
    nobody's visit: submissions of which no visit is known. `reached` are people by the stage they
    first reached that day, how long after their first session (`after`, ms, or `NO_TIME`), and
    what that session was."""

    day: int
    visits: Rows
    visitors: Sequence[int]
    apart: Rows
    reached: Rows


def opened(day: int, stored: StoredDay) -> Day:
    visitors = unpack(f"<{len(stored.visitors) // 8}q", stored.visitors)
    return Day(day, Rows(stored.visits), visitors, Rows(stored.apart), Rows(stored.reached))


def stored_day(sessions: Sequence[Row], reached: Sequence[Reach]) -> StoredDay:
    """A day from its sessions (visitor, alone, page views, leads, day before, dimensions) and from
    who reached a stage; a person without any session matches no filter."""
    visits = [row for row in sessions if row[0] > 0 and not row[1]]
    apart = [row for row in sessions if row[0] <= 0 or row[1]]
    known = [one for one in reached if one.names]
    return StoredDay(
        stored_rows(_visit_columns(visits)),
        pack(f"<{len(visits)}q", *(row[0] for row in visits)),
        stored_rows(_visit_columns(apart)),
        stored_rows(
            {
                "stage": [STAGE_RANK[one.stage] for one in known],
                "after": [NO_TIME if one.after_ms is None else one.after_ms for one in known],
            }
            | {name: [one.names[at] for one in known] for at, name in enumerate(DIMENSIONS)}
        ),
    )


def _visit_columns(rows: Sequence[Row]) -> dict[str, Sequence[str | int]]:
    """`new` is 1 for a visitor's first visit of all, `several` for each of a visitor who came more
    than once that day."""
    came = Counter(row[0] for row in rows)
    found: dict[str, Sequence[str | int]] = {
        "page_views": [row[2] for row in rows],
        "leads": [row[3] for row in rows],
        "new": [int(row[4] < 0) for row in rows],
        "several": [int(came[row[0]] > 1) for row in rows],
    }
    return found | {name: [row[5 + at] for row in rows] for at, name in enumerate(DIMENSIONS)}


def encoded(stored: StoredDay) -> bytes:
    return _encoder.encode(stored)


async def days_of(reader: Reader, site: Site, span: Span) -> AsyncIterator[Day]:
    """The days of a span on which there was anything, in order."""
    for first in range(max(span.first, 0), span.last + 1, SLICE_DAYS):
        part = Span(first, min(first + SLICE_DAYS - 1, span.last))
        packs = await packed.of_days(reader, site.site_id, site.generation, *part)
        for known, days in groupby(range(part.first, part.last + 1), packs.__contains__):
            if known:
                for day in days:
                    yield opened(day, _decoder.decode(packs[day]))
                continue
            run = list(days)
            for day, made in (await made_of(reader, site, Span(run[0], run[-1]))).items():
                yield opened(day, made)


async def made_of(reader: Reader, site: Site, span: Span) -> dict[int, StoredDay]:
    """Days from the tables, in order, those on which there was anything. The same rows give the
    same bytes."""
    rows = await reader.fetch(
        f"SELECT day, {_VISITS} FROM sessions WHERE site_id = $1 AND gen = $2"
        " AND day >= $3 AND day <= $4 ORDER BY day, prev_day, session_id",
        site.site_id,
        site.generation,
        *span,
    )
    sessions: dict[int, list[Row]] = {}
    for row in rows:
        sessions.setdefault(row[0], []).append(row[1:])
    reached: dict[int, list[Reach]] = {}
    for one in await reaches(reader, site, span):
        reached.setdefault(one.day, []).append(one)
    return {
        day: stored_day(sessions.get(day, ()), reached.get(day, ()))
        for day in sorted(sessions.keys() | reached.keys())
    }
