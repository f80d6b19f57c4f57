"""The write-ahead log stays short, whoever reads meanwhile."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.storage.database import Query, Script
from server.storage.sqlite import (
    BOUND_AGAIN_MOST_S,
    WAIT_FOR_READERS_MS,
    WAL_CEILING_BYTES,
    SqliteDatabase,
)

pytestmark = pytest.mark.anyio
MOST_BYTES = 16_000_000
BLOCK = "x" * 40_000  # bytes; the log grows by a little more a turn, some 30 MB a second


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    ready = SqliteDatabase(tmp_path / "log.db", synchronous="OFF")
    await ready.open()
    await ready.turn([lambda: one("CREATE TABLE notes (n INTEGER PRIMARY KEY, text TEXT)")])
    yield ready
    await ready.close()


def one(sql: str, *args: object) -> Script[None]:
    yield Query(sql, args)


async def write(database: SqliteDatabase) -> int:
    """One turn; the length of the log after it, bytes."""
    outcomes = await database.turn([lambda: one("INSERT INTO notes (text) VALUES ($1)", BLOCK)])
    assert outcomes[0].error is None
    return os.stat(f"{database.path}-wal").st_size


async def test_short_readers_that_overlap_never_let_it_grow(database: SqliteDatabase) -> None:
    """There is always a reader, as under a projector and people who look at their figures."""
    done = asyncio.Event()
    reads = 0

    async def read() -> None:
        nonlocal reads
        while not done.is_set():
            async with database.snapshot() as reader:
                for _ in range(2):
                    await reader.fetch("SELECT count(*) FROM notes")
                    await asyncio.sleep(0.001)
            reads += 1

    readers = [asyncio.create_task(read()) for _ in range(2)]
    lengths = [await write(database) for _ in range(700)]  # 30 MB
    done.set()
    await asyncio.gather(*readers)
    assert reads > 2
    assert max(lengths) < MOST_BYTES


@pytest.mark.slow
async def test_a_long_reader_holds_up_few_turns(database: SqliteDatabase) -> None:
    """Its snapshot stays whole, turns go on, and once it has ended the log is short again."""
    async with database.snapshot() as reader:
        before = await reader.fetch("SELECT count(*) FROM notes")
        started, turns, waits = time.monotonic(), 0, 0
        while not waits or time.monotonic() < started + 1.5:
            began = time.monotonic()
            length = await write(database)
            turns += 1
            waits += time.monotonic() - began > WAIT_FOR_READERS_MS / 1000
        assert await reader.fetch("SELECT count(*) FROM notes") == before
    assert length > WAL_CEILING_BYTES
    assert turns > 20 * waits > 0  # it waits after 50 ms, 100 ms, 200 ms …, not at every turn
    late = time.monotonic() + BOUND_AGAIN_MOST_S + 2
    while await write(database) > MOST_BYTES:
        assert time.monotonic() < late, "the log was not cut"


async def test_who_read_last_reads_next(database: SqliteDatabase) -> None:
    """One page cache stays warm, and the others take no memory, unless several read at once."""
    async with database.snapshot() as first:
        pass
    async with database.snapshot() as second, database.snapshot() as beside:
        assert second is first
        assert beside is not first
    for _ in range(5):
        async with database.snapshot() as again:
            assert again in {first, beside}
