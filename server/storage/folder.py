"""The data folder: one process at a time, with the secret, the erasure key and the ledger."""

import contextlib
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from server.errors import HandraiseError
from server.storage.ledger import Ledger, make_key, read_key

ROOM_CHECK_S = 1.0


class FolderInUse(HandraiseError):
    """Another process holds the data folder."""


class Folder:
    """The data folder: made if missing, locked by one process, with the server's secret."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        with _written(self.path):
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock: IO[str] | None = None

    @property
    def database(self) -> Path:
        return self.path / "handraise.db"

    @property
    def socket(self) -> Path:
        return self.path / "handraise.sock"

    @property
    def ledger(self) -> Ledger:
        """The erasures so far; no backup holds it and no restore touches it."""
        return Ledger(self.path / "erasures.jsonl")

    def lock(self) -> None:
        """Raises `FolderInUse` if another process holds the folder, `HandraiseError` if it may not
        be written."""
        path = self.path / "handraise.lock"
        with _written(path):
            handle = path.open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            raise FolderInUse(
                f"another Handraise works in {self.path}: stop it, or give this one --data"
            ) from None
        self._lock = handle

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def secret(self) -> str:
        """The secret in the folder, made at first start with mode 0600."""
        path = self.path / "secret"
        with _written(path):
            with contextlib.suppress(FileExistsError):
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(handle, "w") as file:
                    file.write(secrets.token_urlsafe(32) + "\n")
            return path.read_text("utf-8").strip()

    def erasure_key(self, given: str, *, needed: bool) -> bytes:
        """The key of the tombstones: the setting, else the folder's, made at first start.

        Raises `HandraiseError` where people were erased (`needed`) and the key is gone: with a new
        one all of them would be strangers again. The folder must be locked.
        """
        if given:
            return read_key(given, "HANDRAISE_ERASURE_KEY")
        path = self.path / "erasure.key"
        if path.exists():
            with _written(path):
                return read_key(path.read_text("utf-8", "replace"), str(path))
        if needed:
            raise HandraiseError(
                f"people were erased here and {path} is missing: put it back from a copy of the"
                " data folder, or set HANDRAISE_ERASURE_KEY to what it held",
                code="erasure_key",
            )
        with _written(path):
            return make_key(path)

    def room(self, floor_mb: int) -> Callable[[], bool]:
        """Whether the disk is above its floor, asked of the system once a second at most.

        A disk that does not answer has no room.
        """
        checked, enough = 0.0, True

        def has_room() -> bool:
            nonlocal checked, enough
            if time.monotonic() - checked > ROOM_CHECK_S:
                checked = time.monotonic()
                enough = free_bytes(self.path) > floor_mb * 1_000_000
            return enough

        return has_room


@contextlib.contextmanager
def _written(path: Path) -> Iterator[None]:
    """Raises `HandraiseError` with the way out where a file of the folder refuses."""
    try:
        yield
    except OSError as error:
        raise HandraiseError(
            f"{path} cannot be read and written by this user ({error.strerror}): give the data"
            f" folder to it (chown -R {os.geteuid()}), see that the disk has room and takes"
            " writes, or name another folder with --data",
            code="folder",
        ) from error


def free_bytes(path: Path) -> int:
    """Free space of the disk that holds a folder; 0 where it does not answer."""
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return 0
