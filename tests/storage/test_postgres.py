"""What only a server can do to us: vanish, restart, lose an answer, deadlock, change its schema."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from server.errors import HandraiseError, Overloaded
from server.metrics import Metrics
from server.storage import entries, postgres_connection, postgres_turn
from server.storage.database import Database, Query, Script
from server.storage.names import Names
from server.storage.postgres import PostgresDatabase
from server.storage.postgres_connection import misfit
from server.storage.writer import Writer
from tests.engines import MIGRATED, Cluster, Place, blank
from tests.storage.proxy import Proxy, proxied
from tests.storage.world import add_site, assert_gapless, event, run, statement

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("place", ["postgres"], indirect=True),
]
PID = "SELECT pg_backend_pid()"
KILL = "SELECT pg_terminate_backend($1)"


def cluster_of(place: Place) -> Cluster:
    assert place.cluster is not None
    return place.cluster


@asynccontextmanager
async def another(place: Place, **options: Any) -> AsyncIterator[Database]:
    database = place.make(**options)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def behind_a_proxy(place: Place) -> AsyncIterator[tuple[Proxy, Database]]:
    async with proxied(cluster_of(place).folder) as proxy:
        url = f"postgresql://postgres@127.0.0.1:{proxy.port}/{MIGRATED}"
        database = PostgresDatabase(url)
        await database.open()
        try:
            yield proxy, database
        finally:
            await database.close()


def appending(site_id: int, *numbers: int) -> Any:
    return lambda: entries.append(site_id, [event(n) for n in numbers], Names())


async def test_a_session_ended_by_the_server_is_replaced(place: Place, database: Database) -> None:
    async with another(place) as other:
        for _ in range(3):
            ((pid,),) = await run(database, lambda: statement(PID))
            await run(other, lambda p=pid: statement(KILL, p))  # type: ignore[misc]
            assert await run(database, lambda: statement("SELECT 7")) == [(7,)]


async def test_readers_ended_by_the_server_are_replaced(place: Place, database: Database) -> None:
    async with another(place) as other:
        for _ in range(5):  # more than there are readers
            async with database.snapshot() as reader:
                ((pid,),) = await reader.fetch(PID)
                await run(other, lambda p=pid: statement(KILL, p))  # type: ignore[misc]
                for _ in range(2):
                    with pytest.raises(Overloaded, match=r"cannot be read"):
                        await reader.fetch("SELECT 1")
        assert await asyncio.gather(*[database.fetch("SELECT 7") for _ in range(9)]) == [[(7,)]] * 9


async def test_crashes_of_the_server_lose_nothing_acknowledged(
    place: Place, database: Database
) -> None:
    site_id, server, up = await add_site(database), cluster_of(place), asyncio.Event()
    writer = Writer(database, Metrics())
    serving = asyncio.create_task(writer.serve())
    stored: dict[int, int] = {}

    async def client(first: int) -> None:
        for number in range(first, first + 60):
            while number not in stored:
                try:
                    (stored[number],) = await writer.append(site_id, [event(number)])
                except Overloaded:
                    await up.wait()

    clients = [asyncio.create_task(client(n * 100)) for n in range(8)]
    for share in (0.25, 0.5, 0.75):
        up.set()
        while len(stored) < share * 480:
            await writer.moved.wait()
            writer.moved.clear()
        up.clear()
        await asyncio.to_thread(server.stop, signal.SIGQUIT)
        with pytest.raises(Overloaded):
            await database.fetch("SELECT 1")
        await asyncio.to_thread(server.start)
    up.set()
    await asyncio.gather(*clients)
    writer.close()
    await serving
    order = await assert_gapless(database, site_id)
    assert sorted(order) == sorted(stored)
    for number, seq in stored.items():
        assert seq in (0, order.index(number) + 1)  # 0: stored, its first answer was lost


async def test_an_unanswered_commit_is_not_acknowledged(place: Place, database: Database) -> None:
    """Stored or not, the client hears 503 and sends again: once in the log either way."""
    site_id = await add_site(database)
    async with behind_a_proxy(place) as (proxy, far):
        proxy.mode = "lose_answer"
        with pytest.raises(Overloaded, match=r"answer to a commit was lost"):
            await run(far, appending(site_id, 1))
        assert await assert_gapless(database, site_id) == [1]
        assert (await run(far, appending(site_id, 1, 2))).seqs == [0, 2]
        proxy.mode = "lose_commit"
        with pytest.raises(Overloaded):
            await run(far, appending(site_id, 3))
        assert (await run(far, appending(site_id, 3))).seqs == [3]
    assert await assert_gapless(database, site_id) == [1, 2, 3]


async def test_a_connection_gone_silent_is_given_up(
    place: Place, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_turn, "REPLY_S", 0.2)
    site_id = await add_site(database)
    async with behind_a_proxy(place) as (proxy, far):
        assert (await run(far, appending(site_id, 1))).seqs == [1]
        proxy.swallowed = 1  # the writer's; the readers' carry on
        assert (await run(far, appending(site_id, 2))).seqs == [2]


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
