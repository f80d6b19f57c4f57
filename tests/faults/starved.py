"""The host runs dry: open files, the temporary folder, the name server.

Events are taken on by whoever has a connection, others are told something or closed at once, and
when there is enough again everything goes on by itself.
"""

import asyncio
import os
import resource
import shutil
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.faults.asking import get, once
from tests.faults.clocks import raises_hand
from tests.faults.receivers import add
from tests.faults.row import CannotRun, Fault, Outcome
from tests.faults.soak import new_token
from tests.faults.starts import shoot
from tests.faults.trial import Trial
from tests.faults.under_load import Program, load
from tests.tell.receivers import Receiver, receiving, until

FILES, HOARD = 256, 400
STEADY, DURING = 200, 1_000  # events acknowledged before, and while it lasts
WITHIN_S = 10.0  # for so many
ANSWERED_S = 5.0
PAGES = ("/api/v1/sites/1/overview", "/api/v1/sites/1/people", "/readyz")
DEAD_SERVER = ("127.0.0.153", 53)
#: The data folder is shown at another place, since the real one may lie in what is covered.
AT = "/mnt"
#: The program may lie there, too: it is put back where it was.
TEMPORARY = (
    'mount --bind "$0" /mnt && mount --bind "$PWD" /media &&'
    ' for at in /tmp /var/tmp; do mount -t tmpfs -o size=16k none "$at" || exit 1; done;'
    ' if ! test -e "$PWD/pyproject.toml"; then'
    ' mkdir -p "$PWD" && mount --bind /media "$PWD" && cd "$PWD" || exit 1; fi;'
    " for at in /tmp /var/tmp; do"
    ' ! dd if=/dev/zero of="$at/full" bs=1k 2>/dev/null || exit 1; done;'
    ' exec "$@"'
)
NAMES = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'


@dataclass
class World(Trial):
    """A server under load, and a token to read by."""

    token: str = ""

    async def goes_on(self, when: str, count: int = DURING) -> None:
        """Those who have a connection are answered 202, and nothing else."""
        known, cut = self.book.answers.copy(), self.book.cut
        try:
            await self.book.more(count, WITHIN_S)
        except TimeoutError:
            self.bad.append(f"{when}: events are not taken")
        answers = self.book.answers - known
        if set(answers) - {202} or self.book.cut > cut:
            self.bad.append(f"{when}: answers {dict(answers)}, {self.book.cut - cut} cut")

    async def read(self, when: str, server: Program, allowed: set[int]) -> None:
        """Pages for somebody who comes new."""
        for page in PAGES:
            status = await get(server.port, page, ANSWERED_S, self.token)
            if status not in allowed:
                self.bad.append(f"{when}: {page} {status}")


Dry = Callable[[World, int], Awaitable[None]]


