"""kill -9 at a chosen system call: before the N-th sync, write, truncation or removal of a life.

Lives follow one another on one data folder, so each is also the recovery from the one before. A
life starts, takes events, and ends as asked to; the log of writes is written back on the way and at
the end. Where the call is reached, the kernel ends the server before it is carried out.
"""

import asyncio
import os
import re
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import kill
from tests.faults.kill import Server
from tests.faults.load import Met, acknowledged, end, fresh, visitors
from tests.faults.remains import look
from tests.faults.row import Fault, Outcome
from tests.faults.traced import Traced

CALLS = ("fdatasync", "fsync", "pwrite64", "ftruncate", "unlink", "rename")
LIFE_EVENTS = 120
CALLED = re.compile(r"^\d+ +(\w+)\(")


class Broken(Exception):
    """A life that did not begin, or ended as nobody told it to: the kill before it broke that."""


class Point(tuple[str, int]):
    """The N-th call of a kind."""

    @property
    def watch(self) -> str:
        return f"inject={self[0]}:signal=KILL:when={self[1]}"


async def life(server: Server, key: str, met: Met) -> bool:
    """One life with some events; whether it ended by kill -9. Raises `Broken`."""
    met.more(LIFE_EVENTS)
    if await started(server):
        assert server.process is not None
        async with visitors(server.port, key, met, count=4, batch=4):
            ended = asyncio.create_task(server.gone())
            waiting = asyncio.create_task(acknowledged(met, LIFE_EVENTS))
            await asyncio.wait((ended, waiting), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        if server.process.returncode is None:
            with suppress(ProcessLookupError):  # it ended just now
                os.kill(server.process.pid, signal.SIGTERM)
        await ended
    return killed(server)


async def started(server: Server) -> bool:
    """Whether it serves; a start that was ended is over. Raises `Broken` if it goes on and on."""
    try:
        await server.start()
    except AssertionError:
        await server.gone()
        return False
    except TimeoutError as error:
        await end(server)
        raise Broken("a server did not say within its time that it serves") from error
    return True


def killed(server: Server) -> bool:
    """Whether the kernel ended it; False if it ended in order. Raises `Broken`."""
    assert server.process is not None
    status = server.process.returncode
    if status not in {0, -signal.SIGKILL}:
        raise Broken(f"a server ended by itself with status {status}")
    return status != 0


def points(counts: Counter[str], times: int) -> list[Point]:
    """At most so many points over a life: the rare calls in full, the others evenly spread."""
    found: list[Point] = []
    for place, call in enumerate(sorted(CALLS, key=lambda name: counts[name])):
        share = (times - len(found)) // (len(CALLS) - place)
        here = min(counts[call], share)
        found += [Point((call, 1 + number * counts[call] // here)) for number in range(here)]
    return found


async def calls_of(module: str, data: Path, key: str, met: Met) -> Counter[str]:
    """How often a life makes each call."""
    log = data.parent / "calls"
    existing = ",".join(CALLS)
    server = Traced(module, data, f"trace={existing}", log)
    assert not await life(server, key, met)
    lines = log.read_text("utf-8", "replace").splitlines()
    return Counter(match[1] for line in lines if (match := CALLED.match(line)))


@dataclass
class Lives:
    """The ledger, the points reached by kind, the start after the last kill in seconds, and what
    was wrong with a life."""

    met: Met
    reached: Counter[str] = field(default_factory=Counter)
    back_s: float = 0.0
    broken: str = ""


async def lives(module: str, data: Path, key: str, times: int) -> Lives:
    """A life that counts, then one to each point, then one more start; up to a broken one."""
    found = Lives(fresh(0))
    counts = await calls_of(module, data, key, found.met)
    try:
        for point in points(counts, times):
            if await life(Traced(module, data, point.watch), key, found.met):
                found.reached[point[0]] += 1
        began = time.monotonic()
        last = Server(module, data)
        if await started(last):
            found.back_s = time.monotonic() - began
            await end(last)
        else:
            killed(last)
            raise Broken("a server ended before it served")
    except Broken as error:
        found.broken = str(error)
    return found


def outcome(module: str, folder: Path, times: int) -> Outcome:
    """Kills at `times` points of a life as one row of the table."""
    data = folder / "data"
    key = kill.key_of(data)
    found = asyncio.run(lives(module, data, key, times))
    left = look(data / "handraise.db", found.met.acknowledged)
    whole = not left.lost + left.doubled + left.gaps and left.sound == "ok" and not found.broken
    told = ", ".join(f"{count} {call}" for call, count in found.reached.most_common())
    tried = found.reached.total()
    note = f"killed before {told}; back in {found.back_s:.1f} s; gaps {left.gaps}"
    return Outcome(
        max(1, tried),
        tried if whole else 0,
        len(found.met.acknowledged),
        left.lost,
        left.doubled,
        "; ".join(filter(None, [note, f"file {left.sound}", found.broken])),
        kills=tried,
    )


FAULTS = (
    Fault(
        "R1",
        "kill -9 before exact system calls",
        150,
        lambda folder, times: outcome("server", folder, times),
        lambda folder: outcome("tests.faults.early", folder, 4),
    ),
)
