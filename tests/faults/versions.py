"""SQLite's WAL-reset defect (3.7.0 to 3.51.2) needs two connections that write or checkpoint at one
moment. So there is one, whatever is started beside the server, and the version is said.

While events are taken other servers and commands are started on the same folder; all the time
somebody looks which processes hold the database open for writing (/proc).
"""

import asyncio
import os
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.row import CannotRun, Fault, Outcome
from tests.faults.starts import shoot
from tests.faults.trial import Trial
from tests.faults.under_load import load

STEADY = 500
LOOK_S = 0.01
ENDS_S = 30.0
ACCESS, READ_WRITE = 0o3, 0o2
IN_USE = "another Handraise works in"


def writers(database: Path, pids: list[int]) -> int:
    """How many open files of these processes may write the database."""
    count = 0
    for pid in pids:
        with suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/fd"):
                with suppress(OSError):
                    if Path(f"/proc/{pid}/fd/{name}").readlink() == database:
                        told = Path(f"/proc/{pid}/fdinfo/{name}").read_text()
                        flags = int(told.split("flags:")[1].split()[0], 8)
                        count += flags & ACCESS == READ_WRITE
    return count


@dataclass
class World(Trial):
    """A server under load, what is started beside it, and the most writers at one moment."""

    pids: list[int] = field(default_factory=list)
    most: int = 0
    said: str = ""  # the first line of a server

    async def watch(self) -> None:
        """Look all the time."""
        database = (self.data / "handraise.db").resolve()
        while True:
            found = await asyncio.to_thread(writers, database, list(self.pids))
            self.most = max(self.most, found)
            await asyncio.sleep(LOOK_S)

    async def begin(self, *words: str) -> asyncio.subprocess.Process:
        """Start something on the folder."""
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-u", "-m", self.module, "--data", str(self.data), *words],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **self.settings},
        )
        self.pids.append(process.pid)
        return process

    async def told(self, *words: str) -> tuple[int | None, str]:
        """The end of a command and what it said; None if it does not end, and so is ended."""
        process = await self.begin(*words)
        said, status = b"", None
        try:
            async with asyncio.timeout(ENDS_S):
                assert process.stdout is not None
                async for line in process.stdout:
                    said += line
                    if b"serving" in line:
                        break
                else:
                    status = await process.wait()
        except TimeoutError:
            self.bad.append(f"{words[0]} does not end")
        if status is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.communicate()
        self.pids.remove(process.pid)
        return status, said.decode()


Deed = Callable[[World], Awaitable[str]]


def refused(*words: str) -> Deed:
    """A command that must not work beside a server; what is wrong."""

    async def deed(world: World) -> str:
        status, said = await world.told(*words)
        return "" if status == 1 and IN_USE in said else f"{words[0]}: {status} {said[-120:]!r}"

    return deed


def works(*words: str, says: str = "") -> Deed:
    """A command that works beside one."""

    async def deed(world: World) -> str:
        status, said = await world.told(*words)
        return "" if status == 0 and says in said else f"{words[0]}: {status} {said[-120:]!r}"

    return deed


async def restores(world: World) -> str:
    """A file for `restore` to refuse: it must not come so far as to look at it."""
    return await refused("restore", str(world.data / "handraise.db"))(world)


async def copies(world: World) -> str:
    file = world.folder / f"copy-{len(world.book.acknowledged)}.db"
    return await works("backup", str(file))(world)


async def rush(world: World) -> str:
    """Four servers at one moment on the folder of one that runs: none of them serves."""
    found = await asyncio.gather(*(world.told("serve", "--port", "0") for _ in range(4)))
    odd = [said[-120:] for status, said in found if status != 1 or IN_USE not in said]
    return f"a rush: {odd[0]!r}" if odd else ""


DEEDS: tuple[Deed, ...] = (
    refused("serve", "--port", "0"),
    works("doctor", says=sqlite3.sqlite_version),
    refused("migrate"),
    copies,
    rush,
    restores,
    works("site", "list"),
)


async def run(world: World, deeds: list[Deed]) -> None:
    process = await world.begin("serve", "--port", "0")  # for its first line
    assert process.stdout is not None
    async with asyncio.timeout(ENDS_S):
        world.said = (await process.stdout.readline()).decode().strip()
    process.kill()
    await process.communicate()
    world.pids.clear()
    server = world.server()
    await server.start()
    assert server.process is not None
    world.pids.append(server.process.pid)
    watching = asyncio.create_task(world.watch())
    async with load(world.book, world.key, lambda: server.port, senders=4, pause_s=0.01):
        for deed in deeds:
            await world.book.more(STEADY // len(deeds))
            if wrong := await deed(world):
                world.bad.append(wrong)
        await world.book.more(STEADY)
    watching.cancel()
    await shoot(server)


def outcome(folder: Path, deeds: list[Deed], weakness: str = "") -> Outcome:
    """What is started beside a server as one row of the table."""
    if sys.platform != "linux":
        raise CannotRun("who has a file open is asked of /proc, which is Linux's")
    world = World(folder, weakness)
    world.add_site()
    asyncio.run(run(world, deeds))
    if sqlite3.sqlite_version not in world.said:
        world.bad.append(f"the version is not said: {world.said}")
    if world.most != 1:
        world.bad.append(f"{world.most} connections for writing at one moment")
    return world.outcome(len(deeds), f"SQLite {sqlite3.sqlite_version}")


FAULTS = (
    Fault(
        "R8",
        "one writer, whatever is started beside it",
        len(DEEDS),
        lambda folder, times: outcome(folder, [DEEDS[n % len(DEEDS)] for n in range(times)]),
        lambda folder: outcome(folder, [DEEDS[0]], "unlocked"),
    ),
)
