"""Spans of days in a site's zone, and what they are compared with. Pure."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from server.reports.shapes import EPOCH_DAY

DEFAULT_DAYS = 28
MOST_DAYS = 731
#: Longer spans are drawn by week.
WEEKLY_BEYOND = 120


class Span(NamedTuple):
    """Days since 1970 in the site's zone, both included. `ahead` is how many days of the first
    step's week are before the span and so are not counted: 0 to 6."""

    first: int
    last: int
    ahead: int = 0

    @property
    def length(self) -> int:
        """How many days."""
        return self.last - self.first + 1

    @property
    def before(self) -> "Span":
        """As many days, right before."""
        return Span(self.first - self.length, self.first - 1, self.ahead)

    @property
    def year_before(self) -> "Span":
        """As many days, from the same date a year before on; 29 February becomes the 28th."""
        first = EPOCH_DAY + timedelta(days=self.first)
        day = 28 if (first.month, first.day) == (2, 29) else first.day
        start = (date(first.year - 1, first.month, day) - EPOCH_DAY).days
        return Span(start, start + self.length - 1, self.ahead)

    @property
    def step(self) -> int:
        """How many days one point of a series stands for; the first and last may have fewer."""
        return 7 if self.length > WEEKLY_BEYOND else 1

    @property
    def origin(self) -> int:
        """The day that steps are counted from: the first of its week, where that is before."""
        return self.first - self.ahead

    def number(self, day: int) -> int:
        """Which step a day of the span is in, from 0 on."""
        return (day - self.origin) // self.step

    def steps(self) -> Iterator[range]:
        """The days of each step: all of them in the span."""
        for first in range(self.origin, self.last + 1, self.step):
            yield range(max(first, self.first), min(first + self.step, self.last + 1))

    def in_weeks(self, week_start: int) -> "Span":
        """The same days; one that is drawn by week has steps that begin on this day of the week (1
        is Monday, 7 is Sunday). What it is compared with has steps as long as its own."""
        return self if self.step == 1 else self._replace(ahead=self._since(week_start))

    def from_week(self, week_start: int) -> "Span":
        """A span that is drawn by week, from the first day of its first week on (1 is Monday, 7 is
        Sunday); a shorter one stays as it is."""
        if self.step == 1:
            return self
        return Span(self.first - self._since(week_start), self.last)

    def _since(self, week_start: int) -> int:
        """How many days before the first one its week began."""
        return ((EPOCH_DAY + timedelta(days=self.first)).isoweekday() - week_start) % 7


def compared(span: Span, compare: str) -> Span | None:
    """The span to compare with: `before`, `year` or `none`."""
    return {"before": span.before, "year": span.year_before}.get(compare)


def today(zone: str, now: int) -> int:
    """The day that `now` (ms) is in a zone, as days since 1970."""
    moment = datetime.fromtimestamp(now / 1000, UTC).astimezone(ZoneInfo(zone))
    return (moment.date() - EPOCH_DAY).days


def bounds(zone: str, span: Span) -> tuple[int, int]:
    """The moments (ms) from which and before which the days of a span are."""
    return _midnight(zone, span.first), _midnight(zone, span.last + 1)


def day_of(zone: str, span: Span) -> Callable[[int], int]:
    """Tells of a moment (ms) in the span which day it is in: by the beginnings of the days, since
    thousands of moments are asked about."""
    starts = [_midnight(zone, day) for day in range(span.first, span.last + 1)]
    return lambda at: span.first - 1 + bisect_right(starts, at)


def _midnight(zone: str, day: int) -> int:
    """When a day begins. Where a clock skips midnight, it is the moment at which it does."""
    local = datetime.combine(EPOCH_DAY + timedelta(days=day), datetime.min.time(), ZoneInfo(zone))
    return round(local.timestamp() * 1000)
