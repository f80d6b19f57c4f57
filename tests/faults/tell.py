"""kill -9 while the projector decides: what is told of whom, once, and nothing twice.

Run as `python -m tests.faults.tell PATH [--apart]`: projects the log in a file to its head. Apart,
it is the control: consequences are stored before the rows and the cursor, under names of their own.
"""

import argparse
import asyncio
import os
import random
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from msgspec.structs import replace

from server.metrics import Metrics
from server.model import Kind
from server.project import site_projector
from server.project.projector import Projector
from server.storage import derived, entries, sites
from server.storage.database import Script
from server.storage.derived import Changes
from server.storage.migrate import migrate
from server.storage.names import Names
from server.storage.sqlite import SqliteDatabase
from server.storage.writer import Writer
from tests.tracking import AGENTS, HOUR, NOON, tracking

PEOPLE = 400
READS = "SELECT json_extract(data, '$.person'), kind, json_extract(data, '$.threshold'),"
READS += " json_extract(data, '$.to')"


async def fill(path: Path) -> None:
    """People who read the prices and ask for a demo, and come back; nothing is projected."""
    database = SqliteDatabase(path)
    await database.open()
    await migrate(database)
    async with tracking(database, check=False) as world:
        for number in range(1, PEOPLE + 1):
            browser = world.browser(number)
            view, form = (
                browser.event("page_view", "/pricing"),
                browser.event(
                    "form_submit",
                    "/demo",
                    d={"form": "demo", "fields": {"email": f"somebody{number}@brew.example"}},
                ),
            )
            await browser.send(view, form)
        world.now += HOUR
        for number in range(1, PEOPLE + 1):
            browser = world.browser(number)
            await browser.send(browser.event("page_view", "/plans"))
    await database.close()


async def project(path: Path) -> None:
    """To the head of the log, what is decided on the way included."""
    database = SqliteDatabase(path)
    await database.open()
    metrics = Metrics()
    writer = Writer(database, metrics)
    writing = asyncio.create_task(writer.serve())
    async with database.snapshot() as reader:
        known = await sites.all_sites(reader)
    projector = Projector(database, writer, metrics, AGENTS, lambda: NOON + 2 * HOUR, lambda: known)
    while await projector.round() or projector.behind:
        continue
    writer.close()
    await writing
    await database.close()


async def _apart(self: site_projector.SiteProjector, old: int, new: int, changes: Changes) -> None:
    """The control: told first, in a turn of its own; a kill in between tells it again."""
    told = [replace(one, event_id=secrets.token_bytes(16)) for one in changes.consequences]
    changes.consequences = []

    def tell() -> Script[None]:
        yield from entries.append(self.site.site_id, told, Names())

    if told:
        await self.writer.run(tell)
        await asyncio.sleep(0.02)  # a wide gap to be killed in
    await self.writer.run(lambda: derived.apply(self.site.site_id, self.gen, old, new, changes))


def life(path: Path, options: list[str], after_s: float) -> bool:
    """One life of the projector, killed after so long; True if it had ended by itself."""
    process = subprocess.Popen([sys.executable, "-m", "tests.faults.tell", str(path), *options])
    deadline = time.monotonic() + 20
    while not _moved(path) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    try:
        return process.wait(after_s) == 0
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        return False


_SEEN: dict[Path, int] = {}


def _moved(path: Path) -> bool:
    """Whether the cursor has moved since the last life."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        seq = connection.execute("SELECT seq FROM cursors").fetchone()[0]
    moved: bool = seq != _SEEN.get(path, 0)
    _SEEN[path] = seq
    return moved


def kills(path: Path, options: list[str], seed: int, most: int) -> int:
    """Kill the projector on its way until it arrives; how often it was killed."""
    dice, killed = random.Random(seed), 0
    while not life(path, options, dice.random() * 0.03 if killed < most else 60):
        killed += 1
    return killed


def told(path: Path) -> Counter[tuple[str, int, str, str]]:
    """How often each consequence was told: by person, kind, threshold and stage."""
    connection = sqlite3.connect(path)
    try:
        least = int(Kind.STAGE_MOVED)
        return Counter(connection.execute(f"{READS} FROM entries WHERE kind >= {least}"))
    finally:
        connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--apart", action="store_true")
    given = parser.parse_args()
    if given.apart:
        site_projector.SiteProjector._write = _apart  # type: ignore[method-assign]
    site_projector.BATCH = {"sqlite": (16, 16)}  # many small results, to be killed in between
    asyncio.run(project(given.path))


if __name__ == "__main__":
    main()
