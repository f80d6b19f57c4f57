"""Whole copies of the database: backups, and what is kept of it before its schema changes."""

import asyncio
import contextlib
import fcntl
import logging
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from server.errors import HandraiseError
from server.starting import command
from server.storage.database import Database
from server.storage.folder import Folder, free_bytes
from server.storage.ledger import sync_folder
from server.storage.sqlite_faults import ERRORS

KEPT_MS = 14 * 86_400_000
LOOK_S = 3_600.0
_KEPT = "handraise.db.schema-"

log = logging.getLogger("handraise")


@contextlib.contextmanager
def whole(file: Path) -> Iterator[Path]:
    """An empty file beside `file` that nobody else writes. Once it is written and on the disk it
    takes the name of `file`, so a file of that name is whole whatever happens on the way.

    What a copy that was killed has left is used again. Raises `HandraiseError` while another one
    is being written.
    """
    part = file.with_name(f"{file.name}.part")
    with part.open("a+b") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # What was opened may be a whole copy by now, under its own name: never cut that.
            if not os.path.samestat(os.fstat(held.fileno()), part.stat()):
                raise BlockingIOError
        except (BlockingIOError, FileNotFoundError) as error:
            raise HandraiseError(f"another backup writes {file} at this moment") from error
        held.truncate(0)
        try:
            yield part
            sync(part)
            part.rename(file)
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
    sync_folder(file.absolute().parent)


def sync(file: Path) -> None:
    """Its content is on the disk."""
    with file.open("rb") as handle:
        os.fsync(handle.fileno())


class Copies:
    """What the folder keeps of the database as it was before its schema changed, the last one.

    It is the way back to the program of then. It also holds whoever is erased meanwhile, so it goes
    by itself after two weeks. `clock` gives UTC milliseconds.
    """

    def __init__(self, folder: Folder, clock: Callable[[], int], floor_mb: int) -> None:
        self.folder = folder
        self.clock = clock
        self.floor_mb = floor_mb

    async def keep(self, database: Database, schema: int) -> None:
        """Keep the database of SQLite, which has this schema; PostgreSQL has means of its own.

        Raises `HandraiseError` where there is no room for it.
        """
        if database.engine != "sqlite":
            return
        file = self.folder.path / f"{_KEPT}{schema}"
        size, free = self._bytes(), free_bytes(self.folder.path)
        if free < size + self.floor_mb * 1_000_000:
            raise HandraiseError(
                f"the schema changes, and a copy of the database before needs {_mb(size)} beside"
                f" the {self.floor_mb:,} MB that stay free; {_mb(free)} are free in"
                f" {self.folder.path}: make room, or take a backup to another disk and start with"
                " HANDRAISE_UPGRADE_COPY=false",
                code="no_room",
            )
        log.warning("the schema changes: copying the database before, %s", _mb(size))
        try:
            with whole(file) as part:
                part.chmod(0o600)
                await database.backup(str(part))
                os.utime(part, (self.clock() / 1000,) * 2)
        except (OSError, *ERRORS) as error:
            raise HandraiseError(f"{file} cannot be written: {error}") from error
        log.warning(
            "kept %s for two weeks; `%s` brings it back", file.name, command(f"restore {file}")
        )
        for other in self.all():
            if other != file:
                other.unlink(missing_ok=True)

    def all(self) -> list[Path]:
        """The copies there are."""
        found = self.folder.path.glob(f"{_KEPT}*")
        return sorted(file for file in found if file.suffix != ".part")

    def expire(self) -> None:
        """Delete what is older than two weeks."""
        for file in self.all():
            with contextlib.suppress(FileNotFoundError):
                if file.stat().st_mtime * 1000 <= self.clock() - KEPT_MS:
                    file.unlink()
                    log.info("%s was kept for two weeks and is deleted", file)

    async def serve(self) -> None:
        """Look once an hour, until cancelled."""
        while True:
            try:
                self.expire()
            except OSError:
                log.exception("a copy of the database cannot be deleted")
            await asyncio.sleep(LOOK_S)

    def _bytes(self) -> int:
        """The database and its log of writes."""
        files = [Path(f"{self.folder.database}{end}") for end in ("", "-wal")]
        return sum(file.stat().st_size for file in files if file.exists())


def _mb(size: int) -> str:
    return f"{math.ceil(size / 1e6):,} MB"
