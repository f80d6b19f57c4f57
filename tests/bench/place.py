"""Databases to measure on: filled once by script, through `entries.append`, then copied per run."""

import asyncio
import os
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from server.errors import SchemaError
from server.storage import entries, sites
from server.storage.database import Database, Query, Script
from server.storage.migrate import migrate, pending, shipped
from server.storage.names import Names
from server.storage.sqlite import SqliteDatabase
from tests.bench.table import CannotMeasure, say
from tests.bench.workload import KEY, SETTINGS, Workload

NAME = "handraise.db"
DAY_MS = 86_400_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def fill(database: Database, events: int) -> None:
    """A migrated database with one site and that many events. The projector is told that it has
    passed them, so nothing is derived from them: what is measured is a long log, not a large site.
    """
    await migrate(database)
    await turn(database, sites.add("Bench", KEY, "secret", SETTINGS, now_ms()))
    work = Workload(7, now_ms() - DAY_MS)
    names = Names()
    for part in work.events(events):
        await turn(database, entries.append(1, part, names))
    await turn(database, _pass_all())


def _pass_all() -> Script[None]:
    yield Query("UPDATE cursors SET seq = (SELECT seq FROM heads WHERE site_id = 1)")


async def turn(database: Database, script: Script[object]) -> None:
    """One script by itself."""
    outcome = (await database.turn([lambda: script]))[0]
    if outcome.error:
        raise outcome.error


def kept(place: Path, mark: str) -> bool:
    """Whether a database that was marked so is there. Raises `CannotMeasure` where it is not of
    this program's schema: a server would not open it, and readers in process would not notice."""
    if not (place / mark).exists():
        return False
    address = f"{(place / NAME).absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            rows = connection.execute("SELECT version, name, checksum FROM schema_versions")
            lacking = pending({row[0]: (row[1], row[2]) for row in rows}, shipped())
    except (sqlite3.Error, SchemaError) as error:
        raise CannotMeasure(f"{place / NAME} cannot be used again: {error}") from error
    if lacking:
        raise CannotMeasure(f"{place / NAME} cannot be used again: it lacks {lacking[0].name}")
    return True


def filled(folder: Path, events: int) -> Path:
    """The folder of a filled SQLite database, made if it is not there yet."""
    place = folder / f"filled-{events}"
    if not kept(place, "done"):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        began = time.monotonic()
        asyncio.run(_fill_sqlite(place / NAME, events))
        (place / "done").touch()
        took = time.monotonic() - began
        say(f"    filled with {events:,} events in {took:.0f} s, {events / took:,.0f}/s")
    return place


async def _fill_sqlite(path: Path, events: int) -> None:
    database = SqliteDatabase(path, readers=1, synchronous="OFF")
    await database.open()
    try:
        await fill(database, events)
    finally:
        await database.close()


class Copies:
    """Fresh copies of a filled folder, deleted once the next is asked for."""

    def __init__(self, filled_folder: Path, scratch: Path) -> None:
        self.filled = filled_folder
        self.scratch = scratch
        self.last: Path | None = None

    def drop(self) -> None:
        """Delete the last one."""
        if self.last is not None:
            shutil.rmtree(self.last, ignore_errors=True)
        self.last = None

    def fresh(self) -> Path:
        self.drop()
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.last = Path(tempfile.mkdtemp(prefix="run-", dir=self.scratch))
        shutil.copyfile(self.filled / NAME, self.last / NAME)
        os.sync()  # what the copy left to write is no part of the run
        return self.last


def used_bytes(path: Path) -> int:
    """The pages of a database file that hold something."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        size, count, free = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "page_count", "freelist_count")
        )
        return int(size * (count - free))
    finally:
        connection.close()
