"""PostgreSQL: one connection writes, a pool reads. Many nodes may serve one database.

A turn is one transaction at READ COMMITTED: the UPDATE of a site's head row is that site's lock,
whoever holds it numbers the next entries. An answer leaves only after the server has answered
COMMIT; if that answer is lost the outcome is unknown, the client is told to send again, and event
ids make the second time harmless.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from types import ModuleType
from typing import Any

from server.errors import DataError, HandraiseError, Overloaded
from server.storage.database import Outcome, Query, Row, ScriptMaker

OLDEST = 14
CONNECT_S = 3.0
POOL_WAIT_S = 10.0
READ_LIMIT_S = 1.0
WRITE_LIMIT_S = 30.0
ATTEMPTS = 3
CACHED_STATEMENTS = 256
#: Classes of SQLSTATE where the statement is to blame: values, constraints, syntax, savepoints,
#: limits. Every other error is the server's or the network's.
REFUSED = {"0A", "21", "22", "23", "2B", "3B", "3F", "42", "44", "54", "P0"}
ABORTED = "25P02"  # the script went on after a refused statement without rolling back
#: A turn that met one of these runs again: conflict, deadlock, and a plan older than a migration.
TRY_AGAIN = {"40001", "40P01", "0A000"}
CANCELLED = "57014"
BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
CHECK = (
    "SELECT current_setting('fsync'), current_setting('synchronous_commit'),"
    " current_setting('server_encoding')"
)
WRITER_SETTINGS = {
    "application_name": "handraise writer",
    "lock_timeout": "5000",
    # A node that vanished in mid-turn must not keep a site's lock.
    "idle_in_transaction_session_timeout": "15000",
    "jit": "off",
}


class _Fault(Exception):
    """The turn cannot go on, its statement is not to blame. Never leaves this module."""


def _driver() -> ModuleType:
    try:
        import asyncpg
    except ImportError as error:
        raise HandraiseError(
            "PostgreSQL needs a driver: pip install 'handraise[postgres]'"
        ) from error
    return asyncpg  # type: ignore[no-any-return]


def _state(error: BaseException | None) -> str:
    return getattr(error, "sqlstate", None) or ""


def _refused(connection: Any, error: Exception) -> bool:
    """Whether the statement or its values are to blame, and the connection lives on."""
    if connection.is_closed() or isinstance(error, OSError | TimeoutError):
        return False
    state = _state(error)
    if state == "0A000" and "cached" in str(error):
        return False
    return state[:2] in REFUSED or state == ABORTED or not state


def _told(error: Exception) -> str:
    """The driver's words without the value, which may be personal."""
    text = str(error)
    return text.split(": ")[0] if text.startswith("invalid input for query argument") else text


def misfit(major: int, fsync: str, synchronous_commit: str, encoding: str) -> str:
    """Why a server cannot be used, as a sentence; empty if it can."""
    if major < OLDEST:
        return f"Handraise needs PostgreSQL {OLDEST} or newer, this server is {major}"
    if fsync != "on":
        return (
            "this PostgreSQL runs with fsync = off and loses acknowledged events when the power"
            " fails: set fsync = on"
        )
    if synchronous_commit == "off":
        return (
            "this PostgreSQL acknowledges before it has written: set synchronous_commit = on for"
            " this server, database or role"
        )
    if encoding != "UTF8":
        return f"the database is encoded in {encoding}: create it with ENCODING 'UTF8'"
    return ""


def _number(text: str) -> int | float:
    """PostgreSQL sums integers to numeric; SQLite gives an integer, and so do we."""
    return int(text) if text.lstrip("-").isdigit() else float(text)


async def _prepare(connection: Any) -> None:
    await connection.set_type_codec(
        "numeric", schema="pg_catalog", encoder=str, decoder=_number, format="text"
    )


async def _keep(connection: Any) -> None:
    """Our readers change no session state: nothing to reset when one comes back."""


class PostgresReader:
    """One snapshot. The server itself cancels a query that is over the time limit."""

    def __init__(self, connection: Any, limit_s: float) -> None:
        self.connection = connection
        self.limit_s = limit_s

    async def fetch(self, sql: str, *args: Any) -> list[Row]:
        try:
            return [tuple(row) for row in await self.connection.fetch(sql, *args)]
        except Exception as error:
            if _state(error) == CANCELLED or isinstance(error, TimeoutError):
                raise Overloaded(f"a query took longer than {self.limit_s:g} s") from error
            if _refused(self.connection, error):
                raise
            raise Overloaded(f"the database cannot be read: {_told(error)}") from error


