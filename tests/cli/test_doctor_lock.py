"""`handraise doctor` names whoever keeps the server from writing."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from server.app import Folder
from server.cli import checks, holders

HOLD = (
    "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
    " c.execute('BEGIN ' + sys.argv[2]); print('held', flush=True); sys.stdin.read()"
)
LINUX = pytest.mark.skipif(not holders.LOCKS.exists(), reason="no /proc/locks here")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A data folder with a database in WAL mode that somebody has open."""
    found = Folder(str(tmp_path / "data"))
    connection = sqlite3.connect(found.database)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE t (a)")
    connection.close()
    return found


@contextmanager
def held(database: Path, how: str) -> Iterator[int]:
    words = [sys.executable, "-c", HOLD, str(database), how]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield holder.pid
        holder.stdin.close()


@LINUX
@pytest.mark.parametrize("how", ["IMMEDIATE", "EXCLUSIVE"])
def test_the_holder_is_named(how: str, folder: Folder) -> None:
    with held(folder.database, how) as pid:
        (found,) = checks._lock(folder)
    assert found.mark == "✗"
    assert f"process {pid} (python" in found.detail
    assert str(folder.database) in found.detail
    assert checks._lock(folder) == []


@LINUX
def test_who_only_reads_or_serves_holds_nothing(folder: Folder) -> None:
    reader = sqlite3.connect(folder.database, isolation_level=None)
    try:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM t").fetchall()
        assert checks._lock(folder) == []
    finally:
        reader.close()


def _line(database: Path, pid: int, *, server: int = 0) -> str:
    index = database.with_name(database.name + "-shm")
    index.touch()
    lock = database.with_name("handraise.lock")
    lock.touch()
    lines = [f"1: POSIX  ADVISORY  WRITE {pid} 08:01:{os.stat(index).st_ino} 120 120"]
    lines += [f"1: -> POSIX  ADVISORY  WRITE 99 08:01:{os.stat(index).st_ino} 120 120"]
    lines += [f"2: FLOCK  ADVISORY  WRITE {server} 08:01:{os.stat(lock).st_ino} 0 EOF"]
    return "\n".join(lines)


def test_the_server_and_a_moment_are_no_holders(folder: Folder) -> None:
    waits: list[float] = []
    texts = iter([_line(folder.database, 7), _line(folder.database, 8)])
    assert holders.holders(folder.database, lambda: next(texts), waits.append) == set()
    text = _line(folder.database, 7, server=7)
    assert holders.holders(folder.database, lambda: text, waits.append) == set()
    text = _line(folder.database, 7)
    assert holders.holders(folder.database, lambda: text, waits.append) == {7}


def test_what_cannot_be_told_is_said(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError

    assert holders.holders(folder.database, none) is None
    monkeypatch.setattr(checks, "holders", lambda _: None)
    assert [one.mark for one in checks._lock(folder)] == ["!"]
    assert "does not tell" in checks._lock(folder)[0].detail
    assert "cannot be seen from here" in holders.named(0)
    assert "its name cannot be read" in holders.named(2**30)
