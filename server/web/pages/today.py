"""The page of the morning: who raised a hand, why, and what to look at."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, Literal

from msgspec import UNSET, structs
from starlette.responses import Response

from server.reports.overview import figures, overview
from server.reports.overview_shapes import Overview, Trend
from server.reports.spans import Span
from server.reports.spans import today as day_of
from server.reports.today import today_lists
from server.web.page_queries import SiteId
from server.web.pages.view import View
from server.web.queries import OverviewQuery
from server.web.readings import asked_of

RANGES = {"today": 1, "7d": 7, "28d": 28, "90d": 90, "12m": 365}
DEFAULT_RANGE = "28d"
#: (name of the figure, word, how it is written) of the cards, each of which draws its own trend.
CARDS = (
    ("visitors", "Visitors", "count"),
    ("leads", "New leads", "count"),
    ("mqls", "MQLs", "count"),
    ("sqls", "SQLs", "count"),
    ("customers", "Customers", "count"),
    ("visitor_to_lead", "Visitor → lead", "rate"),
    ("time_to_lead_ms", "Time to lead", "time"),
)
#: (list of the overview, heading, filter that its rows set).
MAIN_PARTS = (
    ("sources", "Sources", "source"),
    ("channels", "Channels", "channel"),
    ("landings", "Landing pages", "landing"),
)
MORE_PARTS = (
    ("campaigns", "Campaigns", "campaign"),
    ("countries", "Countries", "country"),
    ("devices", "Devices", "device"),
    ("browsers", "Browsers", "browser"),
    ("systems", "Systems", "os"),
)


class PageOfToday(OverviewQuery, frozen=True, kw_only=True):
    """The query of the overview; a named range stands for its days."""

    range: Literal["", "today", "7d", "28d", "90d", "12m"] = ""
    show: Literal[
        "visitors", "leads", "mqls", "sqls", "customers", "visitor_to_lead", "time_to_lead_ms"
    ] = "visitors"
    site: SiteId = ""
    said: str = ""


async def today(view: View) -> Response:
    query, site = view.query(PageOfToday), view.site
    day = day_of(site.settings.zone, view.now)
    asked = asked_of(ranged(query, day, site.settings.week_start), site, day)
    labels = view.labels
    async with view.state.database.snapshot() as reader:
        seen = await overview(reader, site, asked.span, asked.compare, asked.filters)
        lists = await today_lists(reader, site, asked.span, asked.filters, labels)
        so_far = await figures(reader, site, Span(day, day))
    return view.page(
        "today.html",
        seen=seen,
        lists=lists,
        so_far=so_far,
        query=query,
        chosen_range=query.range or (DEFAULT_RANGE if query.first is UNSET else ""),
        ranges=RANGES,
        cards=CARDS,
        main_parts=MAIN_PARTS,
        more_parts=MORE_PARTS,
        same=same(view, seen, query),
        chart=chart(seen, query.show, day),
        written=written,
    )


def ranged(query: PageOfToday, day: int, week_start: int = 1) -> PageOfToday:
    """The query with the days that a named range stands for; one that is drawn by week begins with
    a week."""
    days = RANGES.get(query.range or (DEFAULT_RANGE if query.first is UNSET else ""))
    if days is None:
        return query
    span = Span(day - days + 1, day).from_week(week_start)
    return structs.replace(query, first=_date(span.first), last=_date(span.last))


def _date(day: int) -> date:
    return date.fromordinal(date(1970, 1, 1).toordinal() + day)


def same(view: View, seen: Overview, query: PageOfToday) -> Callable[..., str]:
    """Makes links to this page with some things changed and all else kept; empty takes away."""
    kept: dict[str, Any] = {
        "range": query.range,
        "from": "" if query.range or query.first is UNSET else seen.first,
        "to": "" if query.range or query.last is UNSET else seen.last,
        "compare": query.compare if query.compare != "before" else "",
        "show": query.show if query.show != "visitors" else "",
        **seen.filters,
    }
    return lambda **changes: view.path("/", **{**kept, **changes})


def chart(seen: Overview, show: str, today: int) -> dict[str, Any]:
    """What the chart draws and its table lists: one figure, by day or week, beside the past. A week
    is marked where only some of its days count, and the last one where it is not over."""
    name, word, kind = next(card for card in CARDS if card[0] == show)
    series = [{"name": word, "values": _values(seen.trend, name, kind)}]
    if seen.trend_before is not None:
        past = _values(seen.trend_before, name, kind)[: len(seen.trend.dates)]
        before = "A year before" if seen.compared and seen.compared.to_what == "year" else "Before"
        series.append({"name": before, "values": past, "dashed": True})  # type: ignore[dict-item]
    days = [date.fromisoformat(text) for text in seen.trend.dates]
    end = date.fromisoformat(seen.last)
    week = seen.trend.step == "week"
    titles = [f"{'Week from ' if week else ''}{day:%a, %-d %b %Y}" for day in days]
    if week:
        after = (*days[1:], end + timedelta(days=1))
        lengths = [(then - day).days for day, then in zip(days, after, strict=True)]
        titles = [_partly(title, some) for title, some in zip(titles, lengths, strict=True)]
    if end >= _date(today):
        titles[-1] = f"{titles[-1].partition(' (')[0]}, so far"
    return {
        "x": "Week" if week else "Day",
        "unit": {"count": "", "rate": "%", "time": "hours"}[kind],
        "labels": [f"{day:%-d %b}" for day in days],
        "titles": titles,
        "series": series,
    }


def _partly(title: str, days: int) -> str:
    """A week of which only some days were asked for says how many."""
    return title if days == 7 else f"{title} ({days} day{'s' if days > 1 else ''} of it)"


def _values(trend: Trend, name: str, kind: str) -> list[float | None]:
    """Counts as they are, rates in per cent, times in hours."""
    values: list[float | None] = getattr(trend, name)
    per = {"count": 1.0, "rate": 0.01, "time": 3_600_000.0}[kind]
    return [v if v is None or kind == "count" else round(v / per, 1) for v in values]


def written(value: float | None, kind: str) -> str:
    """A figure as the cards show it."""
    if value is None:
        return "–"
    if kind == "rate":
        return f"{value * 100:.1f} %"
    if kind == "time":
        return _span(value / 60_000)
    return f"{int(value):,}"


def _span(minutes: float) -> str:
    """A length of time in one unit, as a card has room for."""
    for unit, length in (("d", 1_440), ("h", 60)):
        if minutes >= length:
            return f"{minutes / length:.1f} {unit}"
    return f"{minutes:.0f} min"
