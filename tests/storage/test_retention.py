"""Thinning is one script, done whole or not at all, and found by indexes."""

import pytest

from server.errors import Conflict
from server.storage import derived, generations, people, retention, sites
from server.storage.database import Database
from server.storage.derived import Changes
from server.storage.retention import Thinning
from tests.tracking import DAY, NOON, World, tracking

pytestmark = pytest.mark.anyio

SITE, GEN = 1, 1


async def a_visit(world: World) -> Thinning:
    """One visit of one view, and the plan to seal it."""
    await world.browser().view("/")
    await world.project()
    ((at, q, seq),) = await world.rows("session_events", "at, q, seq")
    return Thinning(stubs=[seq], rows=[(seq, at, q, seq)], sessions=[(seq, people.SEALED)])


async def attempt(
    world: World, plan: Thinning, position: tuple[int, int], settings: str = ""
) -> bool:
    """Under the settings of now, or others."""
    _, written = await sites.of_now(world.database, SITE)
    done: bool = await world.writer.run(
        lambda: retention.thin(SITE, GEN, position, settings or written, plan, "sealed_views")
    )
    return done


async def test_a_turn_is_refused_where_the_tables_went_on(database: Database) -> None:
    """Another cursor, another seal, other settings, another generation: nothing is done."""
    async with tracking(database) as world:
        plan = await a_visit(world)
        before = await world.derived(), await world.rows("entries", "seq, kind, at")
        seq, seals = await people.position(database, SITE, GEN)
        for position in ((seq + 1, seals), (seq - 1, seals), (seq, seals + 1)):
            assert not await attempt(world, plan, position)
        assert not await attempt(world, plan, (seq, seals), "{}")
        await world.writer.run(lambda: generations.begin(SITE, 2, -1))
        assert not await attempt(world, plan, (seq, seals))
        while await world.writer.run(lambda: generations.drop_some(SITE, 2, 100)):
            continue
        assert (await world.derived(), await world.rows("entries", "seq, kind, at")) == before
        assert await attempt(world, plan, (seq, seals))
        assert not await attempt(world, plan, (seq, seals))  # a second time it is another seal
        assert await people.position(database, SITE, GEN) == (seq, seals + 1)


async def test_a_result_computed_before_a_seal_is_refused(database: Database) -> None:
    """One that was computed on nothing is not."""
    async with tracking(database) as world:
        plan = await a_visit(world)
        seq, seals = await people.position(database, SITE, GEN)
        assert await attempt(world, plan, (seq, seals))
        for known, refused in ((seals, True), (seals + 1, False), (-1, False)):
            script = lambda known=known: derived.apply(  # noqa: E731
                SITE, GEN, seq, seq, Changes(), seals=known
            )
            if refused:
                with pytest.raises(Conflict):
                    await world.writer.run(script)
            else:
                await world.writer.run(script)


async def test_candidates_are_found_by_their_indexes(database: Database) -> None:
    """Not by a look through everything that is kept."""
    async with tracking(database) as world:
        await a_visit(world)
        plans = Plans(database)
        day = NOON // DAY + 1
        await retention.old_visits(plans, SITE, GEN, day, (-1, 0), 10)
        await retention.loose_events(plans, SITE, GEN, -2, NOON, 10)
        await retention.loose_events(plans, SITE, GEN, 0, NOON, 10)
        wanted = ["sessions_open", "session_events_loose", "session_events_loose"]
        for plan, index in zip(plans.found, wanted, strict=True):
            # With so few rows PostgreSQL's choice is a matter of its statistics.
            assert index in plan or database.engine != "sqlite", plan


class Plans:
    """A reader that asks how it would be done."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.kept = database.kept
        self.found: list[str] = []

    async def fetch(self, sql: str, *args: object) -> list[tuple[object, ...]]:
        explain = "EXPLAIN QUERY PLAN " if self.database.engine == "sqlite" else "EXPLAIN "
        rows = await self.database.fetch(explain + sql, *args)
        self.found.append(" ".join(str(row[-1]) for row in rows))
        return []
