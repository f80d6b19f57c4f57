"""A background task dies under load: noticed at once, and the process ends rather than lies."""

import asyncio
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from tests.faults.asking import get
from tests.faults.kill import key_of
from tests.faults.remains import look
from tests.faults.row import Fault, Outcome
from tests.faults.under_load import Book, Program, load

MODULE = "tests.faults.dying"
TASKS = (
    "writer",
    "projector",
    "refusals",
    "replays",
    "backtests",
    "retention",
    "eraser",
    "teller",
    "http",
)
NOTICED_S = 5.0
ENDS_S = 12.0
LOOK_S = 0.02


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


async def die(data: Path, key: str, book: Book, task: str, how: str, ends_s: float) -> Death:
    """One life in which a task dies under load."""
    server = Program(MODULE, data, before=(task, how))
    await server.start()
    async with load(book, key, lambda: server.port):
        await book.more(200)
        server.signal(signal.SIGUSR1)
        red_s = await turned_red(server.port)
        status = await server.ended(ends_s)
    left = look(data / "handraise.db", set(book.acknowledged))
    return Death(task, how, red_s, status, left.lost, left.doubled)


async def deaths(
    data: Path, tries: list[tuple[str, str]], ends_s: float
) -> tuple[Book, list[Death]]:
    """Each in a life of its own, on one folder."""
    key, book = key_of(data), Book(seed=22)
    return book, [await die(data, key, book, task, how, ends_s) for task, how in tries]


def outcome(data: Path, tries: list[tuple[str, str]], ends_s: float = ENDS_S) -> Outcome:
    """Deaths of background tasks as one row of the table."""
    book, found = asyncio.run(deaths(data, tries, ends_s))
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


def tries(times: int) -> list[tuple[str, str]]:
    """Every task, by an error and by ending; fewer in a short run."""
    every = [(task, how) for how in ("raises", "returns") for task in TASKS]
    return every[:times]


FAULTS = (
    Fault(
        "R22",
        "a background task dies under load",
        2 * len(TASKS),
        lambda data, times: outcome(data, tries(times)),
        lambda data: outcome(data, [("projector", "unwatched"), ("writer", "unwatched")], 1.0),
    ),
)
