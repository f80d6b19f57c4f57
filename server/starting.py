"""How the commands of this very installation are called."""

import os
import shlex
import shutil
import sys
from pathlib import Path


def command(
    words: str = "",
    *,
    executable: str = sys.executable,
    path: str | None = None,
    here: str = "",
    to_all: bool = False,
) -> str:
    """`handraise` and some words as they work in a terminal here: by its name where that is on the
    PATH, else by its place beside `executable`, else as a module. Below the working folder `here`
    its place is told from there on; elsewhere nobody is told it where the words are read by all."""
    return f"{_program(Path(executable), path, Path(here or os.getcwd()), to_all)} {words}".rstrip()


def _program(executable: Path, path: str | None, here: Path, to_all: bool) -> str:
    name = "handraise"
    if shutil.which(name, path=path):
        return name
    script = executable.parent / name
    place = script if script.exists() else executable
    if place.is_relative_to(here):
        place = place.relative_to(here)
    elif to_all:
        return name
    return shlex.quote(str(place)) + ("" if place.name == name else " -m server")
