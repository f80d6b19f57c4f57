"""Another process holds the write lock: a backup program, somebody's shell.

For a second the server waits and everybody is answered. Beyond its patience of five seconds it says
503, never 500, and goes on once the lock is free; and `handraise doctor` names the holder.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults import kill
from tests.faults.backups import command
from tests.faults.disk import AFTER, BEFORE, EVENTS, Found, row
from tests.faults.kill import Server
from tests.faults.load import Met, acknowledged, end, fresh, visitors
from tests.faults.row import Fault, Outcome
from tests.faults.weak import MODULE

HOLD = (
    "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=5);"
    " c.execute('BEGIN ' + sys.argv[2]); print('held', flush=True); sys.stdin.read()"
)
SHORT_S, LONG_S, LONGEST_S = 1.0, 6.0, 60.0
#: In this order; the longest comes at full length only.
HOLDS = (
    ("IMMEDIATE", SHORT_S),
    ("EXCLUSIVE", LONG_S),
    ("EXCLUSIVE", SHORT_S),
    ("IMMEDIATE", LONG_S),
    ("EXCLUSIVE", LONGEST_S),
)
GOES_ON_S = 8.0


@asynccontextmanager
async def held(database: Path, how: str) -> AsyncIterator[int]:
    """While this lasts another process has the write lock; its number."""
    holder = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        HOLD,
        str(database),
        how,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        assert await holder.stdout.readline() == b"held\n"
        yield holder.pid
    finally:
        holder.stdin.close()
        await holder.wait()


async def doctor(data: Path, holder: int) -> list[str]:
    """What is wrong with what `doctor` says of the lock."""
    told = await command(data, "doctor")
    return (
        [] if f"process {holder} (python" in told else [f"doctor does not name it: {told[-200:]}"]
    )


async def locked(data: Path, met: Met, how: str, seconds: float) -> list[str]:
    """Hold the lock for so long; what was wrong then and afterwards."""
    met.since()
    async with held(data / "handraise.db", how) as holder:
        began, said = time.monotonic(), list[str]()
        if seconds > SHORT_S:
            said = await doctor(data, holder)
        await asyncio.sleep(began + seconds - time.monotonic())
    went_on = await acknowledged(met, AFTER, GOES_ON_S)
    answers = met.since()
    wrong = said if went_on else [*said, f"{seconds:g} s: it did not go on"]
    allowed = {202} if seconds <= SHORT_S else {202, 503}
    if set(answers) - allowed:
        wrong.append(f"{seconds:g} s: answered {dict(answers)}")
    if seconds > SHORT_S and not answers[503]:
        wrong.append(f"{seconds:g} s: nobody was refused")
    if met.bare:
        wrong.append(f"{seconds:g} s: {met.bare} times 503 without Retry-After")
    return wrong


async def life(server: Server, key: str, holds: Sequence[tuple[str, float]]) -> tuple[Met, Found]:
    """One life, its lock taken for so many seconds each; kill -9 at its end."""
    met, found = fresh(EVENTS), Found()
    await server.start()
    try:
        async with visitors(server.port, key, met):
            await acknowledged(met, BEFORE)
            for how, seconds in holds:
                found.add(await locked(server.data, met, how, seconds))
    finally:
        await end(server)
    return met, found


def outcome(folder: Path, times: int, weakness: str = "") -> Outcome:
    """Short and long locks in turn as one row of the table."""
    data = folder / "data"
    key = kill.key_of(data)
    server = Server(MODULE, data, FAULTS_WEAKNESS=weakness) if weakness else Server("server", data)
    holds = [HOLDS[number % len(HOLDS)] for number in range(times)]
    met, found = asyncio.run(life(server, key, holds))
    return row(server, met, found, times)


FAULTS = (
    Fault(
        "R6",
        "another process holds the lock, 1, 6 and 60 s",
        len(HOLDS),
        outcome,
        lambda folder: outcome(folder, 1, "hasty"),
    ),
)
