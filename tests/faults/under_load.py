"""A server of our own under load that does not end, and an outside book of what it acknowledged.

Senders behave as the widget does: what was refused or not answered is sent again with the same ids,
to whatever listens on the port of that moment.
"""

import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.engines import _end_with_parent
from tests.faults.asking import Reply, request_of
from tests.faults.kill import Server, body_of
from tests.faults.sending import AGAIN_S, Letter, send

START_MS = 1_790_000_000_000
SENDERS, BATCH = 8, 10
PATIENCE_S = 60.0
START_S = 60.0  # on a machine that does much else


@dataclass
class Book:
    """What was sent and what came of it. `waits` are the seconds each 503 took to arrive."""

    seed: int
    made: int = 0
    again: deque[bytes] = field(default_factory=deque)
    acknowledged: list[bytes] = field(default_factory=list)  # in the order of the answers
    duplicates: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    unnamed: int = 0  # 503 without Retry-After
    flying: dict[int, list[bytes]] = field(default_factory=dict)  # sent and not answered yet
    cuts: list[list[bytes]] = field(default_factory=list)  # sent and never answered
    took: list[tuple[float, float]] = field(default_factory=list)  # when a 2xx came, after how long
    firsts: list[float] = field(default_factory=list)  # when a 2xx came first after a clearing
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def take(self, count: int) -> list[bytes]:
        """Ids to send: those that have to go again first, then new ones."""
        ids = [self.again.popleft() for _ in range(min(count, len(self.again)))]
        while len(ids) < count:
            self.made += 1
            ids.append((START_MS + self.made).to_bytes(6, "big") + self.random.randbytes(10))
        return ids

    async def until(self, count: int, patience_s: float = PATIENCE_S) -> None:
        """Wait until so many events are acknowledged. Raises `TimeoutError`."""
        async with asyncio.timeout(patience_s):
            while len(self.acknowledged) < count:
                self.moved.clear()
                await self.moved.wait()

    async def more(self, count: int, patience_s: float = PATIENCE_S) -> None:
        """Wait until so many events more are acknowledged."""
        await self.until(len(self.acknowledged) + count, patience_s)

    def note(self, status: int, ids: list[bytes], took_s: float, head: Mapping[str, str]) -> None:
        """Write down an answer; whatever is not 202 goes again."""
        self.answers[status] += 1
        if status == 202:
            self.acknowledged.extend(ids)
            self.took.append((time.monotonic(), took_s))
            if not self.firsts:
                self.firsts.append(time.monotonic())
            self.moved.set()
            return
        self.again.extend(ids)
        if status == 503:
            self.waits.append(took_s)
            self.unnamed += "retry-after" not in head

    @property
    def in_flight(self) -> int:
        return len(self.flying)

    @property
    def cut(self) -> int:
        return len(self.cuts)

    @property
    def odd(self) -> dict[int, int]:
        """Answers that no promise allows."""
        return {status: n for status, n in self.answers.items() if status not in {202, 503}}


class Program(Server):
    """One life of a program on a data folder, with arguments and an environment of its own.

    `data_bytes` limits what it may allocate (RLIMIT_DATA); `log` collects what it says; `under` is
    a program that runs it.
    """

    python = (sys.executable, "-u")

    def __init__(
        self,
        module: str,
        data: Path,
        *,
        before: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        data_bytes: int = 0,
        log: Path | None = None,
        under: tuple[str, ...] = (),
    ) -> None:
        super().__init__(module, data)
        self.before = before
        self.under = under
        self.environment = {**os.environ, **(environment or {})}
        self.data_bytes = data_bytes
        self.log = log

    def _prepare(self) -> None:
        _end_with_parent()
        if self.data_bytes:
            resource.setrlimit(resource.RLIMIT_DATA, (self.data_bytes, self.data_bytes))

    async def start(self) -> None:
        """Start it and wait until it says where it serves."""
        command = [*self.under, *self.python, "-m", self.module, *self.before]
        command += ["serve", "--port", "0", "--data", str(self.data)]
        said = self.log.open("ab") if self.log else subprocess.DEVNULL
        self.process = await asyncio.create_subprocess_exec(
            *command,
            stdout=asyncio.subprocess.PIPE,
            stderr=said,
            env=self.environment,
            preexec_fn=self._prepare,
        )
        if self.log:
            said.close()  # type: ignore[union-attr]
        assert self.process.stdout is not None
        async with asyncio.timeout(START_S):
            async for line in self.process.stdout:
                if b"serving" in line:
                    self.port = int(line.rsplit(b":", 1)[1])
                    return
        raise AssertionError("the server ended before it served")

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def ended(self, patience_s: float) -> int | None:
        """Its exit status, or None if it still runs after so many seconds; then it is killed."""
        assert self.process is not None
        try:
            async with asyncio.timeout(patience_s):
                await self.process.communicate()
        except TimeoutError:
            self.kill()
            await self.gone()
            return None
        return self.process.returncode


@dataclass
class Sender:
    """Takes from a book until it is over."""

    book: Book
    key: str
    over: asyncio.Event
    batch: int
    pause_s: float

    def take(self) -> Letter | None:
        if self.over.is_set():
            return None
        ids = self.book.take(self.batch)
        self.book.flying[id(ids)] = ids
        return Letter(ids, request_of("/e", body_of(self.key, ids)))

    def told(self, ids: list[bytes], reply: Reply, took_s: float) -> float:
        book = self.book
        del book.flying[id(ids)]
        book.note(reply.status, ids, took_s, reply.headers)
        if reply.status != 202:
            return AGAIN_S
        book.duplicates += json.loads(reply.body)["duplicates"]
        return self.pause_s

    def cut(self, ids: list[bytes]) -> None:
        self.book.flying.pop(id(ids), None)  # a connection may end between two requests
        self.book.cuts.append(ids)
        self.book.again.extend(ids)


async def sends(outbox: Sender, port: Callable[[], int]) -> None:
    """Send until it is over, to servers that come and go."""
    while not outbox.over.is_set():
        if not await send(port(), outbox):
            await asyncio.sleep(AGAIN_S)


@asynccontextmanager
async def load(
    book: Book,
    key: str,
    port: Callable[[], int],
    *,
    senders: int = SENDERS,
    batch: int = BATCH,
    pause_s: float = 0.0,
) -> AsyncIterator[None]:
    """Senders at work; in the end each waits for its last answer."""
    over = asyncio.Event()
    outbox = Sender(book, key, over, batch, pause_s)
    tasks = [asyncio.create_task(sends(outbox, port)) for _ in range(senders)]
    try:
        yield
    finally:
        over.set()
        _, late = await asyncio.wait(tasks, timeout=20)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
