"""The figures of those a filter leaves, counted a day at a time from columns.

They agree with everybody's figures (`reports.traffic`, `reports.reaches`) where a filter leaves
nobody out.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import compress, zip_longest

from server.model import STAGE_RANK, Site
from server.project.rollups import DIMENSIONS
from server.reports.columns import Rows, Vocabulary, Word, Words, chosen
from server.reports.days import NO_TIME, Day, Days
from server.reports.filters import NOT_KNOWN, Filters, GroupPages
from server.reports.reaches import COUNTED, LEAD
from server.reports.seen import Seen
from server.reports.spans import Span
from server.reports.traffic import SUBMITTED, DayCounts, Traffic
from server.storage.database import Reader

#: Ranks of the stages that are counted, by name.
_RANKS = {stage: STAGE_RANK[stage] for stage in COUNTED}


class Tally:
    """What was counted of the names of one dimension, by the numbers of its words. `new` are visits
    that are a visitor's first of all, `leads` people by their first session."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self.sessions: list[int] = []
        self.new: list[int] = []
        self.submissions: list[int] = []
        self.leads: list[int] = []

    def named(self) -> Iterator[tuple[Word, int, int, int, int]]:
        """Each name that had sessions: of these, of new visitors, submissions, leads."""
        counts = (self.sessions, self.new, self.submissions, self.leads)
        found = zip_longest(self._words.words, *counts, fillvalue=0)
        return (row for row in found if row[1])


class Filtered:
    """What the days come to that were counted so far. `visitors` are those of whom a visit matches,
    `stages` are people by (stage, day) of their first time there, `waits`
    how long it took (ms) each who became a lead, by day."""

    def __init__(
        self,
        span: Span,
        filters: Filters,
        pages: GroupPages,
        dimensions: Sequence[str],
        vocabulary: Vocabulary,
    ) -> None:
        self.days: dict[int, DayCounts] = {}
        self.visitors = Seen()
        self.steps: Counter[int] = Counter()
        self.stages: Counter[tuple[str, int]] = Counter()
        self.waits: dict[int, list[int]] = {}
        self.tallies = {name: Tally(vocabulary[name]) for name in dimensions}
        self._span = span
        self._asked = (filters, pages)
        self._step: tuple[int, Seen] = (-1, Seen())

    def traffic(self) -> Traffic:
        self._end_step()
        return Traffic(len(self.visitors), self.days, self.steps, None)

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
        self.days[day.day] = DayCounts(
            self._visitors(day, mask),
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

    def _visitors(self, day: Day, mask: int) -> int:
        """How many visitors there were that day. One who came once needs no telling apart."""
        ids, picked = day.visitors, chosen(mask, day.visits.count)
        self.visitors.add(compress(ids, picked), ids[-1])
        several = day.visits.column("several").having({1}) & mask
        visitors = (mask ^ several).bit_count()
        visitors += len(set(compress(ids, chosen(several, day.visits.count))))
        number = self._span.number(day.day)
        if self._span.step == 1:
            self.steps[number] = visitors
            return visitors
        if number != self._step[0]:
            self._end_step()
            self._step = (number, Seen())
        self._step[1].add(compress(ids, picked), ids[-1])
        return visitors

    def _end_step(self) -> None:
        """Count a week once it is over: that goes through a byte for each entry of the log."""
        number, seen = self._step
        if number >= 0:
            self.steps[number] = len(seen)

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
    days = Days(reader, site, {*dimensions, *filters.dimensions()})
    found = Filtered(span, filters, GroupPages(site, filters), dimensions, days.vocabulary)
    async for day in days.of(span):
        found.take(day)
        await asyncio.sleep(0)  # a day of a large site takes milliseconds: others come between
    return found
