"""A migration killed before each of its statements: complete, or as if it had never begun.

Run as `python -m tests.faults.migrations FILE-OR-URL [--apart] [--every N]`, since a process full
of threads had better not fork. Each that is shipped is killed, the first from nothing, and one more
over a filled log. Apart, every statement is committed by itself and the record comes last: the
control.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from server.storage import migrate as migrating
from server.storage.database import Database, Query, Row, Script
from server.storage.migrate import Migration, migrate, shipped
from server.storage.postgres import PostgresDatabase
from server.storage.sqlite import SqliteDatabase
from tests.bench.place import fill
from tests.engines import MIGRATED, CannotStart, cluster
from tests.faults.row import CannotRun, Fault, Outcome

EVENTS = 2_000
MORE = Migration(
    9_999,
    "9999_more",
    """
    CREATE TABLE by_kind (site_id $int NOT NULL, kind $int NOT NULL, seq $int NOT NULL,
      PRIMARY KEY (site_id, kind, seq)) $clustered;
    INSERT INTO by_kind SELECT site_id, kind, seq FROM entries;
    CREATE INDEX by_kind_seq ON by_kind (site_id, seq);
    ALTER TABLE sites ADD COLUMN note $text;
    UPDATE sites SET note = name;
    DELETE FROM by_kind WHERE seq < 100;
    """,
)
STATE = {
    "sqlite": "SELECT m.name, coalesce(p.name, '') FROM sqlite_schema m"
    " LEFT JOIN pragma_table_info(m.name) p ORDER BY 1, 2",
    "postgres": "SELECT table_name::text, column_name::text FROM information_schema.columns"
    " WHERE table_schema = 'public' UNION ALL"
    " SELECT indexname::text, '' FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2",
}
RECORD = "INSERT INTO schema_versions (version, name, checksum) VALUES ($1, $2, $3)"
RECORDED = "SELECT version, checksum FROM schema_versions ORDER BY version"


class Told(NamedTuple):
    """What the program prints: kills, how many left everything as it was, and what was wrong."""

    tried: int
    survived: int
    wrong: str


def make(place: str) -> Database:
    if place.startswith("postgresql://"):
        return PostgresDatabase(place, readers=1, read_limit_s=20)
    return SqliteDatabase(Path(place), readers=1)


@asynccontextmanager
async def opened(place: str) -> AsyncIterator[Database]:
    database = make(place)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def state(place: str) -> list[Row]:
    """Every table, column and index, and what is recorded as applied."""
    async with opened(place) as database:
        schema = await database.fetch(STATE[database.engine])
        recorded = await database.fetch(RECORDED) if ("schema_versions", "name") in schema else []
        return schema + recorded


def one(query: str, *args: Any) -> Script[None]:
    yield Query(query, args)


async def apart(database: Database, known: list[Migration], die_at: int) -> None:
    """The control: each statement is committed by itself, the record last."""
    (found,) = await database.turn([migrating._read_versions])
    number = 0
    for migration in migrating.pending(found.value, known):
        for statement in migration.statements(database.engine):
            if number == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            number += 1
            (outcome,) = await database.turn([lambda s=statement: one(s)])  # type: ignore[misc]
            if outcome.error:
                raise outcome.error
        told = (migration.version, migration.name, migration.checksum)
        await database.turn([lambda t=told: one(RECORD, *t)])  # type: ignore[misc]


def deadly(die_at: int) -> Any:
    """`_apply`, which dies before its n-th statement, or between the last one and the commit."""
    apply = migrating._apply

    def _apply(migration: Migration, engine: str) -> Script[bool]:
        inner: Generator[Query, Any, bool] = apply(migration, engine)
        answer: Any = None
        for number in range(10_000):
            try:
                query = inner.send(answer)
            except StopIteration:
                os.kill(os.getpid(), signal.SIGKILL)
            if number == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            answer = yield query
        return False

    return _apply


def forked(work: Any) -> int:
    """The wait status of a child that did the work."""
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(work())
        except BaseException:
            os._exit(3)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def kill(place: str, known: list[Migration], die_at: int, *, is_apart: bool) -> bool:
    """One migration, killed on its way. True if the kill fell."""

    async def work() -> None:
        if not is_apart:
            migrating._apply = deadly(die_at)
        async with opened(place) as database:
            await (apart(database, known, die_at) if is_apart else migrate(database, known))

    return os.WTERMSIG(forked(work)) == signal.SIGKILL


def finished(place: str, known: list[Migration]) -> bool:
    """Whether the next start brings it to its end."""

    async def work() -> None:
        async with opened(place) as database:
            await migrate(database, known)

    return forked(work) == 0


def kills(place: str, known: list[Migration], *, is_apart: bool, every: int) -> Told:
    """Kill the last of the known migrations before each `every`-th statement and at its end."""
    engine = "postgres" if place.startswith("postgresql://") else "sqlite"
    before = asyncio.run(state(place))
    count = len(known[-1].statements(engine)) + 1
    tried = survived = 0
    wrong = ""
    for die_at in [*range(0, count, every), count]:
        tried += 1
        fell = kill(place, known, die_at, is_apart=is_apart)
        whole = fell and asyncio.run(state(place)) == before
        if whole and engine == "sqlite":
            whole = _goes_on(Path(place), known)
        survived += whole
        if not whole:
            wrong = f"a kill before statement {die_at} of {known[-1].name} left something else"
            break
    ended = finished(place, known)
    wrong = wrong or ("" if ended else f"{known[-1].name} could not be finished")
    return Told(tried, survived if ended else 0, wrong)


def _goes_on(path: Path, known: list[Migration]) -> bool:
    """Whether the start after this kill finishes it, tried on a copy."""
    copy = path.with_name("copy.db")
    for part in ("", "-wal"):
        copy.with_name(f"copy.db{part}").unlink(missing_ok=True)
        if (log := path.with_name(path.name + part)).exists():
            shutil.copyfile(log, f"{copy}{part}")
    return finished(str(copy), known)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("place")
    parser.add_argument("--apart", action="store_true")
    parser.add_argument("--every", type=int, default=1)
    given = parser.parse_args()

    async def prepare() -> None:
        async with opened(given.place) as database:
            await database.turn([migrating._read_versions])

    async def fill_up() -> None:
        async with opened(given.place) as database:
            await fill(database, EVENTS)

    asyncio.run(prepare())
    told: list[Told] = []
    for number in range(len(shipped())):
        if any(one.wrong for one in told):
            break
        known = shipped()[: number + 1]
        told.append(kills(given.place, known, is_apart=given.apart, every=given.every))
    if not any(one.wrong for one in told):
        asyncio.run(fill_up())
        known = [*shipped(), MORE]
        told.append(kills(given.place, known, is_apart=given.apart, every=1))
    print(json.dumps(told))  # noqa: T201 - read by the parent


def run(place: str, *options: str) -> Outcome:
    """The program on a place, as one row of the table."""
    command = [sys.executable, "-m", "tests.faults.migrations", place, *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told = [Told(*one) for one in json.loads(done.stdout)]
    wrong = "; ".join(one.wrong for one in told if one.wrong)
    events = f"the last over {EVENTS:,} events"
    return Outcome(
        sum(one.tried for one in told),
        sum(one.survived for one in told),
        note=wrong or f"{len(told)} migrations, {events}; the start after each kill goes on",
    )


def every(times: int) -> str:
    """All statements at the usual scale, some of them in a shorter run."""
    return f"--every={max(1, 100 // max(times, 1))}"


def on_postgres(times: int, *options: str) -> Outcome:
    try:
        with cluster() as server:
            asyncio.run(server.execute(f"CREATE DATABASE {MIGRATED}"))
            return run(server.url(MIGRATED), every(times), *options)
    except CannotStart as error:
        raise CannotRun(f"PostgreSQL cannot start here: {error}") from error


FAULTS = (
    Fault(
        "R13",
        "migration killed at each statement, SQLite",
        100,
        lambda folder, times: run(str(folder / "killed.db"), every(times)),
        lambda folder: run(str(folder / "killed.db"), "--every=20", "--apart"),
    ),
    Fault(
        "R13",
        "migration killed at each statement, PostgreSQL",
        100,
        lambda _, times: on_postgres(times),
        lambda _: on_postgres(5, "--apart"),
    ),
)


if __name__ == "__main__":
    main()
