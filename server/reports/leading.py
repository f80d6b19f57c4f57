"""Which of many names can be among the first: most are left out before anything is sorted.

Sessions are counted in cells, one for a name and a day. The cells of many sessions are few and say
at least how many each name had; what they leave out is bounded, for a small cell holds less than
`BIG`. Whoever cannot reach what enough others have for sure need not be added up: the threshold
algorithm of Fagin, Lotem and Naor (2003), with one look at the big cells. To sort the 140,000 cells
of three months of 5,000 landing pages took 40 ms, this takes 20 with the sums of those left, and 10
where the big cells of days that are over are kept.
"""

import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from heapq import nlargest
from typing import NamedTuple

from server.model import Site
from server.reports.paging import Where
from server.reports.spans import Span
from server.storage import packed
from server.storage.database import Reader, in_list, padded

#: Dimensions of many names.
MANY = frozenset({"landing"})
#: A cell of so many sessions is a big one.
BIG = 4
#: More names than this are added up no faster than all.
MOST_NAMES = 512
#: About what is kept of a day and of a cell; the name is the same text for all days.
_KEPT_BYTES, _CELL_BYTES = 300, 32
_DAYS = (1, 8, 32, 64, 96, 128, 256, 512)


class BigCells(NamedTuple):
    """The names of a day that have big cells, and what these say."""

    names: tuple[str, ...]
    counts: "array[int]"


async def leading(
    reader: Reader, site: Site, span: Span, by: str, limit: int
) -> Sequence[str] | None:
    """Names of which the first `limit` are some; None where that cannot be told."""
    if by not in MANY or span.length > _DAYS[-1]:
        return None
    cells = await _big_cells(reader, site, span, by)
    return candidates(_summed(cells.values()), span.length, limit)


async def _big_cells(reader: Reader, site: Site, span: Span, by: str) -> dict[int, BigCells]:
    """The big cells of each day that has some. Those of packed days are kept: they cannot change
    before another packs the day."""
    scope = (site.site_id, site.generation)
    packers = await packed.packers(reader, *scope, span.first, span.last)
    keys = {day: ("big", by, *scope, day, packer) for day, packer in packers.items()}
    found = {day: cells for day in keys if (cells := reader.kept.get(keys[day])) is not None}
    lacking = [day for day in range(span.first, span.last + 1) if day not in found]
    if not lacking:
        return found
    rows = await reader.fetch(
        "SELECT day, key, value FROM rollups WHERE site_id = $1 AND gen = $2 AND name = $3"
        f" AND value >= $4 AND day IN {in_list(lacking, 5, _DAYS)}",
        *(*scope, by, BIG, *padded(lacking, _DAYS)),
    )
    names: dict[int, list[str]] = {day: [] for day in lacking}
    counts: dict[int, list[int]] = {day: [] for day in lacking}
    for day, name, count in rows:
        names[day].append(sys.intern(name))
        counts[day].append(count)
    for day in lacking:
        found[day] = BigCells(tuple(names[day]), array("q", counts[day]))
        if day in keys:
            reader.kept.put(keys[day], found[day], _KEPT_BYTES + _CELL_BYTES * len(names[day]))
    return found


def _summed(days: Iterable[BigCells]) -> list[tuple[str, int, int]]:
    """Each name with a big cell: the sum of them and how many there are."""
    known: dict[str, int] = {}
    big: Counter[str] = Counter()
    for names, counts in days:
        big.update(names)
        for name, count in zip(names, counts, strict=True):
            known[name] = known.get(name, 0) + count
    return [(name, least, big[name]) for name, least in known.items()]


def candidates(
    found: Sequence[tuple[str, int, int]], days: int, limit: int
) -> Sequence[str] | None:
    """Who can be among the first `limit`, from the big cells of each name: their sum and number.

    A name without any has less than `BIG` a day at most. Where that could be enough, or so many
    names are left that nothing is saved, the answer is None.
    """
    known = nlargest(limit, (one[1] for one in found))
    if len(known) < limit or known[-1] <= (BIG - 1) * days:
        return None
    left = [name for name, least, big in found if least + (BIG - 1) * (days - big) >= known[-1]]
    return left if len(left) <= MOST_NAMES else None


def only(where: Where, span: Span, names: Sequence[str]) -> None:
    """Ask for the cells of these names alone: each is looked up, none is passed over."""
    days = range(span.first, span.last + 1)
    where.add(f"day IN {in_list(days, len(where.args) + 1, _DAYS)}")
    where.args += padded(days, _DAYS)
    where.add(f"key IN {in_list(names, len(where.args) + 1)}")
    where.args += padded(names)
