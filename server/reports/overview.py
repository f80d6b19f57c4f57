"""The figures of a span of days beside those of another: of everybody from the daily cells, under a
filter from the columns of each day, and the same where a filter leaves nobody out."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from server.model import Site
from server.project.rollups import DIMENSIONS
from server.reports import parts
from server.reports.filtered import filtered
from server.reports.filters import NO_FILTERS, Filters
from server.reports.funnel import funnel
from server.reports.overview_shapes import (
    Compare,
    Compared,
    Kpi,
    Overview,
    PartRow,
    Totals,
    Trend,
)
from server.reports.reaches import (
    COUNTED,
    Waits,
    stage_cells,
    time_to_lead,
    wait_cells,
)
from server.reports.shapes import DayFigures, iso_day
from server.reports.spans import DEFAULT_DAYS, MOST_DAYS, Span, compared, today
from server.reports.traffic import NO_DAY, Traffic, from_cells
from server.storage.database import Reader

KPIS = (
    *("visitors", "sessions", "page_views", "leads", "mqls", "sqls", "customers"),
    *("visitor_to_lead", "time_to_lead_ms"),
)


class Reading(NamedTuple):
    """What was read of one span: visits, who reached which stage by (stage, day), how long it took
    the new leads, and the names with the most sessions."""

    span: Span
    traffic: Traffic
    stages: Counter[tuple[str, int]]
    waits: Waits
    tops: dict[str, list[PartRow]]


async def overview(
    reader: Reader,
    site: Site,
    span: Span,
    compare: Compare = "before",
    filters: Filters = NO_FILTERS,
) -> Overview:
    """Everything about a span, by day or by the site's weeks. Raises `BadRequest` for a page group
    the site has not."""
    span = span.in_weeks(site.settings.week_start)
    now = await _read(reader, site, span, filters, named=True)
    other = compared(span, compare)
    then = await _read(reader, site, other, filters, named=False) if other is not None else None
    total = _totals(now)
    previous = _totals(then) if then is not None else None
    return Overview(
        first=iso_day(span.first),
        last=iso_day(span.last),
        zone=site.settings.zone,
        compared=_compared(compare, other),
        filters=filters.asked(),
        total=total,
        previous=previous,
        kpis=kpis(total, previous),
        days=_days(now),
        trend=_trend(now),
        trend_before=_trend(then) if then is not None else None,
        funnel=funnel(total),
        sources=now.tops["source"],
        channels=now.tops["channel"],
        campaigns=now.tops["campaign"],
        landings=now.tops["landing"],
        countries=now.tops["country"],
        devices=now.tops["device"],
        browsers=now.tops["browser"],
        systems=now.tops["os"],
    )


async def figures(reader: Reader, site: Site, span: Span, filters: Filters = NO_FILTERS) -> Totals:
    """The totals alone. Raises `BadRequest` for a page group the site has not."""
    return _totals(await _read(reader, site, span, filters, named=False))


def kpis(total: Totals, previous: Totals | None) -> list[Kpi]:
    """Each figure beside the one before."""
    found: list[Kpi] = []
    for name in KPIS:
        value = getattr(total, name)
        before = getattr(previous, name) if previous is not None else None
        change = round(value / before - 1, 4) if before and value is not None else None
        found.append(Kpi(name=name, value=value, before=before, change=change))
    return found


# ---------------------------------------------------------------- reading


async def _read(
    reader: Reader, site: Site, span: Span, filters: Filters, *, named: bool
) -> Reading:
    """One span; the names with the most are only counted where `named` asks for them."""
    names: Sequence[str] = DIMENSIONS if named else ()
    if filters != NO_FILTERS:
        read = await filtered(reader, site, span, filters, names)
        tops = parts.tops_of(read.tallies)
        return Reading(span, read.traffic(), read.stages, read.waits, tops)
    traffic = await from_cells(reader, site, span)
    cells = await stage_cells(reader, site, span)
    took = await wait_cells(reader, site, span)
    tops = await parts.tops(reader, site, span) if named else {}
    return Reading(span, traffic, cells, took, tops)


# ---------------------------------------------------------------- in words


def _compared(compare: Compare, other: Span | None) -> Compared | None:
    if other is None:
        return None
    return Compared(to_what=compare, first=iso_day(other.first), last=iso_day(other.last))


def _rate(leads: int, visitors: int) -> float | None:
    return round(leads / visitors, 4) if visitors else None


def _totals(read: Reading) -> Totals:
    stages: Counter[str] = Counter()
    for (stage, _), count in read.stages.items():
        stages[stage] += count
    visitors = read.traffic.visitors
    return Totals(
        visitors=visitors,
        sessions=read.traffic.sum("sessions"),
        page_views=read.traffic.sum("page_views"),
        cookieless_views=read.traffic.cookieless,
        submissions=read.traffic.sum("submissions"),
        visitor_to_lead=_rate(stages["lead"], visitors),
        time_to_lead_ms=time_to_lead(read.waits, range(read.span.first, read.span.last + 1)),
        **{name: stages[stage] for stage, name in COUNTED.items()},
    )


def _days(read: Reading) -> list[DayFigures]:
    return [
        DayFigures(
            date=iso_day(day),
            visitors=counts.visitors,
            sessions=counts.sessions,
            page_views=counts.page_views,
            submissions=counts.submissions,
            leads=read.stages["lead", day],
        )
        for day in range(read.span.first, read.span.last + 1)
        for counts in (read.traffic.days.get(day, NO_DAY),)
    ]


class _Step(NamedTuple):
    """One point of every series."""

    date: str
    visitors: int
    sums: dict[str, int]
    time_to_lead_ms: int | None


def _steps(read: Reading) -> Iterator[_Step]:
    for number, days in enumerate(read.span.steps()):
        counts = [read.traffic.days.get(day, NO_DAY) for day in days]
        sums = {
            name: sum(read.stages[stage, day] for day in days) for stage, name in COUNTED.items()
        }
        for name in ("sessions", "page_views", "submissions"):
            sums[name] = sum(getattr(count, name) for count in counts)
        took = time_to_lead(read.waits, days)
        yield _Step(iso_day(days[0]), read.traffic.steps.get(number, 0), sums, took)


def _trend(read: Reading) -> Trend:
    steps = list(_steps(read))
    return Trend(
        step="day" if read.span.step == 1 else "week",
        dates=[step.date for step in steps],
        visitors=[step.visitors for step in steps],
        sessions=[step.sums["sessions"] for step in steps],
        page_views=[step.sums["page_views"] for step in steps],
        submissions=[step.sums["submissions"] for step in steps],
        visitor_to_lead=[_rate(step.sums["leads"], step.visitors) for step in steps],
        time_to_lead_ms=[step.time_to_lead_ms for step in steps],
        **{name: [step.sums[name] for step in steps] for name in COUNTED.values()},
    )


__all__ = ["DEFAULT_DAYS", "MOST_DAYS", "Span", "figures", "kpis", "overview", "today"]
