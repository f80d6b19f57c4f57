"""Backups under load: each is restored and holds all that was acknowledged before it began."""

import asyncio
import os
import shutil
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.asking import get
from tests.faults.kill import key_of
from tests.faults.remains import look
from tests.faults.row import Fault, Outcome
from tests.faults.under_load import Book, Program, load

QUIET_S = 1.0  # load alone, measured before each backup
EVENTS_BEFORE = 5_000
KEPT = 0.8  # of the rate alone, wished for during a backup
KEPT_LEAST = 0.5  # where the copying has no core of its own
Copy = Callable[[Path, Path], Awaitable[str]]


@dataclass
class Found:
    """What came of the backups; rates are events acknowledged a second."""

    quiet: list[float] = field(default_factory=list)
    during: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    missing: int = 0
    doubled: int = 0
    bad: list[str] = field(default_factory=list)

    @property
    def kept(self) -> float:
        """What is left during a backup of the rate alone, as a part of it."""
        return statistics.median(self.during) / max(statistics.median(self.quiet), 1e-9)

    def slow(self, cores: int) -> str:
        """That too little of the rate is left, in words; where the server, its senders and the
        copying share two cores only much too little counts. What took less than a rate is taken
        over says nothing of it."""
        least = KEPT if cores > 2 else KEPT_LEAST
        if not self.quiet or statistics.median(self.seconds) < QUIET_S or self.kept >= least:
            return ""
        return f"only {self.kept:.0%} of the rate during a backup, at least {least:.0%} is promised"

    @property
    def note(self) -> str:
        """The figures beside the row."""
        quiet, seconds = statistics.median(self.quiet), statistics.median(self.seconds)
        told = f"{quiet:,.0f} events/s alone, {self.kept:.0%} of that during a backup, which"
        told += f" took {seconds:.1f} s (medians; {KEPT:.0%} is wished for)"
        return "; ".join([told, *self.bad[:2]])


async def command(data: Path, *arguments: str) -> str:
    """Run `handraise` on a folder; what it said if it failed, else nothing."""
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "server", "--data", str(data), *arguments],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return said.decode().strip() if process.returncode else ""


async def backup(data: Path, file: Path) -> str:
    """`handraise backup`, while the server runs."""
    return await command(data, "backup", str(file))


async def plain_copy(data: Path, file: Path) -> str:
    """The control: the database's file as it lies there."""
    await asyncio.to_thread(shutil.copyfile, data / "handraise.db", file)
    return ""


async def rate(book: Book, work: Awaitable[str]) -> tuple[float, float, str]:
    """Events acknowledged a second while something runs, its seconds, and what it said."""
    before, began = len(book.acknowledged), time.monotonic()
    said = await work
    seconds = time.monotonic() - began
    return (len(book.acknowledged) - before) / seconds, seconds, said


async def quiet() -> str:
    await asyncio.sleep(QUIET_S)
    return ""


async def one(data: Path, book: Book, copy: Copy, found: Found) -> Path | None:
    """A backup, restored into a folder of its own, which is returned if all is well."""
    alone, _, _ = await rate(book, quiet())
    known = len(book.acknowledged)
    file, restored = data.parent / "copy.db", data.parent / "restored"
    during, seconds, said = await rate(book, copy(data, file))
    shutil.rmtree(restored, ignore_errors=True)
    said = said or await command(restored, "restore", str(file))
    file.unlink(missing_ok=True)
    if said:
        found.bad.append(said[-200:])
        return None
    found.quiet.append(alone)
    found.during.append(during)
    found.seconds.append(seconds)
    left = await asyncio.to_thread(look, restored / "handraise.db", set(book.acknowledged[:known]))
    found.missing += left.lost
    found.doubled += left.doubled
    if left.lost + left.doubled + left.gaps or left.sound != "ok":
        found.bad.append(f"{left.lost} events missing, gaps {left.gaps}, file {left.sound}")
        return None
    return restored


async def served(folder: Path) -> str:
    """What is wrong with a server on a restored folder, else nothing."""
    server = Program("server", folder)
    await server.start()
    status = await get(server.port, "/readyz")
    server.kill()
    await server.gone()
    return "" if status == 200 else f"a server on the restored folder answers {status}"


async def backups(folder: Path, times: int, copy: Copy, judged: bool) -> tuple[Book, Found]:
    """So many backups of one server under load; on the last a server is started."""
    data = folder / "data"
    key, book, found = key_of(data), Book(seed=14), Found()
    server = Program("server", data)
    await server.start()
    restored = None
    async with load(book, key, lambda: server.port):
        await book.more(EVENTS_BEFORE)
        for _ in range(times):
            restored = await one(data, book, copy, found)
    server.kill()
    await server.gone()
    if judged and (slow := found.slow(os.cpu_count() or 1)):
        found.bad.append(slow)
    if restored is not None and (wrong := await served(restored)):
        found.bad.append(wrong)
    return book, found


def outcome(folder: Path, times: int, copy: Copy = backup, *, judged: bool = True) -> Outcome:
    """Backups under load as one row of the table; `judged`: for what is left of the rate too."""
    book, found = asyncio.run(backups(folder, times, copy, judged))
    left = look(folder / "data" / "handraise.db", set(book.acknowledged))
    return Outcome(
        times,
        max(0, times - len(found.bad)),
        len(book.acknowledged),
        left.lost + found.missing,
        left.doubled + found.doubled,
        found.note if found.quiet else "; ".join(found.bad[:2]),
    )


FAULTS = (
    Fault(
        "R14",
        "backup under load, each restored",
        20,
        outcome,
        lambda folder: outcome(folder, 3, plain_copy),
    ),
)
