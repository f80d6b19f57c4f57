"""The figures of a span of days, from the daily cells: nothing here counts events."""

from collections import Counter
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from server.model import Site
from server.reports.shapes import DayFigures, Figures, Overview, TopRow, iso_day
from server.storage.database import Reader

DEFAULT_DAYS = 28
MOST_DAYS = 731
TOP = 10
_STAGES = {"lead": "leads", "mql": "mqls", "sql": "sqls", "customer": "customers"}


class Span(NamedTuple):
    """Days since 1970 in the site's zone, both included."""

    first: int
    last: int

    @property
    def before(self) -> "Span":
        """As many days, right before."""
        return Span(2 * self.first - self.last - 1, self.first - 1)


def today(zone: str, now: int) -> int:
    """The day that `now` (ms) is in a zone, as days since 1970."""
    moment = datetime.fromtimestamp(now / 1000, UTC).astimezone(ZoneInfo(zone))
    return moment.date().toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal()


async def overview(reader: Reader, site: Site, span: Span) -> Overview:
    """Totals, the series by day, what brought visitors, and the totals of the time before."""
    return Overview(
        first=iso_day(span.first),
        last=iso_day(span.last),
        zone=site.settings.zone,
        total=await figures(reader, site, span),
        previous=await figures(reader, site, span.before),
        days=await _days(reader, site, span),
        sources=await _top(reader, site, span, "source", ""),
        channels=await _top(reader, site, span, "channel", "lead_channel"),
        landings=await _top(reader, site, span, "landing", "lead_landing"),
    )


async def figures(reader: Reader, site: Site, span: Span) -> Figures:
    sums = await _sums(reader, site, span)
    stages = await _stages(reader, site, span)
    visitors = await _visitors(reader, site, span)
    leads = stages["lead"]
    return Figures(
        visitors=visitors,
        sessions=sums["sessions"],
        page_views=sums["page_views"],
        cookieless_views=sums["cookieless_views"],
        submissions=sums["submissions"],
        visitor_to_lead=round(leads / visitors, 4) if visitors else None,
        **{name: stages[stage] for stage, name in _STAGES.items()},
    )


async def _sums(reader: Reader, site: Site, span: Span) -> Counter[str]:
    rows = await reader.fetch(
        "SELECT name, sum(value) FROM rollups WHERE site_id = $1 AND gen = $2 AND name IN"
        " ('sessions', 'page_views', 'cookieless_views', 'submissions')"
        " AND day >= $3 AND day <= $4 GROUP BY name",
        site.site_id,
        site.generation,
        span.first,
        span.last,
    )
    return Counter({name: int(value) for name, value in rows})


async def _stages(reader: Reader, site: Site, span: Span) -> Counter[str]:
    """How many persons moved to each stage."""
    rows = await reader.fetch(
        "SELECT key, sum(value) FROM rollups WHERE site_id = $1 AND gen = $2 AND name = 'stage'"
        " AND day >= $3 AND day <= $4 GROUP BY key",
        site.site_id,
        site.generation,
        span.first,
        span.last,
    )
    return Counter({key: int(value) for key, value in rows})


async def _visitors(reader: Reader, site: Site, span: Span) -> int:
    """Sessions in the span whose visitor was last seen before it: each visitor exactly once.

    The key is that day as text, so days are compared by length first; -1 is a first session.
    """
    day = str(span.first)
    rows = await reader.fetch(
        "SELECT sum(value) FROM rollups WHERE site_id = $1 AND gen = $2 AND name = 'sessions'"
        " AND day >= $3 AND day <= $4"
        " AND (key = '-1' OR length(key) < $5 OR (length(key) = $5 AND key < $6))",
        site.site_id,
        site.generation,
        span.first,
        span.last,
        len(day),
        day,
    )
    return int(rows[0][0] or 0)


async def _days(reader: Reader, site: Site, span: Span) -> list[DayFigures]:
    rows = await reader.fetch(
        "SELECT name, day, sum(value), sum(CASE WHEN name = 'sessions' AND"
        " key <> CAST(day AS TEXT) THEN value ELSE 0 END) FROM rollups"
        " WHERE site_id = $1 AND gen = $2 AND name IN ('sessions', 'page_views', 'submissions')"
        " AND day >= $3 AND day <= $4 GROUP BY name, day",
        site.site_id,
        site.generation,
        span.first,
        span.last,
    )
    cells = {(name, day): (int(value), int(fresh)) for name, day, value, fresh in rows}
    leads = await reader.fetch(
        "SELECT day, sum(value) FROM rollups WHERE site_id = $1 AND gen = $2 AND name = 'stage'"
        " AND day >= $3 AND day <= $4 AND key = 'lead' GROUP BY day",
        site.site_id,
        site.generation,
        span.first,
        span.last,
    )
    new_leads = {day: int(value) for day, value in leads}
    nothing = (0, 0)
    return [
        DayFigures(
            date=iso_day(day),
            visitors=cells.get(("sessions", day), nothing)[1],
            sessions=cells.get(("sessions", day), nothing)[0],
            page_views=cells.get(("page_views", day), nothing)[0],
            submissions=cells.get(("submissions", day), nothing)[0],
            leads=new_leads.get(day, 0),
        )
        for day in range(span.first, span.last + 1)
    ]


async def _top(reader: Reader, site: Site, span: Span, name: str, leads: str) -> list[TopRow]:
    """The names with the most sessions; `leads` names the cells of their submissions, if any."""
    rows = await reader.fetch(
        "SELECT key, sum(CASE WHEN name = $3 THEN value ELSE 0 END),"
        " sum(CASE WHEN name = $3 THEN 0 ELSE value END)"
        " FROM rollups WHERE site_id = $1 AND gen = $2 AND name IN ($3, $4)"
        " AND day >= $5 AND day <= $6 GROUP BY key"
        " HAVING sum(CASE WHEN name = $3 THEN value ELSE 0 END) > 0"
        " ORDER BY sum(CASE WHEN name = $3 THEN value ELSE 0 END) DESC, key LIMIT $7",
        site.site_id,
        site.generation,
        name,
        leads or name,
        span.first,
        span.last,
        TOP,
    )
    return [
        TopRow(name=key, sessions=int(count), submissions=int(sent) if leads else None)
        for key, count, sent in rows
    ]
