"""What both adapters promise to scripts and to readers."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.errors import DataError, HandraiseError, NotFound, Overloaded
from server.reports.filter_values import lowered
from server.storage.database import Database, Query, Script
from tests.engines import Place
from tests.storage.world import Stopped, bulk, crash, failing, run, statement

pytestmark = pytest.mark.anyio

HEAD = "INSERT INTO heads (site_id, seq) VALUES ($1, $2)"
SLOW = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000)"
    " SELECT sum(i) FROM n"
)


async def heads(database: Database) -> list[tuple[Any, ...]]:
    return await database.fetch("SELECT site_id, seq FROM heads ORDER BY site_id")


def insert(*site_ids: int) -> Callable[[], Script[int]]:
    def script() -> Script[int]:
        for site_id in site_ids:
            yield Query(HEAD, (site_id, 0))
        return len(site_ids)

    return script


async def test_scripts_of_one_turn_fail_alone(database: Database) -> None:
    outcomes = await database.turn(
        [
            insert(1),
            lambda: failing(NotFound("no"), "INSERT INTO heads (site_id) VALUES (2)"),
            insert(3, 4),
            insert(4),
            insert(5),
        ]
    )
    assert [outcome.value for outcome in outcomes] == [1, None, 2, None, 1]
    assert isinstance(outcomes[1].error, NotFound)
    assert isinstance(outcomes[3].error, DataError)  # the key is taken
    assert await heads(database) == [(1, 0), (3, 0), (4, 0), (5, 0)]


async def test_a_turn_without_scripts_is_a_turn(database: Database) -> None:
    assert await database.turn([]) == []


@pytest.mark.parametrize(
    "query",
    [
        Query(HEAD, (1, 0)),
        Query(HEAD, (2, "text")),
        Query(HEAD, (2, 2**63)),
        Query(HEAD, (2,)),
        Query("INSERT INTO sites (site_id, name) VALUES ($1, $2)", (2, "\ud800")),
        Query("INSERT INTO nowhere (a) VALUES ($1)", (1,)),
        Query("not a statement"),
        Query("RELEASE nothing"),
        Query(HEAD, [(2, 0), (1, 0)], many=True),
        Query(HEAD, [(2, 0), (3, 2**63)], many=True),
        Query(HEAD, [(2, 0), (3,)], many=True),
    ],
    ids=lambda query: query.sql[:30],
)
async def test_a_refused_statement_is_thrown_into_its_script(
    database: Database, query: Query
) -> None:
    if database.engine == "sqlite" and "text" in query.args:
        pytest.skip("SQLite stores any type in any column")

    def script() -> Script[str]:
        yield Query(HEAD, (1, 0))
        yield Query("SAVEPOINT mine")
        try:
            yield query
        except DataError as error:
            yield Query("ROLLBACK TO mine")
            yield Query("RELEASE mine")
            yield Query(HEAD, (9, 0))
            return str(error)
        return ""

    told = await run(database, script)
    assert told
    assert "text" not in told  # the value may be personal
    assert await heads(database) == [(1, 0), (9, 0)]


async def test_savepoints_nest_under_one_name(database: Database) -> None:
    def script() -> Script[None]:
        for site_id in (1, 2, 3):
            yield Query("SAVEPOINT part")
            yield Query(HEAD, (site_id, 0))
        yield Query("ROLLBACK TO part")
        yield Query("RELEASE part")
        yield Query("RELEASE part")
        yield Query("ROLLBACK TO part")
        yield Query("RELEASE part")
        yield Query(HEAD, (7, 0))

    await run(database, script)
    assert await heads(database) == [(7, 0)]


async def test_many_counts_the_rows_that_changed(database: Database) -> None:
    def script() -> Script[list[int]]:
        counts = []
        for sql, rows in (
            (HEAD, [(n, 0) for n in range(10)]),
            (HEAD + " ON CONFLICT DO NOTHING", [(n, 1) for n in range(5, 12)]),
            (
                HEAD + " ON CONFLICT (site_id) DO UPDATE SET seq = heads.seq + excluded.seq",
                [(n, 5) for n in range(11, 14)],
            ),
            ("UPDATE heads SET decided = $2 WHERE site_id = $1", [(1, 1), (99, 1)]),
            ("DELETE FROM heads WHERE site_id < $1", [(3,), (4,)]),
        ):
            answer = yield Query(sql, rows, many=True)
            counts.append(answer[0][0])
        return counts

    assert await run(database, script) == [10, 2, 3, 1, 4]
    assert (await heads(database))[-3:] == [(11, 6), (12, 5), (13, 5)]


async def test_rows_are_plain_tuples_of_plain_values(database: Database) -> None:
    await run(
        database,
        lambda: statement("INSERT INTO strings VALUES (1, $1, $2, $3)", 2**62, b"\x00\xff", "Zoë"),
    )
    await run(database, lambda: statement("INSERT INTO strings VALUES (1, 2, $1, '')", b""))
    rows = await database.fetch(
        "SELECT string_id, hash, text, NULL FROM strings WHERE string_id > $1", 2
    )
    assert rows == [(2**62, b"\x00\xff", "Zoë", None)]
    assert type(rows[0]) is tuple
    ((total, average, none),) = await database.fetch(
        "SELECT sum(string_id), avg(length(text)), sum(string_id + NULL) FROM strings"
    )
    assert (total, average, none) == (2**62 + 2, 1.5, None)
    assert type(total) is int
    assert await run(database, lambda: statement("SELECT text FROM strings WHERE text = ''")) == [
        ("",)
    ]


async def test_text_sorts_by_bytes(database: Database) -> None:
    rows = [(n, bytes([n]), text) for n, text in enumerate(["b", "É", "a", "Z", "_"])]
    await run(database, lambda: bulk("INSERT INTO strings VALUES (1, $1, $2, $3)", rows))
    found = await database.fetch("SELECT text FROM strings ORDER BY text")
    assert [row[0] for row in found] == ["Z", "_", "a", "b", "É"]


async def test_columns_compare_in_lower_case_by_the_letters_of_ascii(database: Database) -> None:
    texts = [
        "Zoë",
        "zoë",
        "ZOË",
        "STRASSE",
        "Straße",
        "STRAßE",
        "a_b",
        "A_B",
        "aXb",
        "[",
        "{",
        "ı",
        "I",
    ]
    rows = [(n, bytes([n]), text) for n, text in enumerate(texts)]
    await run(database, lambda: bulk("INSERT INTO strings VALUES (1, $1, $2, $3)", rows))
    for low in map(lowered, texts):
        same = {text for text in texts if lowered(text) == low}
        for sign in ("= $1", "IN ($1, 'nobody')"):
            sql = f"SELECT s.text FROM strings s WHERE lower(s.text) {sign}"
            assert {text for (text,) in await database.fetch(sql, low)} == same


async def test_a_snapshot_sees_one_state_and_writes_nothing(database: Database) -> None:
    await run(database, insert(1))
    async with database.snapshot() as reader:
        assert len(await reader.fetch("SELECT * FROM heads")) == 1
        await run(database, insert(2))
        assert len(await reader.fetch("SELECT * FROM heads")) == 1
        assert len(await heads(database)) == 2
    async with database.snapshot() as reader:
        assert len(await reader.fetch("SELECT * FROM heads")) == 2
        with pytest.raises(Exception, match=r"(?i)read-?only"):
            await reader.fetch("DELETE FROM heads")
    with pytest.raises(Exception, match=r"(?i)read-?only"):
        await database.fetch("DELETE FROM heads")
    assert len(await heads(database)) == 2


async def stop_in_a_snapshot(database: Database) -> None:
    async with database.snapshot() as reader:
        await reader.fetch("SELECT 1")
        raise Stopped


async def test_readers_come_back_after_errors_and_cancelled_requests(database: Database) -> None:
    for _ in range(6):  # more than there are readers
        with pytest.raises(Exception, match=r"nowhere"):
            await database.fetch("SELECT * FROM nowhere")
        with pytest.raises(Stopped):
            await stop_in_a_snapshot(database)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(database.fetch(SLOW), 0.01)
    assert await heads(database) == []


async def test_a_long_read_ends_as_overloaded(place: Place, database: Database) -> None:
    hasty = place.make(read_limit_s=0.05)
    await hasty.open()
    try:
        with pytest.raises(Overloaded, match=r"longer than 0\.05 s"):
            await hasty.fetch(SLOW)
        async with hasty.snapshot() as reader:
            with pytest.raises(Overloaded, match=r"longer than"):
                await reader.fetch(SLOW)
        assert await heads(hasty) == []
    finally:
        await hasty.close()


async def test_a_storage_fault_undoes_the_whole_turn(database: Database) -> None:
    with pytest.raises(Overloaded, match=r"cannot be written"):
        await database.turn([insert(1), lambda: crash(database.engine), insert(2)])
    assert await heads(database) == []
    assert await run(database, insert(3)) == 1
    assert await heads(database) == [(3, 0)]


async def test_turns_at_once_take_turns(database: Database) -> None:
    await asyncio.gather(*[database.turn([insert(n)]) for n in range(20)])
    assert len(await heads(database)) == 20


async def test_a_closed_database_is_overloaded(place: Place, database: Database) -> None:
    other = place.make()
    with pytest.raises(Overloaded, match=r"closed"):
        await other.turn([insert(1)])
    await other.close()
    assert database.version.count(".") >= 1


async def test_backup_is_a_whole_copy_or_names_the_tool(database: Database, tmp_path: Path) -> None:
    await run(database, insert(1, 2))
    target = tmp_path / "copy.sqlite"
    if database.engine == "postgres":
        with pytest.raises(HandraiseError, match=r"pg_dump .*copy\.sqlite"):
            await database.backup(str(target))
        return
    await database.backup(str(target))
    await run(database, insert(3))
    copy = sqlite3.connect(target)
    assert copy.execute("SELECT count(*) FROM heads").fetchall() == [(2,)]
    copy.close()
