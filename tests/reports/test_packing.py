"""Days are packed when they are over, and no pack outlives what it says."""

from collections.abc import AsyncIterator

import pytest

from server.reports.filters import Filters
from server.reports.overview import overview
from server.reports.packing import Packing
from server.reports.spans import Span
from server.storage import packed
from server.storage.database import Database
from tests.tracking import DAY, NOON, World, tracking

pytestmark = pytest.mark.anyio
FIRST = NOON // DAY


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    """A site whose visitor comes on six days; nothing is packed."""
    async with tracking(database) as ready:
        for day in range(6):
            ready.now = NOON + day * DAY
            await ready.browser(1).view("/pricing", minutes=0)
        await projected(ready)
        yield ready


async def projected(world: World) -> None:
    """Not by `World.project`, which packs days that are not over."""
    projector = world.fresh_projector()
    while await projector.round() or projector.behind:
        pass


async def late(world: World) -> None:
    """Another visitor was there on the first day but one, and is told of only now."""
    world.now -= 4 * DAY
    event = world.browser(2).event("page_view", "/late")
    world.now += 4 * DAY
    await world.browser(2).send(event)
    await projected(world)


def packing(world: World) -> Packing:
    return Packing(world.database, world.writer, lambda: [world.site], lambda: world.now)


async def days(world: World) -> list[int]:
    return [day - FIRST for day in await world.packs()]


async def test_days_that_are_over_are_packed(world: World) -> None:
    """Not today; and none of them twice."""
    assert await packing(world).run(world.site) == 5
    assert await days(world) == [0, 1, 2, 3, 4]
    assert await packing(world).run(world.site) == 0
    world.now += DAY
    assert await packing(world).run(world.site) == 1


async def test_what_comes_late_voids_its_day(world: World) -> None:
    """Until the next round it is read from the tables."""
    await packing(world).run(world.site)
    await late(world)
    assert await days(world) == [0, 2, 3, 4]
    async with world.database.snapshot() as reader:
        span = Span(FIRST, FIRST + 5)
        found = await overview(reader, world.site, span, "none", Filters(landing="/late"))
    assert (found.total.visitors, found.total.sessions) == (1, 1)
    assert await packing(world).run(world.site) == 1
    assert await days(world) == [0, 1, 2, 3, 4]


async def test_a_day_written_of_meanwhile_is_not_kept(world: World) -> None:
    """Its place is gone, so what was read before is stored nowhere."""
    scope = (1, world.site.generation, FIRST + 1)
    await world.writer.run(lambda: packed.take_place(*scope))
    await late(world)
    assert await world.writer.run(lambda: packed.keep(*scope, b"old")) is False
    assert await days(world) == []
    await world.writer.run(lambda: packed.take_place(*scope))
    assert await world.writer.run(lambda: packed.keep(*scope, b"new")) is True
    assert await world.writer.run(lambda: packed.keep(*scope, b"again")) is False
    await late(world)
    assert await days(world) == []


async def test_only_the_generation_that_is_served_is_packed(world: World) -> None:
    other = (1, world.site.generation + 1, FIRST)
    await world.writer.run(lambda: packed.take_place(*other))
    assert await world.writer.run(lambda: packed.keep(*other, b"nobody's")) is False


async def test_an_empty_site_has_nothing_to_pack(database: Database) -> None:
    async with tracking(database) as world:
        assert await packing(world).run(world.site) == 0