class PostgresDatabase:
    """A database on a server of its own. `durable` is true except in the control of a fault test."""

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
        self.readers = readers
        self.read_limit_s = read_limit_s
        self.write_limit_s = write_limit_s
        self.durable = durable
        self._pool: Any = None
        self._writer: Any = None
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        driver = _driver()
        try:
            self._writer = await self._connect()
            self._pool = await driver.create_pool(
                self.url,
                min_size=1,
                max_size=self.readers,
                init=_prepare,
                reset=_keep,
                timeout=CONNECT_S,
                command_timeout=self.read_limit_s + 2,
                statement_cache_size=CACHED_STATEMENTS,
                max_inactive_connection_lifetime=0,
                server_settings={
                    "application_name": "handraise reader",
                    "default_transaction_read_only": "on",
                    "statement_timeout": str(int(self.read_limit_s * 1000)),
                    "jit": "off",
                },
            )
        except (OSError, ValueError, driver.PostgresError, driver.InterfaceError) as error:
            await self.close()
            raise HandraiseError(f"cannot use the PostgreSQL database: {error}") from error
        except BaseException:
            await self.close()
            raise

    async def _connect(self) -> Any:
        """The writing connection, with the promises of the server checked each time."""
        connection = await _driver().connect(
            self.url,
            timeout=CONNECT_S,
            command_timeout=self.write_limit_s,
            statement_cache_size=CACHED_STATEMENTS,
            max_cached_statement_lifetime=0,
            target_session_attrs="read-write",
            server_settings=WRITER_SETTINGS,
        )
        await _prepare(connection)
        self.version = connection.get_settings().server_version
        major = connection.get_server_version().major
        reason = misfit(major, *(await connection.fetchrow(CHECK)))
        if reason and (self.durable or major < OLDEST):
            connection.terminate()
            raise HandraiseError(reason)
        return connection

    async def close(self) -> None:
        writer, self._writer = self._writer, None
        pool, self._pool = self._pool, None
        if writer is not None:
            with suppress(Exception):
                await writer.close(timeout=2)
        if pool is not None:
            try:
                await asyncio.wait_for(pool.close(), 5)
            except Exception:
                pool.terminate()

    # ------------------------------------------------------------ writing

    async def turn(self, scripts: Sequence[ScriptMaker]) -> list[Outcome]:
        async with self._turn:
            for attempt in range(1, ATTEMPTS + 1):
                connection = await self._writable()
                try:
                    return await self._attempt(connection, scripts)
                except _Fault as fault:
                    error = fault.__cause__
                    # Nothing was committed: a lost connection or a conflict may go again.
                    again = connection.is_closed() or _state(error) in TRY_AGAIN
                    if attempt == ATTEMPTS or not again:
                        raise Overloaded(f"the database cannot be written: {error}") from error
            raise AssertionError("unreachable")

    async def _writable(self) -> Any:
        if self._pool is None:
            raise Overloaded("the database is closed")
        if self._writer is None or self._writer.is_closed():
            try:
                self._writer = await self._connect()
            except Exception as error:
                raise Overloaded(f"the database cannot be reached: {error}") from error
        return self._writer

    async def _attempt(self, connection: Any, scripts: Sequence[ScriptMaker]) -> list[Outcome]:
        try:
            await _ask(connection, Query(BEGIN))
            outcomes = [await _run(connection, maker) for maker in scripts]
        except _Fault:
            try:
                await connection.execute("ROLLBACK", timeout=2)
            except Exception:
                connection.terminate()
            raise
        except BaseException:
            connection.terminate()
            raise
        try:
            tag = await connection.execute("COMMIT")
        except BaseException as error:
            connection.terminate()
            if not isinstance(error, Exception):
                raise
            raise Overloaded(f"the answer to a commit was lost: {error}") from error
        if tag != "COMMIT":
            raise Overloaded("the database rolled a commit back")
        return outcomes

    # ------------------------------------------------------------ reading

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[Any]:
        pool = self._pool
        if pool is None:
            raise Overloaded("the database is closed")
        try:
            connection = await pool.acquire(timeout=POOL_WAIT_S)
        except TimeoutError as error:
            raise Overloaded("too many readers wait for the database") from error
        except Exception as error:
            raise Overloaded(f"the database cannot be reached: {_told(error)}") from error
        try:
            yield connection
        finally:
            with suppress(Exception):
                await pool.release(connection, timeout=2)  # shielded by the driver

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[PostgresReader]:
        async with self._reader() as connection:
            reader = PostgresReader(connection, self.read_limit_s)
            await reader.fetch(SNAPSHOT)
            try:
                yield reader
            finally:
                await asyncio.shield(_finish(connection))

    async def fetch(self, sql: str, *args: Any) -> list[Row]:
        async with self._reader() as connection:
            return await PostgresReader(connection, self.read_limit_s).fetch(sql, *args)

    async def backup(self, target: str) -> None:
        raise HandraiseError(
            "Handraise does not copy a PostgreSQL database itself: run"
            f" pg_dump --format=custom --file={target} with the URL of the database, or use the"
            " backups of your database service"
        )


async def _finish(connection: Any) -> None:
    try:
        await connection.execute("COMMIT", timeout=2)
    except Exception:
        connection.terminate()


async def _ask(connection: Any, query: Query) -> list[Row]:
    """One statement. Raises `DataError` if it is refused, `_Fault` if the turn is lost."""
    try:
        if query.many:
            rows = await connection.fetchmany(query.sql + " RETURNING 1", query.args)
            return [(len(rows),)]
        return [tuple(row) for row in await connection.fetch(query.sql, *query.args)]
    except Exception as error:
        if _refused(connection, error):
            raise DataError(_told(error)) from error
        raise _Fault from error


async def _run(connection: Any, maker: ScriptMaker) -> Outcome:
    """One script in a savepoint of its own; faults end the whole turn."""
    await _ask(connection, Query("SAVEPOINT script"))
    try:
        value = await _drive(connection, maker)
        await _ask(connection, Query("RELEASE script"))
    except _Fault:
        raise
    except Exception as error:  # a script's own error undoes that script alone
        await _ask(connection, Query("ROLLBACK TO script"))
        await _ask(connection, Query("RELEASE script"))
        return Outcome(None, error)
    return Outcome(value, None)


async def _drive(connection: Any, maker: ScriptMaker) -> Any:
    script = maker()
    query = next(script)
    ...
