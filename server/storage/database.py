"""The protocol both databases meet, and the script: a transaction written as a generator.

A script yields queries and receives rows. It knows neither threads nor sockets, so the same text
runs on SQLite (a plain loop in the writer's thread) and on PostgreSQL (a loop that awaits). SQL is
the common subset: `$1` placeholders, integers, bytes and text, `ON CONFLICT … RETURNING`.
"""

from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, TypeVar

from server.storage.kept import Kept

Row = tuple[Any, ...]
T = TypeVar("T")


class Query(NamedTuple):
    """One statement. With `many`, `args` is a sequence of rows and the answer is `[(changed,)]`."""

    sql: str
    args: Sequence[Any] = ()
    many: bool = False


#: Yields queries, receives their rows, returns a result. A refused statement is thrown in as
#: `DataError`, so a script may roll back to a savepoint of its own and go on.
Script = Generator[Query, list[Row], T]
#: Builds a script anew; a turn that must be retried starts from here.
ScriptMaker = Callable[[], Script[Any]]


class Outcome(NamedTuple):
    """What became of one script of a turn: its value, or the error that undid it alone."""

    value: Any
    error: Exception | None


class Reader(Protocol):
    """One consistent snapshot of the database, read-only; `kept` is the database's."""

    kept: Kept

    async def fetch(self, sql: str, *args: Any) -> list[Row]:
        """All rows of a query. Raises `Overloaded` when the time limit of a read is passed."""
        ...


class Database(Protocol):
    """What the rest of the program may ask of a database."""

    engine: str
    version: str
    kept: Kept

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def turn(self, scripts: Sequence[ScriptMaker]) -> list[Outcome]:
        """Run the scripts in one transaction, a savepoint each, and commit durably once.

        Raises `Overloaded` if nothing was committed (disk full, lock, lost connection).
        """
        ...

    def snapshot(self) -> AbstractAsyncContextManager[Reader]:
        """A reader whose queries all see one state of the database."""
        ...

    async def fetch(self, sql: str, *args: Any) -> list[Row]:
        """One query on a snapshot of its own."""
        ...

    async def scrub(self) -> bool:
        """Leave nothing of deleted rows in the files; false where that cannot be promised.

        Raises `Overloaded` while somebody reads what would have to go.
        """
        ...

    async def backup(self, target: str) -> None:
        """Write a consistent copy to a new file, from a read-only connection, while serving."""
        ...


def in_list(values: Sequence[Any], first: int, sizes: Sequence[int] = (1, 8, 64, 512)) -> str:
    """`($2,$3,…)` for the next size that fits, so that few distinct statements are prepared.

    Pad the arguments with `padded`; at most 512 values.
    """
    return _marks(next(size for size in sizes if size >= len(values)), first)


@lru_cache(maxsize=256)
def _marks(size: int, first: int) -> str:
    return "(" + ",".join(f"${first + i}" for i in range(size)) + ")"


def padded(values: Sequence[Any], sizes: Sequence[int] = (1, 8, 64, 512)) -> list[Any]:
    """The values followed by repeats of the last one, as many as `in_list` has placeholders."""
    size = next(size for size in sizes if size >= len(values))
    return [*values, *([values[-1]] * (size - len(values)))]


def chunks(values: Sequence[T], size: int = 512) -> list[Sequence[T]]:
    return [values[i : i + size] for i in range(0, len(values), size)]


__all__ = [
    "AsyncIterator",
    "Database",
    "Outcome",
    "Query",
    "Reader",
    "Row",
    "Script",
    "ScriptMaker",
    "chunks",
    "in_list",
    "padded",
]
