"""How SQLite wants its placeholders, and what its errors mean."""

import re
import sqlite3
from functools import lru_cache

#: Where the fault lies with the disk or another process, not with the statement.
STORAGE_FAULTS = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}


@lru_cache(maxsize=1024)
def numbered(sql: str) -> str:
    """`$1` → `?1`: SQLite would take `$1` for a name."""
    return re.sub(r"\$(\d+)", r"?\1", sql)


def is_busy(error: sqlite3.Error) -> bool:
    """Whether somebody else holds a lock."""
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) == sqlite3.SQLITE_BUSY


def is_fault(error: sqlite3.Error) -> bool:
    """Whether the disk or another process is at fault, not the statement."""
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in STORAGE_FAULTS
