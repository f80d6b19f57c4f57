"""The folder or a file in it may not be written: another user's, or a disk mounted for reading.

Nobody is served by halves: the start is refused in one sentence with the way out, and once the
rights are given back everything acknowledged is there. Under root the server runs without root's
power over rights, so that it meets them as any user does.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.faults import disk
from tests.faults.row import CannotRun, Fault, Outcome
from tests.faults.starts import shoot, stop, takes, tried
from tests.faults.trial import Trial
from tests.faults.under_load import Program

NEW = 100  # events
STRANGER = 65_534
#: uid 0 without capabilities is bound by the rights of files like everybody else.
PLAIN = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
RUNNING = ["pwrite64:error=EROFS", "fdatasync:error=EROFS"]


def _modes(mode: int, *names: str) -> Callable[[Path], None]:
    def change(data: Path) -> None:
        for name in names:
            if (data / name).exists():
                (data / name).chmod(mode)

    return change


def _away(data: Path) -> None:
    for path in (data, *data.iterdir()):
        os.chown(path, STRANGER, STRANGER)


def _nothing(data: Path) -> None:
    assert data.exists()


DATABASE = ("handraise.db", "handraise.db-wal", "handraise.db-shm")
#: What is done to a folder that kill -9 or an end in order has left.
RIGHTS: dict[str, Callable[[Path], None]] = {
    "folder": _modes(0o500, "."),
    "database": _modes(0o400, DATABASE[0]),
    "log and index": _modes(0o400, *DATABASE[1:]),
    "index unreadable": _modes(0o000, DATABASE[2]),
    "secret unreadable": _modes(0o000, "secret"),
    "lock": _modes(0o400, "handraise.lock"),
    "everything is another's": _away,
    "mounted for reading": _nothing,
}


#: What only root can do, and what everybody can.
OF_ROOT = ("everything is another's", "mounted for reading")
OWN = tuple(kind for kind in RIGHTS if kind not in OF_ROOT)


def under(kind: str, data: Path) -> tuple[str, ...]:
    """What the server runs under. Raises `CannotRun`."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None or shutil.which("unshare") is None:
        raise CannotRun("setpriv and unshare missing: apt-get install util-linux")
    if kind != "mounted for reading":
        return PLAIN
    return ("unshare", "-m", "--propagation", "private", "sh", "-c", READ_ONLY, str(data), *PLAIN)


def give_back(data: Path) -> None:
    """All rights to whoever runs this."""
    for path in (data, *data.iterdir()):
        if os.geteuid() == 0:
            os.chown(path, 0, 0)
        path.chmod(0o700 if path.is_dir() else 0o600)


async def lived(world: Trial, *, killed: bool) -> str:
    """A life with all rights; what was wrong."""
    server = world.server(log=world.log)
    start = await tried(server)
    if start.status is not None:
        return f"no start: {start.said[-160:]}"
    went_on = await takes(server, world.book, world.key, NEW)
    await (shoot(server) if killed else stop(server))
    return "" if went_on else "took no events"


async def refused(world: Trial, kind: str) -> str:
    """A start without some right; what was wrong."""
    server = world.server(under=under(kind, world.data), log=world.log)
    start = await tried(server)
    if start.status is None:  # whoever serves stores, too
        await takes(server, world.book, world.key, NEW)
        await shoot(server)
        return ""
    return start.wrong("chown", str(world.data))


def doctor(world: Trial, kind: str) -> str:
    """What is wrong with what `doctor` says of it."""
    words = [*under(kind, world.data), *Program("server", world.data).python]
    words += ["-m", "server", "--data", str(world.data), "doctor"]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    told = done.stdout + done.stderr
    if done.returncode != 1 or "Traceback" in told or "chown" not in told:
        return f"doctor ends with {done.returncode}: {told.strip()[-200:]}"
    return ""


async def one(world: Trial, kind: str, *, killed: bool) -> str:
    wrong = await lived(world, killed=killed)
    if wrong:
        return wrong
    RIGHTS[kind](world.data)
    try:
        wrong = await refused(world, kind)
        if not world.weakness:
            wrong = wrong or await asyncio.to_thread(doctor, world, kind)
    finally:
        give_back(world.data)
    return wrong


async def lives(world: Trial, kinds: list[str]) -> None:
    for number, kind in enumerate(kinds):
        needs_log = kind in {"log and index", "index unreadable"}
        wrong = await one(world, kind, killed=needs_log or number % 2 == 1)
        if wrong:
            world.bad.append(f"{kind}: {wrong}")
    wrong = await lived(world, killed=True)
    if wrong:
        world.bad.append(f"in the end: {wrong}")


def outcome(folder: Path, kinds: list[str], weakness: str = "") -> Outcome:
    """Starts without rights as one row of the table."""
    world = Trial(folder, weakness)
    under("", world.data)
    world.add_site()
    asyncio.run(lives(world, kinds))
    refused = f"{len(set(kinds))} kinds, each refused in a sentence"
    return world.outcome(len(kinds), "" if world.bad else refused)


def turns(kinds: tuple[str, ...], times: int) -> list[str]:
    """Each kind in turn."""
    return [kinds[number % len(kinds)] for number in range(times)]


def by_root(folder: Path, kinds: list[str], weakness: str = "") -> Outcome:
    """What only root can do to a folder. Raises `CannotRun`."""
    if os.geteuid() != 0:
        raise CannotRun("only root can give a folder away or mount it for reading")
    return outcome(folder, kinds, weakness)


FAULTS = (
    Fault(
        "R5",
        "folder or database may not be written",
        len(OWN),
        lambda folder, times: outcome(folder, turns(OWN, times)),
        lambda folder: outcome(folder, ["folder"], "elsewhere"),
    ),
    Fault(
        "R5",
        "folder is another's, or mounted for reading",
        len(OF_ROOT),
        lambda folder, times: by_root(folder, turns(OF_ROOT, times)),
        lambda folder: by_root(folder, [OF_ROOT[0]], "elsewhere"),
    ),
    Fault(
        "R5",
        "the disk turns read-only under load",
        6,
        lambda folder, times: disk.outcome(folder, RUNNING, times),
        lambda folder: disk.outcome(folder, RUNNING, 1, "deaf"),
    ),
)
