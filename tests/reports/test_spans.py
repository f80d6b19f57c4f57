"""Spans of days: what they are compared with, and when they begin and end in a zone."""

from datetime import date

import pytest

from server.project.sessions import Zone
from server.reports.shapes import EPOCH_DAY
from server.reports.spans import Span, bounds, compared, day_of


def span(first: str, last: str) -> Span:
    return Span(*((date.fromisoformat(day) - EPOCH_DAY).days for day in (first, last)))


@pytest.mark.parametrize(
    ("first", "last", "compare", "other"),
    [
        ("2026-11-01", "2026-11-28", "before", ("2026-10-04", "2026-10-31")),
        ("2026-11-22", "2026-11-22", "before", ("2026-11-21", "2026-11-21")),
        ("2026-11-01", "2026-11-28", "year", ("2025-11-01", "2025-11-28")),
        ("2024-02-29", "2024-03-02", "year", ("2023-02-28", "2023-03-02")),
        ("2024-02-28", "2024-03-01", "year", ("2023-02-28", "2023-03-02")),
        ("1970-01-02", "1970-01-03", "before", ("1969-12-31", "1970-01-01")),
    ],
)
def test_the_other_span_is_as_long(
    first: str, last: str, compare: str, other: tuple[str, str]
) -> None:
    asked = span(first, last)
    assert compared(asked, compare) == span(*other)
    assert span(*other).length == asked.length


def test_nothing_is_compared_with_nothing() -> None:
    assert compared(span("2026-11-01", "2026-11-28"), "none") is None


@pytest.mark.parametrize(("days", "step"), [(1, 1), (120, 1), (121, 7), (731, 7)])
def test_long_spans_go_by_week(days: int, step: int) -> None:
    assert Span(20_000, 20_000 + days - 1).step == step


@pytest.mark.parametrize(
    "zone",
    [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Asia/Kathmandu",
        "Pacific/Auckland",
        "America/Sao_Paulo",  # until 2019 its clocks skipped midnight
        "Africa/Cairo",  # its clocks skip midnight to this day
    ],
)
def test_a_day_is_between_its_bounds(zone: str) -> None:
    """The first millisecond is of the day, the one before is not; over all changes of clocks."""
    of = Zone(zone)
    for day in range(17_400, 21_200):
        since, until = bounds(zone, Span(day, day))
        assert of.day(since) == of.day(until - 1) == day
        assert of.day(since - 1) == day - 1
        assert of.day(until) == day + 1


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "Africa/Cairo"])
def test_moments_are_put_into_days_of_a_span(zone: str) -> None:
    """As one by one, on every edge of two years."""
    of, asked = Zone(zone), Span(20_000, 20_730)
    day = day_of(zone, asked)
    for number in range(asked.first, asked.last + 1):
        since, until = bounds(zone, Span(number, number))
        for at in (since, (since + until) // 2, until - 1):
            assert day(at) == of.day(at) == number


@pytest.mark.parametrize("week_start", range(1, 8))
@pytest.mark.parametrize("days", [121, 365, 366])
def test_spans_by_week_begin_with_a_week(week_start: int, days: int) -> None:
    """No day that was asked for is lost, less than a week is added, the end stays."""
    for last in range(20_000, 20_007):
        asked = Span(last - days + 1, last)
        found = asked.from_week(week_start)
        first = EPOCH_DAY.fromordinal(EPOCH_DAY.toordinal() + found.first)
        assert first.isoweekday() == week_start
        assert (found.last, found.step) == (last, 7)
        assert 0 <= asked.first - found.first < 7


def test_spans_by_day_begin_where_they_did() -> None:
    assert Span(20_000, 20_119).from_week(1) == Span(20_000, 20_119)
    assert Span(20_000, 20_119).in_weeks(1) == Span(20_000, 20_119)


@pytest.mark.parametrize("week_start", range(1, 8))
@pytest.mark.parametrize("days", [121, 126, 366])
def test_steps_by_week_begin_with_a_week(week_start: int, days: int) -> None:
    """Every day of the span is in one step, no other is, and only the ends are cut short."""
    for first in range(20_000, 20_007):
        asked = Span(first, first + days - 1).in_weeks(week_start)
        assert (asked.first, asked.length) == (first, days)
        steps = list(asked.steps())
        assert [day for step in steps for day in step] == list(range(first, first + days))
        assert all(asked.number(day) == n for n, step in enumerate(steps) for day in step)
        assert {len(step) for step in steps[1:-1]} == {7}
        begins = {EPOCH_DAY.fromordinal(EPOCH_DAY.toordinal() + s[0]) for s in steps[1:]}
        assert {day.isoweekday() for day in begins} == {week_start}


@pytest.mark.parametrize("compare", ["before", "year"])
def test_what_is_compared_has_steps_as_long(compare: str) -> None:
    asked = Span(20_005, 20_205).in_weeks(1)
    other = compared(asked, compare)
    assert other is not None
    assert [len(step) for step in other.steps()] == [len(step) for step in asked.steps()]
    assert len(next(other.steps())) < 7
