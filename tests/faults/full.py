"""The disk is full: a small file system that something else fills, up to the floor and to the end.

Below the floor events are refused while reading and signing in go on, a backup is written to
another disk and somebody is erased; when there is room again events are taken again. Run by
`mounts.inside` as
`python -m tests.faults.full FOLDER TIMES FLOOR_MB LEFT_MB WEAK`.
"""

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

from server.ingest.payload import write_id
from tests.faults import kill, mounts
from tests.faults.asking import once
from tests.faults.disk import AFTER, BEFORE, EVENTS, REFUSED, Found, row
from tests.faults.kill import Server
from tests.faults.load import Met, acknowledged, answered, end, fresh, health, ready, visitors
from tests.faults.row import Fault, Outcome
from tests.faults.weak import MODULE

DISK_MB = 96
#: What is left below the floor holds the log of writes at its longest, 16 MB, and a sign-in: the
#: disk fills within a moment, and until the server looks again events go into the log.
FLOOR_MB, BELOW_MB = 36, 24
#: Left to a server without a floor: its events take that, and nothing is left for a sign-in.
NO_FLOOR_MB = 4
WAITS_S = 20
CHUNK = 1 << 20


def fill(at: Path, left_mb: int) -> Path:
    """A file that leaves so much room."""
    filler = at / "filler"
    with filler.open("wb") as file, suppress(OSError):  # the server may be first
        while (room := shutil.disk_usage(at).free - left_mb * 1_000_000) > 0:
            os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), min(room, CHUNK))
    return filler


async def signs_in(server: Server) -> list[str]:
    """Sign in by a new link and read a page; what was wrong."""
    asked = [sys.executable, "-m", "server", "--data", str(server.data), "link"]
    made = await asyncio.to_thread(subprocess.run, asked, capture_output=True, text=True)
    if made.returncode:
        return [f"no link to sign in: {made.stderr.strip()[:120]}"]
    opened = await once(server.port, "/open/" + made.stdout.strip().rpartition("/open/")[2])
    if opened.status != 303 or "set-cookie" not in opened.headers:
        return [f"signing in: {opened.status} {opened.body[:200]!r}"]
    page = await once(server.port, "/api/v1/sites", Cookie=opened.headers["set-cookie"])
    return [] if page.status == 200 else [f"reading: {page.status}"]


def says(data: Path, *words: str) -> str:
    """Run `handraise` on a folder; what is wrong, if anything."""
    asked = [sys.executable, "-m", "server", "--data", str(data), *words]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=WAITS_S)
    except subprocess.TimeoutExpired:
        return f"{words[0]}: nothing within {WAITS_S} s"
    return f"{words[0]}: {(done.stdout + done.stderr)[-200:]}" if done.returncode else ""


def backs_up(data: Path, away: Path) -> list[str]:
    """Copy everything elsewhere; what was wrong."""
    if wrong := says(data, "backup", str(away)):
        return [wrong]
    with closing(sqlite3.connect(away)) as copy:
        (sound,) = copy.execute("PRAGMA integrity_check").fetchone()
    away.unlink()
    return [] if sound == "ok" else [f"the backup: {sound}"]


async def somebody(server: Server, key: str) -> str:
    """A person by a form of their own: their address, once the server knows them."""
    name = write_id(os.urandom(16))
    now, email = time.time_ns() // 1_000_000, f"{name.lower()}@brew.example"
    event: dict[str, object] = {
        "i": name,
        "y": "form_submit",
        "t": now,
        "u": "https://acme.example/demo",
    }
    event["d"] = {"form": "demo", "fields": {"email": email}}
    body = json.dumps({"k": key, "v": name, "t": now, "e": [event]}).encode()
    answer = await once(server.port, "/e", body)
    for _ in range(WAITS_S * 2):
        if not await asyncio.to_thread(says, server.data, "timeline", email):
            return email
        await asyncio.sleep(0.5)
    raise AssertionError(f"nobody is known as who sent a form: {answer.status}")


async def filled(server: Server, key: str, met: Met, left_mb: int) -> list[str]:
    """Fill the disk and make room again; what was wrong."""
    at = server.data.parent
    email = await somebody(server, key) if left_mb else ""
    filler = fill(at, left_mb)
    wrong = [] if await answered(met, 503, REFUSED) else ["full, and nobody was refused"]
    if left_mb:
        met.since()
        wrong += await signs_in(server)
        wrong += await asyncio.to_thread(backs_up, server.data, at.parent / "away.db")
        if unerased := await asyncio.to_thread(says, server.data, "erase", email, "--yes"):
            wrong.append(unerased)
        said, during = await health(server.port), met.since()
        if said != 503 or set(during) - {503}:
            wrong.append(f"below the floor: /readyz {said}, answers {dict(during)}")
    filler.unlink()
    if await ready(server.port) is None or not await acknowledged(met, AFTER, 10):
        wrong.append("it did not go on")
    after = met.since()
    if set(after) - {202, 503} or met.bare:
        wrong.append(f"answers {dict(after)}, {met.bare} without Retry-After")
    return wrong


async def life(server: Server, key: str, times: int, left_mb: int) -> tuple[Met, Found]:
    met, found = fresh(EVENTS), Found()
    await server.start()
    try:
        async with visitors(server.port, key, met):
            await acknowledged(met, BEFORE)
            for _ in range(times):
                found.add(await filled(server, key, met, left_mb))
    finally:
        await end(server)
    return met, found


def fills(folder: Path, times: int, floor_mb: str, left_mb: int, weakness: str) -> Outcome:
    """One life on a small disk that is filled so often."""
    at = folder / "small"
    mounts.memory(at, DISK_MB)
    data = at / "data"
    key = kill.key_of(data)
    settings = {"HANDRAISE_DISK_FLOOR_MB": floor_mb}
    if weakness:
        settings["FAULTS_WEAKNESS"] = weakness
    server = Server(MODULE if weakness else "server", data, **settings)
    met, found = asyncio.run(life(server, key, times, left_mb))
    return row(server, met, found, times)


def outcome(folder: Path, times: int, floor_mb: int, left_mb: int, weakness: str = "") -> Outcome:
    words = (str(times), str(floor_mb), str(left_mb), weakness)
    return mounts.inside("tests.faults.full", folder, *words)


FAULTS = (
    Fault(
        "R4",
        "below the disk floor pages, backup, erasing work",
        5,
        lambda folder, times: outcome(folder, times, FLOOR_MB, BELOW_MB),
        lambda folder: outcome(folder, 3, 0, NO_FLOOR_MB),
    ),
    Fault(
        "R4",
        "disk full to the last byte",
        5,
        lambda folder, times: outcome(folder, times, 0, 0),
        lambda folder: outcome(folder, 1, 0, 0, "deaf"),
    ),
)

if __name__ == "__main__":
    mounts.show(
        fills(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5])
    )
