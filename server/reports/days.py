"""The visits of a day and who first reached a stage on it, as columns: what filtered figures read.

A day that is over is stored so (`reports.packing`); any other is made from the tables when it is
asked for. Both are the same.
"""

import sys
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from itertools import groupby
from struct import pack
from typing import NamedTuple

import msgspec

from server.model import STAGE_RANK, Site
from server.project.rollups import DIMENSIONS
from server.reports.columns import Rows, StoredRows, Vocabulary, Words, stored_rows
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
    """A day, open. `visitors` are the ids of the visits' visitors, in order. `apart` are sessions
    that are nobody's visit: submissions of which no visit is known. `reached` are people by the
    stage they first reached that day, how long after their first session (`after`, ms, or
    `NO_TIME`), and what that session was."""

    day: int
    visits: Rows
    visitors: Sequence[int]
    apart: Rows
    reached: Rows


def opened(day: int, stored: StoredDay, vocabulary: Vocabulary) -> Day:
    visitors = array("q", stored.visitors)
    if sys.byteorder == "big":
        visitors.byteswap()
    parts = (stored.visits, stored.apart, stored.reached)
    visits, apart, reached = (Rows(part, vocabulary) for part in parts)
    return Day(day, visits, visitors, apart, reached)


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


class Days:
    """The days of a site in a snapshot; those that are packed are kept open for the next time.
    `vocabulary` numbers the words of all their dimensions."""

    def __init__(self, reader: Reader, site: Site) -> None:
        self.reader = reader
        self.site = site
        self._scope = (site.site_id, site.generation)
        self._kept = reader.kept
        self._packers: dict[int, int] = {}
        known: Vocabulary | None = self._kept.get(("words", *self._scope))
        if known is None or sum(map(len, known.values())) > MOST_WORDS:
            known = {name: Words() for name in DIMENSIONS}
        self.vocabulary = known

    async def of(self, span: Span) -> AsyncIterator[Day]:
        """The days of a span on which there was anything, in order."""
        span = Span(max(span.first, 0), span.last)
        self._packers = await packed.packers(self.reader, *self._scope, *span)
        for first in range(span.first, span.last + 1, SLICE_DAYS):
            part = Span(first, min(first + SLICE_DAYS - 1, span.last))
            for day in await self._part(part):
                yield day
        size = sum(map(len, self.vocabulary.values())) * _WORD_BYTES
        self._kept.put(("words", *self._scope), self.vocabulary, size)

    async def _part(self, span: Span) -> list[Day]:
        days = range(span.first, span.last + 1)
        found = {day: open_ for day in days if (open_ := self._known(day)) is not None}
        lacking = [day for day in days if day in self._packers and day not in found]
        if lacking:
            known = Span(lacking[0], lacking[-1])
            packs = await packed.of_days(self.reader, *self._scope, *known)
            found |= {day: self._keep(day, packs[day]) for day in lacking}
        for known_, run in groupby(days, self._packers.__contains__):
            some = list(run)
            if not known_:
                made = await made_of(self.reader, self.site, Span(some[0], some[-1]))
                found |= {day: opened(day, made[day], self.vocabulary) for day in made}
        return [found[day] for day in sorted(found)]

    def _known(self, day: int) -> Day | None:
        """A day that is kept, if it is of the pack of now and its words have these numbers."""
        packer, vocabulary, found = self._kept.get(("day", *self._scope, day)) or (0, None, None)
        same = packer == self._packers.get(day) and vocabulary is self.vocabulary
        return found if same else None

    def _keep(self, day: int, pack: bytes) -> Day:
        """Open a day whole: what it was made of would take more memory than what it is."""
        found = opened(day, _decoder.decode(pack), self.vocabulary)
        rows = (found.visits, found.apart, found.reached)
        size = 8 * len(found.visitors) + sum(part.open() for part in rows)
        value = (self._packers[day], self.vocabulary, found)
        self._kept.put(("day", *self._scope, day), value, size)
        return found


async def made_of(reader: Reader, site: Site, span: Span) -> dict[int, StoredDay]:
    """Days from the tables, in order, those on which there was anything. The same rows give the
    same bytes."""
    rows = await reader.fetch(
        f"SELECT day, {_VISITS} FROM sessions WHERE site_id = $1 AND gen = $2"
        " AND day >= $3 AND day <= $4 ORDER BY day, visitor_id, session_id",
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
