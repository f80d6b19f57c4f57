"""The wall clock jumps under load: by an hour, a day, a step of NTP, forward and back.

Events are taken on, links open, a delivery that has failed is tried again in its time and no more
often, sessions last no negative time, and the tables are what the log says. At the end the server
starts anew where even the monotonic clock is another (root).
"""

import asyncio
import json
import os
import random
import shutil
import signal
import sqlite3
import time
from dataclasses import dataclass, field
from pathlib import Path

from server.ingest.payload import write_id
from tests.faults.asking import get, once
from tests.faults.backups import command
from tests.faults.receivers import add
from tests.faults.row import Fault, Outcome
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
    """A life by another monotonic clock, and what the tables say once every day that a clock has
    shown is over: scores are those of a day, and some were made for one to come."""
    world.set(2 * DAY)
    under = OTHER_CLOCK if os.geteuid() == 0 and shutil.which("unshare") else ()
    server = world.server(under=under)
    await server.start()
    async with load(world.book, world.key, lambda: server.port):
        await world.book.more(STEADY, 20)
    said = await command(world.data, "verify")
    if said:
        world.bad.append(said[-200:])
    await stop(server)
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
)
