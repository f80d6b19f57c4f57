"""Somebody reads for long: the log of writes cannot be emptied before the read has ended.

Events go on to be taken meanwhile, and the log grows by no more than they are. Once the reader has
gone it is short again, under the same load; a file that stayed long would fill the disk in time.
"""

import asyncio
import os
import sqlite3
import time
from pathlib import Path

from server.storage.sqlite import BOUND_AGAIN_MOST_S
from tests.faults import kill
from tests.faults.disk import BEFORE, Found, row
from tests.faults.kill import Server
from tests.faults.load import Met, acknowledged, end, fresh, visitors
from tests.faults.row import CannotRun, Fault, Outcome
from tests.faults.weak import MODULE

LONG_BYTES, SHORT_BYTES = 20_000_000, 16_000_000
GROWS_S = 90.0
SHORT_AGAIN_S = BOUND_AGAIN_MOST_S + 6
SLOWEST_S = 3.0
CLIENTS, BATCH = 24, 20
HELD_S = 600.0
RESTS_S = 1.0
EVENTS = 2_000_000


def log_bytes(data: Path) -> int:
    return os.stat(data / "handraise.db-wal").st_size


async def until(
    data: Path, curve: list[int], met: Met, *, long: bool, within_s: float, least_s: float = 0.0
) -> bool:
    """Wait until the log is long, or short, and at least so long; its lengths go to `curve`, in
    bytes."""
    began = time.monotonic()
    while (waited := time.monotonic() - began) < max(within_s, least_s + 1):
        curve.append(log_bytes(data))
        there = curve[-1] > LONG_BYTES if long else curve[-1] < SHORT_BYTES
        if there and waited >= least_s:
            return True
        if len(met.todo) < EVENTS // 2:
            met.more(EVENTS // 2)
        await asyncio.sleep(0.25)
    return False


def not_stored(met: Met) -> str:
    """What was refused, answered late or not answered since the reader came, in words."""
    if set(met.statuses) == {202} and met.slowest_s <= SLOWEST_S:
        return ""
    return f"answers {dict(met.statuses)}, the slowest after {met.slowest_s:.1f} s"


async def read_long(data: Path, met: Met, curve: list[int], held_s: float = 0.0) -> list[str]:
    """One reader that holds its state for so long; what was wrong while it read and after it.
    Raises `CannotRun`."""
    wrong: list[str] = []
    reader = sqlite3.connect(f"file:{data / 'handraise.db'}?mode=ro", uri=True)
    try:
        reader.execute("BEGIN")
        before = reader.execute("SELECT count(*) FROM entries").fetchone()
        met.since()
        grown = await until(data, curve, met, long=True, within_s=GROWS_S, least_s=held_s)
        refused = not_stored(met)
        if refused:
            return [f"{refused}, while somebody read"]
        if not grown:
            raise CannotRun(f"too slow a machine: the log reached {curve[-1]:,} bytes")
        if reader.execute("SELECT count(*) FROM entries").fetchone() != before:
            wrong.append("the reader saw what came later")
    finally:
        reader.close()
    if not await until(data, curve, met, long=False, within_s=SHORT_AGAIN_S):
        wrong.append(f"the log stayed at {curve[-1]:,} bytes")
    if refused := not_stored(met):
        wrong.append(refused)
    met.since()
    return wrong


async def life(server: Server, key: str, times: int, held_s: float) -> tuple[Met, Found, list[int]]:
    """One life with so many long readers, one after another. Where they read for long visitors
    rest between their batches: at full load the log would grow by 25 MB a second."""
    met, found, curve = fresh(EVENTS // 10), Found(), list[int]()
    rests_s = RESTS_S if held_s else 0.0
    await server.start()
    try:
        async with visitors(server.port, key, met, count=CLIENTS, batch=BATCH, rests_s=rests_s):
            await acknowledged(met, BEFORE)
            for _ in range(times):
                found.add(await read_long(server.data, met, curve, held_s))
    finally:
        await end(server)
    return met, found, curve


def outcome(folder: Path, times: int, weakness: str = "", held_s: float = 0.0) -> Outcome:
    """Long readers as one row of the table."""
    data = folder / "data"
    key = kill.key_of(data)
    server = Server(MODULE, data, FAULTS_WEAKNESS=weakness) if weakness else Server("server", data)
    met, found, curve = asyncio.run(life(server, key, times, held_s))
    steps = curve[:: max(1, len(curve) // 12)]
    found.figures.append("log in MB: " + " ".join(f"{size / 1e6:.0f}" for size in steps))
    return row(server, met, found, times)


FAULTS = (
    Fault(
        "R19",
        "a long reader holds the log under load",
        5,
        outcome,
        lambda folder: outcome(folder, 1, "unbounded"),
    ),
    Fault(
        "R19",
        "a reader holds the log for 600 s",
        1,
        lambda folder, times: outcome(folder, times, held_s=HELD_S),
        lambda folder: outcome(folder, 1, "unbounded"),
        long=True,
    ),
)
