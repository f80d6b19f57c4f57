"""A log read again: the same tables, put in place while the site is served."""

import asyncio
from functools import partial

import pytest
from msgspec import structs

from server.project.replay import Replay
from server.storage import generations
from server.storage.database import Database, Query, Script
from tests.storage.world import statement
from tests.tracking import DAY, World, tracking

pytestmark = pytest.mark.anyio


async def lived_in(world: World) -> None:
    """A little of everything."""
    ann, bob, laptop = world.browser(1), world.browser(2), world.browser(3)
    await ann.view("/", r="https://www.google.com/")
    await ann.read("/pricing")
    await ann.submit("demo", email="ann@brew.example", name="Ann Lee", title="VP of Marketing")
    projector = await world.project()
    await bob.view("/careers")
    world.now += DAY
    await bob.view("/pricing")
    await laptop.submit("demo", email="ann@brew.example")
    await world.project(projector)
    await laptop.submit("newsletter", "/", email="cat@brew.example")
    await laptop.view("/docs")
    late = bob.event("page_view", "/plans")
    late["t"] -= 3 * 3_600_000
    await bob.send(late)
    world.now += 2 * DAY
    await ann.view("/pricing")
    await world.project(projector)
    await world.project(projector)


async def test_a_verification_finds_nothing_and_leaves_nothing(database: Database) -> None:
    async with tracking(database) as world:
        await lived_in(world)
        replay = Replay(1, swaps=False)
        await world.replays().run(replay)
        assert (replay.state, replay.detail) == ("done", "")
        assert (replay.unlike, replay.samples) == ({}, {})
        assert await world.rows("cursors", "gen") == [(1,)]
        assert await world.rows("sessions", "gen", "gen <> 1") == []


async def test_a_verification_finds_what_differs(database: Database) -> None:
    """The control: a row that the log does not give."""
    async with tracking(database) as world:
        await lived_in(world)

        def spoil() -> Script[None]:
            yield Query("UPDATE persons SET name = 'Nobody' WHERE email = 'ann@brew.example'")

        await world.writer.run(spoil)
        replay = Replay(1, swaps=False)
        await world.replays().run(replay)
        assert replay.unlike == {"persons": 2}
        assert {row[2] for row in replay.samples["persons"]} == {"Nobody", "Ann Lee"}
        await world.replays().run(Replay(1, swaps=True))
        assert await world.rows("persons", "name") == [("",), ("Ann Lee",)]


async def test_a_rebuild_gives_the_same_tables_and_tells_nobody(database: Database) -> None:
    async with tracking(database) as world:
        await lived_in(world)
        before = await world.derived()
        head = await world.rows("heads", "seq, decided")
        await world.replays().run(Replay(1, swaps=True))
        assert world.site.generation == 2
        assert await world.derived() == before
        assert await world.rows("cursors", "gen") == [(2,)]
        await world.project()
        assert await world.rows("heads", "seq, decided") == head


async def test_who_withdraws_consent_leaves_the_person_at_once(database: Database) -> None:
    """Visits and link are gone from the person in the memory of the projector too."""
    async with tracking(database) as world:
        ann = world.browser()
        await ann.read("/pricing")
        await ann.submit("demo", email="ann@brew.example")
        projector = await world.project()
        assert await world.rows("subjects", "sessions", "kind = 1") == [(1,)]
        await ann.send(ann.event("consent", "/", d={"state": "denied"}))
        await world.project(projector)
        assert await world.rows("subjects", "sessions", "kind = 1") == [(0,)]
        assert await world.rows("links", "visitor_id") == []


# ---------------------------------------------------------------- several nodes


@pytest.mark.slow
@pytest.mark.parametrize("swaps", [True, False], ids=["rebuild", "verify"])
async def test_nodes_at_once_share_the_work(database: Database, swaps: bool) -> None:
    """They read into one generation, and whoever comes second takes it for done, or does it once
    more where it comes late; one generation is left."""
    async with tracking(database) as world:
        await lived_in(world)
        before, several = await world.derived(), [Replay(1, swaps=swaps) for _ in range(3)]
        async with asyncio.timeout(50):
            await asyncio.gather(*(world.replays().run(one) for one in several))
        assert [(one.state, one.detail, one.unlike) for one in several] == [("done", "", {})] * 3
        served = (await world.database.fetch("SELECT generation FROM sites"))[0][0]
        assert await world.rows("cursors", "gen") == [(served,)]
        assert (served > 1) is swaps
        assert await world.derived() == before


async def test_a_rebuild_that_nobody_moves_is_taken_over(database: Database) -> None:
    """Not one that goes on; what was only compared is deleted."""
    async with tracking(database) as world:
        await lived_in(world)
        before = await world.derived()
        await world.change(structs.replace(world.settings, currency="USD"))
        for gen in (2, -1):
            await world.writer.run(partial(generations.begin, 1, gen, 0, 1))
        other, moving = world.replays(), "UPDATE cursors SET seq = $1 WHERE gen = 2"
        for moved in (1, 2, 0):
            await other.take_over()
            assert other.last == {}
            await world.writer.run(partial(statement, moving, moved))
        for asked in (False, True):
            await other.take_over()
            assert bool(other.last) is asked
        assert await world.rows("cursors", "gen") == [(1,), (2,)]
        await other.run(other.last[1, True])
        await world.reload()
        assert world.site.generation == 2
        assert await world.derived() == before
        assert await world.rows("cursors", "gen, settings_seq") == [(2, 1)]
        for _ in range(3):
            await other.take_over()
        assert len(other.last) == 1
