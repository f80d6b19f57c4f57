"""The figures: exact visitors for any span, and the cells they are read from."""

import random
from datetime import date
from itertools import pairwise

import pytest
from msgspec import structs

from server.reports.filters import Filters
from server.reports.overview import Span, overview, today
from server.reports.overview_shapes import Overview
from server.reports.shapes import EPOCH_DAY, iso_day
from server.reports.today import today_lists
from server.storage.database import Reader, Row
from tests.acme import Known
from tests.tracking import DAY, HOUR, NOON, World

pytestmark = pytest.mark.anyio
FIRST = NOON // DAY


async def figures(world: World, first: int, last: int) -> Overview:
    async with world.database.snapshot() as reader:
        return await overview(reader, world.site, Span(first, last))


async def test_acme_in_numbers(world: World, known: Known) -> None:
    """Two weeks of four browsers."""
    found = await figures(world, FIRST, FIRST + 13)
    total = found.total
    assert (total.visitors, total.sessions, total.page_views) == (4, 6, 9)
    assert (total.leads, total.mqls, total.sqls, total.customers) == (2, 1, 1, 0)
    assert total.visitor_to_lead == 0.5
    assert sum(day.sessions for day in found.days) == 6
    assert [day.visitors for day in found.days][:8] == [1, 0, 1, 2, 1, 0, 0, 1]
    assert found.channels[0].name == "Direct"
    assert {row.name: row.sessions for row in found.sources}["google"] == 1
    assert {row.name: row.submissions for row in found.landings}["/pricing"] == 1
    assert len(found.days) == 14
    assert found.previous is not None
    assert found.previous.visitors == 0
    assert {row.name: row.new_visitors for row in found.landings}["/"] == 3
    assert [(row.name, row.new_visitors) for row in found.devices] == [("desktop", 4)]
    assert [(step.stage, step.count, step.of_before) for step in found.funnel] == [
        ("visitor", 4, None),
        ("lead", 2, 0.5),
        ("mql", 1, 0.5),
        ("sql", 1, 1.0),
        ("customer", 0, 0.0),
    ]
    assert {kpi.name: (kpi.value, kpi.before, kpi.change) for kpi in found.kpis}["leads"] == (
        2,
        0,
        None,
    )
    assert sum(found.trend.leads) == 2
    assert found.trend.visitors == [day.visitors for day in found.days]
    assert found.trend_before is not None
    assert len(found.trend_before.dates) == 14


async def test_an_empty_site_has_zeros(world: World) -> None:
    """No visitors is no rate, rather than a division."""
    found = await figures(world, FIRST, FIRST)
    assert found.total.visitors == 0
    assert found.total.visitor_to_lead is None
    assert (found.sources, found.channels, found.landings) == ([], [], [])


async def wandering(world: World, rng: random.Random, days: int) -> list[Row]:
    """Up to five of eight visitors come each day; the visits' days and visitors."""
    for day in range(days):
        world.now = NOON + day * DAY
        for number in rng.sample(range(1, 9), rng.randint(0, 5)):
            world.now += HOUR
            await world.browser(number).view("/")
    await world.project()
    return await world.rows("sessions", "day, visitor_id")


async def test_visitors_of_any_span_are_exact(world: World) -> None:
    """Random visits over five weeks: every span counts each visitor once, as a recount does."""
    rng = random.Random(7)
    rows = await wandering(world, rng, 35)
    spans = [(a, b) for a in range(35) for b in range(a, 35)]
    for first, last in rng.sample(spans, 40):
        found = await figures(world, FIRST + first, FIRST + last)
        exact = {visitor for day, visitor in rows if FIRST + first <= day <= FIRST + last}
        assert found.total.visitors == len(exact), (first, last)


