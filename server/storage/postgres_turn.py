"""One turn on a PostgreSQL connection, and who is to blame when it fails."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from server.errors import DataError, Overloaded
from server.storage.database import Outcome, Query, Row, ScriptMaker

REPLY_S = 2.0
BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
#: Classes of SQLSTATE where the statement is to blame: values, constraints, syntax, savepoints,
#: limits. Every other error is the server's or the network's.
REFUSED = {"0A", "21", "22", "23", "2B", "3B", "3F", "42", "44", "54", "P0"}
ABORTED = "25P02"  # a script went on after a refused statement without rolling back
STALE_PLAN = "cached statement plan is invalid"  # 0A000, after another node's migration


class Fault(Exception):
    """The turn is lost and its statement is not to blame; the cause is the driver's error."""


def state(error: BaseException | None) -> str:
    """The SQLSTATE of an error; empty if it did not come from the server."""
    return getattr(error, "sqlstate", None) or ""


def lost(connection: Any) -> bool:
    """Whether a connection is gone; one already taken back by its pool is."""
    try:
        return bool(connection.is_closed())
    except Exception:
        return True


def refused(connection: Any, error: Exception) -> bool:
    """Whether the statement or its values are to blame, and the connection lives on."""
    import asyncpg

    if lost(connection) or STALE_PLAN in str(error):
        return False
    code = state(error)
    if code:
        return code[:2] in REFUSED or code == ABORTED
    return isinstance(error, ValueError | TypeError | asyncpg.InterfaceError)


def told(error: BaseException | None) -> str:
    """The driver's words without details and values, which may be personal."""
    text = str(error.args[0] if error and state(error) else error) or type(error).__name__
    return text.split(": ")[0] if text.startswith("invalid input for query argument") else text


async def attempt(connection: Any, scripts: Sequence[ScriptMaker]) -> list[Outcome]:
    """BEGIN to COMMIT. After a `Fault` nothing is stored; after `Overloaded` it may be."""
    try:
        # The first word on a connection that may have died unseen waits only briefly.
        await _command(connection, BEGIN, REPLY_S)
        outcomes = [await run(connection, maker) for maker in scripts]
    except Fault:
        await end(connection, "ROLLBACK")
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
        raise Overloaded(f"the answer to a commit was lost: {told(error)}") from error
    if tag != "COMMIT":
        raise Overloaded("the database rolled a commit back")
    return outcomes


async def _command(connection: Any, sql: str, timeout_s: float | None = None) -> None:
    try:
        await connection.execute(sql, timeout=timeout_s)
    except Exception as error:
        raise Fault from error


async def end(connection: Any, command: str) -> None:
    """End a transaction that holds nothing to keep, or else the connection."""
    try:
        await connection.execute(command, timeout=REPLY_S)
    except Exception:
        with suppress(Exception):  # the pool may have taken it back
            connection.terminate()


async def ask(connection: Any, query: Query) -> list[Row]:
    """One statement. Raises `DataError` if it is refused, `Fault` if the turn is lost."""
    try:
        if query.many:
            rows = await connection.fetchmany(query.sql + " RETURNING 1", query.args)
            return [(len(rows),)]
        return [tuple(row) for row in await connection.fetch(query.sql, *query.args)]
    except Exception as error:
        if refused(connection, error):
            raise DataError(told(error)) from error
        raise Fault from error


async def run(connection: Any, maker: ScriptMaker) -> Outcome:
    """One script in a savepoint of its own; a fault ends the whole turn."""
    await _command(connection, "SAVEPOINT script")
    try:
        value = await _drive(connection, maker)
        await ask(connection, Query("RELEASE script"))
    except Fault:
        raise
    except Exception as error:  # a script's own error undoes that script alone
        await _command(connection, "ROLLBACK TO script; RELEASE script")
        return Outcome(None, error)
    return Outcome(value, None)


async def _drive(connection: Any, maker: ScriptMaker) -> Any:
    script = maker()
    answer: Any = None
    refusal: DataError | None = None
    while True:
        try:
            query = script.send(answer) if refusal is None else script.throw(refusal)
        except StopIteration as stop:
            return stop.value
        refusal = None
        try:
            answer = await ask(connection, query)
        except DataError as error:
            refusal = error
