"""kill -9 while a published ruleset is on its way to everybody: it goes on, and decides once.

Run as `python -m tests.faults.publishing PATH [--apart]`: projects the log of a file to its head
and scores everybody by the ruleset in force. Apart, it is the control of `tell`.
"""

import argparse
import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from server.project import site_projector
from server.project.rules import EventCondition, Rule, Ruleset, Threshold
from server.storage.migrate import migrate
from server.storage.sqlite import SqliteDatabase
from tests.faults import tell
from tests.tracking import tracking

PEOPLE = 400
#: Asks something else of events than the default ruleset; everybody crosses its threshold.
OTHER = Ruleset(
    1,
    "other",
    (Rule("plans", "Looked at the plans", 9_000, EventCondition(("page_view",), page="/pri*")),),
    (Threshold("keen", "sql", 9_000),),
)


class Walked(NamedTuple):
    """How far everybody is: the version they all have, and how many were looked at."""

    ruleset: int
    done: int


async def fill(path: Path) -> None:
    """People whose past is projected, and another ruleset published over it."""
    await tell.fill(path)
    await tell.project(path)
    database = SqliteDatabase(path)
    await database.open()
    await migrate(database)
    async with tracking(database, check=False, made=True) as world:
        await world.publish(OTHER, notify=True)
    await database.close()


def walked(path: Path) -> Walked:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        row = connection.execute("SELECT ruleset, walk_done FROM cursors").fetchone()
        return Walked(*row)
    finally:
        connection.close()


def life(path: Path, options: list[str], after_s: float) -> bool:
    """One life, killed so long after the walk has moved; True if it had ended by itself."""
    before = walked(path)
    command = [sys.executable, "-m", "tests.faults.publishing", str(path), *options]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 20
    while walked(path) == before and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    try:
        return process.wait(after_s) == 0
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        return False


def kills(path: Path, options: list[str], seed: int, most: int) -> list[Walked]:
    """Kill it on its way until it arrives; where it stood after each life."""
    dice = random.Random(seed)
    stood: list[Walked] = []
    while not life(path, options, dice.random() * 0.02 if len(stood) < most else 60):
        stood.append(walked(path))
    return stood


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--apart", action="store_true")
    given = parser.parse_args()
    if given.apart:
        site_projector.SiteProjector._write = tell._apart  # type: ignore[method-assign]
    site_projector.SUBJECTS = (8, 8)
    asyncio.run(tell.project(given.path))


if __name__ == "__main__":
    main()
