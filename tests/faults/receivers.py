"""A webhook receiver that is off for two hours, then lies; the server is killed while it delivers.

Every consequence must reach it at least once, each under one id and signed, and another receiver of
the same site must not wait for it. The clock of the deliveries is scaled, the processes are real.
"""

import asyncio
import json
import os
import random
import socket
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.kill import key_of
from tests.faults.row import Fault, Outcome
from tests.faults.scaled import SCALE
from tests.faults.under_load import Program
from tests.tell.receivers import Answer, Receiver, receiving, until
from tests.tell.test_kill import PEOPLE, TOLD, due, fill

MODULE = "tests.faults.scaled"
OFF_S = 2 * 3_600 / SCALE
ALL_S = 40.0
LIES = 2  # a message is told the truth after so many at most: the server gives up after ten tries
BIG = 300_000  # bytes of an answer; more than anybody reads
WAITING = "SELECT count(*) FROM deliveries WHERE state = 'waiting'"
ENDED = "SELECT state, count(*) FROM deliveries WHERE destination_id = 1 GROUP BY state"


def lies() -> list[Answer]:
    """Every kind of answer that is no delivery, and some that look like one."""
    statuses = [Answer(status) for status in (301, 307, 400, 404, 408, 500, 502, 600)]
    return [
        *statuses,
        Answer(302, {"Location": "http://127.0.0.1:1/"}),
        Answer(503, {"Retry-After": "120"}),
        Answer(429, {"Retry-After": "soon"}),
        Answer(503, {"Retry-After": "-1"}),
        Answer(500, body=b"x" * BIG),
        Answer(raw=b""),
        Answer(raw=b"\x00\xff\r\n\r\nno HTTP at all\r\n\r\n"),
        Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Le"),
        Answer(raw=b"HTTP/9.9 banana\r\n\r\n"),
        Answer(hangs=asyncio.Event()),
    ]


class Liar(Receiver):
    """Lies up to `LIES` times of each message, then says the truth; ends the server when it may,
    in turn as it hears and right after it has answered."""

    def __init__(self) -> None:
        super().__init__()
        self.dice = random.Random(15)
        self.lies = lies()
        self.tries: dict[str, int] = defaultdict(int)
        self.heard: set[str] = set()  # told the truth to the end
        self.server: Program | None = None
        self.kills = self.most = self.next = 0

    async def answer(self, writer: asyncio.StreamWriter) -> None:
        got = self.got[-1]
        self.tries[got.id] += 1
        deadly = self.server is not None and self.kills < self.most and len(self.got) >= self.next
        if deadly and self.kills % 2 == 0:
            self.kill()
            raise ConnectionError  # it hears no answer
        honest = self.tries[got.id] > self.dice.randrange(LIES + 1)
        self.answers = [Answer() if honest else self.dice.choice(self.lies)]
        await super().answer(writer)
        if honest:
            self.heard.add(got.json["data"]["id"])
        if deadly:
            self.kill()

    def let_go(self) -> None:
        """Whoever was kept waiting is answered."""
        for lie in self.lies:
            if lie.hangs is not None:
                lie.hangs.set()

    def kill(self) -> None:
        if self.server is not None:
            self.kills += 1
            self.next = len(self.got) + self.dice.randrange(3, 12)
            self.server.kill()
            self.server = None


@dataclass
class World:
    """Receivers and what was seen of them."""

    data: Path
    key: str
    how: str
    secret: str = ""
    waited_s: float = 0.0  # of the good receiver for its last message
    bad: list[str] = field(default_factory=list)

    def ask(self, sql: str) -> list[tuple[int, ...]]:
        connection = sqlite3.connect(f"file:{self.data}/handraise.db?mode=ro", uri=True)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def settled(self) -> bool:
        """Whether nothing is left to tell."""
        cursors = self.ask("SELECT min(cursor) FROM destinations")
        last = self.ask("SELECT max(seq) FROM entries WHERE kind IN (128, 129)")
        moves = self.ask("SELECT count(*) FROM entries WHERE kind = 129")[0][0]
        arrived = moves == PEOPLE and cursors[0][0] >= last[0][0]
        return arrived and not self.ask(WAITING)[0][0]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def add(data: Path, url: str, environment: dict[str, str]) -> str:
    """A destination; its secret."""
    command = [sys.executable, "-m", "server", "--data", str(data), "destination", "add", url]
    done = subprocess.run(
        [*command, "--json"], check=True, capture_output=True, text=True, env=environment
    )
    return str(json.loads(done.stdout)["secret"])


