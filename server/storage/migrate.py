"""Numbered SQL files, forward only, one transaction each, recorded with a checksum.

Killed at any statement, a migration is either complete or as if it had never begun: SQLite and
PostgreSQL both run DDL inside transactions.
"""

import hashlib
import logging
import re
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import NamedTuple

from server.errors import DataError, Overloaded, SchemaError
from server.storage import sqlite_statistics
from server.storage.database import Database, Query, Script

log = logging.getLogger("handraise")
MACROS = {
    "sqlite": {"int": "INTEGER", "bytes": "BLOB", "text": "TEXT", "clustered": "WITHOUT ROWID"},
    "postgres": {"int": "BIGINT", "bytes": "BYTEA", "text": 'TEXT COLLATE "C"', "clustered": ""},
}

SCHEMA_TABLE = (
    "CREATE TABLE IF NOT EXISTS schema_versions ("
    "version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)"
)


class Migration(NamedTuple):
    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    def statements(self, engine: str) -> list[str]:
        """The DDL of one engine: comments removed, macros replaced, split at semicolons."""
        text = re.sub(r"--[^\n]*", "", self.text)
        text = re.sub(r"\$(\w+)", lambda match: MACROS[engine][match[1]], text)
        return [part.strip() for part in text.split(";") if part.strip()]


def shipped() -> list[Migration]:
    """The migrations of this program, in order."""
    folder = resources.files("server.storage") / "migrations"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [
        Migration(int(f.name.split("_", 1)[0]), f.name.removesuffix(".sql"), f.read_text("utf-8"))
        for f in files
    ]


def pending(applied: dict[int, tuple[str, str]], known: list[Migration]) -> list[Migration]:
    """What is still to run, given {version: (name, checksum)}. Raises `SchemaError` on a misfit."""
    newest = known[-1].version if known else 0
    if applied and max(applied) > newest:
        raise SchemaError(
            f"this database has schema {max(applied)}, this program knows {newest}: "
            "start the newer Handraise that wrote it, or restore a backup made before"
        )
    for migration in known:
        found = applied.get(migration.version)
        if found and found[1] != migration.checksum:
            raise SchemaError(
                f"migration {migration.name} was applied from another text than this program's: "
                "install the released version that wrote this database"
            )
    return [migration for migration in known if migration.version not in applied]


def _apply(migration: Migration, engine: str) -> Script[bool]:
    """Whether it was applied here. The record comes first: nodes that start at once wait on it."""
    mine = yield Query(
        "INSERT INTO schema_versions (version, name, checksum) VALUES ($1, $2, $3)"
        " ON CONFLICT DO NOTHING RETURNING version",
        (migration.version, migration.name, migration.checksum),
    )
    for statement in migration.statements(engine) if mine else ():
        yield Query(statement)
    return bool(mine)


def _read_versions() -> Script[dict[int, tuple[str, str]]]:
    yield Query("SAVEPOINT made")
    try:
        yield Query(SCHEMA_TABLE)
    except DataError:  # another node made it at this moment; "if not exists" does not wait
        yield Query("ROLLBACK TO made")
    yield Query("RELEASE made")
    rows = yield Query("SELECT version, name, checksum FROM schema_versions ORDER BY version")
    return {row[0]: (row[1], row[2]) for row in rows}


async def migrate(
    database: Database,
    known: list[Migration] | None = None,
    keep: Callable[[Database, int], Awaitable[None]] | None = None,
) -> list[str]:
    """Bring the database to this program's schema; the names of what was applied. One that has a
    schema already is given to `keep` first, with the number of it."""
    known = shipped() if known is None else known
    outcome = (await database.turn([_read_versions]))[0]
    if outcome.error:
        raise outcome.error
    names: list[str] = []
    todo = pending(outcome.value, known)
    if todo and outcome.value and keep is not None:
        await keep(database, max(outcome.value))
    for migration in todo:
        script = lambda m=migration: _apply(m, database.engine)  # noqa: E731
        outcome = (await database.turn([script]))[0]
        if outcome.error:
            raise outcome.error
        if not outcome.value:  # another node was faster: see what it left to do
            return names + await migrate(database, known, keep)
        names.append(migration.name)
    if database.engine == "sqlite":
        await _tell(database, bool(names))
    return names


async def _tell(database: Database, made: bool) -> None:
    """Tell SQLite's planner. A full disk is no reason not to serve: the next start tells."""
    try:
        outcome = (await database.turn([lambda: sqlite_statistics.tell(made)]))[0]
    except Overloaded as error:
        log.warning("large sites are read slowly until the next start: %s", error)
        return
    if outcome.error:
        raise outcome.error
