"""What only PostgreSQL does: deadlocks, locks of other nodes, their migrations, its settings."""

import asyncio
import sys

import pytest

from server.errors import HandraiseError, Overloaded
from server.storage import postgres_connection
from server.storage.database import Database, Query, Script
from server.storage.postgres import PostgresDatabase
from server.storage.postgres_connection import misfit
from tests.engines import Place, blank
from tests.storage.world import add_site, another, appending, cluster_of, run, statement

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("place", ["postgres"], indirect=True),
]


async def test_a_deadlock_of_two_nodes_is_tried_again(place: Place, database: Database) -> None:
    first, second = await add_site(database), await add_site(database)
    holding: set[str] = set()
    tries: list[str] = []

    def crossing(name: str, here: int, there: int) -> Script[str]:
        if name in tries:  # in one order now, so that a second deadlock cannot be
            here, there = sorted((here, there))
        tries.append(name)
        yield Query("UPDATE heads SET epoch = epoch + 1 WHERE site_id = $1", (here,))
        holding.add(name)
        while len(holding) < 2:
            yield Query("SELECT 1")
        yield Query("UPDATE heads SET epoch = epoch + 1 WHERE site_id = $1", (there,))
        return name

    async with another(place) as other:
        one, two = await asyncio.gather(
            database.turn([lambda: crossing("one", first, second)]),
            other.turn([lambda: crossing("two", second, first)]),
        )
    assert (one[0].value, two[0].value) == ("one", "two")
    assert len(tries) in (3, 4)  # the server may end both
    assert await database.fetch("SELECT epoch FROM heads") == [(2,), (2,)]


async def test_a_lock_held_too_long_is_overloaded(
    place: Place, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    site_id = await add_site(database)
    brief = postgres_connection.WRITER_SETTINGS | {"lock_timeout": "50"}
    monkeypatch.setattr(postgres_connection, "WRITER_SETTINGS", brief)
    done = asyncio.Event()
    held = asyncio.Event()

    def holding() -> Script[None]:
        yield Query("UPDATE heads SET epoch = 1 WHERE site_id = $1", (site_id,))
        held.set()
        while not done.is_set():
            yield Query("SELECT 1")

    async with another(place) as hasty:
        holder = asyncio.create_task(run(database, holding))
        await held.wait()
        with pytest.raises(Overloaded, match=r"lock timeout"):
            await run(hasty, appending(site_id, 1))
        done.set()
        await holder
        assert (await run(hasty, appending(site_id, 1))).seqs == [1]


async def test_a_schema_changed_by_another_node_is_met(place: Place) -> None:
    every = "SELECT * FROM changing"
    async with blank(place) as bare, another(bare) as one, another(bare) as two:
        await run(one, lambda: statement("CREATE TABLE changing (a BIGINT)"))
        await run(one, lambda: statement("INSERT INTO changing VALUES (1)"))
        assert await run(two, lambda: statement(every)) == [(1,)]
        assert await two.fetch(every) == [(1,)]
        await run(one, lambda: statement("ALTER TABLE changing ADD COLUMN b BIGINT"))
        assert await run(two, lambda: statement(every)) == [(1, None)]
        with pytest.raises(Overloaded):
            async with two.snapshot() as reader:
                await reader.fetch(every)
        async with two.snapshot() as reader:
            assert await reader.fetch(every) == [(1, None)]


async def test_a_cancelled_turn_stores_nothing(place: Place, database: Database) -> None:
    site_id = await add_site(database)
    begun = asyncio.Event()

    def endless() -> Script[None]:
        yield Query("UPDATE heads SET epoch = 1")
        begun.set()
        while True:
            yield Query("SELECT 1")

    task = asyncio.create_task(database.turn([endless]))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await run(database, appending(site_id, 1))).seqs == [1]
    assert await database.fetch("SELECT epoch FROM heads") == [(0,)]


async def test_a_script_that_ignores_a_refusal_is_undone(database: Database) -> None:
    def careless() -> Script[None]:
        yield Query("INSERT INTO heads (site_id) VALUES (1)")
        try:
            yield Query("INSERT INTO heads (site_id) VALUES (1)")
        except HandraiseError:
            return

    with pytest.raises(HandraiseError, match=r"aborted"):
        await run(database, careless)
    assert await database.fetch("SELECT * FROM heads") == []


async def test_what_cannot_be_used_is_said_in_a_sentence(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = cluster_of(place)
    for url in (server.url("nowhere"), "postgresql://postgres@127.0.0.1:1/x", "postgresql://[/"):
        with pytest.raises(HandraiseError, match=r"cannot use the PostgreSQL database: \S+ "):
            await PostgresDatabase(url).open()
    async with blank(place) as bare:
        name = str(bare.make().url).split("/")[3].split("?")[0]  # type: ignore[attr-defined]
        await server.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        with pytest.raises(HandraiseError, match=r"set synchronous_commit = on"):
            await bare.make().open()
        async with another(bare, durable=False) as control:
            assert await control.fetch("SELECT 7") == [(7,)]
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(HandraiseError, match=r"pip install 'handraise\[postgres\]'"):
        await place.make().open()


def test_misfits(place: Place) -> None:
    assert misfit(14, "on", "on", "UTF8") == ""
    assert misfit(18, "on", "remote_apply", "UTF8") == ""
    assert "14 or newer, this server is 13" in misfit(13, "on", "on", "UTF8")
    assert "fsync = on" in misfit(16, "off", "on", "UTF8")
    assert "synchronous_commit = on" in misfit(16, "on", "off", "UTF8")
    assert "ENCODING 'UTF8'" in misfit(16, "on", "on", "SQL_ASCII")
