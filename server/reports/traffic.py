"""Everybody's visits of a span of days, from the daily cells."""

from collections import Counter
from typing import NamedTuple

from server.model import Site
from server.reports.spans import Span
from server.storage.database import Reader, Row

#: The dimensions by which forms sent are counted.
SUBMITTED = ("channel", "landing")


class DayCounts(NamedTuple):
    """What one day came to; `visitors` are those of the day."""

    visitors: int = 0
    sessions: int = 0
    page_views: int = 0
    submissions: int = 0


NO_DAY = DayCounts()


class Traffic(NamedTuple):
    """What a span came to. `visitors` are those of all its days, `steps` those of each of its
    steps, by the step's number; `cookieless` is None where it is not known."""

    visitors: int
    days: dict[int, DayCounts]
    steps: dict[int, int]
    cookieless: int | None

    def sum(self, name: str) -> int:
        return sum(getattr(day, name) for day in self.days.values())


_NAMES = ("sessions", "page_views", "cookieless_views", "submissions")


async def from_cells(reader: Reader, site: Site, span: Span) -> Traffic:
    """Everybody's visits.

    Sessions are counted by the day of the visitor's session before: the visitors of any stretch of
    days are the sessions in it whose visitor was last seen before it began.
    """
    rows = await reader.fetch(
        "SELECT name, day, sum(value),"
        " sum(CASE WHEN name = 'sessions' AND CAST(key AS BIGINT) < day THEN value ELSE 0 END),"
        " sum(CASE WHEN name = 'sessions' AND CAST(key AS BIGINT) < $3 THEN value ELSE 0 END),"
        " sum(CASE WHEN name = 'sessions' AND (CAST(key AS BIGINT) < $3"
        " OR CAST(key AS BIGINT) < $6 + (day - $6) / $5 * $5) THEN value ELSE 0 END) FROM rollups"
        " WHERE site_id = $1 AND gen = $2 AND name IN"
        " ('sessions', 'page_views', 'cookieless_views', 'submissions')"
        " AND day >= $3 AND day <= $4 GROUP BY name, day",
        site.site_id,
        site.generation,
        max(span.first, 0),
        span.last,
        span.step,
        span.origin,
    )
    found: dict[str, dict[int, Row]] = {name: {} for name in _NAMES}
    steps: Counter[int] = Counter()
    for name, day, *counts in rows:
        found[name][day] = tuple(int(count) for count in counts)
        steps[span.number(day)] += int(counts[3])
    nothing = (0, 0, 0, 0)
    days = {
        day: DayCounts(
            found["sessions"].get(day, nothing)[1],
            found["sessions"].get(day, nothing)[0],
            found["page_views"].get(day, nothing)[0],
            found["submissions"].get(day, nothing)[0],
        )
        for day in {day for cells in found.values() for day in cells}
    }
    visitors = sum(row[2] for row in found["sessions"].values())
    cookieless = sum(row[0] for row in found["cookieless_views"].values())
    return Traffic(visitors, days, steps, cookieless)
