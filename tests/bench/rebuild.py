"""A rebuild of a filled database: minutes for a million events, with nothing else to do."""

import asyncio
import shutil
import time
from pathlib import Path

from server.ingest.agents import Agents
from server.metrics import Metrics
from server.model import Site
from server.project.replay import Replay, Replays
from server.storage import sites
from server.storage.database import Database
from server.storage.sqlite import SqliteDatabase
from server.storage.writer import Writer
from tests.bench.place import NAME, now_ms
from tests.bench.table import Row, number

MINUTES = 10  # "minutes" in a word: what nobody has to plan for


async def _rebuild(path: Path) -> tuple[float, int]:
    """Seconds, and entries read."""
    database = SqliteDatabase(path)
    await database.open()
    try:
        return await _replayed(database)
    finally:  # its threads would keep the bench from its end
        await database.close()


async def _replayed(database: Database) -> tuple[float, int]:
    metrics = Metrics()
    writer = Writer(database, metrics)
    writing = asyncio.create_task(writer.serve())
    known: list[Site] = []

    async def reload() -> None:
        async with database.snapshot() as reader:
            known[:] = await sites.all_sites(reader)

    await reload()
    replays = Replays(database, writer, metrics, Agents(), now_ms, lambda: known, reload)
    replay = Replay(known[0].site_id, swaps=True)
    started = time.perf_counter()
    await replays.run(replay)
    seconds = time.perf_counter() - started
    writer.close()
    await writing
    if replay.state != "done" or known[0].generation != 2:
        raise RuntimeError(f"the rebuild has failed: {replay.detail}")
    return seconds, replay.done


def rebuild(filled: Path, scratch: Path) -> list[Row]:
    path = scratch / "rebuild.db"
    shutil.copyfile(filled / NAME, path)
    seconds, entries = asyncio.run(_rebuild(path))
    path.unlink()
    million = seconds / entries * 1e6 / 60
    note = f"{number(entries / seconds)} entries/s over {number(entries)} entries"
    return [Row("rebuild of a million events", million, MINUTES, None, "min", note, False)]
