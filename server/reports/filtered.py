"""The figures of those a filter leaves, counted a day at a time from columns.

They agree with everybody's figures (`reports.traffic`, `reports.reaches`) where a filter leaves
nobody out.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import compress

from server.model import STAGE_RANK, Site
from server.project.rollups import DIMENSIONS
from server.reports.columns import Rows, Word, chosen
from server.reports.days import NO_TIME, Day, days_of
from server.reports.filters import NOT_KNOWN, Filters, GroupPages
from server.reports.reaches import COUNTED, LEAD
from server.reports.spans import Span
from server.reports.traffic import DayCounts, Traffic
from server.storage.database import Reader

#: Ranks of the stages that are counted, by name.
_RANKS = {stage: STAGE_RANK[stage] for stage in COUNTED}


class Tally:
    """What was counted of the names of one dimension. `new` are visits that are a visitor's first
    of all, `leads` people by their first session."""

    def __init__(self) -> None:
        self.sessions: Counter[str] = Counter()
        self.new: Counter[str] = Counter()
        self.submissions: Counter[str] = Counter()
        self.leads: Counter[str] = Counter()


class Filtered:
    """What the days come to that were counted so far. A visitor counts on the first day of the span
    on which a visit matches. `stages` are people by (stage, day) of their first time there, `waits`
    how long it took (ms) each who became a lead, by day."""

    def __init__(
        self, span: Span, filters: Filters, pages: GroupPages, dimensions: Sequence[str]
    ) -> None:
        self.days: dict[int, DayCounts] = {}
        self.steps: Counter[int] = Counter()
        self.stages: Counter[tuple[str, int]] = Counter()
        self.waits: dict[int, list[int]] = {}
        self.tallies = {name: Tally() for name in dimensions}
        self._span = span
        self._asked = (filters, pages)
        self._known: set[int] = set()
        self._step: tuple[int, set[int]] = (-1, set())

    def traffic(self) -> Traffic:
        return Traffic(self.days, self.steps, None)

    def take(self, day: Day) -> None:
        """Count a day, later than those before."""
        apart = matching(day.apart, *self._asked)
        sent = day.apart.column("leads").total(apart) if apart else 0
        mask = matching(day.visits, *self._asked)
        if mask:
            self._visits(day, mask, sent)
        elif sent:
            self.days[day.day] = DayCounts(submissions=sent)
        mask = matching(day.reached, *self._asked)
        if mask:
            self._reached(day, mask)

    def _visits(self, day: Day, mask: int, sent: int) -> None:
        visits = day.visits
        visitors = set(compress(day.visitors, chosen(mask, visits.count)))
        before = len(self._known)
        self._known |= visitors
        self.days[day.day] = DayCounts(
            len(visitors),
            len(self._known) - before,
            mask.bit_count(),
            visits.column("page_views").total(mask),
            visits.column("leads").total(mask) + sent,
        )
        self._step_on(day.day, visitors)
        if not self.tallies:
            return
        new = visits.column("new").having({1}) & mask
        leads = [
            (count, visits.column("leads").having({count}) & mask)
            for count, _ in visits.column("leads").counts(mask)
            if count
        ]
        for name, tally in self.tallies.items():
            column = visits.column(name)
            _add(tally.sessions, column.counts(mask))
            _add(tally.new, column.counts(new))
            for count, some in leads:
                _add(tally.submissions, ((word, n * int(count)) for word, n in column.counts(some)))

    def _step_on(self, day: int, visitors: set[int]) -> None:
        number = (day - self._span.first) // self._span.step
        if number != self._step[0]:
            self._step = (number, visitors)
        else:
            self._step[1].update(visitors)
        self.steps[number] = len(self._step[1])

    def _reached(self, day: Day, mask: int) -> None:
        rows = day.reached
        for stage, rank in _RANKS.items():
            self.stages[stage, day.day] = (rows.column("stage").having({rank}) & mask).bit_count()
        leads = rows.column("stage").having({_RANKS[LEAD]}) & mask
        for after, count in rows.column("after").counts(leads):
            if after != NO_TIME:
                self.waits.setdefault(day.day, []).extend([int(after)] * count)
        for name, tally in self.tallies.items():
            _add(tally.leads, rows.column(name).counts(leads))


def matching(rows: Rows, filters: Filters, pages: GroupPages) -> int:
    """The rows that a filter leaves, as bits."""
    mask = rows.all
    for name in DIMENSIONS:
        value = getattr(filters, name)
        if value and mask:
            mask &= rows.column(name).having({"" if value == NOT_KNOWN else value})
    if filters.group and mask:
        mask &= rows.column("landing").having(pages)
    return mask


def _add(counts: Counter[str], more: Iterable[tuple[Word, int]]) -> None:
    known = counts.get
    for word, count in more:  # by far the most of them are landing pages
        counts[word] = known(word, 0) + count  # type: ignore[arg-type,index]


async def filtered(
    reader: Reader,
    site: Site,
    span: Span,
    filters: Filters,
    dimensions: Sequence[str] = DIMENSIONS,
) -> Filtered:
    """What matches in a span, by these dimensions. Raises `BadRequest` for a page group that the
    site has not."""
    found = Filtered(span, filters, GroupPages(site, filters), dimensions)
    async for day in days_of(reader, site, span):
        found.take(day)
        await asyncio.sleep(0)  # a day of a large site takes milliseconds: others come between
    return found
