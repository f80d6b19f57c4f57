"""The live feed with many listeners: how long after the answer each has seen an event, and what
they cost in memory."""

import asyncio
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from tests.bench.load import quantile
from tests.bench.place import Copies, now_ms
from tests.bench.runs import Host
from tests.bench.serving import SITE, served
from tests.bench.table import Row, number, spread
from tests.bench.workload import HOST, KEY, Workload, text_id

EVERY_S = 0.05
WAIT_S = 30
AGAIN_S = 1.0


class Listeners:
    """Streams that note when they saw which event."""

    def __init__(self, port: int, token: str, count: int, events: int) -> None:
        self.port = port
        self.count = count
        self.events = events
        self.seen: list[set[int]] = [set() for _ in range(count)]
        self.doubled = 0
        self.all_seen = asyncio.Event()
        self.head = (
            f"GET {SITE}/live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Authorization: Bearer {token}\r\nAccept: text/event-stream\r\n\r\n"
        ).encode()
        self.acknowledged = [0.0] * events
        self.delays: list[float] = []
        self.ready = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """Open the streams; each is ready once it was told who is there."""
        self._tasks = [asyncio.create_task(self._listen(seen)) for seen in self.seen]
        async with asyncio.timeout(WAIT_S):
            while self.ready < self.count:
                for task in self._tasks:
                    if task.done():
                        task.result()
                await asyncio.sleep(0.02)

    @property
    def missed(self) -> int:
        """How many events some listener has not seen, each listener counted."""
        return sum(self.events - len(seen) for seen in self.seen)

    def note(self, seen: set[int], number: int) -> None:
        """A listener was told of an event: once is right."""
        if number in seen:
            self.doubled += 1
            return
        seen.add(number)
        self.delays.append(max(0.0, time.perf_counter() - self.acknowledged[number]))
        if len(self.delays) == self.count * self.events:  # one for each of each listener
            self.all_seen.set()

    async def _listen(self, seen: set[int]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(self.head)
            status = await reader.readline()
            if b" 200 " not in status:
                raise RuntimeError(f"the live feed answered {status!r}")
            told = False
            while line := await reader.readline():
                self.ready += not told and line.startswith(b"event: now")
                told |= line.startswith(b"event: now")
                _, mark, rest = line.partition(b'"path":"/live/')
                if mark:
                    self.note(seen, int(rest.partition(b'"')[0]))
        finally:
            writer.close()

    async def end(self) -> None:
        """Wait until all of it was seen, or no longer; then a little, for what comes again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                await self.all_seen.wait()
        await asyncio.sleep(AGAIN_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _post(port: int, acknowledged: list[float]) -> None:
    """A page view every 50 ms, each of its own address; when it was answered is noted."""
    work = Workload(31, now_ms())
    people = [work.person() for _ in range(10)]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for count in range(len(acknowledged)):
        person, now = people[count % 10], now_ms()
        event = (
            f'{{"i":"{text_id(work.event_id())}","y":"page_view","t":{now},"q":{count},'
            f'"u":"https://{HOST}/live/{count}","d":{{}}}}'
        )
        body = f'{{"x":1,"k":"{KEY}","v":"{text_id(person.key)}","t":{now},"e":[{event}]}}'
        writer.write(
            f"POST /e HTTP/1.1\r\nHost: t.acme.example\r\nOrigin: https://{HOST}\r\n"
            f"User-Agent: {person.agent}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        acknowledged[count] = time.perf_counter()
        if not head.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(f"an event was answered {head[:40]!r}")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length or 0))
        await asyncio.sleep(EVERY_S)
    writer.close()


class Asked(NamedTuple):
    """How many follow how many events, how often, and in what database."""

    listeners: int
    events: int
    runs: int
    what: str


class Seen(NamedTuple):
    """One run: seconds from the answer, what went wrong, memory before and at most."""

    delays: list[float]
    missed: int
    doubled: int
    alone: float
    with_all: float


async def _live(running: Host, token: str, asked: Asked) -> Seen:
    alone = running.ask()["peak_mb"]
    streams = Listeners(running.port, token, asked.listeners, asked.events)
    await streams.begin()
    await _post(running.port, streams.acknowledged)
    await streams.end()
    with_all = running.ask()["peak_mb"]
    return Seen(streams.delays, streams.missed, streams.doubled, alone, with_all)


def rows(asked: Asked, found: Sequence[Seen]) -> list[Row]:
    """The median of the runs' delays; of what must not be, all; of memory, the most."""
    runs = [sorted(delay * 1e3 for delay in one.delays) for one in found]
    late = [quantile(delays, 0.99) for delays in runs]
    middle = statistics.median(quantile(delays, 0.5) for delays in runs)
    most = max((delays[-1] for delays in runs if delays), default=0.0)
    note = (
        f"{spread(late)}; p50 {number(middle)}, most {number(most)} ms;"
        f" {asked.events} events, {len(found)} runs; {asked.what}"
    )
    what = f"live: from the answer to {asked.listeners} listeners, p99"
    memory = max(one.with_all for one in found)
    before = f"{max(one.alone for one in found):.0f} MB before"
    missed, doubled = sum(one.missed for one in found), sum(one.doubled for one in found)
    return [
        Row(what, statistics.median(late), unit="ms", note=note, least=False),
        Row("  not seen by somebody", missed, 0, None, "", "", False),
        Row("  seen twice by somebody", doubled, 0, None, "", "", False),
        Row("  memory, all of it", memory, 150, None, "MB", before, False),
    ]


def live(copies: Copies, asked: Asked) -> list[Row]:
    """Delays and memory of a feed that many follow."""
    found = []
    for _ in range(asked.runs):
        with served(copies.fresh()) as (running, token):
            found.append(asyncio.run(_live(running, token, asked)))
    copies.drop()
    return rows(asked, found)
