"""PostgreSQL: one connection writes, a pool reads. Many nodes may serve one database.

A turn is one transaction at READ COMMITTED: the UPDATE of a site's head row is that site's lock,
whoever holds it numbers the next entries. An answer leaves only after the server has answered
COMMIT; if that answer is lost the outcome is unknown, the client is told to send again, and event
ids make the second time harmless.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from server.errors import HandraiseError, Overloaded
from server.storage.database import Outcome, Row, ScriptMaker
from server.storage.kept import Kept
from server.storage.postgres_connection import connect, driver, pool
from server.storage.postgres_turn import Fault, attempt, end, lost, refused, state, told

POOL_WAIT_S = 10.0
READ_LIMIT_S = 1.0
WRITE_LIMIT_S = 30.0
ATTEMPTS = 3

#: A turn that met one of these runs again: conflict, deadlock, and a plan older than a migration.
TRY_AGAIN = {"40001", "40P01", "0A000"}
CANCELLED = "57014"
SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresReader:
    """One snapshot. The server itself cancels a query that is over the time limit."""

    def __init__(self, connection: Any, limit_s: float, kept: Kept) -> None:
        self.connection = connection
        self.limit_s = limit_s
        self.kept = kept

    async def fetch(self, sql: str, *args: Any) -> list[Row]:
        try:
            return [tuple(row) for row in await self.connection.fetch(sql, *args)]
        except Exception as error:
            if state(error) == CANCELLED or isinstance(error, TimeoutError):
                raise Overloaded(f"a query took longer than {self.limit_s:g} s") from error
            if refused(self.connection, error):
                raise
            raise Overloaded(f"the database cannot be read: {told(error)}") from error


class PostgresDatabase:
    """A database of a PostgreSQL server. Only the control of a fault test is not `durable`."""

    engine = "postgres"
    version = ""

    def __init__(
        self,
        url: str,
        *,
        readers: int = 3,
        read_limit_s: float = READ_LIMIT_S,
        write_limit_s: float = WRITE_LIMIT_S,
        durable: bool = True,
    ) -> None:
        self.url = url
        self.reader_count = readers
        self.read_limit_s = read_limit_s
        self.write_limit_s = write_limit_s
        self.durable = durable
        self._pool: Any = None
        self._writer: Any = None
        self._turn = asyncio.Lock()
        self.turns = 0
        self.kept = Kept()

    async def open(self) -> None:
        asyncpg = driver()
        try:
            await self._connect()
            self._pool = await pool(self.url, self.reader_count, self.read_limit_s)
        except BaseException as error:
            await self.close()
            if isinstance(error, OSError | ValueError | asyncpg.PostgresError):
                reason = f"cannot use the PostgreSQL database: {told(error)}"
                raise HandraiseError(reason) from error
            raise

    async def _connect(self) -> Any:
        self._writer, self.version = await connect(self.url, self.write_limit_s, self.durable)
        return self._writer

    async def close(self) -> None:
        writer, self._writer = self._writer, None
        readers, self._pool = self._pool, None
        if writer is not None:
            with suppress(Exception):
                await writer.close(timeout=2)
        if readers is not None:
            try:
                await asyncio.wait_for(readers.close(), 5)
            except Exception:
                readers.terminate()

    # ------------------------------------------------------------ writing

    async def turn(self, scripts: Sequence[ScriptMaker]) -> list[Outcome]:
        async with self._turn:
            self.turns += 1
            for left in reversed(range(ATTEMPTS)):
                connection = await self._writable()
                try:
                    return await attempt(connection, scripts)
                except Fault as fault:
                    error = fault.__cause__
                    # Nothing was committed: a lost connection or a conflict may go again.
                    again = lost(connection) or state(error) in TRY_AGAIN
                    if not (left and again):
                        reason = f"the database cannot be written: {told(error)}"
                        raise Overloaded(reason) from error
            raise AssertionError("unreachable")

    async def _writable(self) -> Any:
        if self._pool is None:
            raise Overloaded("the database is closed")
        if self._writer is not None and not self._writer.is_closed():
            return self._writer
        try:
            return await self._connect()
        except Exception as error:
            raise Overloaded(f"the database cannot be reached: {told(error)}") from error

    # ------------------------------------------------------------ reading

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[Any]:
        readers = self._pool
        if readers is None:
            raise Overloaded("the database is closed")
        try:
            connection = await readers.acquire(timeout=POOL_WAIT_S)
        except TimeoutError as error:
            raise Overloaded("no connection to the database was free in time") from error
        except Exception as error:
            raise Overloaded(f"the database cannot be reached: {told(error)}") from error
        try:
            yield connection
        finally:
            with suppress(Exception):
                await readers.release(connection, timeout=2)  # shielded by the driver

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[PostgresReader]:
        async with self._reader() as connection:
            reader = PostgresReader(connection, self.read_limit_s, self.kept)
            await reader.fetch(SNAPSHOT)
            try:
                yield reader
            finally:
                await asyncio.shield(end(connection, "COMMIT"))

    async def fetch(self, sql: str, *args: Any) -> list[Row]:
        async with self._reader() as connection:
            return await PostgresReader(connection, self.read_limit_s, self.kept).fetch(sql, *args)

    async def scrub(self) -> bool:
        """Let the space of deleted rows be used again; what the server's files and its own log of
        writes still hold of them is the server's affair, so nothing is promised."""
        await self._aside("VACUUM")
        return False

    async def analyze(self, tables: Sequence[str]) -> None:
        """Have the planner look at tables, by their quoted names."""
        await self._aside(f"ANALYZE {', '.join(tables)}")

    async def _aside(self, command: str) -> None:
        """Housekeeping on a connection of its own. It needs a right of its own, and time: where it
        cannot be done nothing is lost."""
        with suppress(Exception):
            connection, _ = await connect(self.url, self.write_limit_s, self.durable)
            try:
                await connection.execute(command)
            finally:
                await connection.close(timeout=2)

    async def backup(self, target: str) -> None:
        raise HandraiseError(
            "Handraise does not copy a PostgreSQL database itself: run"
            f" pg_dump --format=custom --file={target} with the URL of the database, or use the"
            " backups of your database service"
        )
