"""The visits of a day and who first reached a stage on it, as columns: what filtered figures read.

A day that is over is stored so (`reports.packing`); any other is made from the tables when it is
asked for. Both are the same.
"""

import asyncio
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

from server.model import STAGE_RANK, Site
from server.project.rollups import DIMENSIONS
from server.reports.columns import (
    Rows,
    StoredRows,
    Vocabulary,
    Words,
    from_small_bytes,
    small_bytes,
    stored_rows,
)
from server.reports.reaches import Reach, reaches
from server.reports.spans import Span
from server.storage import packed
from server.storage.database import Reader, Row

#: Days read by one statement: none comes near the time limit of a read.
SLICE_DAYS = 15
_VISITS = f"visitor_id, alone, page_views, leads, prev_day, {', '.join(DIMENSIONS)}"
#: More words than this are forgotten, and all that was kept with them: paths may be made up.
MOST_WORDS = 100_000
_WORD_BYTES = 200
#: The columns that are no dimension.
COUNTS = ("page_views", "leads", "new", "several", "stage", "after")
#: How long it took, where the first session is no visit.
NO_TIME = -1


class StoredDay(msgspec.Struct, frozen=True, array_like=True):
    """A day as bytes; another shape of it is another `packed.LAYOUT`. `visitors` has the id of each
    visit's, as `small_bytes`."""

    visits: StoredRows
    visitors: bytes
    apart: StoredRows
    reached: StoredRows


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(StoredDay)


class Day(NamedTuple):
    """A day, open. `visitors` are the ids of the visits' visitors, in order. `apart` are sessions
    that are nobody's visit: submissions of which no visit is known. `reached` are people by the
    stage they first reached that day, how long after their first session (`after`, ms, or
    `NO_TIME`), and what that session was."""

    day: int
    visits: Rows
    visitors: "array[int]"
    apart: Rows
    reached: Rows

    @property
    def bytes(self) -> int:
        """About how much memory it takes."""
        ids = len(self.visitors) * self.visitors.itemsize
        return ids + self.visits.bytes + self.apart.bytes + self.reached.bytes


def opened(day: int, stored: StoredDay) -> Day:
    """A day of which no column is open."""
    ids = from_small_bytes(stored.visitors, stored.visits.count)
    parts = (stored.visits, stored.apart, stored.reached)
    visits, apart, reached = (Rows(part.count) for part in parts)
    return Day(day, visits, ids, apart, reached)


def stored_day(sessions: Sequence[Row], reached: Sequence[Reach]) -> StoredDay:
    """A day from its sessions (visitor, alone, page views, leads, day before, dimensions) and from
    who reached a stage; a person without any session matches no filter."""
    visits = [row for row in sessions if row[0] > 0 and not row[1]]
    apart = [row for row in sessions if row[0] <= 0 or row[1]]
    known = [one for one in reached if one.names]
    ids = [row[0] for row in visits]
    return StoredDay(
        stored_rows(_visit_columns(visits)),
        small_bytes(ids, ids[-1] if ids else 0),
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


class Days:
    """The days of a site in a snapshot, with these dimensions. `vocabulary` numbers their words.

    Of the days that are packed, what was opened is kept for the next time."""

    def __init__(self, reader: Reader, site: Site, dimensions: Iterable[str]) -> None:
        self.reader = reader
        self.site = site
        self.columns = frozenset((*COUNTS, *dimensions))
        self._scope = (site.site_id, site.generation)
        self._packers: dict[int, int] = {}
        known: Vocabulary | None = reader.kept.get(("words", *self._scope))
        if known is None or sum(map(len, known.values())) > MOST_WORDS:
            known = {name: Words() for name in DIMENSIONS}
        self.vocabulary = known

    async def of(self, span: Span) -> AsyncIterator[Day]:
        """The days of a span on which there was anything, in order."""
        span = Span(max(span.first, 0), span.last)
        days = (span.first, span.last)
        self._packers = await packed.packers(self.reader, *self._scope, *days)
        for first in range(span.first, span.last + 1, SLICE_DAYS):
            part = Span(first, min(first + SLICE_DAYS - 1, span.last))
            for day in await self._part(part):
                yield day
        size = sum(map(len, self.vocabulary.values())) * _WORD_BYTES
        self.reader.kept.put(("words", *self._scope), self.vocabulary, size)

    async def _part(self, span: Span) -> list[Day]:
        days = range(span.first, span.last + 1)
        kept = {day: self._kept(day) for day in days if day in self._packers}
        found = {day: one.day for day, one in kept.items() if one and one.columns >= self.columns}
        if lacking := sorted(kept.keys() - found.keys()):
            packs = await packed.of_days(self.reader, *self._scope, lacking[0], lacking[-1])
            for day in lacking:
                found[day] = self._keep(_decoder.decode(packs[day]), kept[day], day)
                await asyncio.sleep(0)  # each takes a millisecond or two of a large site
        for is_packed, run in groupby(days, self._packers.__contains__):
            some = list(run)
            if not is_packed:
                made = await made_of(self.reader, self.site, Span(some[0], some[-1]))
                found |= {day: self._open(made[day], opened(day, made[day])) for day in made}
        return [found[day] for day in sorted(found)]

    def _kept(self, day: int) -> "_KeptDay | None":
        """A day that is kept, if it is of the pack of now and its words have these numbers."""
        found: _KeptDay | None = self.reader.kept.get(("day", *self._scope, day))
        if found is None or found.packer != self._packers[day]:
            return None
        return found if found.vocabulary is self.vocabulary else None

    def _keep(self, stored: StoredDay, before: "_KeptDay | None", number: int) -> Day:
        """What was open before, and now these columns too."""
        day = self._open(stored, before.day if before else opened(number, stored))
        columns = self.columns | (before.columns if before else frozenset())
        value = _KeptDay(self._packers[number], self.vocabulary, columns, day)
        self.reader.kept.put(("day", *self._scope, number), value, day.bytes)
        return day

    def _open(self, stored: StoredDay, day: Day) -> Day:
        parts = ((day.visits, stored.visits), (day.apart, stored.apart))
        for rows, closed in (*parts, (day.reached, stored.reached)):
            rows.open(closed, self.columns, self.vocabulary)
        return day


class _KeptDay(NamedTuple):
    """A day that was packed by `packer`, and which of its columns are open."""

    packer: int
    vocabulary: Vocabulary
    columns: frozenset[str]
    day: Day


async def made_of(reader: Reader, site: Site, span: Span) -> dict[int, StoredDay]:
    """Days from the tables, in order, those on which there was anything. The same rows give the
    same bytes."""
    rows = await reader.fetch(
        f"SELECT day, {_VISITS} FROM sessions WHERE site_id = $1 AND gen = $2"
        " AND day >= $3 AND day <= $4 ORDER BY day, visitor_id, session_id",
        site.site_id,
        site.generation,
        span.first,
        span.last,
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
