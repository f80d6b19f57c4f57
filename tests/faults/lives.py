"""SIGTERM under load: what was taken is finished, and the process ends in time, with status 0.

Every tenth time a request that never comes to its end keeps the drain waiting; and in a row of its
own kill -9 falls into the drain one second after the SIGTERM.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.kill import key_of
from tests.faults.remains import look
from tests.faults.row import Fault, Outcome
from tests.faults.under_load import Book, Program, load

DRAIN_S = 10.0
#: What comes after the drain: the last commit, the checkpoint, the interpreter's own end.
CLOSE_S = 2.0
EVENTS_A_LIFE = 300
HALF = b"POST /e HTTP/1.1\r\nHost: t\r\nContent-Length: 1000\r\n\r\n{"


@dataclass
class Ends:
    """How the lives ended."""

    seconds: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)  # with a request that never ended
    bad: list[str] = field(default_factory=list)
    in_flight: int = 0  # requests under way at a SIGTERM
    killed: int = 0  # by kill -9, for they still ran


@asynccontextmanager
async def half_sent(port: int) -> AsyncIterator[None]:
    """A request whose body does not go on."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HALF)
    await writer.drain()
    try:
        yield
    finally:
        writer.close()


async def end(server: Program, ends: Ends, *, held: bool, kill_s: float | None) -> None:
    """SIGTERM, and the verdict; with `kill_s` kill -9 so many seconds later if it still runs."""
    began = time.monotonic()
    server.signal(signal.SIGTERM)
    status = await server.ended(DRAIN_S + CLOSE_S if kill_s is None else kill_s)
    took = time.monotonic() - began
    (ends.held if held else ends.seconds).append(took)
    ends.killed += status is None
    if kill_s is None and status != 0:
        ends.bad.append("still runs" if status is None else f"exit status {status}")


async def lives(
    module: str, data: Path, times: int, *, held_every: int, kill_s: float | None
) -> tuple[Book, Ends]:
    """So many lives under load, each ended by SIGTERM."""
    key = key_of(data)
    book, ends, server = Book(seed=16), Ends(), Program(module, data)
    async with load(book, key, lambda: server.port):
        for number in range(1, times + 1):
            await server.start()
            await book.more(EVENTS_A_LIFE + book.random.randrange(EVENTS_A_LIFE))
            await asyncio.sleep(book.random.random() / 100)  # any moment between two answers
            ends.in_flight += book.in_flight
            if number % held_every:
                await end(server, ends, held=False, kill_s=kill_s)
                continue
            async with half_sent(server.port):
                await book.more(100)
                await end(server, ends, held=True, kill_s=kill_s)
        await server.start()
        await book.more(EVENTS_A_LIFE)  # what had to go again has gone
    await end(server, ends, held=False, kill_s=None)
    return book, ends


def outcome(
    module: str, data: Path, times: int, *, held_every: int = 10, kill_s: float | None = None
) -> Outcome:
    """Lives ended by SIGTERM as one row of the table."""
    book, ends = asyncio.run(lives(module, data, times, held_every=held_every, kill_s=kill_s))
    left = look(data / "handraise.db", set(book.acknowledged))
    whole = not left.lost + left.doubled + left.gaps and left.sound == "ok" and not book.odd
    seconds = sorted(ends.seconds)
    held = f", {max(ends.held):.1f} s with a request that never ends" if ends.held else ""
    return Outcome(
        times,
        times - len(ends.bad) if whole else 0,
        len(set(book.acknowledged)),
        left.lost,
        left.doubled,
        f"ended in {seconds[len(seconds) // 2]:.2f} s (median), {seconds[-1]:.2f} s (most){held};"
        f" {ends.in_flight} requests in flight, {book.cut} cut, {book.duplicates} events sent twice"
        f" and stored once; odd answers {book.odd or 0}; {'; '.join(ends.bad)}".rstrip("; "),
        kills=ends.killed,
    )


def early(data: Path) -> Outcome:
    """A server that answers before the commit: the kill after the SIGTERM shows it."""
    return outcome("tests.faults.early", data, 6, held_every=100, kill_s=0.0)


FAULTS = (
    Fault("R16", "SIGTERM under load", 100, lambda data, n: outcome("server", data, n), early),
    Fault(
        "R16",
        "SIGTERM under load, kill -9 a second later",
        20,
        lambda data, n: outcome("server", data, n, held_every=1, kill_s=1.0),
        early,
    ),
)
