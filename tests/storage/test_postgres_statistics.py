"""What the planner is told of tables that grow while the server runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from server.storage.database import Database, Query, Script, ScriptMaker
from server.storage.migrate import migrate
from server.storage.postgres import PostgresDatabase
from server.storage.postgres_statistics import Statistics
from tests.engines import Place, blank
from tests.storage.world import another, run

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("place", ["postgres"], indirect=True),
]
ROWS = 20_000
FILL = (
    "INSERT INTO subjects (site_id, gen, kind, subject_id, score, first_seen, last_seen)"
    f" SELECT 1, 1, n % 2, n, n % 90, n, n FROM generate_series(1, {ROWS}) AS n"
)
DELETE = "DELETE FROM subjects WHERE site_id = $1 AND gen = $2 AND kind = $3 AND subject_id = $4"


def statement(sql: str) -> ScriptMaker:
    """A statement that the server counts at once."""

    def script() -> Script[None]:
        yield Query(sql)
        yield Query("SELECT pg_stat_force_next_flush()")

    return script


async def looked(statistics: Statistics) -> list[str]:
    """What it finds once the server has counted the changes."""
    async with asyncio.timeout(10):
        while not (found := await statistics.look()):
            pass  # each look waits for the server
    return found


async def plan_of(database: Database, sql: str) -> str:
    """The plan of a delete by key; a reader may not delete, but may ask how."""
    rows = await database.fetch(f"EXPLAIN {sql}", 1, 1, 1, 17)
    return " ".join(row[0] for row in rows)


@asynccontextmanager
async def new(place: Place) -> AsyncIterator[tuple[Place, PostgresDatabase]]:
    """A database of which nobody knows anything, and no look of the server's own."""
    async with blank(place) as bare, another(bare) as database:
        assert isinstance(database, PostgresDatabase)
        await migrate(database)
        await run(database, statement("ALTER TABLE subjects SET (autovacuum_enabled = off)"))
        yield bare, database


async def test_a_table_that_has_grown_is_looked_at_once(place: Place) -> None:
    """Before, the planner takes whatever index comes first; then the key."""
    async with new(place) as (bare, database):
        statistics = Statistics(database)
        await run(database, statement(FILL))
        assert "subjects_pkey" not in await plan_of(database, DELETE)
        assert await looked(statistics) == ["subjects"]
        async with another(bare) as fresh:
            assert "subjects_pkey" in await plan_of(fresh, DELETE)
        assert await statistics.look() == []


async def test_it_looks_by_itself_while_something_is_written(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.storage.postgres_statistics.LOOK_S", 0.01)
    counted = "SELECT analyze_count FROM pg_stat_user_tables WHERE relname = 'subjects'"
    async with new(place) as (_, database):
        serving = asyncio.create_task(Statistics(database).serve())
        try:
            await run(database, statement(FILL))
            async with asyncio.timeout(10):
                while await database.fetch(counted) == [(0,)]:
                    await run(database, statement("SELECT 1"))
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
