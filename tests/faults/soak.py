"""`python -m tests.faults.soak --minutes 30`: does anything creep?

A server at 30 % of what it can take, for a long time: people look at the dashboard, it is backed up
ten times and killed twice. Prints how memory, open files, threads, the log of writes, the bytes of
an event and the latency went. The exit status is 0 if nothing was lost, doubled or left open.
"""

import asyncio
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import click

from tests.bench.load import quantile
from tests.bench.place import used_bytes
from tests.faults.asking import get
from tests.faults.backups import backup
from tests.faults.kill import key_of
from tests.faults.remains import Remains, look
from tests.faults.under_load import BATCH, SENDERS, Book, Program, load

SHARE = 0.3
SAMPLES = 120
BACKUPS = 10
LIVES = 3  # two kills between them
READ_S = 0.5
PROBE_S = 3.0
SETTLED = 0.25  # of a life; what is learned before is no creep
PAGES = (
    "/api/v1/sites/{site}/people",
    "/api/v1/sites/{site}/overview",
    "/readyz",
    "/metrics",
)


@dataclass
class Sample:
    """What the server held at one moment; `life` counts its starts."""

    at_s: float
    life: int
    rss_mb: float
    files: int
    threads: int
    wal_mb: float
    event_bytes: float


@dataclass
class Soaked:
    """All that was seen."""

    samples: list[Sample] = field(default_factory=list)
    reads: dict[int, int] = field(default_factory=dict)
    backups: list[str] = field(default_factory=list)  # what each said; nothing if it was well
    back_s: list[float] = field(default_factory=list)  # from each kill to the first 2xx
    left: Remains | None = None
    rate: float = 0.0


def sample(server: Program, began: float, life: int) -> Sample | None:
    """None while it is dead."""
    assert server.process is not None
    place = Path(f"/proc/{server.process.pid}")
    try:
        lines = (place / "status").read_text().splitlines()
        told = dict(line.split()[:2] for line in lines if line.startswith(("VmRSS", "Threads")))
        memory, threads = int(told["VmRSS:"]) / 1024, int(told["Threads:"])
        files = len(list((place / "fd").iterdir()))
        wal = (server.data / "handraise.db-wal").stat().st_size
    except (OSError, KeyError):
        return None
    return Sample(
        time.monotonic() - began,
        life,
        memory,
        files,
        threads,
        wal / 1e6,
        bytes_an_event(server.data / "handraise.db"),
    )


