"""The wall clock jumps under load: by an hour, a day, a step of NTP, forward and back.

Events are taken on, links open, a delivery that has failed is tried again in its time and no more
often, sessions last no negative time, and the tables are what the log says. In a row of its own the
server starts anew where the monotonic clock is another (root).
"""

import asyncio
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from server.ingest.payload import write_id
from tests.faults.asking import get, once
from tests.faults.backups import command
from tests.faults.receivers import add
from tests.faults.row import CannotRun, Fault, Outcome
from tests.faults.starts import stop
from tests.faults.trial import Trial
from tests.faults.under_load import Program, load
from tests.tell.receivers import Answer, Receiver, receiving, until

HOUR, DAY, STEP = 3_600.0, 86_400.0, 0.5  # seconds
#: One after another; what they add up to is nothing.
JUMPS = (HOUR, -HOUR, -DAY, DAY, STEP, -STEP, -HOUR, -HOUR, DAY, 2 * HOUR, -DAY, 0.0)
STEADY = 200
TOLD_S = 5.0  # until a failed delivery arrives; it waits 0.5 s
OTHER_CLOCK = ("unshare", "--time", "--monotonic", "1000000", "--boottime", "1000000")
SLACK_S = 60.0
NEGATIVE = "SELECT count(*) FROM sessions WHERE end_at < start_at OR engaged_ms < 0"


@dataclass
class World(Trial):
    """A server, the clock it sees, `off` by so many seconds, and whom it tells."""

    how: str = "sound"
    off: float = 0.0
    receiver: Receiver = field(default_factory=Receiver)

    @property
    def module(self) -> str:
        return "tests.faults.jumping"

    @property
    def before(self) -> tuple[str, ...]:
        return (self.how,)

    @property
    def settings(self) -> dict[str, str]:
        return {"FAULTS_CLOCK": str(self.clock), "HANDRAISE_TELL_EXEMPT": self.receiver.host}

    def told(self, count: int) -> bool:
        return len(self.receiver.got) >= count

    @property
    def clock(self) -> Path:
        return self.folder / "clock"

    def set(self, off: float) -> None:
        self.off = off
        self.clock.write_text(str(off), "utf-8")


async def raises_hand(port: int, key: str, number: int) -> bool:
    """Somebody new reads the prices and asks for a demo; somebody else, always the same, reads on.
    Both by a clock of their own that is right. Whether both were taken."""
    at, dice = int(time.time() * 1000), random.Random(number)
    form = {"form": "demo", "fields": {"email": f"person{number}@brew.example"}}
    events = [
        {"y": "page_view", "u": "https://acme.example/pricing", "q": 1},
        {"y": "form_submit", "u": "https://acme.example/demo", "q": 2, "d": form},
    ]
    stays = [{"y": "page_view", "u": f"https://acme.example/{number}", "q": number + 1}]
    for visitor, acts in ((number, events), (9_999, stays)):
        for one in acts:
            one |= {"i": write_id(at.to_bytes(6, "big") + dice.randbytes(10)), "t": at}
        name = write_id(visitor.to_bytes(16, "big"))
        body = json.dumps({"k": key, "v": name, "t": at, "e": acts}).encode()
        if (await once(port, "/e", body)).status != 202:
            return False
    return True


