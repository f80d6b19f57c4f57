"""A server that ends sessions, crashes, or is behind a network that loses its answers."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from server.errors import Overloaded
from server.metrics import Metrics
from server.storage import postgres_turn
from server.storage.database import Database
from server.storage.postgres import PostgresDatabase
from server.storage.writer import Writer
from tests.engines import MIGRATED, Place
from tests.storage.proxy import Proxy, proxied
from tests.storage.world import (
    add_site,
    another,
    appending,
    assert_gapless,
    cluster_of,
    event,
    run,
    statement,
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("place", ["postgres"], indirect=True),
]
PID = "SELECT pg_backend_pid()"
KILL = "SELECT pg_terminate_backend($1)"


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
        server.stop(signal.SIGQUIT)
        with pytest.raises(Overloaded):
            await database.fetch("SELECT 1")
        server.start()  # in the main thread: the server goes with the thread that starts it
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
