"""A projection result is whole or not at all, and only one projector passes a point of the log."""

import asyncio
import re
from typing import Any

import pytest

from server.errors import Conflict, DataError
from server.model import Kind
from server.storage import derived, entries, people
from server.storage.database import Database, Row, ScriptMaker
from server.storage.derived import Changes, Table
from server.storage.migrate import shipped
from server.storage.names import Names
from tests.engines import Place
from tests.storage.world import Stopped, add_site, assert_gapless, event, run

pytestmark = pytest.mark.anyio
GEN = 1


def texts_of(table: Table) -> set[str]:
    """The columns of a table that hold text, as the schema says."""
    for migration in shipped():
        found = re.search(rf"CREATE TABLE {table.name} \((.*?)\n\)", migration.text, re.DOTALL)
        if found:
            return set(re.findall(r"^  (\w+) \$text", found[1], re.MULTILINE))
    raise AssertionError(table.name)


def row_of(table: Table, seed: int) -> Row:
    """A row whose key depends on nothing and whose other columns depend on the seed."""
    texts, key = texts_of(table), table.key
    return tuple(
        (f"{column}-{0 if column in key else seed}" if column in texts else place)
        if column in key or column in texts
        else seed * 1000 + place
        for place, column in enumerate(table.columns[2:])
    )


#: What the projector deletes by other columns than the whole key, for each person or session.
DROPPED = {
    derived.CONTRIBUTIONS: "kind = $3 AND subject_id = $4",
    derived.SUBJECTS: "kind = $3 AND subject_id = $4",
    derived.LINKS: "visitor_id = $3",
    derived.SIGNALS: "session_id = $3",
    derived.PERSON_WORDS: "person_id = $3",
}


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize("table", DROPPED, ids=lambda table: table.name)
async def test_no_deletion_looks_through_a_site(database: Database, table: Table) -> None:
    """By a key or an index down to the last column: else each new person costs as much as all."""
    where = DROPPED[table]
    changes = Changes()
    changes.drop(table, where, *range(where.count("$")))
    ((sql, (args,)),) = changes.deletes.items()
    plan = await database.fetch(f"EXPLAIN QUERY PLAN {sql}", 1, GEN, *args)
    columns = [name.split(" = ")[0] for name in where.split(" AND ")]
    assert all(f"{column}=?" in plan[0][3] for column in columns), plan


async def rows_of(database: Database, table: Table, site_id: int) -> list[Row]:
    columns = ", ".join(table.columns[2:])
    sql = f"SELECT {columns} FROM {table.name} WHERE site_id = $1 AND gen = $2"
    return await database.fetch(sql, site_id, GEN)


def applying(site_id: int, old: int, new: int, changes: Changes) -> ScriptMaker:
    return lambda: derived.apply(site_id, GEN, old, new, changes)


@pytest.mark.parametrize("table", derived.TABLES, ids=lambda table: table.name)
async def test_rows_are_inserted_replaced_and_dropped_by_key(
    database: Database, table: Table
) -> None:
    site_id = await add_site(database)
    for step in (1, 2):
        changes = Changes()
        changes.put(table, row_of(table, 9))
        changes.put(table, row_of(table, step))  # the later row of one key wins
        await run(database, applying(site_id, step - 1, step, changes))
        assert await rows_of(database, table, site_id) == [row_of(table, step)]
    changes = Changes()
    column = table.key[2]
    changes.drop(table, f"{column} = $3", row_of(table, 1)[0])
    assert changes
    await run(database, applying(site_id, 2, 3, changes))
    assert await rows_of(database, table, site_id) == []
    assert await people.cursor(database, site_id, GEN) == 3


async def test_rollups_add_up(database: Database) -> None:
    site_id = await add_site(database)
    for step in range(3):
        changes = Changes()
        changes.rollups["views", 20_000, "/"] += 2
        changes.rollups["views", 20_000, "/pricing"] -= 1
        await run(database, applying(site_id, step, step + 1, changes))
    rows = await database.fetch("SELECT name, day, key, value FROM rollups ORDER BY key")
    assert rows == [("views", 20_000, "/", 6), ("views", 20_000, "/pricing", -3)]


async def test_a_stale_cursor_writes_nothing(database: Database) -> None:
    site_id = await add_site(database)
    changes = Changes()
    changes.rollups["views", 1, "/"] += 1
    changes.consequences.append(event(9, kind=Kind.CROSSED, visitor=None))
    await run(database, applying(site_id, 0, 5, changes))
    for old, new in ((0, 5), (4, 6), (6, 7)):
        with pytest.raises(Conflict):
            await run(database, applying(site_id, old, new, changes))
    assert await database.fetch("SELECT value FROM rollups") == [(1,)]
    assert await assert_gapless(database, site_id) == [9]
    assert await people.cursor(database, site_id, GEN) == 5
    assert await people.cursor(database, site_id, 2) == 0


