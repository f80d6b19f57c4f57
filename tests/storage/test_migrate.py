"""A schema is complete or as it was, whatever happens on the way, and never of another program."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from server.errors import DataError, Overloaded, SchemaError
from server.storage.database import Database, Outcome, Query, Script, ScriptMaker
from server.storage.migrate import MACROS, Migration, _apply, migrate, pending, shipped
from tests.engines import Place, blank
from tests.storage.world import Stopped, crash, run, statement

pytestmark = pytest.mark.anyio
POSTGRES = pytest.mark.parametrize("place", ["postgres"], indirect=True)
TABLES = {
    "sqlite": "SELECT name FROM sqlite_schema WHERE type = 'table'"
    " AND name NOT LIKE 'sqlite_stat%' ORDER BY name",
    "postgres": "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'"
    " ORDER BY tablename",
}
TWO = Migration(2, "0002_more", "CREATE TABLE more (a $int);\nCREATE INDEX more_a ON more (a);")


@asynccontextmanager
async def empty(place: Place) -> AsyncIterator[Database]:
    """An open database without any schema."""
    async with blank(place) as bare:
        database = bare.make()
        await database.open()
        try:
            yield database
        finally:
            await database.close()


async def tables(database: Database) -> list[str]:
    return [row[0] for row in await database.fetch(TABLES[database.engine])]


class Interrupted:
    """A database in which the first script is stopped in front of its n-th statement."""

    def __init__(self, database: Database, before: int, lost: bool = False) -> None:
        self.database = database
        self.engine = database.engine
        self.before = before
        self.lost = lost

    async def turn(self, scripts: Sequence[ScriptMaker]) -> list[Outcome]:
        return await self.database.turn([partial(self._script, maker) for maker in scripts])

    def _script(self, maker: ScriptMaker) -> Script[Any]:
        script: Generator[Query, Any, Any] = maker()
        answer: Any = None
        for _ in range(self.before):
            try:
                answer = yield script.send(answer)
            except StopIteration as stop:
                return stop.value
        if self.lost:
            yield from crash(self.engine)
        raise Stopped


async def test_the_shipped_schema_is_applied_once(place: Place) -> None:
    async with empty(place) as database:
        names = [migration.name for migration in shipped()]
        assert await migrate(database) == names
        assert await migrate(database) == []
        found = await tables(database)
        assert {"entries", "heads", "schema_versions", "sessions"} <= set(found)
        rows = await database.fetch("SELECT name FROM schema_versions ORDER BY version")
        assert [row[0] for row in rows] == names


async def test_later_migrations_follow(place: Place) -> None:
    async with empty(place) as database:
        first = shipped()[:1]
        assert await migrate(database, first) == [first[0].name]
        assert await migrate(database, [*first, TWO]) == ["0002_more"]
        assert "more" in await tables(database)


async def test_counts_of_duplicates_by_the_hour_go(place: Place) -> None:
    """0002 counts them beside their entries; the counts before say neither page nor browser."""
    async with empty(place) as database:
        await migrate(database, shipped()[:1])
        insert = "INSERT INTO refusals VALUES (1, 'duplicate', 7, 2), (1, 'too_old', 7, 3)"
        await run(database, lambda: statement(insert))
        assert "0002_repeats" in await migrate(database)
        assert await database.fetch("SELECT reason, count FROM refusals") == [("too_old", 3)]


async def test_a_failure_before_any_statement_leaves_nothing(place: Place) -> None:
    async with empty(place) as database:
        await migrate(database, [])
        known = shipped()[:1]
        count = len(known[0].statements(database.engine)) + 1
        assert count > 40
        step = 1 if database.engine == "sqlite" else 7
        for n in [*range(0, count - 1, step), count - 1]:
            (outcome,) = await _apply_until(database, n, lost=False)
            assert isinstance(outcome.error, Stopped)
            assert await tables(database) == ["schema_versions"]
        assert await migrate(database, known) == [known[0].name]


async def test_a_storage_fault_leaves_nothing(place: Place) -> None:
    async with empty(place) as database:
        await migrate(database, [])
        count = len(shipped()[0].statements(database.engine)) + 1
        for n in (0, 1, count // 2, count - 1):
            with pytest.raises(Overloaded):
                await _apply_until(database, n, lost=True)
            assert await tables(database) == ["schema_versions"]
        assert len(await migrate(database)) == len(shipped())


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_a_fault_while_sqlite_is_told_is_no_reason_not_to_serve(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """The versions are read in four statements, the figures are written by the sixth."""
    figures = "SELECT count(*) FROM sqlite_stat1"
    async with empty(place) as database:
        await migrate(database)
        await run(database, lambda: statement("DELETE FROM sqlite_stat1"))
        await migrate(Interrupted(database, 5, lost=True))  # type: ignore[arg-type]
        assert "read slowly until the next start" in caplog.text
        assert await database.fetch(figures) == [(0,)]
        await migrate(database)
        assert await database.fetch(figures) != [(0,)]


async def _apply_until(database: Database, n: int, *, lost: bool) -> list[Outcome]:
    return await Interrupted(database, n, lost).turn(
        [lambda: _apply(shipped()[0], database.engine)]
    )


async def test_a_refused_statement_leaves_nothing(place: Place) -> None:
    bad = Migration(2, "0002_bad", "CREATE TABLE good (a $int); CREATE TABLE good (a $int)")
    async with empty(place) as database:
        first = shipped()[:1]
        await migrate(database, first)
        with pytest.raises(DataError, match=r"already exists"):
            await migrate(database, [*first, bad])
        assert "good" not in await tables(database)


def test_a_process_killed_at_any_statement_leaves_nothing(tmp_path: Path) -> None:
    """`kill -9` in front of each statement, of the commit, and after it."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.storage.kill_migration", str(tmp_path / "killed.sqlite")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    before, after = done.stdout.split()
    assert int(before) > 40  # kills that left nothing
    assert after == "1"  # the kill after the commit left all