async def off(world: World, server: Program, good: Receiver) -> None:
    """Two hours without the receiver; the other one gets everything meanwhile."""
    await server.start()
    began = time.monotonic()
    await fill(server.port, world.key)
    try:
        await until(lambda: len(set(good.ids)) == TOLD, OFF_S + 20)
    except TimeoutError:
        world.bad.append(f"the other receiver got {len(set(good.ids))} of {TOLD}")
    world.waited_s = time.monotonic() - began
    await asyncio.sleep(max(0.0, began + OFF_S - time.monotonic()))


async def lives(world: World, server: Program, liar: Liar, times: int) -> None:
    """Lives that the receiver ends, and a last one in which everything arrives."""
    liar.most = times
    late = time.monotonic() + ALL_S
    while time.monotonic() < late:
        liar.server, kills = server, liar.kills
        try:
            await until(lambda k=kills: liar.kills > k or world.settled(), ALL_S)  # type: ignore[misc]
        except TimeoutError:
            world.bad.append("something waits for ever")
        if liar.kills == kills:
            break
        await server.gone()
        await server.start()
    liar.server = None
    server.kill()
    await server.gone()


async def run(world: World, environment: dict[str, str], times: int) -> Liar:
    port = free_port()
    async with receiving() as good:
        environment["HANDRAISE_TELL_EXEMPT"] = f"127.0.0.1:{port},{good.host}"
        url = f"http://127.0.0.1:{port}/hook"
        world.secret = await asyncio.to_thread(add, world.data, url, environment)
        await asyncio.to_thread(add, world.data, good.url, environment)
        server = Program(MODULE, world.data, before=(world.how,), environment=environment)
        await off(world, server, good)
        async with receiving(port, kind=Liar) as liar:
            assert isinstance(liar, Liar)
            await lives(world, server, liar, times)
            liar.let_go()
            await until(lambda: not liar._tasks)
    return liar


def judge(world: World, liar: Liar) -> tuple[int, int]:
    """How many consequences were never heard, and repeats; what else is wrong goes to `bad`."""
    names = defaultdict(set)
    for got in liar.got:
        names[got.json["data"]["id"]].add(got.id)
        if not got.signed_by(world.secret):
            world.bad.append("a message is not signed")
    if any(len(ids) > 1 for ids in names.values()):
        world.bad.append("a message came under two ids")
    wanted = due(world.data)
    if len(wanted) != TOLD:
        world.bad.append(f"{len(wanted)} consequences of {TOLD}")
    return len(wanted - liar.heard), len(liar.got) - len(names)


def outcome(folder: Path, times: int, how: str = "sound") -> Outcome:
    """A receiver's two hours off, its lies and `times` kills as one row of the table."""
    data = folder / "data"
    world = World(data, key_of(data), how)
    liar = asyncio.run(run(world, dict(os.environ), times))
    missed, repeats = judge(world, liar)
    ended = ", ".join(f"{count} {state}" for state, count in world.ask(ENDED))
    if liar.kills < times:
        world.bad.append(f"killed {liar.kills} times only")
    note = (
        f"{TOLD} consequences, {len(liar.got)} requests of which {repeats} repeats; {ended}; the"
        f" other receiver had all of them after {world.waited_s:.1f} s"
    )
    whole = not missed and not world.bad
    return Outcome(
        times, times if whole else 0, 2 * PEOPLE, missed, 0, "; ".join([note, *world.bad[:3]])
    )


FAULTS = (
    Fault(
        "R15",
        "receiver off for 2 h, then lying; kill -9",
        8,
        outcome,
        lambda folder: outcome(folder, 3, "early"),
    ),
)
