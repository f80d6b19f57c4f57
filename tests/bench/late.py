"""Late events: each makes the projector derive a visitor anew from a history of 200 events."""

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from server.cli.serving import tune
from server.ingest.agents import Agents
from server.metrics import Metrics
from server.model import Event, Kind
from server.project.projector import Projector
from server.storage import sites
from server.storage.migrate import migrate
from server.storage.sqlite import SqliteDatabase
from server.storage.writer import Writer
from tests.bench.place import now_ms
from tests.bench.table import Row
from tests.bench.workload import HOST, KEY, SETTINGS, Workload, agents

HISTORY = 200
MINUTE_MS = 60_000


class World:
    """A database with a writer and a projector, without a server."""

    def __init__(self, path: Path, synchronous: str = "FULL") -> None:
        # A busy machine is no fault of ours.
        self.database = SqliteDatabase(path, read_limit_s=60, synchronous=synchronous)
        self.metrics = Metrics()
        self.writer = Writer(self.database, self.metrics)
        self.projector = Projector(
            self.database, self.writer, self.metrics, Agents(), now_ms, lambda: [self.site]
        )
        self.work = Workload(21, now_ms())

    async def open(self) -> None:
        await self.database.open()
        try:
            await migrate(self.database)
        except BaseException:  # its threads would keep the bench from its end
            await self.database.close()
            raise
        self.interval = sys.getswitchinterval()
        tune()  # as a server does, once everything is loaded
        self.serving = asyncio.create_task(self.writer.serve())
        add = lambda: sites.add("Bench", KEY, "secret", SETTINGS, now_ms())  # noqa: E731
        async with self.database.snapshot() as reader:
            known = await sites.all_sites(reader)
        self.site = known[0] if known else await self.writer.run(add)

    async def close(self) -> None:
        self.writer.close()
        await self.serving
        await self.database.close()
        sys.setswitchinterval(self.interval)

    async def append(self, events: Sequence[Event]) -> None:
        for start in range(0, len(events), 2_000):
            await self.writer.append(1, events[start : start + 2_000])

    async def project(self) -> float:
        """Until nothing is left; the seconds it took."""
        started = time.perf_counter()
        while await self.projector.round():
            continue
        return time.perf_counter() - started

    def event(self, visitor: bytes, at: int, number: int) -> Event:
        return Event(
            event_id=self.work.event_id(),
            kind=Kind.PAGE_VIEW,
            at=at,
            received=at,
            visitor=visitor,
            q=number,
            url=f"https://{HOST}/learn/article-{number % 500}",
            agent=agents()[0],
        )


async def _measure(path: Path, visitors: int) -> list[Row]:
    world = World(path)
    await world.open()
    try:
        now = now_ms()
        keys = [world.work.random.randbytes(16) for _ in range(visitors)]
        for key in keys:  # five visits a day apart, 40 pages each
            start = now - 5 * 24 * 60 * MINUTE_MS
            ages = [
                start + (n // 40) * 24 * 60 * MINUTE_MS + n % 40 * 20_000 for n in range(HISTORY)
            ]
            await world.append([world.event(key, at, n) for n, at in enumerate(ages)])
        await world.project()
        late = now - 3 * 24 * 60 * MINUTE_MS - 90 * MINUTE_MS
        await world.append([world.event(key, late, 7) for key in keys])
        single = visitors / await world.project()
        ten = [world.event(key, late + n * 1_000, 8) for key in keys for n in range(1, 11)]
        await world.append(ten)
        together = len(ten) / await world.project()
    finally:
        await world.close()
    note = f"{visitors} visitors with {HISTORY} events each"
    return [
        Row("late events, each its own history", single, 300, None, "/s", note),
        Row("late events, ten of a visitor wait", together, 2_000, None, "/s", note),
    ]


def late_events(scratch: Path, visitors: int) -> list[Row]:
    return asyncio.run(_measure(scratch / "late.db", visitors))