@POSTGRES
async def test_nodes_that_start_at_once_migrate_once(place: Place) -> None:
    async with blank(place) as bare:
        nodes = [bare.make() for _ in range(4)]
        for node in nodes:
            await node.open()
        try:
            applied = await asyncio.gather(*[migrate(node) for node in nodes])
            names = sorted(name for mine in applied for name in mine)
            assert names == [m.name for m in shipped()]  # each once, whoever made it
            assert await nodes[0].fetch("SELECT count(*) FROM schema_versions") == [
                (len(shipped()),)
            ]
        finally:
            for node in nodes:
                await node.close()


async def test_a_changed_migration_is_refused_with_a_sentence(place: Place) -> None:
    async with empty(place) as database:
        await migrate(database)
        await run(database, lambda: statement("UPDATE schema_versions SET checksum = 'x'"))
        with pytest.raises(SchemaError, match=r"0001_first was applied from another text"):
            await migrate(database)


async def test_a_newer_schema_is_refused_with_a_sentence(place: Place) -> None:
    async with empty(place) as database:
        await migrate(database)
        await run(database, lambda: statement("INSERT INTO schema_versions VALUES (99, 'x', 'x')"))
        with pytest.raises(SchemaError, match=r"has schema 99, this program knows \d+: start"):
            await migrate(database)


def test_what_is_pending() -> None:
    (one,) = shipped()[:1]
    assert pending({}, [one, TWO]) == [one, TWO]
    assert pending({1: (one.name, one.checksum)}, [one, TWO]) == [TWO]
    with pytest.raises(SchemaError):
        pending({1: (one.name, one.checksum), 2: ("", TWO.checksum)}, [one])


@pytest.mark.parametrize("engine", sorted(MACROS))
def test_no_macro_or_comment_is_left_in_a_statement(engine: str) -> None:
    for migration in shipped():
        for text in migration.statements(engine):
            assert text.startswith(("CREATE ", "ALTER ", "DROP ", "INSERT ", "UPDATE ", "DELETE "))
            assert "$" not in text
            assert "--" not in text


def test_a_query_is_one_statement() -> None:
    assert Query("SELECT 1") == Query("SELECT 1", (), False)
