"""A background task dies under load: noticed at once, and the process ends rather than lies."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.engines import MIGRATED, CannotStart, Cluster, cluster
from tests.faults.asking import get
from tests.faults.kill import key_of
from tests.faults.postgres import stored
from tests.faults.remains import compare, look
from tests.faults.row import CannotRun, Fault, Outcome
from tests.faults.under_load import Book, Program, load

MODULE = "tests.faults.dying"
TASKS = (
    "writer",
    "projector",
    "refusals",
    "replays",
    "backtests",
    "retention",
    "packing",
    "copies",
    "eraser",
    "teller",
    "http",
)
#: What only several nodes on one database need, and what must not end there either.
NODES = ("noticing", "statistics")
ON_POSTGRES = ("writer", "projector", *NODES)
NOTICED_S = 5.0
ENDS_S = 12.0
LOOK_S = 0.02
Try = tuple[str, str]  # a task, and how it dies


@dataclass
class Death:
    """What was seen of one."""

    task: str
    how: str
    red_s: float | None  # until `/readyz` was no longer 200
    status: int | None  # of the process; None where it went on
    lost: int
    doubled: int

    @property
    def survived(self) -> bool:
        """Noticed in time, and the process ended with an error, so that somebody starts it anew."""
        in_time = self.red_s is not None and self.red_s <= NOTICED_S
        return in_time and self.status == 1 and not self.lost + self.doubled

    def __str__(self) -> str:
        red = "never red" if self.red_s is None else f"red after {self.red_s:.2f} s"
        ended = "goes on" if self.status is None else f"exit {self.status}"
        return f"{self.task} {self.how}: {red}, {ended}"


async def turned_red(port: int) -> float | None:
    """Seconds until health is red or nobody answers; None if it stays green."""
    began = time.monotonic()
    while time.monotonic() - began < NOTICED_S + 1:
        if await get(port, "/readyz") != 200:
            return time.monotonic() - began
        await asyncio.sleep(LOOK_S)
    return None


Left = Callable[[Book], Awaitable[tuple[int, int]]]


async def die(server: Program, key: str, book: Book, left: Left, ends_s: float) -> Death:
    """One life in which a task dies under load."""
    task, how = server.before
    await server.start()
    async with load(book, key, lambda: server.port):
        await book.more(200)
        server.signal(signal.SIGUSR1)
        red_s = await turned_red(server.port)
        status = await server.ended(ends_s)
    return Death(task, how, red_s, status, *await left(book))


async def in_file(data: Path, book: Book) -> tuple[int, int]:
    """What is lost and doubled on SQLite."""
    left = look(data / "handraise.db", set(book.acknowledged))
    return left.lost, left.doubled


async def in_cluster(running: Cluster, book: Book) -> tuple[int, int]:
    """What is lost and doubled on PostgreSQL."""
    ids, _ = await stored(running)
    return compare(ids, set(book.acknowledged))


async def deaths(
    data: Path, tries: list[Try], ends_s: float, left: Left, url: str = ""
) -> tuple[Book, list[Death]]:
    """Each in a life of its own, on one folder."""
    environment = {"HANDRAISE_DATABASE": url} if url else {}
    key = await asyncio.to_thread(key_of, data, environment)
    book, found = Book(seed=22), list[Death]()
    for one in tries:
        server = Program(MODULE, data, before=one, environment=environment)
        found.append(await die(server, key, book, left, ends_s))
    return book, found


def verdict(book: Book, found: list[Death]) -> Outcome:
    slowest = max((death.red_s or 0.0 for death in found), default=0.0)
    bad = [str(death) for death in found if not death.survived]
    return Outcome(
        len(found),
        len(found) - len(bad),
        len(set(book.acknowledged)),
        found[-1].lost,
        found[-1].doubled,
        "; ".join(bad) or f"health red after {slowest:.2f} s at most, each ended with status 1",
    )


def outcome(data: Path, tries: list[Try], ends_s: float = ENDS_S) -> Outcome:
    """Deaths of background tasks as one row of the table."""
    return verdict(*asyncio.run(deaths(data, tries, ends_s, partial(in_file, data))))


def on_postgres(data: Path, tries: list[Try], ends_s: float = ENDS_S) -> Outcome:
    """The same where other nodes may be at work on the database."""
    try:
        with cluster() as running:
            asyncio.run(running.execute(f"CREATE DATABASE {MIGRATED}"))
            left = partial(in_cluster, running)
            return verdict(*asyncio.run(deaths(data, tries, ends_s, left, running.url(MIGRATED))))
    except CannotStart as error:
        raise CannotRun(f"PostgreSQL cannot start here: {error}") from error


def tries(times: int, tasks: Sequence[str] = TASKS) -> list[Try]:
    """Every task, by an error and by ending; fewer in a short run."""
    return [(task, how) for how in ("raises", "returns") for task in tasks][:times]


FAULTS = (
    Fault(
        "R22",
        "a background task dies under load",
        2 * len(TASKS),
        lambda data, times: outcome(data, tries(times)),
        lambda data: outcome(data, [("projector", "unwatched"), ("writer", "unwatched")], 1.0),
    ),
    Fault(
        "R22",
        "a background task dies under load, PostgreSQL",
        2 * len(ON_POSTGRES),
        lambda data, times: on_postgres(data, tries(times, ON_POSTGRES)),
        lambda data: on_postgres(data, [(task, "unwatched") for task in NODES], 1.0),
    ),
)