def needs_root(*programs: str) -> None:
    """Raises `CannotRun` without root's rights or a program."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        raise CannotRun(f"{' and '.join(missing)} missing: apt-get install mount util-linux")
    if os.geteuid() != 0:
        raise CannotRun("mounting needs root")


def private(script: str, first: Path) -> tuple[str, ...]:
    """Runs a program with mounts of its own."""
    return ("unshare", "-m", "--propagation", "private", "sh", "-c", script, str(first))


@asynccontextmanager
async def living(world: World, server: Program) -> AsyncIterator[None]:
    """A life under load; kill -9 at its end."""
    await server.start()
    try:
        async with load(world.book, world.key, lambda: server.port, senders=4, pause_s=0.01):
            await world.goes_on("before", STEADY)
            yield
    finally:
        await shoot(server)


# ---------------------------------------------------------------- open files


async def newcomer(port: int) -> str:
    """What somebody new gets: a status, "closed", or nothing in time."""
    try:
        async with asyncio.timeout(ANSWERED_S):
            return str((await once(port, "/readyz")).status)
    except (ConnectionError, asyncio.IncompleteReadError):
        return "closed"
    except TimeoutError:
        return "nothing"


@asynccontextmanager
async def hoard(port: int) -> AsyncIterator[None]:
    """Connections that say next to nothing, more than there are files."""
    opened: list[asyncio.StreamWriter] = []
    for _ in range(HOARD):
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            opened.append(writer)
            writer.write(b"GET /h.js HTTP/1.1\r\nHost: t\r\nX-Slow: ")
    try:
        yield
    finally:
        for writer in opened:
            writer.close()


async def files(world: World, times: int) -> None:
    """Strangers take all connections; then the process itself may open nothing any more."""
    server = world.server(under=("prlimit", f"--nofile={FILES}:{FILES}"))
    async with living(world, server):
        for number in range(times):
            async with hoard(server.port):
                await world.goes_on("hoard")
                came = await newcomer(server.port)
                if came not in {"200", "503"}:
                    world.bad.append(f"hoard: somebody new gets {came}")
            await back(world, server, f"after hoard {number}")
            assert server.process is not None
            pid = server.process.pid
            held = max(int(name) for name in os.listdir(f"/proc/{pid}/fd")) + 1
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (min(held, FILES), FILES))
            try:
                if await newcomer(server.port) == "nothing":
                    world.bad.append("no file left: somebody new waits for ever")
                await world.goes_on("no file left")
            finally:
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (FILES, FILES))
            await back(world, server, f"after no file {number}")


async def back(world: World, server: Program, when: str) -> None:
    """Everything is as before, within some seconds."""
    late = time.monotonic() + ANSWERED_S
    while await get(server.port, "/readyz") != 200 and time.monotonic() < late:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await world.read(when, server, {200})


# ---------------------------------------------------------------- the temporary folder


async def temporary(world: World, times: int) -> None:
    """No byte fits into the temporary folders; the data folder has room."""
    needs_root("unshare", "mount", "dd")
    server = world.server(Path(AT), private(TEMPORARY, world.data))
    async with living(world, server):
        for _ in range(times):
            await world.goes_on("temporary folder full")
            await world.read("temporary folder full", server, {200})
            csv = await get(server.port, "/api/v1/sites/1/people.csv", ANSWERED_S, world.token)
            if csv != 200:
                world.bad.append(f"temporary folder full: CSV {csv}")


# ---------------------------------------------------------------- names


@asynccontextmanager
async def dead_name_server() -> AsyncIterator[None]:
    """Takes questions and never answers. Raises `CannotRun`."""
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        silent.bind(DEAD_SERVER)
    except OSError as error:
        silent.close()
        raise CannotRun(f"{DEAD_SERVER} is taken: {error}") from error
    try:
        yield
    finally:
        silent.close()


async def names(world: World, times: int) -> None:
    """No name is resolved: what is told by name waits, what is told by address arrives."""
    needs_root("unshare", "mount")
    resolver = world.folder / "resolv.conf"
    resolver.write_text(f"nameserver {DEAD_SERVER[0]}\noptions timeout:3 attempts:1\n")
    async with dead_name_server(), receiving() as known:
        os.environ["HANDRAISE_TELL_EXEMPT"] = known.host
        try:
            for url in ("https://hooks.brew.example/in", known.url):
                await asyncio.to_thread(add, world.data, url, dict(os.environ))
            server = world.server(under=private(NAMES, resolver))
            async with living(world, server):
                for number in range(times):
                    await told(world, server, known, number)
        finally:
            del os.environ["HANDRAISE_TELL_EXEMPT"]


async def told(world: World, server: Program, known: Receiver, number: int) -> None:
    before = len(set(known.ids))
    taken = False
    with suppress(TimeoutError):
        async with asyncio.timeout(WITHIN_S):
            taken = await raises_hand(server.port, world.key, number + 1)
    if not taken:
        world.bad.append("no names: a form is not taken")
        return
    await world.goes_on("no names")
    await world.read("no names", server, {200})
    try:
        await until(lambda: len(set(known.ids)) >= before + 2, WITHIN_S)
    except TimeoutError:
        world.bad.append("no names: the receiver that is known by address waits, too")


# ---------------------------------------------------------------- rows


async def run(world: World, dry: Dry, times: int) -> None:
    world.token = await new_token(world.data)
    await dry(world, times)


def outcome(folder: Path, dry: Dry, times: int, weakness: str = "") -> Outcome:
    """Something used up so often, as one row of the table."""
    if sys.platform != "linux":
        raise CannotRun("these limits are Linux's")
    world = World(folder, weakness)
    world.add_site()
    asyncio.run(run(world, dry, times))
    slowest = max((took for _, took in world.book.took), default=0.0)
    return world.outcome(times, f"slowest answer {slowest:.2f} s")


FAULTS = (
    Fault(
        "R21",
        "open files used up, by strangers and at all",
        3,
        lambda folder, times: outcome(folder, files, times),
        lambda folder: outcome(folder, files, 1, "spendthrift"),
    ),
    Fault(
        "R21",
        "temporary folder full",
        3,
        lambda folder, times: outcome(folder, temporary, times),
        lambda folder: outcome(folder, temporary, 1, "spooling"),
    ),
    Fault(
        "R21",
        "no name is resolved",
        3,
        lambda folder, times: outcome(folder, names, times),
        lambda folder: outcome(folder, names, 1, "asking"),
    ),
)