async def test_visitors_of_any_week_are_exact(world: World) -> None:
    """Weeks begin on the day of the site; of the first only the days asked for count."""
    rows = await wandering(world, random.Random(8), 21)
    for week_start in (1, 7):
        settings = structs.replace(world.site.settings, week_start=week_start)
        world.site = structs.replace(world.site, settings=settings)
        for first in range(FIRST, FIRST + 7):
            found = await figures(world, first, FIRST + 130)
            assert (found.first, found.trend.dates[0]) == (iso_day(first), iso_day(first))
            days = [date.fromisoformat(text) for text in found.trend.dates]
            assert {day.isoweekday() for day in days[1:]} == {week_start}
            starts = [(day - EPOCH_DAY).days for day in days]
            exact = [
                len({visitor for day, visitor in rows if since <= day < until})
                for since, until in pairwise((*starts, FIRST + 131))
            ]
            assert found.trend.visitors == exact, (week_start, first)
            assert sum(found.trend.sessions) == found.total.sessions


async def test_the_span_before_is_as_long(world: World, known: Known) -> None:
    """The previous figures are those of the days right before."""
    found = await figures(world, FIRST + 3, FIRST + 5)
    before = await figures(world, FIRST, FIRST + 2)
    assert found.previous == before.total
    assert found.trend_before == before.trend
    assert (found.compared and found.compared.first, found.compared and found.compared.last) == (
        before.first,
        before.last,
    )


def test_today_is_a_day_of_the_zone() -> None:
    """Just before midnight in Berlin it is tomorrow in Auckland."""
    late = 20_760 * DAY + 22 * HOUR
    assert today("Europe/Berlin", late) == 20_760
    assert today("Pacific/Auckland", late) == 20_761
    assert today("America/Los_Angeles", 20_760 * DAY + HOUR) == 20_759


async def test_longer_than_four_months_is_told_by_week(world: World, known: Known) -> None:
    """Steps of a week of the site; a visitor of two days of a week counts once."""
    found = await figures(world, FIRST - 120, FIRST + 14)
    assert (found.trend.step, len(found.trend.dates)) == ("week", 20)
    week = [day for day in found.days if found.trend.dates[17] <= day.date < found.trend.dates[18]]
    assert sum(day.sessions for day in week) == found.trend.sessions[17] == 5
    assert (sum(day.visitors for day in week), found.trend.visitors[17]) == (5, 4)
    assert sum(found.trend.sessions) == found.total.sessions == 6


async def test_how_long_it_takes_to_become_a_lead(world: World) -> None:
    """From the first visit to the form: a day, three days and none at all; the median is a day."""
    browsers = [world.browser(number) for number in (1, 2, 3)]
    for browser in browsers:
        await browser.view("/", minutes=0)
    for number, days in ((2, 0), (0, 1), (1, 3)):
        world.now = NOON + days * DAY
        await browsers[number].submit("demo", email=f"p{number}@acme.example")
        await world.project()
    found = await figures(world, FIRST, FIRST + 5)
    assert found.total.leads == 3
    assert found.total.time_to_lead_ms == DAY
    assert found.trend.time_to_lead_ms[:5] == [0, DAY, None, 3 * DAY, None]
    assert {kpi.name: kpi.value for kpi in found.kpis}["time_to_lead_ms"] == DAY


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_no_statement_scans_a_table(world: World, known: Known) -> None:
    """Everybody's figures and filtered ones search by a key or an index."""
    async with world.database.snapshot() as reader:
        asked = Asked(reader)
        span = Span(FIRST, FIRST + 27)
        await overview(asked, world.site, span)
        everybody = len(asked.statements)
        await overview(asked, world.site, span, "year", Filters(source="google", group="pricing"))
        await today_lists(asked, world.site, span, Filters(), {})
        await today_lists(asked, world.site, span, Filters(device="desktop"), {})
        for sql, args in asked.statements:
            plan = [row[3] for row in await reader.fetch(f"EXPLAIN QUERY PLAN {sql}", *args)]
            scans = [step for step in plan if step.startswith("SCAN") and step != "SCAN s"]
            assert not scans, (sql, plan)
    assert 10 < everybody < len(asked.statements)


class Asked:
    """A reader that remembers what it was asked."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.kept = reader.kept
        self.statements: list[tuple[str, tuple[object, ...]]] = []

    async def fetch(self, sql: str, *args: object) -> list[tuple[object, ...]]:
        self.statements.append((sql, args))
        return await self.reader.fetch(sql, *args)
