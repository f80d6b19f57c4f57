"""Visitors that take no for an answer: refused batches come again later, with the same ids."""

import asyncio
import json
import random
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.faults.asking import ANSWER_S, Reply, once, request_of
from tests.faults.kill import Ledger, Server, body_of
from tests.faults.sending import AGAIN_S, Letter, send

START_MS = 1_790_000_000_000


@dataclass
class Met(Ledger):
    """A ledger that also knows how the server answered."""

    statuses: Counter[int] = field(default_factory=Counter)
    bare: int = 0  # 503s that do not say when to come again
    slowest_s: float = 0.0
    made: int = 0

    def more(self, count: int) -> None:
        """Ids of `count` new events wait to be sent."""
        dice = random.Random(self.made)
        for number in range(self.made, self.made + count):
            self.todo.append((START_MS + number).to_bytes(6, "big") + dice.randbytes(10))
        self.made += count

    def since(self) -> Counter[int]:
        """The answers since this was asked last."""
        seen, self.statuses, self.slowest_s = self.statuses, Counter(), 0.0
        return seen


def fresh(count: int) -> Met:
    """A ledger of `count` events to be sent."""
    met = Met(deque())
    met.more(count)
    return met


@dataclass
class Visitor:
    """Sends what waits until it is over, or until the server is gone."""

    key: str
    met: Met
    batch: int
    over: asyncio.Event
    rests_s: float = 0.0  # after each answer

    def take(self) -> Letter | None:
        if self.over.is_set():
            return None
        todo = self.met.todo
        ids = [todo.popleft() for _ in range(min(self.batch, len(todo)))]
        return Letter(ids, request_of("/e", body_of(self.key, ids)) if ids else b"")

    def told(self, ids: list[bytes], reply: Reply, took_s: float) -> float:
        met = self.met
        met.slowest_s = max(met.slowest_s, took_s)
        met.statuses[reply.status] += 1
        met.sent += len(ids)
        if reply.status != 202:
            met.bare += reply.status == 503 and "retry-after" not in reply.headers
            met.todo.extend(ids)
            return AGAIN_S
        told = json.loads(reply.body)
        assert told["accepted"] + told["duplicates"] == len(ids), told
        met.acknowledged.update(ids)
        if len(met.acknowledged) >= met.until:
            met.reached.set()
        return self.rests_s

    def cut(self, ids: list[bytes]) -> None:
        self.met.todo.extend(ids)


@asynccontextmanager
async def visitors(
    port: int, key: str, met: Met, *, count: int = 8, batch: int = 5, rests_s: float = 0.0
) -> AsyncIterator[None]:
    """So many visitors send, one batch after another, while this lasts; each gets its answer."""
    over = asyncio.Event()
    outbox = Visitor(key, met, batch, over, rests_s)
    tasks = [asyncio.create_task(send(port, outbox, ANSWER_S)) for _ in range(count)]
    try:
        yield
    finally:
        over.set()
        await asyncio.gather(*tasks)


async def acknowledged(met: Met, more: int, within_s: float = 30) -> bool:
    """Wait until so many more events are acknowledged; False if they were not in time."""
    met.until = len(met.acknowledged) + more
    met.reached = asyncio.Event()  # a ledger may live through several event loops
    try:
        async with asyncio.timeout(within_s):
            await met.reached.wait()
    except TimeoutError:
        return False
    return True


def alive(server: Server) -> bool:
    return server.process is not None and server.process.returncode is None


async def end(server: Server) -> None:
    """kill -9, unless it has ended by itself."""
    with suppress(ProcessLookupError):
        server.kill()
    await server.gone()


async def health(port: int) -> int:
    """The status of `/readyz`; 0 where nobody answers."""
    try:
        return (await once(port, "/readyz")).status
    except (OSError, asyncio.IncompleteReadError, TimeoutError):
        return 0


async def ready(port: int, within_s: float = 10) -> float | None:
    """Seconds until `/readyz` says so; None if it did not in time."""
    began = time.monotonic()
    while time.monotonic() < began + within_s:
        if await health(port) == 200:
            return time.monotonic() - began
        await asyncio.sleep(AGAIN_S)
    return None


async def answered(met: Met, status: int, times: int, within_s: float = 5) -> bool:
    """Wait until so many answers of a kind came from now on; False if they did not in time."""
    met.since()
    until = time.monotonic() + within_s
    while met.statuses[status] < times:
        if time.monotonic() > until:
            return False
        await asyncio.sleep(0.02)
    return True