async def link(world: World) -> str:
    """A link to sign in, made now; its path."""
    words = ("-m", "server", "--data", str(world.data), "link")
    process = await asyncio.create_subprocess_exec(
        *Program.python, *words, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    return "/open/" + said.decode().strip().rpartition("/open/")[2]


async def jump(world: World, server: Program, number: int, by: float) -> list[str]:
    """One jump, while a delivery waits; what was wrong after it."""
    wrong: list[str] = []
    path, book, got = await link(world), world.book, world.receiver.got
    known, told = book.answers.copy(), len(got)
    world.receiver.answers = [Answer(500)] * 2  # both consequences fail once
    if not await raises_hand(server.port, world.key, number):
        return [f"{by:+g} s: a form was refused before it"]
    await until(lambda: len(got) >= told + 2, 20)
    world.set(world.off + by)
    server.signal(signal.SIGUSR1)
    try:
        await book.more(STEADY, 10)
    except TimeoutError:
        wrong.append("events are no longer taken")
    try:
        await until(lambda: len(got) >= told + 4, TOLD_S)
    except TimeoutError:
        wrong.append(f"{len(got) - told - 2} of 2 deliveries came again")
    if len(got) > told + 4 or len({one.id for one in got[told:]}) != 2:
        wrong.append(f"{len(got) - told} requests for 2 deliveries")
    answers = book.answers - known
    if set(answers) - {202} or book.cut:
        wrong.append(f"answers {dict(answers)}, {book.cut} cut")
    opened = await once(server.port, path)
    if opened.status != 303 and abs(by) < DAY:
        wrong.append(f"a fresh link to sign in: {opened.status}")
    page = await once(server.port, "/", Cookie=opened.headers.get("set-cookie", "a=b"))
    if opened.status >= 500 or page.status >= 500 or await get(server.port, "/readyz") != 200:
        wrong.append(f"link {opened.status}, page {page.status}, or not ready")
    return [f"{by:+g} s: {words}" for words in wrong]


async def ends(world: World) -> None:
    """What the tables say once every day that a clock has shown is over: scores are those of a
    day, and some were made for one to come."""
    world.set(2 * DAY)
    server = world.server()
    await server.start()
    async with load(world.book, world.key, lambda: server.port):
        await world.book.more(STEADY, 20)
    await tables(world)
    await stop(server)


async def tables(world: World) -> None:
    """What is wrong with them, while a server runs."""
    said = await command(world.data, "verify")
    if said:
        world.bad.append(said[-200:])
    connection = sqlite3.connect(world.data / "handraise.db")
    negative = connection.execute(NEGATIVE).fetchone()[0]
    connection.close()
    if negative:
        world.bad.append(f"{negative} sessions of negative length")


async def run(world: World, jumps: list[float]) -> None:
    async with receiving() as world.receiver:
        world.set(0.0)
        environment = {**os.environ, **world.settings}
        await asyncio.to_thread(add, world.data, world.receiver.url, environment)
        server = world.server()
        await server.start()
        async with load(world.book, world.key, lambda: server.port, senders=4, pause_s=0.02):
            await world.book.more(STEADY)
            for number, by in enumerate(jumps):
                world.bad += await jump(world, server, number + 1, by)
        await stop(server)
        if world.how == "sound":
            await ends(world)


async def elsewhere(world: World) -> None:
    """A life, and one by another monotonic clock: what is sent then is told of at once, and stored
    as of that moment."""
    began = time.time()
    async with receiving() as world.receiver:
        world.set(time.time() - time.monotonic() if world.how == "monotone" else 0.0)
        environment = {**os.environ, **world.settings}
        await asyncio.to_thread(add, world.data, world.receiver.url, environment)
        for under in ((), OTHER_CLOCK):
            server = world.server(under=under)
            await server.start()
            async with load(world.book, world.key, partial(getattr, server, "port")):
                await world.book.more(STEADY, 20)
            told = len(world.receiver.got)
            if not await raises_hand(server.port, world.key, 1 + bool(under)):
                world.bad.append("a form was refused")
            try:
                await until(partial(world.told, told + 2), TOLD_S)
            except TimeoutError:
                world.bad.append(f"{len(world.receiver.got) - told} of 2 consequences were told")
            if under:
                await tables(world)
            await stop(server)
    first, last = times(world.data / "handraise.db")
    if first < began - SLACK_S or last > time.time() + SLACK_S:
        away = max(began - first, last - time.time())
        world.bad.append(f"events are stored {away / DAY:.1f} days beside their time")


def times(database: Path) -> tuple[float, float]:
    """The first and the last event, by the time of day."""
    connection = sqlite3.connect(database)
    try:
        found = connection.execute("SELECT min(at), max(at) FROM entries WHERE kind = 1").fetchone()
    finally:
        connection.close()
    return found[0] / 1000, found[1] / 1000


def by_root(folder: Path, count: int, how: str = "sound") -> Outcome:
    """Another monotonic clock as one row of the table. Raises `CannotRun`."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        raise CannotRun("another monotonic clock needs root and unshare")
    probe = subprocess.run([*OTHER_CLOCK, "true"], check=False, capture_output=True, text=True)
    if probe.returncode:
        raise CannotRun(f"no other monotonic clock here: {probe.stderr.strip()[:100]}")
    world = World(folder, how=how)
    world.add_site()
    for _ in range(count):
        asyncio.run(elsewhere(world))
    return world.outcome(count, at_once=True)


def outcome(folder: Path, jumps: list[float], how: str = "sound") -> Outcome:
    """Jumps of the clock as one row of the table."""
    world = World(folder, how=how)
    world.add_site()
    asyncio.run(run(world, jumps))
    told = len(world.receiver.got)
    note = f"{told} requests for {2 * len(jumps)} deliveries that failed once"
    return world.outcome(len(jumps), note)


FAULTS = (
    Fault(
        "R12",
        "the clock jumps by an hour, a day, a step",
        len(JUMPS),
        lambda folder, times: outcome(folder, [JUMPS[n % len(JUMPS)] for n in range(times)]),
        lambda folder: outcome(folder, [-HOUR], "trusting"),
    ),
    Fault(
        "R12",
        "the monotonic clock is another after a start",
        1,
        by_root,
        lambda folder: by_root(folder, 1, "monotone"),
    ),
)
