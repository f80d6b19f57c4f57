"""A disk that refuses: sync and write errors, and no space left. strace makes the calls fail.

While it lasts nothing may be acknowledged: 503 with a time to come again, and `/readyz` says why.
Afterwards the server goes on by itself, and what it acknowledged before and after is in the file.
"""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import kill
from tests.faults.kill import Server
from tests.faults.load import (
    Met,
    acknowledged,
    alive,
    answered,
    end,
    fresh,
    health,
    ready,
    visitors,
)
from tests.faults.remains import look
from tests.faults.row import Fault, Outcome
from tests.faults.traced import injected
from tests.faults.weak import MODULE

BEFORE, AFTER = 100, 100  # events acknowledged
EVENTS = 200_000
REFUSED = 10  # answers, before the disk is taken for one that refuses
ALL_REFUSED_S = 5
#: Where the log cannot be written back, that is noticed once it is 11 MB long.
NOTICED_S = 45


@dataclass
class Found:
    """What was wrong, in words; `sound` faults had nothing."""

    sound: int = 0
    wrong: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)  # worth printing, whatever came of it

    def add(self, wrong: list[str]) -> None:
        self.wrong += wrong
        self.sound += not wrong


async def fails(server: Server, met: Met, call: str, path: Path | None) -> list[str]:
    """Let a call fail for a while, on all files or on one; what was wrong then and afterwards."""
    assert server.process is not None
    wrong: list[str] = []
    async with injected(server.process.pid, call, path):
        if not await answered(met, 503, REFUSED, NOTICED_S if path else ALL_REFUSED_S):
            wrong.append(f"{call}: answered {dict(met.statuses)} while the disk refused")
        met.since()
        said = await health(server.port)
        if said != 503:
            wrong.append(f"{call}: /readyz said {said}")
        during = met.since()
        if set(during) - {503}:
            wrong.append(f"{call}: answered {dict(during)} while the disk refused")
    if await ready(server.port) is None:
        wrong.append(f"{call}: /readyz is red for ever")
    if not await acknowledged(met, AFTER, 10):
        wrong.append(f"{call}: it did not go on")
    after = met.since()
    if set(after) - {202, 503} or met.bare:
        wrong.append(f"{call}: answers {dict(after)}, {met.bare} without Retry-After")
    return wrong


async def lives(server: Server, key: str, calls: list[str], path: Path | None) -> tuple[Met, Found]:
    """One life, in which each call fails once for a while; kill -9 at its end."""
    met, found = fresh(EVENTS), Found()
    await server.start()
    count, batch = (24, 20) if path else (8, 5)
    try:
        async with visitors(server.port, key, met, count=count, batch=batch):
            await acknowledged(met, BEFORE)
            for call in calls:
                if not alive(server):
                    found.add(["the server ended by itself"])
                    break
                found.add(await fails(server, met, call, path))
    finally:
        await end(server)
    return met, found


def row(server: Server, met: Met, found: Found, tried: int) -> Outcome:
    """What is left in the file after the last life."""
    left = look(server.data / "handraise.db", met.acknowledged)
    if left.gaps or left.sound != "ok":
        found.wrong.append(f"gaps {left.gaps}, file {left.sound}")
        found.sound = 0
    return Outcome(
        tried,
        found.sound,
        len(met.acknowledged),
        left.lost,
        left.doubled,
        "; ".join(dict.fromkeys([*found.figures, *found.wrong])),
    )


def outcome(
    folder: Path, calls: list[str], times: int, weakness: str = "", name: str = ""
) -> Outcome:
    """Calls that fail `times` times in turn as one row of the table."""
    data = folder / "data"
    key = kill.key_of(data)
    server = Server(MODULE, data, FAULTS_WEAKNESS=weakness) if weakness else Server("server", data)
    made = [calls[number % len(calls)] for number in range(times)]
    met, found = asyncio.run(lives(server, key, made, data / name if name else None))
    return row(server, met, found, times)


BROKEN = ["fdatasync:error=EIO", "pwrite64:error=EIO"]
FULL = ["pwrite64:error=ENOSPC"]
BACK = ["pwrite64:error=EIO", "fdatasync:error=EIO", "pwrite64:error=ENOSPC"]
FILE = "handraise.db"
FAULTS = (
    Fault(
        "R3",
        "the disk fails to sync or write (EIO)",
        20,
        lambda folder, times: outcome(folder, BROKEN, times),
        lambda folder: outcome(folder, BROKEN, 2, "deaf"),
    ),
    Fault(
        "R3",
        "the log can be written, but not written back",
        6,
        lambda folder, times: outcome(folder, BACK, times, name=FILE),
        lambda folder: outcome(folder, BACK, 1, "blind", FILE),
    ),
    Fault(
        "R4",
        "no space left for a write (ENOSPC)",
        10,
        lambda folder, times: outcome(folder, FULL, times),
        lambda folder: outcome(folder, FULL, 1, "deaf"),
    ),
)
