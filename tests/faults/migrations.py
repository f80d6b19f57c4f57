"""A migration killed before each of its statements: complete, or as if it had never begun.

Run as `python -m tests.faults.migrations FILE-OR-URL [--apart] [--every N]`, since a process full
of threads had better not fork. Each that is shipped is killed, the first from nothing and the
others over rows that were there before them, and then two more. Every table, column, index and row
counts: a kill leaves them as they were, and the start after it brings a copy to where a migration
comes that nobody kills. Apart, every statement is committed by itself and the record comes last:
the control, which has to be seen in the tables and, by a migration of rows alone, in the rows.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from server.storage import migrate as migrating
from server.storage.database import Database, Query, Row, Script
from server.storage.migrate import Migration, migrate, shipped
from tests.engines import MIGRATED, CannotStart, cluster
from tests.faults.migrated import EVENTS, fill, opened, state
from tests.faults.row import CannotRun, Fault, Outcome

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
ROWS_ALONE = Migration(
    9_998,
    "9998_rows_alone",
    """
    DELETE FROM entries WHERE seq <= 100;
    UPDATE entries SET url_id = NULL WHERE seq > 1900;
    UPDATE sites SET name = 'Other';
    """,
)
CONTROLS = (ROWS_ALONE, MORE)
COPY = "handraise_copy"
TRIES = 100  # to copy, a tenth of a second each
RECORD = "INSERT INTO schema_versions (version, name, checksum) VALUES ($1, $2, $3)"


class Told(NamedTuple):
    """What the program prints: kills, how many left everything as it was, and what was wrong."""

    tried: int
    survived: int
    wrong: str


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


def reached(place: str, known: list[Migration]) -> list[Row] | None:
    """What the next start makes of a copy; None where it fails."""
    with copied(place) as copy:
        return asyncio.run(state(copy)) if finished(copy, known) else None


def kills(place: str, known: list[Migration], *, is_apart: bool, every: int) -> Told:
    """Kill the last of the known migrations before each `every`-th statement and at its end."""
    engine = "postgres" if place.startswith("postgresql://") else "sqlite"
    before, goal = asyncio.run(state(place)), reached(place, known)
    count = len(known[-1].statements(engine)) + 1
    tried = survived = 0
    wrong = "" if goal else f"{known[-1].name} could not be made"
    for die_at in [*range(0, count, every), count] if goal else ():
        tried += 1
        whole = kill(place, known, die_at, is_apart=is_apart)
        whole = whole and asyncio.run(state(place)) == before and reached(place, known) == goal
        survived += whole
        if not whole:
            wrong = f"a kill before statement {die_at} of {known[-1].name} left something else"
            break
    ended = finished(place, known) and asyncio.run(state(place)) == goal
    wrong = wrong or ("" if ended else f"{known[-1].name} could not be finished")
    return Told(max(1, tried), survived if ended else 0, wrong)


@contextmanager
def copied(place: str) -> Iterator[str]:
    """A copy of a database that nobody has open."""
    if place.startswith("postgresql://"):
        with of_postgres(place) as copy:
            yield copy
        return
    path = Path(place)
    copied = path.with_name("copy.db")
    for part in ("", "-wal"):
        copied.with_name(f"copy.db{part}").unlink(missing_ok=True)
        if (log := path.with_name(path.name + part)).exists():
            shutil.copyfile(log, f"{copied}{part}")
    yield str(copied)


@contextmanager
def of_postgres(place: str) -> Iterator[str]:
    """A copy beside the database, dropped in the end. The session of whoever was killed ends a
    moment later, and until then there is none."""
    there = place.replace(f"/{MIGRATED}?", "/postgres?")
    statement(there, f"CREATE DATABASE {COPY} TEMPLATE {MIGRATED}")
    try:
        yield place.replace(f"/{MIGRATED}?", f"/{COPY}?")
    finally:
        statement(there, f"DROP DATABASE {COPY} WITH (FORCE)")


def statement(place: str, sql: str) -> None:
    import asyncpg

    async def work() -> None:
        connection = await asyncpg.connect(place)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    for left in reversed(range(TRIES)):
        try:
            return asyncio.run(work())
        except asyncpg.ObjectInUseError:
            if not left:
                raise
            time.sleep(0.1)


def stages() -> list[list[Migration]]:
    """What is known when each migration comes that is killed."""
    told = [*shipped(), ROWS_ALONE, MORE]
    return [told[:count] for count in range(1, len(told) + 1)]


def all_of(place: str, every: int) -> list[Told]:
    """Every migration in turn, up to one that does not survive."""
    told: list[Told] = []
    for number, known in enumerate(stages()):
        if number == 1:
            asyncio.run(fill(place))
        mine = known[-1] in shipped()
        told.append(kills(place, known, is_apart=False, every=every if mine else 1))
        if told[-1].wrong:
            break
    return told


def apart_of(place: str) -> list[Told]:
    """The controls: one is seen by its rows alone, one by its tables."""
    first, *later = stages()
    if not finished(place, first):
        raise RuntimeError("the first migration fails")
    asyncio.run(fill(place))
    if not finished(place, [one for one in later[-1] if one not in CONTROLS]):
        raise RuntimeError("a migration fails")
    return [kills(place, known, is_apart=True, every=1) for known in later[-len(CONTROLS) :]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("place")
    parser.add_argument("--apart", action="store_true")
    parser.add_argument("--every", type=int, default=1)
    given = parser.parse_args()

    async def prepare() -> None:
        async with opened(given.place) as database:
            await database.turn([migrating._read_versions])

    asyncio.run(prepare())
    told = apart_of(given.place) if given.apart else all_of(given.place, given.every)
    print(json.dumps(told))  # noqa: T201 - read by the parent


def run(place: str, *options: str) -> Outcome:
    """The program on a place, as one row of the table."""
    command = [sys.executable, "-m", "tests.faults.migrations", place, *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told = [Told(*one) for one in json.loads(done.stdout)]
    wrong = "; ".join(one.wrong for one in told if one.wrong)
    tried, survived = sum(one.tried for one in told), sum(one.survived for one in told)
    if "--apart" in options and not all(one.wrong for one in told):
        return Outcome(tried, tried, note=f"seen was only: {wrong or 'nothing'}")
    events = f"all but the first over {EVENTS:,} events"
    note = f"{len(told)} migrations, {events}; the start after each kill brings a copy to its end"
    return Outcome(tried, survived, note=wrong or note)


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
        lambda folder: run(str(folder / "killed.db"), "--apart"),
    ),
    Fault(
        "R13",
        "migration killed at each statement, PostgreSQL",
        100,
        lambda _, times: on_postgres(times),
        lambda _: on_postgres(100, "--apart"),
    ),
)


if __name__ == "__main__":
    main()