async def test_consequences_join_the_log_and_what_is_decided_never_falls(
    database: Database,
) -> None:
    site_id = await add_site(database)
    await run(database, lambda: entries.append(site_id, [event(1)], Names()))
    changes = Changes()
    changes.consequences.append(event(100, kind=Kind.STAGE_MOVED, reason="score"))
    await run(database, applying(site_id, 0, 1, changes))
    assert await assert_gapless(database, site_id) == [1, 100]
    # The projector is stopped after the append and starts again: the same consequence, once.
    await run(database, applying(site_id, 1, 2, changes))
    assert await assert_gapless(database, site_id) == [1, 100]
    assert await database.fetch("SELECT decided FROM heads") == [(2,)]
    await run(database, lambda: derived.apply(site_id, GEN, 2, 1, Changes()))
    assert await database.fetch("SELECT decided FROM heads") == [(2,)]


async def test_a_refused_row_undoes_the_whole_result(database: Database) -> None:
    site_id = await add_site(database)
    changes = Changes()
    changes.rollups["views", 1, "/"] += 1
    changes.put(derived.SESSION_EVENTS, (1, 1, 1, 1, 2**63, 1, 0, 0))
    with pytest.raises(DataError):
        await run(database, applying(site_id, 0, 1, changes))
    assert await database.fetch("SELECT value FROM rollups") == []
    assert await people.cursor(database, site_id, GEN) == 0


async def test_a_conflict_does_not_undo_its_turn(database: Database) -> None:
    site_id = await add_site(database)
    outcomes = await database.turn(
        [
            lambda: entries.append(site_id, [event(1)], Names()),
            applying(site_id, 3, 4, Changes()),
            lambda: entries.append(site_id, [event(2)], Names()),
        ]
    )
    assert [type(outcome.error) for outcome in outcomes] == [type(None), Conflict, type(None)]
    assert await assert_gapless(database, site_id) == [1, 2]


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
async def test_of_two_workers_one_passes(place: Place, database: Database) -> None:
    site_id = await add_site(database)
    other = place.make()
    await other.open()

    async def worker(at: Database, name: str) -> list[int]:
        won = []
        for step in range(25):
            changes = Changes()
            changes.rollups["steps", step, ""] += 1
            changes.consequences.append(event(step, kind=Kind.CROSSED, agent=name))
            try:
                await run(at, applying(site_id, step, step + 1, changes))
                won.append(step)
            except Conflict:
                pass
        return won

    try:
        one, two = await asyncio.gather(worker(database, "one"), worker(other, "two"))
    finally:
        await other.close()
    assert sorted(one + two) == list(range(25))
    assert await assert_gapless(database, site_id) == list(range(25))
    assert await database.fetch("SELECT sum(value), count(*) FROM rollups") == [(25, 25)]


async def test_what_the_projector_reads_back(database: Database) -> None:
    site_id = await add_site(database)
    changes = Changes()
    for n in (3, 1, 2):
        session: dict[str, Any] = dict.fromkeys(derived.SESSIONS.columns[2:], 0)
        session |= dict.fromkeys(texts_of(derived.SESSIONS), "x")
        session |= {"session_id": n, "visitor_id": 5, "person_id": n % 2 * 8, "start_at": 10 - n}
        changes.put(derived.SESSIONS, tuple(session.values()))
    for n in range(600):
        changes.put(derived.IDENTIFIERS, ("email", f"{n}@example.com", n, n % 3, 1, n))
        changes.put(derived.SIGNALS, (n, "rule", 1, "", 600 - n, 0))
    changes.put(derived.TRAITS, (8, "city", 2, '"Ulm"', "string", 1, 50))
    changes.put(derived.TRAITS, (8, "city", 1, '"Bonn"', "string", 1, 50))
    await run(database, applying(site_id, 0, 1, changes))
    owned = await people.person_sessions(database, site_id, GEN, 8)
    assert [(s.session_id, s.start_at, s.landing) for s in owned] == [(3, 7, "x"), (1, 9, "x")]
    free = await people.visitor_sessions(database, site_id, GEN, 5)
    assert [s.session_id for s in free] == [2]
    values = [f"{n}@example.com" for n in range(590, 1200)]
    found = await people.identifiers(database, site_id, GEN, values)
    assert sorted(row[2] for row in found) == list(range(590, 600))
    assert await people.identifiers(database, site_id, GEN, []) == []
    assert len(await people.identifiers_of(database, site_id, GEN, 7)) == 1
    assert len(await people.signals(database, site_id, GEN, range(2000))) == 600
    traits = await people.traits(database, site_id, GEN, 8)
    assert [row[2] for row in traits] == ['"Bonn"', '"Ulm"']
    assert await people.person(database, site_id, GEN, 8) is None


async def test_a_script_may_not_half_apply(database: Database) -> None:
    """What a caller adds after `apply` in one script stands and falls with it."""
    site_id = await add_site(database)

    def script() -> Any:
        yield from derived.apply(site_id, GEN, 0, 1, Changes())
        raise Stopped

    with pytest.raises(Stopped):
        await run(database, script)
    assert await people.cursor(database, site_id, GEN) == 0
