"""Runs of a server against the generator, each in a process of its own on a core of its own."""

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from tests.bench.load import CONNECTIONS

Load = dict[str, float]


class Host:
    """A server process: its port, and a line of JSON about itself whenever asked."""

    def __init__(self, mode: str, *arguments: str) -> None:
        began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.host", mode, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self._out.readline()
        if not line:
            raise RuntimeError("the server under test did not start")
        self.port = int(line)
        self.seconds_to_start = time.perf_counter() - began

    @property
    def _out(self) -> IO[str]:
        assert self.process.stdout is not None
        return self.process.stdout

    def ask(self, word: str = "") -> dict[str, float]:
        """Its state. The word `sample` also has it begin to write down what it does."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        answer: dict[str, float] = json.loads(self._out.readline())
        return answer

    def forget_peak(self) -> None:
        """From here on `peak_mb` is what is used at most from here on, where that can be asked."""
        with suppress(OSError):
            Path(f"/proc/{self.process.pid}/clear_refs").write_text("5", "ascii")

    def stop(self) -> None:
        assert self.process.stdin is not None
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        self._out.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def host(mode: str, *arguments: str) -> Iterator[Host]:
    running = Host(mode, *arguments)
    try:
        yield running
    finally:
        running.stop()


def generate(port: int, seconds: float, **options: Any) -> Load:
    """One run of the generator; `options` are those of `tests.bench.load`."""
    command = [sys.executable, "-m", "tests.bench.load", f"--port={port}", f"--seconds={seconds}"]
    for name, value in options.items():
        command.append(f"--{name}" if value is True else f"--{name}={value}")
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: Load = json.loads(done.stdout)
    return found


def wrk(port: int, seconds: float) -> float | None:
    """Requests a second of wrk, cycling through requests of the same bytes; None without it."""
    program = shutil.which("wrk")
    if program is None:
        return None
    from tests.bench.workload import Workload

    requests = [part for stream in Workload(1, 0).requests(200, 1) for part in stream]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        quoted = (part.decode().replace("\r", "\\r").replace("\n", "\\n") for part in requests)
        lines = ",\n".join("'" + part + "'" for part in quoted)
        script.write(
            f"local all = {{{lines}}}\nlocal n = 0\n"
            "request = function() n = n % #all + 1; return all[n] end\n"
        )
        script.flush()
        arguments = ["taskset", "-c", "1", program, "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s"]
        arguments += ["-s", script.name, f"http://127.0.0.1:{port}/e"]
        done = subprocess.run(arguments, check=True, capture_output=True, text=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("Requests/sec"))
    return float(line.split()[1])


class Watch:
    """The most that a file grew to while it was watched."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.most = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._end.wait(0.02):
            try:
                self.most = max(self.most, self.path.stat().st_size)
            except OSError:
                continue

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
