"""SQLite: one connection does all writes and all checkpoints, a few others only read.

That shape keeps clear of SQLite's WAL-reset bug (3.7.0 to 3.51.2: a data race between two
connections that write or checkpoint at one moment). `synchronous=FULL` is the whole promise: a
commit that returned is on the disk.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import aiosqlite

from server.errors import DataError, HandraiseError, Overloaded
from server.storage.database import Outcome, Query, Row, ScriptMaker
from server.storage.kept import Kept
from server.storage.sqlite_faults import ERRORS, adapted, is_busy, is_damaged, is_fault, told
from server.storage.sqlite_opening import CLOSED, OPEN, cannot_open, check, mark
from server.storage.sqlite_pages import Pages

PAGE_CACHE_KB, READ_CACHE_KB = 8_000, 4_000
#: 8 MB of log: whoever waits for a checkpoint waits 6 ms. With 10 MB the log came to 20 under load.
CHECKPOINT_PAGES = 2_000
#: A log of this length waits for its readers, so that it ends below 16 MB.
WAL_CEILING_BYTES = 9_000_000
WAIT_FOR_READERS_MS = 250
#: Where that was in vain it is tried again after this time, each time after twice as long: a long
#: reader, such as a backup, must not hold up every turn.
BOUND_AGAIN_S, BOUND_AGAIN_MOST_S = 0.05, 4.0
BUSY_MS = 5_000
#: A turn that takes longer than this goes on in the writer's thread.
LOOP_S = 0.005
READ_LIMIT_S = 1.0


def adapt_nothing() -> None:
    """Have `sqlite3` take byte strings and None as they are.

    It looks for an adapter of each, and where there is none an exception is made and dropped: half
    the time of an insert. One that gives back what it got is found at once.
    """
    sqlite3.register_adapter(bytes, bytes)
    sqlite3.register_adapter(type(None), cast("Callable[[None], None]", {}.get))


#: Yields between statements whether what comes next may have to wait.
Steps = Generator[bool, None, None]


class SqliteWriter:
    """The writing connection, used by one thread at a time.

    Short statements run on the event loop: beside a busy loop a thread waits for the interpreter's
    lock after every single one. The commit waits for the disk, so it runs in the writer's thread.
    """

    def __init__(self, path: Path, synchronous: str) -> None:
        adapt_nothing()
        check(path)
        self.path, self.wal = path, Path(f"{path}-wal")
        self.pages: Pages | None = None
        self.connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, cached_statements=256, timeout=5
        )
        for pragma in (
            "journal_mode=WAL",
            f"synchronous={synchronous}",
            f"wal_autocheckpoint={CHECKPOINT_PAGES}",
            f"cache_size=-{PAGE_CACHE_KB}",
            "mmap_size=0",
            "temp_store=MEMORY",
            "secure_delete=ON",
            "foreign_keys=OFF",
            "busy_timeout=0",  # `_begin` waits elsewhere
        ):
            self.connection.execute(f"PRAGMA {pragma}").fetchall()
        mark(path, OPEN)
        self._stuck = False  # the log could not be written back: first that, then events again
        self._bound_at = 0.0  # not before may a turn wait for readers
        self._bound_again_s = BOUND_AGAIN_S

    def turn(self, scripts: Sequence[ScriptMaker]) -> list[Outcome]:
        """A whole turn in one thread."""
        outcomes: list[Outcome] = []
        return self.finish(self.steps(scripts, outcomes), outcomes)

    def steps(self, scripts: Sequence[ScriptMaker], outcomes: list[Outcome]) -> Steps:
        """A turn but for its commit, which may go on in another thread after each statement.

        Yields whether what comes next may have to wait.
        """
        try:
            if self._stuck:
                yield True
                self._checkpoint()
            yield from self._begin()
            for maker in scripts:
                outcomes.append((yield from self._run(maker)))
        except sqlite3.Error as error:
            raise self._undone(error) from error

    def finish(self, steps: Steps, outcomes: list[Outcome]) -> list[Outcome]:
        """What is left of a turn, and its commit."""
        for _ in steps:
            pass
        try:
            self.connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._undone(error) from error
        self._bound_wal()
        return outcomes

    def _undone(self, error: sqlite3.Error) -> Overloaded:
        with suppress(sqlite3.Error):
            self.connection.execute("ROLLBACK")
        return Overloaded(told(error, "written"))

    def _begin(self) -> Steps:
        """Take the write lock; another process may hold it for a moment."""
        try:
            self.connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            yield True
            self.connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
            try:
                self.connection.execute("BEGIN IMMEDIATE")
            finally:
                self.connection.execute("PRAGMA busy_timeout=0")

    def _run(self, maker: ScriptMaker) -> Generator[bool, None, Outcome]:
        """One script in a savepoint of its own; storage faults end the whole turn."""
        execute = self.connection.execute
        execute("SAVEPOINT script")
        try:
            value = yield from self._drive(maker)
        except sqlite3.Error:
            raise
        except Exception as error:  # a script's own error undoes that script alone
            execute("ROLLBACK TO script")
            execute("RELEASE script")
            return Outcome(None, error)
        execute("RELEASE script")
        return Outcome(value, None)

    def _drive(self, maker: ScriptMaker) -> Generator[bool, None, Any]:
        script = maker()
        answer: Any = None  # the first send starts the script
        fault: DataError | None = None
        while True:
            try:
                query = script.send(answer) if fault is None else script.throw(fault)
            except StopIteration as stop:
                return stop.value
            fault = None
            try:
                answer = self._execute(query)
            except sqlite3.Error as error:
                if is_fault(error):
                    raise
                fault = DataError(str(error))
            except (OverflowError, UnicodeError, ValueError) as error:
                fault = DataError(str(error))
            yield False

    def _execute(self, query: Query) -> list[Row]:
        sql = adapted(query.sql)
        if query.many:
            return [(self.connection.executemany(sql, query.args).rowcount,)]
        return self.connection.execute(sql, query.args).fetchall()

    def _bound_wal(self) -> None:
        """Passive checkpoints never shrink a log that readers keep busy: wait for them briefly."""
        try:
            if os.stat(self.wal).st_size < WAL_CEILING_BYTES or time.monotonic() < self._bound_at:
                return
        except OSError:
            return
        busy = True
        self.connection.execute(f"PRAGMA busy_timeout={WAIT_FOR_READERS_MS}")
        with suppress(sqlite3.Error):  # what was committed stays so; the next turn tells
            busy = self._checkpoint()
        self.connection.execute("PRAGMA busy_timeout=0")
        if busy:
            self._bound_at = time.monotonic() + self._bound_again_s
            self._bound_again_s = min(2 * self._bound_again_s, BOUND_AGAIN_MOST_S)
        else:
            self._bound_again_s = BOUND_AGAIN_S

    def _checkpoint(self) -> bool:
        """Write the log back and empty it; whether somebody reads it still.

        Where the disk refuses, the log would grow unseen while events are taken: turns end with the
        same error until it is written back.
        """
        try:
            busy, *_ = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            self._stuck = is_fault(error) and not is_busy(error)
            raise
        self._stuck = False
        return bool(busy)

    def scrub(self, first: int) -> int:
        """Clear what deleted rows left in some pages, from number `first` on; the page to go on
        with, 0 at the end, -1 if the file is too large. Raises `Overloaded`.

        With an empty log every page is as the file has it; with an empty cache nothing of the old
        bytes is written again.
        """
        execute = self.connection.execute
        execute("PRAGMA busy_timeout=100")
        busy, *_ = execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        execute("PRAGMA busy_timeout=0")
        if busy:
            raise Overloaded("somebody reads the log of writes")
        execute("PRAGMA shrink_memory")
        if self.pages is None:
            self.pages = Pages(self.path)
        return self.pages.clear(first)

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self.connection.close()
        mark(self.path, CLOSED)
        if self.pages is not None:
            self.pages.close()


class SqliteReader:
    """One read-only connection with a time limit on every query."""

    def __init__(self, connection: aiosqlite.Connection, limit_s: float, kept: Kept) -> None:
        self.connection = connection
        self.limit_s = limit_s
        self.kept = kept
        self.deadline = float("inf")

    async def prepare(self) -> None:
        for pragma in (
            "query_only=ON",
            "wal_autocheckpoint=0",
            f"cache_size=-{READ_CACHE_KB}",
            "mmap_size=0",
            "busy_timeout=2000",
        ):
            await self.connection.execute_fetchall(f"PRAGMA {pragma}")
        await self.connection.set_progress_handler(self._late, 2000)

    def _late(self) -> int:
        return int(time.monotonic() > self.deadline)

    async def fetch(self, sql: str, *args: Any) -> list[Row]:
        self.deadline = time.monotonic() + self.limit_s
        try:
            return list(await self.connection.execute_fetchall(adapted(sql), args))  # type: ignore[arg-type]
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            if "interrupted" in str(error):
                raise Overloaded(f"a query took longer than {self.limit_s:g} s") from error
            if is_damaged(error) or is_fault(error):
                raise Overloaded(told(error, "read")) from error
            raise
        except asyncio.CancelledError:
            self.deadline = 0.0  # ends the query under way
            await self.connection.set_progress_handler(self._late, 2000)  # waits for its thread
            raise
        finally:
            self.deadline = float("inf")


class SqliteDatabase:
    """One file in the data folder. `synchronous` is FULL except in the control of a fault test."""

    engine = "sqlite"
    version = sqlite3.sqlite_version

    def __init__(
        self,
        path: Path,
        *,
        readers: int = 3,
        read_limit_s: float = READ_LIMIT_S,
        synchronous: str = "FULL",
    ) -> None:
        self.path = path
        self.read_limit_s = read_limit_s
        self.synchronous = synchronous
        self._reader_count = readers
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="handraise-writer")
        self._writer: SqliteWriter | None = None
        self._turn = asyncio.Lock()
        self.kept = Kept()
        #: Whoever read last reads next: one page cache is warm, and the others stay small.
        self._readers: asyncio.LifoQueue[SqliteReader] = asyncio.LifoQueue()
        self._opened: list[SqliteReader] = []

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        if sqlite3.sqlite_version_info < (3, 35):
            raise HandraiseError("Handraise needs SQLite 3.35 or newer")
        try:
            self._writer = await loop.run_in_executor(
                self._thread, SqliteWriter, self.path, self.synchronous
            )
        except ERRORS as error:
            raise cannot_open(self.path, error) from error
        for _ in range(self._reader_count):
            connection = await aiosqlite.connect(
                f"{self.path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None
            )
            reader = SqliteReader(connection, self.read_limit_s, self.kept)
            self._opened.append(reader)
            await reader.prepare()
            self._readers.put_nowait(reader)

    async def close(self) -> None:
        for reader in self._opened:
            await reader.connection.close()
        self._opened.clear()
        async with self._turn:
            writer, self._writer = self._writer, None
            if writer is not None:
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._thread, writer.close)
        self._thread.shutdown(wait=True)

    async def turn(self, scripts: Sequence[ScriptMaker]) -> list[Outcome]:
        async with self._turn:
            writer = self._writer
            if writer is None:
                raise Overloaded("the database is closed")
            outcomes: list[Outcome] = []
            steps = writer.steps(scripts, outcomes)
            late = time.perf_counter() + LOOP_S
            for may_wait in steps:
                if may_wait or time.perf_counter() > late:
                    break
            loop = asyncio.get_running_loop()
            done = loop.run_in_executor(self._thread, writer.finish, steps, outcomes)
            try:
                return await asyncio.shield(done)
            except asyncio.CancelledError:
                await asyncio.wait([done])  # nobody else may use the connection before
                raise

    async def scrub(self) -> bool:
        page = 1
        while page > 0:
            async with self._turn:
                if self._writer is None:
                    raise Overloaded("the database is closed")
                loop = asyncio.get_running_loop()
                done = loop.run_in_executor(self._thread, self._writer.scrub, page)
                try:
                    page = await asyncio.shield(done)
                except asyncio.CancelledError:
                    await asyncio.wait([done])  # nobody else may use the connection before
                    raise
        return page == 0

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[SqliteReader]:
        reader = await self._readers.get()
        try:
            await reader.connection.execute_fetchall("BEGIN")
            yield reader
        finally:
            # Shielded: a reader must come back even if its request was cancelled.
            await asyncio.shield(self._release(reader))

    async def _release(self, reader: SqliteReader) -> None:
        with suppress(sqlite3.Error):
            await reader.connection.execute_fetchall("COMMIT")
        self._readers.put_nowait(reader)

    async def fetch(self, sql: str, *args: Any) -> list[Row]:
        reader = await self._readers.get()
        try:
            return await reader.fetch(sql, *args)
        finally:
            self._readers.put_nowait(reader)

    async def backup(self, target: str) -> None:
        """`VACUUM INTO` from a read-only connection of its own (it refuses under query_only)."""
        uri = f"{self.path.absolute().as_uri()}?mode=ro"
        async with aiosqlite.connect(uri, uri=True, isolation_level=None) as connection:
            await connection.execute_fetchall("PRAGMA wal_autocheckpoint=0")
            await connection.execute_fetchall("VACUUM INTO ?", (target,))
