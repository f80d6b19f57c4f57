"""The command that pages and the terminal name is one that works where it is read."""

import shlex
import subprocess
import sys
from functools import partial
from pathlib import Path

from server.starting import command


def program(folder: Path, name: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / name
    made.write_text("#!/bin/sh\n")
    made.chmod(0o755)
    return str(made)


def test_by_its_name_where_that_is_found(tmp_path: Path) -> None:
    program(tmp_path / "bin", "handraise")
    assert command("link", path=str(tmp_path / "bin")) == "handraise link"


def test_by_its_place_where_it_is_not(tmp_path: Path) -> None:
    python = program(tmp_path / "the venv" / "bin", "python")
    script = program(tmp_path / "the venv" / "bin", "handraise")
    found = command("link", executable=python, path="", here=str(tmp_path))
    assert found == "'the venv/bin/handraise' link"
    assert command("link", executable=python, path="", here="/") == f"'{script[1:]}' link"


def test_as_a_module_where_there_is_no_script(tmp_path: Path) -> None:
    python = program(tmp_path, "python")
    found = command("", executable=python, path="", here=str(tmp_path / "elsewhere"))
    assert found == f"{python} -m server"


def test_a_place_elsewhere_is_not_told_to_all(tmp_path: Path) -> None:
    python = program(tmp_path / "bin", "python")
    asked = partial(command, "link", executable=python, path="", to_all=True)
    assert asked(here="/usr") == "handraise link"
    assert asked(here=str(tmp_path)) == "bin/python -m server link"


def test_what_is_named_here_runs() -> None:
    root = Path(__file__).parent.parent
    words = shlex.split(command("--help", executable=sys.executable, path="", here=str(root)))
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=True)
    assert "serve" in done.stdout
