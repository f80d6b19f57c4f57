"""The figures: exact visitors for any span, and the cells they are read from."""

import random

import pytest

from server.reports.overview import Span, overview, today
from server.reports.shapes import Overview
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
    assert found.previous.visitors == 0


async def test_an_empty_site_has_zeros(world: World) -> None:
    """No visitors is no rate, rather than a division."""
    found = await figures(world, FIRST, FIRST)
    assert found.total.visitors == 0
    assert found.total.visitor_to_lead is None
    assert (found.sources, found.channels, found.landings) == ([], [], [])


async def test_visitors_of_any_span_are_exact(world: World) -> None:
    """Random visits over five weeks: every span counts each visitor once, as a recount does."""
    rng = random.Random(7)
    for day in range(35):
        world.now = NOON + day * DAY
        for number in rng.sample(range(1, 9), rng.randint(0, 5)):
            world.now += HOUR
            await world.browser(number).view("/")
    await world.project()
    rows = await world.rows("sessions", "day, visitor_id")
    spans = [(a, b) for a in range(35) for b in range(a, 35)]
    for first, last in rng.sample(spans, 40):
        found = await figures(world, FIRST + first, FIRST + last)
        exact = {visitor for day, visitor in rows if FIRST + first <= day <= FIRST + last}
        assert found.total.visitors == len(exact), (first, last)


async def test_the_span_before_is_as_long(world: World, known: Known) -> None:
    """The previous figures are those of the days right before."""
    found = await figures(world, FIRST + 3, FIRST + 5)
    before = await figures(world, FIRST, FIRST + 2)
    assert found.previous == before.total


def test_today_is_a_day_of_the_zone() -> None:
    """Just before midnight in Berlin it is tomorrow in Auckland."""
    late = 20_760 * DAY + 22 * HOUR
    assert today("Europe/Berlin", late) == 20_760
    assert today("Pacific/Auckland", late) == 20_761
    assert today("America/Los_Angeles", 20_760 * DAY + HOUR) == 20_759


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_the_overview_reads_cells_by_key(world: World, known: Known) -> None:
    """Every statement searches the cells' primary key; none scans the table."""
    asked: list[tuple[str, tuple[object, ...]]] = []
    async with world.database.snapshot() as reader:
        fetch = reader.fetch

        class Listening:
            async def fetch(self, sql: str, *args: object) -> list[tuple[object, ...]]:
                asked.append((sql, args))
                return await fetch(sql, *args)

        await overview(Listening(), world.site, Span(FIRST, FIRST + 27))
        for sql, args in asked:
            plan = [row[3] for row in await fetch(f"EXPLAIN QUERY PLAN {sql}", *args)]
            assert not [step for step in plan if step.startswith("SCAN")], (sql, plan)
            assert any("day>? AND day<?" in step for step in plan), (sql, plan)
    assert len(asked) > 8
