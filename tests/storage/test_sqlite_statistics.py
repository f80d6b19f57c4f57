"""What is read of one person or visitor is found by its index, however many others there are."""

import re
from collections.abc import Callable

import pytest

from server.storage.database import Database, Query, Script
from server.storage.migrate import migrate
from server.storage.sqlite import SqliteDatabase
from server.storage.sqlite_statistics import STATISTICS, tell
from tests.acme import history, mistyped
from tests.engines import Place, blank
from tests.storage.world import another, run, statement
from tests.tracking import tracking

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("place", ["sqlite"], indirect=True)]
#: A statement that asks for some of these is about little of a site.
NAMED = re.compile(r"\b(person_id|visitor_id|value) (?:IN|=) ?\(?(?!0)[$?\d'(]")
#: A step of a plan that goes through all of a site.
ALL_OF_A_SITE = re.compile(r"^(?:SCAN|SEARCH) (\w+)(?!.*\b(?!site_id|gen)\w+[=<>])")

ONE_PERSON = (
    "EXPLAIN QUERY PLAN SELECT state FROM sessions WHERE site_id = 1 AND gen = 1 AND person_id = 7"
)


async def test_all_indexes_of_a_told_table_are_told(database: Database) -> None:
    """With as many figures as they have columns, and one for the rows; never more than before."""
    for table, indices in STATISTICS.items():
        query = "SELECT name, origin, partial FROM pragma_index_list($1)"
        rows = await database.fetch(query, table)
        names = {table if origin == "pk" else name: name for name, origin, _ in rows}
        loose = {name for name, _, partial in rows if partial}
        assert names.keys() - loose <= indices.keys() <= names.keys()
        for index, figures in indices.items():
            columns = await database.fetch("SELECT name FROM pragma_index_info($1)", names[index])
            numbers = [int(figure) for figure in figures.split()]
            assert len(numbers) == len(columns) + 1
            assert numbers == sorted(numbers, reverse=True)


def asked() -> Script[None]:
    """As somebody does who looks into the file with a tool."""
    yield Query("ANALYZE")


async def test_what_somebody_else_told_is_told_again(database: Database) -> None:
    table = "SELECT count(*) FROM sqlite_stat1"
    count = sum(map(len, STATISTICS.values()))
    async with tracking(database) as world:
        await history(world)
        assert await database.fetch(table) == [(count,)]
        assert await run(database, lambda: tell(made=False)) is False
        await run(database, asked)
        assert await database.fetch(table) != [(count,)]
        await migrate(database)
        assert await database.fetch(table) == [(count,)]


def forgotten() -> Script[None]:
    yield Query("DELETE FROM sqlite_stat1")


async def test_connections_that_are_open_are_told(place: Place) -> None:
    """Those that had read other figures with the schema."""
    async with blank(place) as bare:
        async with another(bare) as database:
            await migrate(database)
            await run(database, forgotten)
        async with another(bare) as database:
            assert "sessions_person" not in (await database.fetch(ONE_PERSON))[0][3]
            await migrate(database)
            await database.fetch("SELECT count(*) FROM sessions")  # to explain reads no schema
            assert "sessions_person" in (await database.fetch(f"{ONE_PERSON} "))[0][3]


async def test_the_connection_that_made_the_tables_knows(place: Place) -> None:
    """The planner reads the figures with the schema, and here the tables came later."""
    async with blank(place) as bare, another(bare) as database:
        assert await run(database, lambda: tell(made=False)) is True
        await migrate(database)
        assert "sessions_person" in (await run(database, lambda: statement(ONE_PERSON)))[0][3]


async def test_nobody_is_looked_for_in_all_of_a_site(database: Database) -> None:
    """Whatever a history asks of the told tables, on the connection that writes and on those that
    read. The last question has to."""
    assert isinstance(database, SqliteDatabase)
    seen: set[str] = set()
    await listen(database, seen.add)
    async with tracking(database) as world:
        await history(world)
        await mistyped(world)
    about = {sql for sql in seen if NAMED.search(sql) and any(t in sql for t in STATISTICS)}
    assert len(about) > 10
    assert [one for sql in about for one in await passes(database, sql)] == []
    assert await passes(
        database, "SELECT session_id FROM sessions WHERE visitor_id = 1 OR source = ''"
    )


async def listen(database: SqliteDatabase, hear: Callable[[str], object]) -> None:
    assert database._writer is not None
    database._writer.connection.set_trace_callback(hear)
    for reader in database._opened:
        await reader.connection.set_trace_callback(hear)


async def passes(database: Database, sql: str) -> list[str]:
    """The steps of a statement that go through all of a site in one of the told tables."""
    names = dict.fromkeys(STATISTICS) | {
        alias: None
        for table, alias in re.findall(r"\b(\w+) (?:AS )?([a-z])\b", sql)
        if table in STATISTICS
    }
    rows = await database.fetch(f"EXPLAIN QUERY PLAN {sql}")
    steps = [(str(row[3]), ALL_OF_A_SITE.match(str(row[3]))) for row in rows]
    return [f"{step}: {sql}" for step, found in steps if found and found[1] in names]
