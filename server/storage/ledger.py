"""What no backup may undo: the erasure key and the list of erasures, beside the database.

A backup is a copy of the database as it was, with everybody erased since still in it. The ledger
is not part of it and is never put back, so a restored database learns here whom to forget again.
"""

import contextlib
import logging
import os
import secrets
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from server.errors import BadRequest, HandraiseError, Overloaded
from server.ingest.tombstones import KEY_BYTES, MARK_BYTES, Tombstone

log = logging.getLogger("handraise")


class Line(msgspec.Struct, forbid_unknown_fields=True):
    """One line of the ledger: `hash` is hexadecimal, `at` is UTC ms."""

    site: int
    hash: str
    at: int


_line = msgspec.json.Decoder(Line)


class DamagedLedger(HandraiseError):
    """A line that was once written whole cannot be read any more."""


class Ledger:
    """`erasures.jsonl`, one tombstone a line, mode 0600; on the disk before it counts.

    Lines are only ever added. Only the process that holds the data folder's lock may write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def read(self) -> list[Tombstone]:
        """Every erasure, in the order they were made; some may be there twice.

        A torn last line is what a crash leaves of an erasure that was never answered: it is cut
        off with a warning. Raises `DamagedLedger` for any other line that cannot be read.
        """
        if not self.path.exists():
            return []
        try:
            with self._lock, _opened(self.path) as handle:
                _cut_torn_end(handle, self.path)
                lines = self.path.read_bytes().split(b"\n")
        except OSError as error:
            raise DamagedLedger(
                f"{self.path} cannot be read and written by this user ({error.strerror}): give the"
                f" data folder to it (chown -R {os.geteuid()})"
            ) from error
        return [self._tombstone(number, line) for number, line in enumerate(lines, 1) if line]

    def _tombstone(self, number: int, line: bytes) -> Tombstone:
        try:
            return _read(line)
        except ValueError as error:
            raise DamagedLedger(
                f"line {number} of {self.path} cannot be read ({error}): put back a good copy of"
                " the file; without one take that line out, and erase that person again"
            ) from error

    def append(self, tombstones: Sequence[Tombstone]) -> None:
        """Add lines and wait until the disk has them. Raises `Overloaded` if it does not take them.

        Blocks: call it in a thread.
        """
        lines = [
            msgspec.json.encode(Line(site_id, digest.hex(), erased_at)) + b"\n"
            for site_id, digest, erased_at in tombstones
        ]
        if not lines:
            return
        try:
            with self._lock:
                self._append(b"".join(lines))
        except OSError as error:
            raise Overloaded(f"the list of erasures cannot be written: {error}") from error

    def _append(self, text: bytes) -> None:
        made = not self.path.exists()
        with _opened(self.path) as handle:
            _cut_torn_end(handle, self.path)  # of an append that failed half-way
            while text:
                text = text[os.write(handle, text) :]
            os.fsync(handle)
        if made:
            sync_folder(self.path.parent)

    def missing(self, stored: Iterable[Tombstone]) -> list[Tombstone]:
        """Erasures that a database holding `stored` does not know, or only an earlier one of."""
        return newer(self.read(), stored)


def newer(these: Iterable[Tombstone], those: Iterable[Tombstone]) -> list[Tombstone]:
    """Of these, once each, what the others lack or have with an earlier time."""
    known = _latest(those)
    return [
        Tombstone(site_id, digest, erased_at)
        for (site_id, digest), erased_at in _latest(these).items()
        if known.get((site_id, digest), -1) < erased_at
    ]


def _latest(tombstones: Iterable[Tombstone]) -> dict[tuple[int, bytes], int]:
    found: dict[tuple[int, bytes], int] = {}
    for site_id, digest, erased_at in tombstones:
        found[site_id, digest] = max(found.get((site_id, digest), -1), erased_at)
    return found


def _read(line: bytes) -> Tombstone:
    """Raises `ValueError`."""
    found = _line.decode(line)
    digest = bytes.fromhex(found.hash)
    if len(digest) != MARK_BYTES:
        raise ValueError("the hash is not of 16 bytes")
    return Tombstone(found.site, digest, found.at)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        yield handle
    finally:
        os.close(handle)


def _cut_torn_end(handle: int, path: Path) -> None:
    """Leave the file ending in a whole line; a whole one that lacks only its newline gets it."""
    text = os.pread(handle, os.fstat(handle).st_size, 0)
    whole, newline, rest = text.rpartition(b"\n")
    if not rest:
        return
    try:
        _read(rest)
    except ValueError:
        log.warning("the last line of %s is torn (a crash while it was written): cut off", path)
        os.ftruncate(handle, len(whole) + len(newline))
    else:
        os.write(handle, b"\n")


# ---------------------------------------------------------------- the key


def read_key(text: str, name: str) -> bytes:
    """The key as written in a file or a setting; `name` says which. Raises `BadRequest`."""
    with contextlib.suppress(ValueError):
        key = bytes.fromhex(text.strip())
        if len(key) == KEY_BYTES:
            return key
    raise BadRequest(
        f"{name} must hold 64 hexadecimal digits, such as `openssl rand -hex 32` prints"
    )


def make_key(path: Path) -> bytes:
    """A new key, whole on the disk before the first use, mode 0600."""
    key = secrets.token_bytes(KEY_BYTES)
    fresh = path.with_name(path.name + ".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, key.hex().encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
    fresh.replace(path)
    sync_folder(path.parent)
    return key


def sync_folder(path: Path) -> None:
    """Make a new name in a folder outlive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
