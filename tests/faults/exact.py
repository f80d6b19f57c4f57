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
from pathlib import Path

from tests.faults import kill
from tests.faults.load import Met, acknowledged, fresh, visitors
from tests.faults.row import Fault, Outcome
from tests.faults.traced import Traced

CALLS = ("fdatasync", "fsync", "pwrite64", "ftruncate", "unlink", "rename")
LIFE_EVENTS = 120
CALLED = re.compile(r"^\d+ +(\w+)\(")


class Point(tuple[str, int]):
    """The N-th call of a kind."""

    @property
    def watch(self) -> str:
        return f"inject={self[0]}:signal=KILL:when={self[1]}"


async def life(server: Traced, key: str, met: Met) -> bool:
    """One life with some events; whether it ended by kill -9."""
    met.more(LIFE_EVENTS)
    try:
        await server.start()
    except AssertionError:  # killed before it served
        await server.gone()
        return True
    assert server.process is not None
    async with visitors(server.port, key, met, count=4, batch=4):
        ended = asyncio.create_task(server.gone())
        waiting = asyncio.create_task(acknowledged(met, LIFE_EVENTS))
        await asyncio.wait((ended, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
    if server.process.returncode is None:
        os.kill(server.process.pid, signal.SIGTERM)
    await ended
    return server.process.returncode == -signal.SIGKILL


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


async def lives(module: str, data: Path, key: str, times: int) -> tuple[Met, Counter[str], float]:
    """The ledger, the points reached by kind, and the longest start after a kill in seconds."""
    met = fresh(0)
    counts = await calls_of(module, data, key, met)
    reached: Counter[str] = Counter()
    for point in points(counts, times):
        if await life(Traced(module, data, point.watch), key, met):
            reached[point[0]] += 1
    began = time.monotonic()
    server = kill.Server(module, data)
    await server.start()
    back = time.monotonic() - began
    server.kill()
    await server.gone()
    return met, reached, back


def outcome(module: str, folder: Path, times: int) -> Outcome:
    """Kills at `times` points of a life as one row of the table."""
    data = folder / "data"
    key = kill.site_key(data)
    met, reached, back = asyncio.run(lives(module, data, key, times))
    left = kill.look(data / "handraise.db", met)
    whole = not left.lost + left.doubled + left.gaps and left.sound == "ok"
    told = ", ".join(f"{count} {call}" for call, count in reached.most_common())
    tried = reached.total()
    return Outcome(
        tried,
        tried if whole else 0,
        len(met.acknowledged),
        left.lost,
        left.doubled,
        f"killed before {told}; back in {back:.1f} s; gaps {left.gaps}; file {left.sound}",
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
