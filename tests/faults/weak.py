"""Servers that are broken on purpose, one promise each: the controls of the disk's faults.

Run as `FAULTS_WEAKNESS=deaf python -m tests.faults.weak serve …`.
"""

import asyncio
import os
import shutil
import signal
import socket
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

from server.__main__ import main
from server.cli import open_files, serving
from server.errors import Overloaded
from server.ingest import payload
from server.model import Event
from server.reports.people_csv import Snapshots, csv_pages
from server.storage import entries, sqlite, writer
from server.storage.database import Reader
from server.storage.folder import Folder
from server.storage.sqlite import SqliteDatabase, SqliteWriter
from server.storage.writer import Stored, Writer
from server.web import batches, segments
from server.web.state import State

#: What a server is given that breaks one promise: `Server(MODULE, data, FAULTS_WEAKNESS=…)`.
MODULE = "tests.faults.weak"
LEAK_BYTES = 20_000
DAWDLES_S = 3.0


def _deaf() -> None:
    """Takes what could not be stored for stored."""
    real = Writer.put

    def put(self: Writer, site_id: int, events: Sequence[Event], stored: Stored) -> None:
        def lying(seqs: Sequence[int], error: Exception | None) -> None:
            stored([1] * len(events) if error else seqs, None)

        try:
            real(self, site_id, events, lying)
        except Overloaded:
            stored([1] * len(events), None)

    Writer.put = put  # type: ignore[method-assign]


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


def _fresh() -> None:
    """Makes a new database wherever there is none, whatever was there before."""
    vars(sqlite)["check"] = Path.is_file


def _reborn() -> None:
    """Puts a new database in the place of a damaged one."""

    def check(path: Path) -> None:
        try:
            with closing(sqlite3.connect(path)) as connection:
                sound = connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        except sqlite3.Error:
            sound = False
        for suffix in () if sound else ("", "-wal", "-shm", ".made"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)

    vars(sqlite)["check"] = check


def _elsewhere() -> None:
    """Works in a copy of its folder where that may not be written."""
    made = Folder.__init__

    def init(self: Folder, path: str) -> None:
        if not os.access(path, os.W_OK):
            copy = tempfile.mkdtemp(dir=os.path.dirname(path))
            no_socket = shutil.ignore_patterns("*.sock")
            path = shutil.copytree(path, copy, ignore=no_socket, dirs_exist_ok=True)
            os.chmod(path, 0o700)
        made(self, path)

    Folder.__init__ = init  # type: ignore[method-assign]


def _unlocked() -> None:
    """Leaves its folder to whoever else comes."""
    Folder.lock = Folder.unlock  # type: ignore[method-assign]


def _spendthrift() -> None:
    """Takes every connection, however few files may be open."""
    open_files.connections_for = max  # type: ignore[assignment]


def _spooling() -> None:
    """Puts each body into a temporary file first."""
    tempfile.tempdir = "/tmp"  # noqa: S108 - what it finds by itself may be another
    decode = payload.decode

    def spooled(body: bytes) -> Any:
        with tempfile.TemporaryFile() as file:
            file.write(body)
            file.flush()
            return decode(body)

    vars(batches)["decode"] = spooled


def _abrupt() -> None:
    """Ends at once when it is asked to end."""
    tune = serving.tune

    def tuned() -> None:
        tune()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, os._exit, 0)

    vars(serving)["tune"] = tuned


def _dawdling() -> None:
    """Takes its time to come back."""
    tune = serving.tune

    def tuned() -> None:
        tune()
        time.sleep(DAWDLES_S)

    vars(serving)["tune"] = tuned


def _healthy() -> None:
    """Says to the last that it is ready."""

    def keep(self: State, name: str, value: object) -> None:
        object.__setattr__(self, name, True if name == "ready" else value)

    State.__setattr__ = keep  # type: ignore[method-assign, assignment]


def _remembering() -> None:
    """Keeps whatever anybody sends."""
    decode, kept = payload.decode, []

    def keeping(body: bytes) -> Any:
        kept.append(body)
        return decode(body)

    vars(batches)["decode"] = keeping


def _leaking() -> None:
    """Keeps some memory of every batch."""
    decode, kept = payload.decode, []

    def keeping(body: bytes) -> Any:
        kept.append(bytearray(LEAK_BYTES))
        return decode(body)

    vars(batches)["decode"] = keeping


def _clinging() -> None:
    """Writes a file from one state of the database, however long somebody takes to read it."""
    real = csv_pages

    async def clinging(snapshots: Snapshots, *given: Any, **more: Any) -> Any:
        async with snapshots() as reader:

            @asynccontextmanager
            async def same() -> AsyncIterator[Reader]:
                yield reader

            async for page in real(same, *given, **more):
                yield page

    vars(segments)["csv_pages"] = clinging


def _asking() -> None:
    """Asks for the name of whoever sends, while they wait."""
    decode = payload.decode

    def asked(body: bytes) -> Any:
        with suppress(OSError):
            socket.getaddrinfo("visitor.example", 443)
        return decode(body)

    vars(batches)["decode"] = asked


WEAKNESSES: dict[str, Callable[[], None]] = {
    "deaf": _deaf,
    "hasty": _hasty,
    "patient": _patient,
    "normal": _normal,
    "forgetful": _forgetful,
    "blind": _blind,
    "unbounded": _unbounded,
    "fresh": _fresh,
    "reborn": _reborn,
    "elsewhere": _elsewhere,
    "unlocked": _unlocked,
    "spendthrift": _spendthrift,
    "spooling": _spooling,
    "abrupt": _abrupt,
    "dawdling": _dawdling,
    "healthy": _healthy,
    "remembering": _remembering,
    "leaking": _leaking,
    "clinging": _clinging,
    "asking": _asking,
}


def weaken(names: Sequence[str]) -> None:
    for name in names:
        WEAKNESSES[name]()


if __name__ == "__main__":
    weaken(os.environ["FAULTS_WEAKNESS"].split(","))
    main()
