"""The power is cut: only what was flushed to the disk is there afterwards.

The disk is an image whose file lies in memory. A server under load is stopped, the image is copied
as it is, and the copy is mounted: what the kernel still held for the disk is not in it. The next
life begins on the copy. Run by `mounts.inside` as `python -m tests.faults.power FOLDER TIMES WEAK`.
"""

import asyncio
import os
import shutil
import signal
import sys
from pathlib import Path

from tests.faults import kill, mounts
from tests.faults.kill import Server
from tests.faults.load import Met, acknowledged, end, fresh, visitors
from tests.faults.remains import look
from tests.faults.row import Fault, Outcome
from tests.faults.weak import MODULE

IMAGE_MB, MEMORY_MB = 64, 200
EVENTS = 200_000
BETWEEN = 200  # events acknowledged between two cuts


async def cut(server: Server, key: str, met: Met, disk: Path, copy: Path) -> None:
    """One life under load up to a cut; `copy` is what the disk holds then."""
    await server.start()
    assert server.process is not None
    async with visitors(server.port, key, met):
        try:
            assert await acknowledged(met, BETWEEN), met.statuses
            os.kill(server.process.pid, signal.SIGSTOP)
            # Answers that left before the stop are read after it: they count as acknowledged.
            shutil.copyfile(disk, copy)
        finally:
            await end(server)


def cuts(folder: Path, times: int, weakness: str) -> Outcome:
    """Cut the power so often; each life begins with what the last cut left."""
    ram, at = folder / "ram", folder / "disk"
    mounts.memory(ram, MEMORY_MB)
    disk, copy = ram / "a.img", ram / "b.img"
    mounts.image(disk, IMAGE_MB)
    mounts.attach(disk, at)
    data = at / "data"
    key = kill.key_of(data)
    os.sync()
    met = fresh(EVENTS)
    settings = {"HANDRAISE_DISK_FLOOR_MB": "0"}  # the image is smaller than the usual floor
    if weakness:
        settings["FAULTS_WEAKNESS"] = weakness
    server = Server(MODULE if weakness else "server", data, **settings)
    for _ in range(times):
        asyncio.run(cut(server, key, met, disk, copy))
        mounts.detach(at)
        disk, copy = copy, disk
        mounts.attach(disk, at)
    left = look(data / "handraise.db", met.acknowledged)
    whole = not left.lost + left.doubled + left.gaps and left.sound == "ok"
    note = f"gaps {left.gaps}; file {left.sound}"
    acks = len(met.acknowledged)
    return Outcome(times, times if whole else 0, acks, left.lost, left.doubled, note)


def outcome(folder: Path, times: int, weakness: str = "") -> Outcome:
    return mounts.inside("tests.faults.power", folder, str(times), weakness)


FAULTS = (
    Fault(
        "R2",
        "power cut (copy of the disk), SQLite FULL",
        100,
        outcome,
        lambda folder: outcome(folder, 2, "normal"),
    ),
)

if __name__ == "__main__":
    mounts.show(cuts(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
