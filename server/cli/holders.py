"""Who holds a SQLite database: another process that will not let the server write.

Linux lists all file locks in /proc/locks. A writer in WAL mode has locked byte 120 of the `-shm`
file; a program that wants the database for itself has locked the file as well.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

#: Such as `1: POSIX  ADVISORY  WRITE 4711 08:01:131 120 120`.
LOCKS = Path("/proc/locks")
WRITE_BYTE, RECOVER_BYTE = 120, 122
LOOKS, APART_S = 5, 0.1


class Lock(NamedTuple):
    """A line of /proc/locks that is about a file; the last byte of all is -1."""

    kind: str
    mode: str
    pid: int
    inode: int
    first: int
    last: int

    def covers(self, byte: int) -> bool:
        return self.first <= byte and (self.last < 0 or byte <= self.last)


def read(text: str) -> list[Lock]:
    """Every lock that is held; those that are waited for begin with an arrow."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) != 8 or words[1] == "->":
            continue
        last = -1 if words[7] == "EOF" else int(words[7])
        inode = int(words[5].rpartition(":")[2])
        found.append(Lock(words[1], words[3], int(words[4]), inode, int(words[6]), last))
    return found


def _inode(path: Path) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


def writers(database: Path, locks: list[Lock]) -> set[int]:
    """The processes that keep others from writing, without the server, which holds its folder."""
    file, index = _inode(database), _inode(database.with_name(database.name + "-shm"))
    folder = _inode(database.with_name("handraise.lock"))
    server = {lock.pid for lock in locks if lock.kind == "FLOCK" and lock.inode == folder}
    found = {
        lock.pid
        for lock in locks
        if lock.kind != "FLOCK"
        and lock.mode == "WRITE"
        and (
            (file and lock.inode == file)
            or (
                index
                and lock.inode == index
                and (lock.covers(WRITE_BYTE) or lock.covers(RECOVER_BYTE))
            )
        )
    }
    return found - server


def holders(
    database: Path,
    text: Callable[[], str] = LOCKS.read_text,
    sleep: Callable[[float], None] = time.sleep,
) -> set[int] | None:
    """Who holds it for longer than a write takes; None where the system does not tell."""
    held: set[int] | None = None
    for _ in range(LOOKS):
        try:
            now = writers(database, read(text()))
        except (OSError, ValueError):
            return None
        held = now if held is None else held & now
        if not held:
            break
        sleep(APART_S)
    return held


def named(pid: int) -> str:
    """A process in words."""
    try:
        name = Path(f"/proc/{pid}/comm").read_text("utf-8", "replace").strip()
    except OSError:
        name = ""
    if pid <= 0:
        return "a process that cannot be seen from here, in another container perhaps,"
    return f"process {pid} ({name or 'its name cannot be read'})"
