"""Visits of a span of days, read in one of two ways that agree: from the daily cells, and where
something is filtered from the sessions themselves."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from operator import add
from typing import NamedTuple

from server.model import Site
from server.project.rollups import DIMENSIONS
from server.reports.filters import Chosen
from server.reports.paging import Where
from server.reports.spans import Span
from server.storage.database import Reader, Row

#: Days of sessions read by one statement: none comes near the time limit of a read.
SLICE_DAYS = 15
#: The dimensions by which forms sent are counted.
SUBMITTED = ("channel", "landing")


class DayCounts(NamedTuple):
    """What one day came to; `visitors` are those of the day, `fresh` those of them who had not been
    there since the span began."""

    visitors: int = 0
    fresh: int = 0
    sessions: int = 0
    page_views: int = 0
    submissions: int = 0


NO_DAY = DayCounts()


class Traffic(NamedTuple):
    """What a span came to. `steps` are the visitors of each of its steps, by the step's number;
    `cookieless` is None where it is not known."""

    days: dict[int, DayCounts]
    steps: dict[int, int]
    cookieless: int | None

    def sum(self, name: str) -> int:
        return sum(getattr(day, name) for day in self.days.values())


# ---------------------------------------------------------------- from the cells

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
        " sum(CASE WHEN name = 'sessions' AND CAST(key AS BIGINT) < $3 + (day - $3) / $5 * $5"
        " THEN value ELSE 0 END) FROM rollups"
        " WHERE site_id = $1 AND gen = $2 AND name IN"
        " ('sessions', 'page_views', 'cookieless_views', 'submissions')"
        " AND day >= $3 AND day <= $4 GROUP BY name, day",
        site.site_id,
        site.generation,
        max(span.first, 0),
        span.last,
        span.step,
    )
    found: dict[str, dict[int, Row]] = {name: {} for name in _NAMES}
    steps: Counter[int] = Counter()
    for name, day, *counts in rows:
        found[name][day] = tuple(int(count) for count in counts)
        steps[(day - span.first) // span.step] += int(counts[3])
    nothing = (0, 0, 0, 0)
    days = {
        day: DayCounts(
            found["sessions"].get(day, nothing)[1],
            found["sessions"].get(day, nothing)[2],
            found["sessions"].get(day, nothing)[0],
            found["page_views"].get(day, nothing)[0],
            found["submissions"].get(day, nothing)[0],
        )
        for day in {day for cells in found.values() for day in cells}
    }
    return Traffic(days, steps, sum(row[0] for row in found["cookieless_views"].values()))


# ---------------------------------------------------------------- from the sessions


class Tally:
    """Counts the names of one dimension as sessions are read. `new` are those that are a visitor's
    first of all."""

    def __init__(self) -> None:
        self.sessions: Counter[str] = Counter()
        self.new: Counter[str] = Counter()
        self.submissions: Counter[str] = Counter()


#: Stands between names read as one text: no stored name holds a control (`ingest.private.UNSEEN`).
BETWEEN = "\x1f"
#: Has too many names to be read together with others.
_APART = "landing"


class Scan:
    """Counts sessions as they are read, by day and by the dimensions asked for.

    A visitor counts where the first session of the span that matches was: of the lowest (day, day
    before, number). Whole columns are counted at a time, and the names of a session but for its
    landing page are read as one text: seven texts a row, or a loop over rows, take twice as long.
    """

    def __init__(self, span: Span, dimensions: Sequence[str]) -> None:
        self.span = span
        self.days: dict[int, DayCounts] = {}
        self.steps: Counter[int] = Counter()
        self._together = [name for name in dimensions if name != _APART]
        self._columns = {BETWEEN.join(self._together): Tally()} if self._together else {}
        if _APART in dimensions:
            self._columns[_APART] = Tally()
        self._known: set[int] = set()
        self._step: tuple[int, set[int]] = (-1, set())

    def columns(self, where: Where) -> str:
        """What to read of a session `s` beside its counts; `where` takes the arguments."""
        found = ""
        if self._together:
            several = len(self._together) > 1  # an argument that no statement names is an error
            between = f" || {where.arg(BETWEEN)} || " if several else ""
            found = ", " + between.join(f"s.{name}" for name in self._together)
        return found + (f", s.{_APART}" if _APART in self._columns else "")

    def take(self, rows: Sequence[Row]) -> None:
        """The sessions of some whole days, later ones than before, in the order of visits."""
        visits = [row for row in rows if row[1] > 0 and not row[4]]
        if len(visits) < len(rows):  # submissions of which no visit is known
            for day, _, _, leads, *_ in (row for row in rows if row[1] <= 0 or row[4]):
                self._add(day, DayCounts(submissions=leads))
        if not visits:
            return
        days, visitors, views, leads, _, before, *columns = zip(*visits, strict=True)
        # The last one to be put under a visitor is the first in order.
        places = dict(zip(reversed(visitors), range(len(visitors) - 1, -1, -1), strict=True))
        fresh = sorted(map(places.__getitem__, places.keys() - self._known))
        self._known |= places.keys()
        start = 0
        while start < len(days):
            day = days[start]
            end = bisect_right(days, day, start)
            of_day = set(visitors[start:end])
            self._step_on(day, of_day)
            new = bisect_left(fresh, end) - bisect_left(fresh, start)
            sums = (end - start, sum(views[start:end]), sum(leads[start:end]))
            self._add(day, DayCounts(len(of_day), new, *sums))
            start = end
        if columns:
            self._tally(columns, leads, [place for place, day in enumerate(before) if day < 0])

    def _add(self, day: int, more: DayCounts) -> None:
        known = self.days.get(day, NO_DAY)
        self.days[day] = DayCounts(*map(add, known, more))

    def _step_on(self, day: int, of_day: set[int]) -> None:
        number = (day - self.span.first) // self.span.step
        if number != self._step[0]:
            self._step = (number, set())
        self._step[1].update(of_day)
        self.steps[number] = len(self._step[1])

    def _tally(
        self, columns: Sequence[Sequence[str]], leads: Sequence[int], new: Sequence[int]
    ) -> None:
        sent = [place for place, count in enumerate(leads) if count]
        for tally, values in zip(self._columns.values(), columns, strict=True):
            tally.sessions.update(values)
            tally.new.update(map(values.__getitem__, new))
            for place in sent:
                tally.submissions[values[place]] += leads[place]

    def tallies(self) -> dict[str, Tally]:
        """What was counted, by dimension."""
        found = {name: Tally() for name in self._together}
        for column, tally in self._columns.items():
            if column == _APART:
                found[_APART] = tally
                continue
            for kind in ("sessions", "new", "submissions"):
                counts = [getattr(found[name], kind) for name in self._together]
                for names, count in getattr(tally, kind).items():
                    for by_name, name in zip(counts, names.split(BETWEEN), strict=False):
                        by_name[name] += count
        return found

    def traffic(self) -> Traffic:
        return Traffic(self.days, self.steps, None)


async def scan(
    reader: Reader, site: Site, span: Span, chosen: Chosen, dimensions: Sequence[str] = DIMENSIONS
) -> Scan:
    """The sessions that match, counted."""
    found = Scan(span, dimensions)
    for first in range(span.first, span.last + 1, SLICE_DAYS):
        where = Where("s.site_id = $1 AND s.gen = $2 AND s.day >= $3 AND s.day <= $4")
        last = min(first + SLICE_DAYS - 1, span.last)
        where.args += [site.site_id, site.generation, first, last]
        chosen.narrow(where, "s")
        # In the order of the index: a visitor's first session of a day comes before the others.
        rows = await reader.fetch(
            f"SELECT s.day, s.visitor_id, s.page_views, s.leads, s.alone, s.prev_day"
            f"{found.columns(where)} FROM sessions s"
            f" WHERE {where} ORDER BY s.day, s.prev_day, s.session_id",
            *where.args,
        )
        found.take(rows)
    return found
