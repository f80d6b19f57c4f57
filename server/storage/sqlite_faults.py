"""How SQLite wants its statements, and what its errors mean."""

import re
import sqlite3
from functools import lru_cache

from server.starting import command

#: Where the fault lies with the disk or another process, not with the statement.
STORAGE_FAULTS = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}
#: Where the file itself is.
DAMAGES = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
#: What reading raises: a name or text that is no UTF-8 breaks the very words of SQLite's error.
ERRORS = (sqlite3.Error, UnicodeDecodeError)
ACCESS = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}
_LOWERED = re.compile(r"\blower\(([\w.]+)\) (=|IN) ")


@lru_cache(maxsize=1024)
def adapted(sql: str) -> str:
    """`$1` → `?1`: SQLite would take `$1` for a name.

    A column that is compared in lower case is compared without a text of its own for each row,
    which takes half the time; both fold the letters of ASCII and no others. What stands on the
    other side is in lower case already.
    """
    return re.sub(r"\$(\d+)", r"?\1", _LOWERED.sub(r"\1 COLLATE NOCASE \2 ", sql))


def _code(error: Exception) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_busy(error: Exception) -> bool:
    """Whether somebody else holds a lock."""
    return _code(error) == sqlite3.SQLITE_BUSY


def is_access(error: Exception) -> bool:
    """Whether a file may not be opened or written."""
    return _code(error) in ACCESS


def is_fault(error: Exception) -> bool:
    """Whether the disk or another process is at fault, not the statement."""
    return _code(error) in STORAGE_FAULTS


def is_damaged(error: Exception) -> bool:
    """Whether the file itself is at fault: also where a text is no UTF-8, for no such is stored."""
    no_text = isinstance(error, UnicodeDecodeError) or "decode to UTF-8" in str(error)
    return no_text or _code(error) in DAMAGES


def told(error: Exception, done: str) -> str:
    """A sentence for whoever wanted the database `done`, such as "read"."""
    what = f"the database cannot be {done}: {error}"
    if not is_damaged(error):
        return what
    return f"{what}. Stop the server, then `{command('restore FILE')}` puts a backup in its place"
