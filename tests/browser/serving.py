"""`handraise serve --demo` as a process of its own, and the commands beside it."""

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.cli.client import answers

READY_S = 30


@dataclass
class Served:
    """What the server printed when it started."""

    url: str
    demo: str
    link: str
    token: str
    data: Path

    def run(self, *words: str) -> str:
        """What a command prints, while the server runs."""
        return subprocess.run(
            [sys.executable, "-m", "server", "--data", str(self.data), *words],
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def cli(self, *words: str) -> Any:
        """A command's JSON."""
        return json.loads(self.run(*words, "--json"))

    def new_link(self) -> str:
        found = re.search(r"http\S+/open/\S+", self.run("link"))
        assert found
        return found[0]


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """The server on an empty folder; it must end well."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "server", "serve", "--demo", "--port=0", f"--data={folder}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if "first event" in line:
                break
        find = {
            "url": r"serving\s+(\S+)",
            "demo": r"demo site\s+(\S+)",
            "link": r"your people\s+(\S+)",
            "token": r"(hr_\S+)",
        }
        found = {name: re.search(pattern, printed) for name, pattern in find.items()}
        assert all(found.values()), printed
        assert answers(folder / "handraise.sock")
        values = {name: match[1] for name, match in found.items() if match}
        yield Served(**values, data=folder)
    finally:
        process.terminate()
        process.communicate(timeout=READY_S)
    assert process.returncode == 0


def until(ask: Callable[[], Any], true: Callable[[Any], bool], seconds: float = 10) -> Any:
    """Ask until the answer is right: the one place of these stories that waits."""
    late = time.monotonic() + seconds
    while not true(answer := ask()):
        assert time.monotonic() < late, answer
        threading.Event().wait(0.05)
    return answer
