"""kill -9 under load, and what is left: an outside ledger knows every acknowledged event id.

Clients behave as the widget does: what was not acknowledged is sent again, with the same ids, to
the server that comes back. How long that takes counts from the kill to the first answer.
"""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from server.ingest.payload import write_id
from tests.faults.asking import Reply, request_of
from tests.faults.remains import look
from tests.faults.row import Fault, Outcome, every_one
from tests.faults.sending import Letter, send

READY_S = 60  # on a machine that does much else
LIFE_S = 60
CLIENTS, BATCH = 16, 10
EVENTS_A_LIFE = 3_400  # 300 lives acknowledge more than a million
BACK_S = 3.0  # from a kill to the first answer
WEAK = "tests.faults.weak"


@dataclass
class Ledger:
    """What was sent, what was acknowledged, and how each kill met the load."""

    todo: deque[bytes]  # event ids not acknowledged
    acknowledged: set[bytes] = field(default_factory=set)
    in_flight: int = 0
    kills_in_flight: list[int] = field(default_factory=list)
    sent: int = 0
    until: int = 0  # the next kill comes once so many are acknowledged
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    killed_at: float = 0.0  # until somebody was answered after it
    back_s: list[float] = field(default_factory=list)


def key_of(data: Path, environment: Mapping[str, str] | None = None) -> str:
    """A site in a fresh folder or, by the environment, in another database."""
    command = [sys.executable, "-m", "server", "--data", str(data), "site", "add", "Acme", "--json"]
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    return str(json.loads(done.stdout)["key"])


class Server:
    """One life of the server on a data folder."""

    def __init__(self, module: str, data: Path, **settings: str) -> None:
        self.module = module
        self.data = data
        self.settings = settings  # such as HANDRAISE_READERS="1"
        self.port = 0
        self.process: asyncio.subprocess.Process | None = None

    def command(self) -> list[str]:
        """What is run; a row may run it under something else."""
        serve = ["serve", "--port", "0", "--data", str(self.data)]
        return [sys.executable, "-u", "-m", self.module, *serve]

    async def start(self) -> None:
        """Start it and wait until it says where it serves."""
        self.process = await asyncio.create_subprocess_exec(
            *self.command(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, **self.settings},
        )
        assert self.process.stdout is not None
        async with asyncio.timeout(READY_S):
            async for line in self.process.stdout:
                if b"serving" in line:
                    self.port = int(line.rsplit(b":", 1)[1])
                    return
        raise AssertionError("the server ended before it served")

    def kill(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)

    async def gone(self) -> None:
        assert self.process is not None
        await self.process.communicate()


def body_of(key: str, ids: list[bytes]) -> bytes:
    """A batch of page views; the visitor follows from the first id."""
    now = int.from_bytes(ids[0][:6], "big")
    events = [
        {
            "i": write_id(event_id),
            "y": "page_view",
            "t": now,
            "u": f"https://acme.example/{event_id[-1] % 50}",
        }
        for event_id in ids
    ]
    visitor = write_id(ids[0][6:] + b"visits")
    return json.dumps({"k": key, "v": visitor, "t": now, "e": events}).encode()


@dataclass
class Client:
    """Sends until the server dies or nothing is left; every answer must be 202."""

    key: str
    ledger: Ledger

    def take(self) -> Letter | None:
        ledger = self.ledger
        if not ledger.todo:
            return None
        ids = [ledger.todo.popleft() for _ in range(min(BATCH, len(ledger.todo)))]
        ledger.sent += len(ids)
        ledger.in_flight += len(ids)
        return Letter(ids, request_of("/e", body_of(self.key, ids)))

    def told(self, ids: list[bytes], reply: Reply, _took_s: float) -> float:
        ledger, answer = self.ledger, json.loads(reply.body)
        ledger.in_flight -= len(ids)
        assert reply.status == 202, answer
        assert answer["accepted"] + answer["duplicates"] == len(ids)
        ledger.acknowledged.update(ids)
        if ledger.killed_at:
            ledger.back_s.append(time.monotonic() - ledger.killed_at)
            ledger.killed_at = 0.0
        if len(ledger.acknowledged) >= ledger.until:
            ledger.reached.set()
        return 0.0

    def cut(self, ids: list[bytes]) -> None:
        self.ledger.todo.extend(ids)


async def life(server: Server, key: str, ledger: Ledger, until: int) -> None:
    """One life under load, ended by kill -9 once about `until` events are acknowledged."""
    await server.start()
    ledger.in_flight, ledger.until = 0, until
    ledger.reached.clear()
    outbox = Client(key, ledger)
    clients = [asyncio.create_task(send(server.port, outbox)) for _ in range(CLIENTS)]
    async with asyncio.timeout(LIFE_S):
        await ledger.reached.wait()
    ledger.kills_in_flight.append(ledger.in_flight)
    killed_at = time.monotonic()
    server.kill()
    await asyncio.gather(*clients)
    await server.gone()
    ledger.killed_at = killed_at  # what was answered before it is read by now


async def run(
    module: str, data: Path, key: str, events: int, kills: int, seed: int, **settings: str
) -> Ledger:
    """Load a server with `events` events and kill it `kills` times on the way."""
    rng = random.Random(seed)
    start = 1_790_000_000_000
    ledger = Ledger(
        deque((start + i).to_bytes(6, "big") + rng.randbytes(10) for i in range(events))
    )
    for number in range(1, kills + 1):
        until = int(events * number / (kills + 1)) + rng.randrange(-200, 200)
        await life(Server(module, data, **settings), key, ledger, until)
    await last(Server(module, data, **settings), key, ledger)
    return ledger


async def last(server: Server, key: str, ledger: Ledger) -> None:
    """The life after the last kill, in which all that is left is acknowledged."""
    await server.start()
    outbox = Client(key, ledger)
    async with asyncio.timeout(LIFE_S):
        await asyncio.gather(*(send(server.port, outbox) for _ in range(CLIENTS)))
    server.kill()
    await server.gone()


def outcome(module: str, data: Path, events: int, kills: int, **settings: str) -> Outcome:
    """`kills` lives of a server under load, each ended by kill -9, as one row of the table."""
    key = key_of(data)
    ledger = asyncio.run(run(module, data, key, events, kills, seed=11, **settings))
    left = look(data / "handraise.db", ledger.acknowledged)
    whole = not left.lost + left.doubled + left.gaps and left.sound == "ok"
    busy = sum(1 for count in ledger.kills_in_flight if count)
    back = sorted(ledger.back_s)
    late = sum(one > BACK_S for one in back) + kills - len(back)
    return Outcome(
        kills,
        kills - late if whole else 0,
        len(ledger.acknowledged),
        left.lost,
        left.doubled,
        f"back after {median(back):.2f} s (median), {back[-1]:.2f} s (most);"
        f" {busy} kills with events in flight; gaps {left.gaps}; file {left.sound}",
        kills=len(ledger.kills_in_flight),
    )


FAULTS = (
    Fault(
        "R1",
        "kill -9 at random under load, SQLite FULL",
        300,
        lambda data, times: outcome("server", data, times * EVENTS_A_LIFE, times),
        every_one(
            lambda data: outcome("tests.faults.early", data, 20_000, 6),
            lambda data: outcome(WEAK, data, 5_000, 2, FAULTS_WEAKNESS="dawdling"),
        ),
    ),
)
