"""What deleted rows leave in a file although SQLite overwrites them, and that it is cleared."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest

from server.errors import Overloaded
from server.storage.database import Query, Script
from server.storage.sqlite import SqliteDatabase
from server.storage.sqlite_pages import unused
from tests.storage.world import bulk, run, statement

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
INSERT = "INSERT INTO names (value, number) VALUES ($1, $2)"
DELETE = "DELETE FROM names WHERE value = $1"


def _table() -> Script[None]:
    yield Query("CREATE TABLE names (value TEXT NOT NULL PRIMARY KEY, number INT) WITHOUT ROWID")


@asynccontextmanager
async def filled(path: Path, count: int) -> AsyncIterator[tuple[SqliteDatabase, list[str]]]:
    """A database of names put into their table in no order, so that its pages are split."""
    database = SqliteDatabase(path)
    await database.open()
    try:
        yield database, await _fill(database, count)
    finally:
        await database.close()


async def _fill(database: SqliteDatabase, count: int) -> list[str]:
    await run(database, _table)
    names = [f"{number:06}.{number * 7919 % 1000:03}@brew.example" for number in range(count)]
    random.Random(5).shuffle(names)
    for start in range(0, count, 50):
        rows = [(name, start) for name in names[start : start + 50]]
        await run(database, partial(bulk, INSERT, rows))
    return names


async def test_secure_delete_alone_leaves_traces(tmp_path: Path) -> None:
    """Rows that moved when a page was split are still where they were; clearing takes them away
    and nothing else."""
    path = tmp_path / "names.db"
    async with filled(path, 12_000) as (database, names):
        gone, kept = names[::4], sorted({*names} - {*names[::4]})
        for start in range(0, len(gone), 100):
            rows = [(name,) for name in gone[start : start + 100]]
            await run(database, partial(bulk, DELETE, rows))
        assert database._writer is not None
        database._writer.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        text = path.read_bytes()
        assert any(name.encode() in text for name in gone), "nothing is there to be cleared"

        assert await database.scrub()
        text = path.read_bytes()
        assert [name for name in gone if name.encode() in text] == []
        assert [
            row[0] for row in await database.fetch("SELECT value FROM names ORDER BY 1")
        ] == kept
        assert await database.fetch("PRAGMA integrity_check") == [("ok",)]
        await run(database, lambda: statement("INSERT INTO names VALUES ('again', 1)"))
    text = path.read_bytes()
    assert [name for name in gone if name.encode() in text] == []


async def test_others_write_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two slices; nothing is lost and nothing cleared comes back."""
    monkeypatch.setattr("server.storage.sqlite_pages.TOGETHER", 4)
    written = 0
    async with filled(tmp_path / "names.db", 4_000) as (database, names):
        await run(database, lambda: statement("DELETE FROM names WHERE number < 2000"))

        async def write() -> None:
            nonlocal written
            while True:
                rows = [(f"new{written}.{number}", 9) for number in range(20)]
                await run(database, partial(bulk, INSERT, rows))
                written += 20

        async with anyio.create_task_group() as group:
            group.start_soon(write)
            assert await database.scrub()
            group.cancel_scope.cancel()
        assert written > 40
        found = await database.fetch("SELECT count(*) FROM names WHERE number = 9")
        assert found[0][0] in {written, written + 20}
        assert await database.fetch("PRAGMA integrity_check") == [("ok",)]
    text = (tmp_path / "names.db").read_bytes()
    assert [name for name in names[:2_000] if name.encode() in text] == []


async def test_a_reader_of_the_log_is_waited_for(tmp_path: Path) -> None:
    """While a snapshot needs the log of writes the files are not clean."""
    async with filled(tmp_path / "names.db", 100) as (database, _):
        async with database.snapshot() as reader:
            await reader.fetch("SELECT count(*) FROM names")
            await run(database, lambda: statement("DELETE FROM names WHERE number = 0"))
            with pytest.raises(Overloaded):
                await database.scrub()
        assert await database.scrub()
        assert (tmp_path / "names.db-wal").stat().st_size == 0


def page(kind: int, cells: int, content: int) -> bytes:
    head = bytes([kind, 0, 0]) + cells.to_bytes(2, "big") + content.to_bytes(2, "big") + b"\0"
    return head.ljust(4096, b"x")


@pytest.mark.parametrize(
    ("text", "head", "found"),
    [
        (page(10, 3, 4000), 0, range(14, 4000)),
        (page(2, 3, 4000), 0, range(18, 4000)),
        (page(13, 0, 4096), 0, range(8, 4096)),
        (b"f" * 100 + page(13, 1, 3000)[:-100], 100, range(110, 3000)),
        (page(0, 3, 4000), 0, range(0)),  # a free page, or one that goes on a long row
        (page(10, 3, 5000), 0, range(0)),
        (page(10, 3000, 400), 0, range(0)),
        (page(10, 3, 0), 0, range(0)),
    ],
)
def test_where_a_page_holds_nothing(text: bytes, head: int, found: range) -> None:
    """Between the list of cells and the first cell; nowhere on a page that looks otherwise."""
    assert len(unused(text, 0, 4096, head)) == len(found)
    assert unused(text, 0, 4096, head) == found
