"""SIGTERM under load: what was taken is finished, and the process ends in time, with status 0.

Every request that was under way at that moment is answered, and from then on nobody is told that
the server is ready: `/readyz` is 503, until it no longer listens.

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

from tests.faults.asking import get
from tests.faults.kill import key_of
from tests.faults.remains import look
from tests.faults.row import Fault, Outcome, every_one
from tests.faults.under_load import Book, Program, load
from tests.faults.weak import MODULE

DRAIN_S = 10.0
#: What comes after the drain: the last commit, the checkpoint, the interpreter's own end.
CLOSE_S = 2.0
EVENTS_A_LIFE = 300
#: After a SIGTERM: until its handler has run, under load.
NOTICED_S = 0.1
LISTENS_S, LOOKS = 1.0, 5_000
HALF = b"POST /e HTTP/1.1\r\nHost: t\r\nContent-Length: 1000\r\n\r\n{"


@dataclass
class Ends:
    """How the lives ended."""

    seconds: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)  # with a request that never ended
    bad: list[str] = field(default_factory=list)
    in_flight: int = 0  # requests under way at a SIGTERM
    killed: int = 0  # by kill -9, for they still ran
    told: int = 0  # lives that were seen to say they are not ready


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


async def health(port: int) -> list[tuple[float, int]]:
    """What `/readyz` says from now until nobody listens, and when."""
    said: list[tuple[float, int]] = []
    while (status := await get(port, "/readyz", LISTENS_S)) and len(said) < LOOKS:
        said.append((time.monotonic(), status))
        await asyncio.sleep(0.002)
    return said


async def end(
    server: Program, book: Book, ends: Ends, *, held: bool = False, kill_s: float | None = None
) -> None:
    """SIGTERM, and the verdict; with `kill_s` kill -9 so many seconds later if it still runs."""
    began, under_way = time.monotonic(), list(book.flying.values())
    cut = len(book.cuts)
    ends.in_flight += len(under_way)
    server.signal(signal.SIGTERM)
    looking = asyncio.create_task(health(server.port))
    status = await server.ended(DRAIN_S + CLOSE_S if kill_s is None else kill_s)
    took = time.monotonic() - began
    (ends.held if held else ends.seconds).append(took)
    ends.killed += status is None
    if kill_s is None and status != 0:
        ends.bad.append("still runs" if status is None else f"exit status {status}")
    said = await looking
    ends.told += any(answer == 503 for _, answer in said)
    if late := [at - began for at, answer in said if answer != 503 and at > began + NOTICED_S]:
        ends.bad.append(f"ready {late[-1]:.2f} s after the SIGTERM")
    while any(id(ids) in book.flying for ids in under_way):  # noqa: ASYNC110 - they end with it
        await asyncio.sleep(0.01)
    if lost := sum(any(ids is other for other in book.cuts[cut:]) for ids in under_way):
        ends.bad.append(f"{lost} of {len(under_way)} requests under way were cut")


async def lives(
    server: Program, times: int, *, held_every: int, kill_s: float | None
) -> tuple[Book, Ends]:
    """So many lives under load, each ended by SIGTERM."""
    key = key_of(server.data)
    book, ends = Book(seed=16), Ends()
    async with load(book, key, lambda: server.port):
        for number in range(1, times + 1):
            await server.start()
            await book.more(EVENTS_A_LIFE + book.random.randrange(EVENTS_A_LIFE))
            await asyncio.sleep(book.random.random() / 100)  # any moment between two answers
            if number % held_every:
                await end(server, book, ends, kill_s=kill_s)
                continue
            async with half_sent(server.port):
                await book.more(100)
                await end(server, book, ends, held=True, kill_s=kill_s)
        await server.start()
        await book.more(EVENTS_A_LIFE)  # what had to go again has gone
    await end(server, book, ends)
    if not ends.told:
        ends.bad.append("no life said that it is not ready")
    return book, ends


def outcome(
    server: Program, times: int, *, held_every: int = 10, kill_s: float | None = None
) -> Outcome:
    """Lives ended by SIGTERM as one row of the table."""
    book, ends = asyncio.run(lives(server, times, held_every=held_every, kill_s=kill_s))
    left = look(server.data / "handraise.db", set(book.acknowledged))
    whole = not left.lost + left.doubled + left.gaps and left.sound == "ok" and not book.odd
    seconds = sorted(ends.seconds)
    held = f", {max(ends.held):.1f} s with a request that never ends" if ends.held else ""
    note = (
        f"ended in {seconds[len(seconds) // 2]:.2f} s (median), {seconds[-1]:.2f} s (most){held};"
        f" {ends.in_flight} requests under way at a SIGTERM, {book.cut} later ones cut;"
        f" {ends.told} of {times + 1} were seen to say that they are not ready;"
        f" {book.duplicates} events sent twice and stored once; odd answers {book.odd or 0}"
    )
    return Outcome(
        times,
        times - len(ends.bad) if whole else 0,
        len(set(book.acknowledged)),
        left.lost,
        left.doubled,
        "; ".join([note, *ends.bad[:6]]),
        kills=ends.killed,
    )


def early(data: Path) -> Outcome:
    """A server that answers before the commit: the kill after the SIGTERM shows it."""
    server = Program("tests.faults.early", data)
    return outcome(server, 6, held_every=100, kill_s=0.0)


def weak(data: Path, weakness: str) -> Outcome:
    """A server that ends at once, or says that it is ready to its end."""
    server = Program(MODULE, data, environment={"FAULTS_WEAKNESS": weakness})
    return outcome(server, 4, held_every=100)


def sound(data: Path, times: int) -> Outcome:
    return outcome(Program("server", data), times)


FAULTS = (
    Fault(
        "R16",
        "SIGTERM under load",
        100,
        sound,
        every_one(early, lambda data: weak(data, "abrupt"), lambda data: weak(data, "healthy")),
    ),
    Fault(
        "R16",
        "SIGTERM under load, kill -9 a second later",
        20,
        lambda data, n: outcome(Program("server", data), n, held_every=1, kill_s=1.0),
        early,
    ),
)
