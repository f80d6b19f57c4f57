"""The database, its log of writes or its index is damaged, cut, exchanged or gone.

The server either serves what it acknowledged, or refuses in one sentence that names the command;
then that command brings the last backup into service, and what was damaged is kept. Never is there
a new, empty database where there was another. What a lost log of writes held is lost: then that is
said, and what is left is the log's beginning without a gap.
"""

import asyncio
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.asking import get
from tests.faults.backups import backup, command
from tests.faults.kill import key_of
from tests.faults.remains import Remains, look
from tests.faults.row import Fault, Outcome
from tests.faults.soak import new_token
from tests.faults.starts import Start, shoot, stop, takes, tried
from tests.faults.trial import Trial
from tests.faults.under_load import Book, Program, load

EARLY, LATE = 1_500, 500  # events before the backup and after it
NEW = 100
FLIPS = 24
FEW_FLIPS = 5  # a copy: twenty copies are a hundred bytes
PAGES = ("/api/v1/sites", "/api/v1/sites/1/overview", "/api/v1/sites/1/people")
#: What was acknowledged and lies in the log of writes alone is lost with it.
OF_LOG = ("log missing", "log cut", "log of another")


def _cut(path: Path, dice: random.Random) -> None:
    os.truncate(path, dice.randrange(1, path.stat().st_size))


def _flip(path: Path, dice: random.Random, count: int = FLIPS) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(count):
        content[dice.randrange(len(content))] ^= dice.randrange(1, 256)
    path.write_bytes(content)


def _noise(path: Path, dice: random.Random) -> None:
    path.write_bytes(dice.randbytes(path.stat().st_size))


def _header(path: Path, dice: random.Random) -> None:
    with path.open("r+b") as file:
        file.write(dice.randbytes(100))


def _end(path: Path, dice: random.Random) -> None:
    """The last page, as a write that was torn leaves it."""
    with path.open("r+b") as file:
        file.seek(-4_096, os.SEEK_END)
        file.write(dice.randbytes(4_096))


#: The file and what is done to it; the other log is put in place elsewhere.
DAMAGES: dict[str, tuple[str, Callable[[Path, random.Random], object]]] = {
    "missing": ("", lambda path, _: path.unlink()),
    "empty": ("", lambda path, _: os.truncate(path, 0)),
    "bytes flipped": ("", _flip),
    "cut": ("", _cut),
    "header overwritten": ("", _header),
    "last page torn": ("", _end),
    "log missing": ("-wal", lambda path, _: path.unlink()),
    "log cut": ("-wal", _cut),
    "log of another": ("-wal", lambda path, _: path.write_bytes(read(path, ".other"))),
    "index missing": ("-shm", lambda path, _: path.unlink()),
    "index overwritten": ("-shm", _noise),
}
FEW = "a few bytes flipped"
DAMAGES_TOO = {FEW: ("", lambda path, dice: _flip(path, dice, FEW_FLIPS))}


@dataclass
class World(Trial):
    """A folder as kill -9 left it, a backup of an hour before, and copies that are damaged."""

    token: str = ""
    known: set[bytes] = field(default_factory=set)  # acknowledged when the backup began
    told: set[bytes] = field(default_factory=set)  # acknowledged at the kill
    how: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    doubled: int = 0

    @property
    def copy(self) -> Path:
        return self.folder / "copy.db"

    def ended(self, how: str) -> None:
        self.how[how] = self.how.get(how, 0) + 1


async def fill(world: World) -> None:
    """A life that ends in order, a backup, and one that does not."""
    base = world.data
    world.token = await new_token(base)
    server = Program("server", base)
    await server.start()
    assert await takes(server, world.book, world.key, EARLY, 30)
    world.known = set(world.book.acknowledged)
    said = await backup(base, world.copy)
    assert not said, said
    await stop(server)
    await server.start()
    assert await takes(server, world.book, world.key, LATE, 30)
    await shoot(server)
    world.told = set(world.book.acknowledged)
    other = world.folder / "other"
    other_key = await asyncio.to_thread(key_of, other)
    stranger = Program("server", other)
    await stranger.start()
    async with load(Book(seed=8), other_key, lambda: stranger.port, senders=2):
        await asyncio.sleep(1)
    await shoot(stranger)


def damage(world: World, number: int, kind: str) -> Path:
    """A folder of its own with that damage."""
    data = world.folder / f"damaged-{number}"
    shutil.copytree(world.data, data, ignore=shutil.ignore_patterns("*.sock"))
    log = data / "handraise.db-wal"
    shutil.copyfile(world.folder / "other" / "handraise.db-wal", f"{log}.other")
    suffix, do = (DAMAGES | DAMAGES_TOO)[kind]
    do(data / f"handraise.db{suffix}", random.Random(number))
    Path(f"{log}.other").unlink()
    return data


def read(path: Path, name: str) -> bytes:
    """A file's content, by its folder and name or its path and suffix; empty if there is none."""
    path = path / name if path.is_dir() else Path(f"{path}{name}")
    return path.read_bytes() if path.exists() else b""


