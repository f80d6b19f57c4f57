"""The figures of those a filter leaves, counted a day at a time from columns.

They agree with everybody's figures (`reports.traffic`, `reports.reaches`) where a filter leaves
nobody out.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import compress

from server.model import STAGE_RANK, Site
from server.project.rollups import DIMENSIONS
from server.reports.columns import Rows, Word, chosen
from server.reports.days import NO_TIME, Day, days_of
from server.reports.filters import NOT_KNOWN, Filters, GroupPages
from server.reports.reaches import COUNTED, LEAD
from server.reports.spans import Span
from server.reports.traffic import SUBMITTED, DayCounts, Traffic
from server.storage.database import Reader

#: Ranks of the stages that are counted, by name.
_RANKS = {stage: STAGE_RANK[stage] for stage in COUNTED}


class Tally:
    """What was counted of the names of one dimension. `new` are visits that are a visitor's first
    of all, `leads` people by their first session."""

    def __init__(self) -> None:
        self.sessions: Counter[Word] = Counter()
        self.new: Counter[Word] = Counter()
        self.submissions: Counter[Word] = Counter()
        self.leads: Counter[Word] = Counter()


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
        visitors, fresh = self._visitors(day, mask)
        self.days[day.day] = DayCounts(
            visitors,
            fresh,
            mask.bit_count(),
            visits.column("page_views").total(mask),
            visits.column("leads").total(mask) + sent,
        )
        if not self.tallies:
            return
        new = visits.column("new").having({1}) & mask
        leads = visits.column("leads")
        sending = [(int(n), leads.having({n}) & mask) for n in leads.counts(mask) if n]
        for name, tally in self.tallies.items():
            column = visits.column(name)
            column.add(tally.sessions, mask)
            column.add(tally.new, new)
            if name in SUBMITTED:
                for count, some in sending:
                    column.add(tally.submissions, some, count)

    def _visitors(self, day: Day, mask: int) -> tuple[int, int]:
        """How many visitors there were, and how many of them for the first time in the span. One
        who came once that day needs no telling apart within it."""
        count = day.visits.count
        ids = compress(day.visitors, chosen(mask, count))
        before = len(self._known)
        if self._span.step == 1:
            self._known.update(ids)
            several = day.visits.column("several").having({1}) & mask
            visitors = len(set(compress(day.visitors, chosen(several, count))))
            visitors += (mask ^ several).bit_count()
            self.steps[day.day - self._span.first] = visitors
        else:
            found = set(ids)
            visitors = len(found)
            self._known |= found
            self._step_on(day.day, found)
        return visitors, len(self._known) - before

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
        for after, count in rows.column("after").counts(leads).items():
            if after != NO_TIME:
                self.waits.setdefault(day.day, []).extend([int(after)] * count)
        for name, tally in self.tallies.items():
            rows.column(name).add(tally.leads, leads)


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
