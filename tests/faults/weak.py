"""Servers that are broken on purpose, one promise each: the controls of the disk's faults.

Run as `FAULTS_WEAKNESS=deaf python -m tests.faults.weak serve …`.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

from server.__main__ import main
from server.errors import Overloaded
from server.model import Event
from server.storage import entries, sqlite, writer
from server.storage.sqlite import SqliteDatabase, SqliteWriter
from server.storage.writer import Writer

#: What a server is given that breaks one promise: `Server(MODULE, data, FAULTS_WEAKNESS=…)`.
MODULE = "tests.faults.weak"


def _deaf() -> None:
    """Takes what could not be stored for stored."""
    stored = Writer.append

    async def append(self: Writer, site_id: int, events: Sequence[Event]) -> list[int]:
        try:
            return await stored(self, site_id, events)
        except Overloaded:
            return [1] * len(events)

    Writer.append = append  # type: ignore[method-assign]


def _hasty() -> None:
    """Waits for nobody who holds the lock."""
    sqlite.BUSY_MS = 0


def _patient() -> None:
    """Lets everybody wait, however long."""
    writer.QUEUE_AGE_S = 3_600.0


def _normal() -> None:
    """Leaves it to the disk when to keep what was committed."""
    made = SqliteDatabase.__init__

    def init(self: SqliteDatabase, *given: Any, **more: Any) -> None:
        made(self, *given, **more | {"synchronous": "NORMAL"})

    SqliteDatabase.__init__ = init  # type: ignore[method-assign]


def _forgetful() -> None:
    """Stores what comes again: the index that knows event ids must be gone from the file."""
    entries.INSERT = entries.INSERT.partition(" ON CONFLICT")[0]


def _blind() -> None:
    """Does not see that its log cannot be written back."""
    checkpoint = SqliteWriter._checkpoint

    def unseen(self: SqliteWriter) -> bool:
        try:
            return checkpoint(self)
        finally:
            self._stuck = False

    SqliteWriter._checkpoint = unseen  # type: ignore[method-assign]


def _unbounded() -> None:
    """Never waits for readers to write its log back."""
    sqlite.WAL_CEILING_BYTES = 1 << 50


WEAKNESSES: dict[str, Callable[[], None]] = {
    "deaf": _deaf,
    "hasty": _hasty,
    "patient": _patient,
    "normal": _normal,
    "forgetful": _forgetful,
    "blind": _blind,
    "unbounded": _unbounded,
}


def weaken(names: Sequence[str]) -> None:
    for name in names:
        WEAKNESSES[name]()


if __name__ == "__main__":
    weaken(os.environ["FAULTS_WEAKNESS"].split(","))
    main()