def whole(data: Path, wanted: set[bytes]) -> Remains:
    try:
        return look(data / "handraise.db", wanted)
    except (sqlite3.Error, TypeError) as error:  # a damaged file may hold anything
        return Remains(len(wanted), 0, 0, 0, str(error))


async def restored(world: World, data: Path, content: bytes) -> str:
    """Do what the sentence says; what is wrong then. `content` must be kept, if there is any."""
    said = await command(data, "restore", str(world.copy))
    if said:
        return f"restore: {said[-160:]}"
    kept = read(data, "handraise.db.before-restore-1")
    if content and kept != content:
        return "what was damaged is not kept"
    server = world.server(data, log=world.log)
    start = await tried(server)
    if start.status is not None:
        return f"no start after the restore: {start.said[-160:]}"
    went_on = await takes(server, world.book, world.key, NEW)
    await shoot(server)
    left = whole(data, world.known | set(world.book.acknowledged[-NEW:]))
    world.lost += left.lost
    world.doubled += left.doubled
    if not went_on or left.lost + left.doubled + left.gaps or left.sound != "ok":
        return f"after the restore: {left}, took events: {went_on}"
    return ""


async def used(world: World, server: Program, data: Path) -> tuple[list[str], bool]:
    """What is wrong while it serves, and whether somebody was told of a damage."""
    before = world.book.answers.copy()
    if not await takes(server, world.book, world.key, NEW, 4):
        world.book.again.clear()
    seen = {await get(server.port, page, 5, world.token) for page in PAGES}
    answers = world.book.answers - before
    wrong = [f"answers {answers}"] if set(answers) - {202, 503} else []
    wrong += [f"pages {seen}"] if seen - {200, 503} else []
    doctor = await command(data, "doctor")
    refused = bool(answers[503]) or 503 in seen
    return wrong, refused or ("✗ database" in doctor and "restore" in doctor)


async def served(world: World, data: Path, kind: str, start: Start, server: Program) -> str:
    """It serves: then nothing is missing, or somebody is told; what is wrong."""
    before = len(world.book.acknowledged)
    wrong, told = await used(world, server, data)
    await shoot(server)
    now = set(world.book.acknowledged[before:])
    left = whole(data, world.told | now)
    if wrong:
        return "; ".join(wrong)
    sound = left.sound == "ok" and not left.gaps + left.doubled
    if sound and not left.lost:
        world.ended("served whole")
        return ""
    if told:
        world.ended("served, and told")
        return await restored(world, data, b"")
    missing = "is missing" in start.said
    if sound and kind in OF_LOG and not whole(data, world.known | now).lost:
        world.ended("said that its log is gone" if missing else "lost the end of its log unseen")
        return "" if missing or kind != "log missing" else "nothing was said of the missing log"
    world.lost += left.lost
    world.doubled += left.doubled
    return f"nobody was told: {left}"


async def one(world: World, number: int, kind: str) -> None:
    data = await asyncio.to_thread(damage, world, number, kind)
    before = read(data, "handraise.db")
    server = world.server(data, log=world.log)
    start = await tried(server)
    if start.status is None:
        wrong = await served(world, data, kind, start, server)
    else:
        world.ended("refused")
        wrong = start.wrong("handraise restore FILE")
        changed = read(data, "handraise.db") != before
        wrong = wrong or ("the damaged file was changed" if changed else "")
        wrong = wrong or await restored(world, data, before)
    if wrong:
        world.bad.append(f"{kind}: {wrong}")
    await asyncio.to_thread(shutil.rmtree, data)


async def lives(world: World, kinds: list[str]) -> None:
    await fill(world)
    for number, kind in enumerate(kinds):
        await one(world, number, kind)


def outcome(folder: Path, kinds: list[str], weakness: str = "") -> Outcome:
    """Damages as one row of the table."""
    world = World(folder, weakness)
    world.add_site()
    asyncio.run(lives(world, kinds))
    how = ", ".join(f"{count} {name}" for name, count in sorted(world.how.items()))
    return Outcome(
        len(kinds),
        len(kinds) - len(world.bad),
        len(world.told),
        world.lost,
        world.doubled,
        "; ".join([how, *world.bad[:3]]),
    )


def kinds(times: int) -> list[str]:
    return [list(DAMAGES)[number % len(DAMAGES)] for number in range(times)]


FAULTS = (
    Fault(
        "R7",
        "database or log damaged, cut, exchanged, gone",
        len(DAMAGES),
        lambda folder, times: outcome(folder, kinds(times)),
        lambda folder: outcome(folder, ["missing", "empty"], "fresh"),
    ),
    Fault(
        "R7",
        f"random bytes flipped, {FEW_FLIPS} in each copy",
        20,
        lambda folder, times: outcome(folder, [FEW] * times),
        lambda folder: outcome(folder, [FEW] * 6, "reborn"),
    ),
)