def bytes_an_event(path: Path) -> float:
    """Pages in use by everything that is stored, over the events in the log."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        (count,) = connection.execute("SELECT sum(seq) FROM heads").fetchone()
    finally:
        connection.close()
    return used_bytes(path) / count if count else 0.0


def slope(points: list[tuple[float, float]]) -> float:
    """Least squares, a unit an hour."""
    if len(points) < 2:
        return 0.0
    middle = sum(x for x, _ in points) / len(points)
    spread = sum((x - middle) ** 2 for x, _ in points)
    return 3600 * sum((x - middle) * y for x, y in points) / spread if spread else 0.0


def settled(samples: list[Sample]) -> list[list[Sample]]:
    """The later part of each life."""
    found = []
    for life in sorted({one.life for one in samples}):
        mine = [one for one in samples if one.life == life]
        found.append(mine[int(len(mine) * SETTLED) :])
    return [mine for mine in found if len(mine) > 1]


class Soak:
    """One run."""

    def __init__(self, data: Path, seconds: float) -> None:
        self.data = data
        self.seconds = seconds
        self.server = Program("server", data)
        self.book = Book(seed=20)
        self.found = Soaked()
        self.life = 1
        self.serves = True
        self.over = asyncio.Event()
        self.began = 0.0

    async def every(self, step_s: float, work: Callable[[], object]) -> None:
        """Do something again and again until it is over."""
        while not self.over.is_set():
            done = work()
            if asyncio.iscoroutine(done):
                await done
            try:
                async with asyncio.timeout(step_s):
                    await self.over.wait()
            except TimeoutError:
                continue

    def look(self) -> None:
        if self.serves and (one := sample(self.server, self.began, self.life)) is not None:
            self.found.samples.append(one)

    async def read(self, token: str) -> None:
        for page in PAGES:
            status = await get(self.server.port, page.format(site=1), 5, token)
            self.found.reads[status] = self.found.reads.get(status, 0) + 1

    async def back_up(self) -> None:
        file = self.data.parent / "soak.db"
        said = await backup(self.data, file)
        self.found.backups.append(said)
        file.unlink(missing_ok=True)

    async def kill(self) -> None:
        """kill -9 and the next life."""
        self.serves = False
        self.server.kill()
        await self.server.gone()
        died = time.monotonic()
        self.book.firsts.clear()
        await self.server.start()
        self.life += 1
        await self.book.more(BATCH)
        self.found.back_s.append(self.book.firsts[0] - died)
        self.serves = True

    async def run(self) -> None:
        key, token = key_of(self.data), await new_token(self.data)
        await self.server.start()
        async with load(self.book, key, lambda: self.server.port):
            await self.book.more(1_000)
            before, began = len(self.book.acknowledged), time.monotonic()
            await asyncio.sleep(PROBE_S)
            peak = (len(self.book.acknowledged) - before) / (time.monotonic() - began)
        self.book.took.clear()
        self.found.rate = SHARE * peak
        pause_s = SENDERS * BATCH / self.found.rate
        self.began = time.monotonic()
        async with load(self.book, key, lambda: self.server.port, pause_s=pause_s):
            beside = [
                asyncio.create_task(self.every(self.seconds / SAMPLES, self.look)),
                asyncio.create_task(self.every(READ_S, lambda: self.read(token))),
                asyncio.create_task(self.every(self.seconds / BACKUPS, self.back_up)),
            ]
            for number in range(1, LIVES + 1):
                late = self.began + self.seconds * number / LIVES
                await asyncio.sleep(max(0.0, late - time.monotonic()))
                if number < LIVES:
                    await self.kill()
            self.over.set()
            await asyncio.gather(*beside)
        self.server.kill()
        await self.server.gone()
        self.found.left = look(self.data / "handraise.db", set(self.book.acknowledged))


async def new_token(data: Path) -> str:
    """An API token that may read."""
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "server", "--data", str(data)],
        *["token", "add", "--scope", "read", "--json"],
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    return str(json.loads(said)["token"])


def report(soak: Soak) -> list[str]:
    """The lines of the table, and in the end what is wrong."""
    found, lives = soak.found, settled(soak.found.samples)
    last = [one for life in lives for one in life]
    took = soak.book.took
    quarter = max(1, len(took) // 4)
    first_p99, last_p99 = (
        1e3 * quantile(sorted(took_s for _, took_s in part), 0.99)
        for part in (took[:quarter], took[-quarter:])
    )
    slopes = [slope([(one.at_s, one.rss_mb) for one in life]) for life in lives]
    events = [one.event_bytes for one in last]
    assert found.left is not None
    return [
        f"load           {found.rate:,.0f} events/s, {len(soak.book.acknowledged):,} acknowledged",
        f"lost, doubled  {found.left.lost}, {found.left.doubled}; gaps {found.left.gaps};"
        f" file {found.left.sound}",
        f"memory         {last[0].rss_mb:.0f} MB first, {last[-1].rss_mb:.0f} MB last,"
        f" slope of each life {', '.join(f'{one:+.1f}' for one in slopes)} MB/h",
        f"open files     {min(one.files for one in last)} to {max(one.files for one in last)}",
        f"threads        {min(one.threads for one in last)} to {max(one.threads for one in last)}",
        f"log of writes  {median(one.wal_mb for one in last):.1f} MB (median),"
        f" {max(one.wal_mb for one in found.samples):.1f} MB (most)",
        f"an event       {events[0]:.0f} bytes first, {events[-1]:.0f} last",
        f"p99            {first_p99:.1f} ms in the first quarter, {last_p99:.1f} in the last"
        f" ({last_p99 / first_p99:.2f} ×)",
        f"reads          {', '.join(f'{n} × {status}' for status, n in found.reads.items())}"
        " (0: it was just killed)",
        f"backups        {found.backups.count('')} of {len(found.backups)} well",
        f"kills          {len(found.back_s)}, back after"
        f" {max(found.back_s, default=0.0):.1f} s at most",
    ]


def wrong(soak: Soak) -> list[str]:
    """What no run may show, however short."""
    found, left = soak.found, soak.found.left
    assert left is not None
    lives = settled(found.samples)
    spans = [[one.files for one in life] for life in lives]
    files = max((max(span) - min(span) for span in spans), default=0)
    threads = max((life[-1].threads - life[0].threads for life in lives), default=0)
    faults = {
        "events were lost or doubled": left.lost + left.doubled + left.gaps,
        f"the file is {left.sound}": left.sound != "ok",
        f"odd answers {soak.book.odd}": soak.book.odd,
        f"reads failed: {found.reads}": set(found.reads) - {0, 200},
        "a backup failed": any(found.backups),
        f"open files went apart by {files}": files > SENDERS + 16,
        f"{threads} threads more": threads > 1,
    }
    return [text for text, bad in faults.items() if bad]


@click.command()
@click.option("--minutes", default=30.0, show_default=True)
def main(minutes: float) -> None:
    """Load, reads, backups and kills for so long; prints what crept."""
    with tempfile.TemporaryDirectory(prefix="hr-soak-") as folder:
        soak = Soak(Path(folder) / "data", minutes * 60)
        asyncio.run(soak.run())
        click.echo("\n".join(report(soak)))
        if bad := wrong(soak):
            click.echo(f"FAILED: {'; '.join(bad)}")
        raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
