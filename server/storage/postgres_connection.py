"""Connections to PostgreSQL: what we ask of the server, and how long we wait for it."""

from types import ModuleType
from typing import Any

from server.errors import HandraiseError

OLDEST = 14
CONNECT_S = 3.0
CACHED_STATEMENTS = 256
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


def driver() -> ModuleType:
    try:
        import asyncpg
    except ImportError as error:
        raise HandraiseError(
            "PostgreSQL needs a driver: pip install 'handraise[postgres]'"
        ) from error
    return asyncpg  # type: ignore[no-any-return]


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


async def connect(url: str, limit_s: float, durable: bool) -> tuple[Any, str]:
    """A writing connection and the server's version; its promises are checked each time."""
    connection = await driver().connect(
        url,
        timeout=CONNECT_S,
        command_timeout=limit_s,
        statement_cache_size=CACHED_STATEMENTS,
        max_cached_statement_lifetime=0,
        target_session_attrs="read-write",
        server_settings=WRITER_SETTINGS,
    )
    try:
        await _prepare(connection)
        major = connection.get_server_version().major
        reason = misfit(major, *(await connection.fetchrow(CHECK)))
        if reason and (durable or major < OLDEST):
            raise HandraiseError(reason)
    except BaseException:
        connection.terminate()
        raise
    return connection, connection.get_settings().server_version


async def pool(url: str, size: int, limit_s: float) -> Any:
    """Reading connections; the server ends a query over the limit, the client a little later."""
    return await driver().create_pool(
        url,
        min_size=1,
        max_size=size,
        init=_prepare,
        reset=_keep,
        timeout=CONNECT_S,
        command_timeout=limit_s + 2,
        statement_cache_size=CACHED_STATEMENTS,
        server_settings={
            "application_name": "handraise reader",
            "default_transaction_read_only": "on",
            "statement_timeout": str(int(limit_s * 1000)),
            "jit": "off",
        },
    )
