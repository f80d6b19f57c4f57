"""File systems of a fault's own: a disk image on a loop device, or a small one in memory.

What mounts runs as a program inside a mount namespace that ends with it; as root only.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from tests.faults.row import CannotRun, Outcome

NEEDED = ("unshare", "mount", "umount", "mkfs.ext4")
CANNOT = 75  # the exit status of a program that could not mount


def inside(module: str, folder: Path, *words: str) -> Outcome:
    """The outcome that `python -m MODULE FOLDER WORDS…` prints, with mounts of its own.

    Raises `CannotRun` without root's rights, the programs or loop devices.
    """
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        raise CannotRun(f"{' and '.join(missing)} missing: apt-get install mount e2fsprogs")
    if os.geteuid() != 0:
        raise CannotRun("mounting needs root")
    own = ["unshare", "-m", "--propagation", "private", sys.executable, "-m", module]
    done = subprocess.run([*own, str(folder), *words], check=False, capture_output=True, text=True)
    if done.returncode == CANNOT or (done.returncode and done.stderr.startswith("unshare")):
        raise CannotRun(done.stderr.strip().splitlines()[-1])
    if done.returncode:
        raise RuntimeError(done.stderr)
    return Outcome(**json.loads(done.stdout.splitlines()[-1]))


def show(outcome: Outcome) -> None:
    """What `inside` reads."""
    sys.stdout.write(json.dumps(asdict(outcome)) + "\n")


def _call(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.stderr.write(f"{' '.join(command)}: {done.stderr.strip()}\n")
        raise SystemExit(CANNOT)


def memory(at: Path, megabytes: int) -> None:
    """Mount a file system in memory."""
    at.mkdir(parents=True, exist_ok=True)
    _call("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(at))


def image(path: Path, megabytes: int) -> None:
    """Make an empty ext4 file system in a file."""
    with path.open("wb") as file:
        file.truncate(megabytes * 1_000_000)
    _call("mkfs.ext4", "-q", str(path))


def attach(path: Path, at: Path) -> None:
    """Mount an image; its journal is replayed. What nobody synced stays in memory for a minute."""
    at.mkdir(parents=True, exist_ok=True)
    _call("mount", "-o", "loop,commit=60", str(path), str(at))


def detach(at: Path) -> None:
    _call("umount", "-l", str(at))
