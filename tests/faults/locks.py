"""Another process holds the write lock: a backup program, somebody's shell.

For a second the server waits and everybody is answered. Beyond its patience of five seconds it says
503, never 500, and goes on once the lock is free.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults import kill
from tests.faults.disk import AFTER, BEFORE, EVENTS, Found, row
from tests.faults.kill import Server
from tests.faults.load import Met, acknowledged, end, fresh, visitors
from tests.faults.row import Fault, Outcome
from tests.faults.weak import MODULE

HOLD = (
    "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=5);"
    " c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
)
SHORT_S, LONG_S = 1.0, 6.0
GOES_ON_S = 8.0


@asynccontextmanager
async def held(database: Path) -> AsyncIterator[None]:
    """While this lasts another process has the write lock."""
    holder = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        HOLD,
        str(database),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        assert await holder.stdout.readline() == b"held\n"
        yield
    finally:
        holder.stdin.close()
        await holder.wait()


async def locked(data: Path, met: Met, seconds: float) -> list[str]:
    """Hold the lock for so long; what was wrong then and afterwards."""
    met.since()
    async with held(data / "handraise.db"):
        await asyncio.sleep(seconds)
    went_on = await acknowledged(met, AFTER, GOES_ON_S)
    answers = met.since()
    wrong = [] if went_on else [f"{seconds:g} s: it did not go on"]
    allowed = {202} if seconds <= SHORT_S else {202, 503}
    if set(answers) - allowed:
        wrong.append(f"{seconds:g} s: answered {dict(answers)}")
    if seconds > SHORT_S and not answers[503]:
        wrong.append(f"{seconds:g} s: nobody was refused")
    if met.bare:
        wrong.append(f"{seconds:g} s: {met.bare} times 503 without Retry-After")
    return wrong


async def life(server: Server, key: str, holds: list[float]) -> tuple[Met, Found]:
    """One life, its lock taken for so many seconds each; kill -9 at its end."""
    met, found = fresh(EVENTS), Found()
    await server.start()
    try:
        async with visitors(server.port, key, met):
            await acknowledged(met, BEFORE)
            for seconds in holds:
                found.add(await locked(server.data, met, seconds))
    finally:
        await end(server)
    return met, found


def outcome(folder: Path, times: int, weakness: str = "") -> Outcome:
    """A short and a long lock in turn as one row of the table."""
    data = folder / "data"
    key = kill.key_of(data)
    server = Server(MODULE, data, FAULTS_WEAKNESS=weakness) if weakness else Server("server", data)
    holds = [(SHORT_S, LONG_S)[number % 2] for number in range(times)]
    met, found = asyncio.run(life(server, key, holds))
    return row(server, met, found, times)


FAULTS = (
    Fault(
        "R6",
        "another process holds the lock, 1 s and 6 s",
        6,
        outcome,
        lambda folder: outcome(folder, 1, "hasty"),
    ),
)
