"""Kills a migrating process before every statement; prints how many kills left nothing, and all.

Run as a program, since a test process full of threads had better not fork.
"""

import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from server.storage.database import Query, Script
from server.storage.migrate import _apply, _read_versions, shipped
from server.storage.sqlite import SqliteWriter


def killed(work: Callable[[], None]) -> None:
    """Run in a child that must die by SIGKILL."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(3)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


def until(path: Path, n: int) -> Callable[[], None]:
    """A migration that dies before statement n; with n = -1, after its commit."""

    def script() -> Script[None]:
        inner: Generator[Query, Any, bool] = _apply(shipped()[0], "sqlite")
        answer: Any = None
        for number in range(10_000):
            if number == n:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                answer = yield inner.send(answer)
            except StopIteration:
                if number <= n:  # before the commit
                    os.kill(os.getpid(), signal.SIGKILL)
                return

    def work() -> None:
        SqliteWriter(path, "FULL").turn([script])
        os.kill(os.getpid(), signal.SIGKILL)

    return work


def tables(path: Path) -> int:
    # Reading only: whoever may write would take the log of writes away at its end.
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        (count,) = connection.execute(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table'"
        ).fetchone()
        return int(count)
    finally:
        connection.close()


def main(path: Path) -> None:
    writer = SqliteWriter(path, "FULL")
    writer.turn([_read_versions])
    writer.close()
    statements = len(shipped()[0].statements("sqlite")) + 1
    left_nothing = 0
    for n in range(statements + 1):
        killed(until(path, n))
        left_nothing += tables(path) == 1
    assert left_nothing == statements + 1, left_nothing
    killed(until(path, -1))
    sys.stdout.write(f"{left_nothing} {int(tables(path) > 30)}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
