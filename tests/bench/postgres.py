"""The same runs on PostgreSQL, its server on the same core as ours."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from server.storage.postgres import PostgresDatabase
from tests.bench.place import fill
from tests.bench.runs import Host, host
from tests.bench.serving import Sqlite, warm
from tests.bench.table import say
from tests.engines import Cluster, cluster

FILLED = "bench_filled"


class Postgres(Sqlite):
    """Starts the program on copies of a filled database of a server of our own."""

    name = "PostgreSQL"

    def __init__(self, events: int, stack: ExitStack) -> None:
        self.wal = 0
        self.folder = Path(tempfile.mkdtemp(prefix="hr-bench-"))
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.cluster: Cluster = stack.enter_context(cluster())
        self.number = 0
        say(f"  filling PostgreSQL with {events:,} events")
        asyncio.run(self._fill(events))
        pin(self.cluster)

    async def _fill(self, events: int) -> None:
        await self.cluster.execute(f"CREATE DATABASE {FILLED}")
        database = PostgresDatabase(self.cluster.url(FILLED), durable=False)
        await database.open()
        try:
            await fill(database, events)
        finally:
            await database.close()
        await self.cluster.execute("VACUUM ANALYZE", FILLED)
        await self.cluster.execute("CHECKPOINT")

    @contextmanager
    def serve(self, *arguments: str) -> Iterator[Host]:
        self.number += 1
        name = f"bench_{self.number}"
        asyncio.run(self.cluster.execute(f"CREATE DATABASE {name} TEMPLATE {FILLED}"))
        asyncio.run(self.cluster.execute("CHECKPOINT"))
        given = ("--data", str(self.folder), "--database", self.cluster.url(name), *arguments)
        try:
            with host("app", *given) as running:
                warm(running, projects="--still" not in arguments)
                yield running
        finally:
            asyncio.run(self.cluster.execute(f"DROP DATABASE {name} WITH (FORCE)"))


def pin(server: Cluster) -> None:
    """All processes of the server on core 0; new ones inherit it."""
    assert server.process is not None
    first = server.process.pid
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if first in (int(entry.name), parent):
                os.sched_setaffinity(int(entry.name), {0})
        except (OSError, ProcessLookupError):
            continue
