"""Opening a database file: it is the one that was here, it may be written, and its ends are whole.

SQLite makes a file that is missing, and takes an empty one for new: where there was a database that
would be the silent end of everything. So a small file beside it remembers that one was made.
"""

import logging
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from server.errors import DataError, HandraiseError
from server.starting import command
from server.storage.sqlite_faults import is_access, is_busy

log = logging.getLogger("handraise")
LAST_ROWS = 50
OPEN, CLOSED = "open", "closed"


def mark_of(path: Path) -> Path:
    """The file that says that a database was made, and whether its last life ended in order."""
    return Path(f"{path}.made")


def log_of(path: Path) -> Path:
    """The log of writes: what was stored last is in it alone."""
    return Path(f"{path}-wal")


def check(path: Path) -> None:
    """Look at the files before SQLite does, and read without writing, so that what is damaged stays
    as it is.

    Raises `DataError` where the database that was here is missing or empty, and `HandraiseError`
    where this user may not write it, and one of `sqlite_faults.ERRORS` where it is damaged.
    """
    if not os.access(path.parent, os.W_OK):
        raise locked_away(path.parent)
    size, left = _size(path), [file for file in (mark_of(path), log_of(path)) if _size(file) > 0]
    if size <= 0 and left:
        raise DataError(
            f"{path} is {'missing' if size < 0 else 'empty'}, and there was a database: put it"
            f" back, or a backup by `{command('restore FILE')}`. For a new, empty one take away"
            f" {' and '.join(file.name for file in left)}",
            code="damaged",
        )
    for file in (path, log_of(path), Path(f"{path}-shm")):
        if file.exists() and not os.access(file, os.W_OK):
            raise locked_away(file)
    if size > 0 and _read(mark_of(path)) == OPEN and not log_of(path).exists():
        log.warning(
            "%s is missing, and the last life of the database did not end in order: unless another"
            " program has opened it since, what was stored last is lost. Compare it with a backup"
            " (`%s`)",
            log_of(path),
            command("restore FILE"),
        )
    if size > 0 and not Path(f"{path}-journal").exists():  # which only a writer can roll back
        read_ends(path)


def read_ends(path: Path) -> None:
    """Read the schema and the last rows of every table, which is where new ones go. The full check
    is `handraise doctor`: it takes minutes where this takes milliseconds. Raises one of
    `sqlite_faults.ERRORS`.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=5)) as connection:
        _read_ends(connection)


def _read_ends(connection: sqlite3.Connection) -> None:
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    keys = "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk"
    for (table,) in names:
        if table.startswith("sqlite_"):
            continue
        order = [_quoted(key) for (key,) in connection.execute(keys, (table,))] or ["rowid"]
        down = ", ".join(f"{key} DESC" for key in order)
        sql = f"SELECT * FROM {_quoted(table)} ORDER BY {down} LIMIT {LAST_ROWS}"
        connection.execute(sql).fetchall()


def mark(path: Path, state: str) -> None:
    """Remember that there is a database. The next opening does it again if the disk forgets."""
    try:
        mark_of(path).write_text(f"{state}\n", "utf-8")
    except OSError as error:
        log.warning("%s cannot be written: %s", mark_of(path), error)


def cannot_open(path: Path, error: Exception) -> HandraiseError:
    """What SQLite said at the opening, with the way out."""
    if is_access(error):
        return locked_away(path, str(error))
    if is_busy(error):
        return HandraiseError(
            f"another program holds {path} ({error}): `fuser {path}` names it", code="locked"
        )
    return DataError(
        f"{path} is damaged or no database ({error}): `{command('restore FILE')}` puts a backup in"
        " its place and keeps this one beside it",
        code="damaged",
    )


def locked_away(path: Path, why: str = "") -> HandraiseError:
    """Somebody else's, or on a disk that is mounted for reading only."""
    return HandraiseError(
        f"{path} cannot be written by this user{why and f' ({why})'}: give the whole data folder to"
        f" it (chown -R {os.geteuid()}), and see that the disk is mounted for writing",
        code="read_only",
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _size(path: Path) -> int:
    """Bytes, -1 where there is no such file."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, ValueError):
        return ""
