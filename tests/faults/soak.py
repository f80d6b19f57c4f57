"""Does anything creep? A server at 30 % of what it can take, for a long time: people look at the
dashboard, it is backed up ten times and killed twice.

Memory, open files, threads, the log of writes, the bytes of an event and the latency must stay
within limits (`soaked.limits`), and nothing may be lost. Half an hour at full length, and so made
only by `--soak` or `--only R20`; with `--scale 0.1` it takes three minutes.
"""

import asyncio
import json
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.place import used_bytes
from tests.faults.asking import get
from tests.faults.backups import backup
from tests.faults.kill import key_of
from tests.faults.remains import look
from tests.faults.row import Fault, Outcome
from tests.faults.soaked import Sample, Soaked, limits, report
from tests.faults.under_load import BATCH, SENDERS, Book, Program, load
from tests.faults.weak import MODULE

MINUTES = 30
CONTROL_MINUTES = 1.0
SHARE = 0.3
SAMPLES = 120
BACKUPS = 10
APART_S = 15.0  # two backups, in a short run, at least
LIVES = 3  # two kills between them
READ_S = 0.5
PROBE_S = 3.0
PAGES = (
    "/api/v1/sites/{site}/people",
    "/api/v1/sites/{site}/overview",
    "/readyz",
    "/metrics",
)


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


class Soak:
    """One run."""

    def __init__(self, data: Path, seconds: float, weakness: str = "") -> None:
        self.data = data
        self.seconds = seconds
        weak = {"FAULTS_WEAKNESS": weakness} if weakness else {}
        self.server = Program(MODULE if weak else "server", data, environment=weak)
        self.book = Book(seed=20)
        self.found = Soaked(seconds=seconds)
        self.life = 1
        self.serves = True
        self.over = asyncio.Event()
        self.began = 0.0

    async def every(self, step_s: float, work: Callable[[], object], first_s: float = 0.0) -> None:
        """Do something again and again until it is over."""
        await asyncio.sleep(first_s)
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
        apart_s = max(APART_S, self.seconds / BACKUPS)
        self.began = time.monotonic()
        async with load(self.book, key, lambda: self.server.port, pause_s=pause_s):
            beside = [
                asyncio.create_task(self.every(self.seconds / SAMPLES, self.look)),
                asyncio.create_task(self.every(READ_S, lambda: self.read(token))),
                asyncio.create_task(self.every(apart_s, self.back_up, apart_s / 2)),
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


def outcome(folder: Path, minutes: float, weakness: str = "") -> Outcome:
    """A soak as one row of the table; each limit is a fault that it must survive."""
    soak = Soak(folder / "data", minutes * 60, weakness)
    asyncio.run(soak.run())
    found, left = soak.found, soak.found.left
    assert left is not None
    judged = limits(found, soak.book)
    bad = [text for text, holds in judged.items() if not holds]
    return Outcome(
        len(judged),
        len(judged) - len(bad),
        len(set(soak.book.acknowledged)),
        left.lost,
        left.doubled,
        "\n       ".join([*report(found, soak.book), *(f"WRONG {text}" for text in bad)]),
        kills=len(found.back_s),
    )


FAULTS = (
    Fault(
        "R20",
        "soak: 30 % load, readers, backups, two kills",
        MINUTES,
        outcome,
        lambda folder: outcome(folder, CONTROL_MINUTES, "leaking"),
        long=True,
    ),
)
