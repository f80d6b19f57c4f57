"""Days are packed when they are over, and no pack outlives what it says."""

import hashlib
from array import array
from collections.abc import AsyncIterator

import pytest

from server.project.replay import Replay
from server.project.rollups import DIMENSIONS
from server.reports import leading
from server.reports.days import encoded, made_of, stored_day
from server.reports.filters import NO_FILTERS, Filters
from server.reports.overview import figures, overview
from server.reports.packing import Packing, stale
from server.reports.paging import Paging
from server.reports.parts import parts
from server.reports.spans import Span
from server.storage import packed
from server.storage.database import Database, Query, Row, Script
from tests.reports.test_overview import Asked
from tests.storage.world import bulk, statement
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
    return sorted(day - FIRST for day in await world.packs())


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


async def test_a_day_that_is_kept_open_is_that_of_its_pack(world: World) -> None:
    """What was read once is not read again; what changes is, before and after it is packed anew."""

    async def sessions() -> int:
        async with world.database.snapshot() as reader:
            span = Span(FIRST, FIRST + 5)
            return (await figures(reader, world.site, span, Filters(device="desktop"))).sessions

    await packing(world).run(world.site)
    assert await sessions() == await sessions() == 6
    async with world.database.snapshot() as reader:
        assert reader.kept.get(("day", 1, world.site.generation, FIRST + 1)) is not None
        assert reader.kept.get(("day", 1, world.site.generation, FIRST + 5)) is None  # today
    await late(world)
    assert await sessions() == 7
    await packing(world).run(world.site)
    assert await sessions() == await sessions() == 7


async def test_big_cells_that_are_kept_are_those_of_now(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of days that are packed, until something is written of them."""
    monkeypatch.setattr(leading, "BIG", 1)  # so few visits have no larger cells
    span = Span(FIRST, FIRST + 5)

    async def landings(limit: int) -> dict[str, int]:
        async with world.database.snapshot() as reader:
            assert await leading.leading(reader, world.site, span, "landing", limit) is not None
            page = await parts(reader, world.site, span, NO_FILTERS, "landing", Paging(limit))
        return {row.name: row.sessions for row in page.items}

    await packing(world).run(world.site)
    assert await landings(1) == await landings(1) == {"/pricing": 6}
    async with world.database.snapshot() as reader:
        packers = await packed.packers(reader, 1, world.site.generation, span.first, span.last)
        assert sorted(day - FIRST for day in packers) == [0, 1, 2, 3, 4]
        key = ("big", "landing", 1, world.site.generation, FIRST + 1, packers[FIRST + 1])
        assert reader.kept.get(key) == (("/pricing",), array("q", [1]))
        asked = Asked(reader)
        since = Span(
            FIRST - 3, FIRST + 5
        )  # days before the first visit have no pack, nor has today
        await leading.leading(asked, world.site, since, "landing", 1)
        (args,) = [args for sql, args in asked.statements if "FROM rollups" in sql]
        assert set(args[4:]) == {FIRST - 3, FIRST - 2, FIRST - 1, FIRST + 5}
    await late(world)
    assert await landings(2) == {"/pricing": 6, "/late": 1}
    await packing(world).run(world.site)
    assert await landings(2) == await landings(2) == {"/pricing": 6, "/late": 1}


async def test_a_day_written_of_meanwhile_is_not_kept(world: World) -> None:
    """Its place is gone, so what was read before is stored nowhere."""
    scope = (1, world.site.generation, FIRST + 1)
    await world.writer.run(lambda: packed.take_place(*scope, 1))
    await late(world)
    assert await world.writer.run(lambda: packed.keep(*scope, 1, b"old")) is False
    assert await days(world) == []
    await world.writer.run(lambda: packed.take_place(*scope, 2))
    assert await world.writer.run(lambda: packed.keep(*scope, 2, b"new")) is True
    assert await world.writer.run(lambda: packed.keep(*scope, 2, b"again")) is False
    await late(world)
    assert await days(world) == []


async def test_nobody_fills_a_place_of_another_packer(world: World) -> None:
    """One reads, the day changes, another takes a place: the first one's day is the old one."""
    scope = (1, world.site.generation, FIRST + 1)
    await world.writer.run(lambda: packed.take_place(*scope, 1))
    async with world.database.snapshot() as reader:
        old = encoded((await made_of(reader, world.site, Span(FIRST + 1, FIRST + 1)))[FIRST + 1])
    await late(world)
    await world.writer.run(lambda: packed.take_place(*scope, 2))
    assert await world.writer.run(lambda: packed.keep(*scope, 1, old)) is False
    assert await days(world) == []
    await packing(world).run(world.site)  # the second one was killed: its place is nobody's
    assert await days(world) == [0, 1, 2, 3, 4]
    assert await world.writer.run(lambda: packed.keep(*scope, 2, old)) is False
    await world.packs()  # as the tables say


async def test_a_verification_names_days_that_are_packed_otherwise(world: World) -> None:
    await packing(world).run(world.site)
    assert await verified(world) == {}
    days = [(FIRST, b"old"), (FIRST + 1, b"older")]
    wrong = "UPDATE packed_days SET pack = $2 WHERE site_id = 1 AND day = $1"
    await world.writer.run(lambda: bulk(wrong, days))
    assert await verified(world) == {"packed_days": [(FIRST,), (FIRST + 1,)]}
    await world.writer.run(lambda: statement("DELETE FROM packed_days WHERE site_id = 1"))


async def verified(world: World) -> dict[str, list[Row]]:
    """What a verification says, as the server runs it."""
    replays, replay = world.replays(), Replay(1, swaps=False)
    replays.kept["packed_days"] = stale
    await replays.run(replay)
    assert (replay.state, replay.detail) == ("done", "")
    assert replay.unlike == {name: len(rows) for name, rows in replay.samples.items()}
    return replay.samples


async def test_a_pack_of_another_layout_is_none(world: World) -> None:
    """As a version before this one has left it: not read, and made anew."""
    await packing(world).run(world.site)

    def older() -> Script[None]:
        yield Query(
            "UPDATE packed_days SET layout = layout - 1, pack = $2 WHERE site_id = $1 AND day > $3",
            (1, b"other columns", FIRST + 2),
        )

    await world.writer.run(older)
    assert await days(world) == [0, 1, 2]
    async with world.database.snapshot() as reader:
        span = Span(FIRST, FIRST + 5)
        found = await overview(reader, world.site, span, "none", Filters(landing="/pricing"))
    assert found.total.sessions == 6
    assert await packing(world).run(world.site) == 2
    assert await days(world) == [0, 1, 2, 3, 4]


def test_the_layout_has_a_number() -> None:
    """Other columns under the same number would be read as if they were these."""
    shown = encoded(stored_day([(7, 0, 2, 1, -1, *("x" for _ in DIMENSIONS))], []))
    assert {packed.LAYOUT: hashlib.sha256(shown).hexdigest()[:16]} == {4: "dae90360982d7983"}


async def test_only_the_generation_that_is_served_is_packed(world: World) -> None:
    other = (1, world.site.generation + 1, FIRST)
    await world.writer.run(lambda: packed.take_place(*other, 1))
    assert await world.writer.run(lambda: packed.keep(*other, 1, b"nobody's")) is False


async def test_an_empty_site_has_nothing_to_pack(database: Database) -> None:
    async with tracking(database) as world:
        assert await packing(world).run(world.site) == 0
