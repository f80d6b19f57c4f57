"""Runs of a server against the generator, each in a process of its own on a core of its own."""

import json
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO, Any

from tests.bench.load import CONNECTIONS
from tests.bench.table import CannotMeasure, say

Load = dict[str, float]
#: A program that has said nothing for so long will not; one that ends has so long to be gone.
SILENT_S, GONE_S = 120.0, 5.0
#: What a generator may take beside its load: requests put together, answers waited for.
BESIDE_S = 300.0


def last_lines(text: str, count: int = 4) -> str:
    """The end of what a program said, as one line."""
    return " / ".join([line.strip() for line in text.splitlines() if line.strip()][-count:])


class Host:
    """A server process: its port, and a line of JSON about itself whenever asked.

    Raises `CannotMeasure`, with what it said last, once it has ended or says nothing any more.
    """

    def __init__(self, mode: str, *arguments: str) -> None:
        began = time.perf_counter()
        self.mode = mode
        self.said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.host", mode, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.said,
            text=True,
        )
        try:
            self.port = int(self._line("did not start"))
            if mode == "app":
                self._first_answer()
        except BaseException:
            self.stop()
            raise
        self.seconds_to_start = time.perf_counter() - began

    def _first_answer(self) -> None:
        """A port that is open is not a server that answers."""
        try:
            with closing(HTTPConnection("127.0.0.1", self.port, timeout=SILENT_S)) as connection:
                connection.request("GET", "/livez", headers={"Connection": "close"})
                status = connection.getresponse().status
        except (OSError, HTTPException) as error:
            raise CannotMeasure(f"the server under test has not answered: {error!r}") from error
        if status != 200:
            raise CannotMeasure(f"the server under test answered /livez with {status}")

    @property
    def _out(self) -> IO[str]:
        assert self.process.stdout is not None
        return self.process.stdout

    def _line(self, otherwise: str) -> str:
        """The next line it says. There is never more than one to read, so none is in a buffer."""
        ready, _, _ = select.select([self._out], [], [], SILENT_S)
        line = self._out.readline() if ready else ""
        if line:
            return line
        try:
            how = f"it ended with {self.process.wait(GONE_S if ready else 0)}"
        except subprocess.TimeoutExpired:
            self.kill()
            how = "it said nothing any more and was killed"
        self.said.seek(0)
        told = last_lines(self.said.read()) or "it gave no reason"
        self.said.truncate(0)  # told now
        raise CannotMeasure(f"the server under test ({self.mode}) {otherwise}, {how}: {told}")

    def ask(self, word: str = "") -> dict[str, float]:
        """Its state. The word `sample` also has it begin to write down what it does."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(f"{word}\n")
            self.process.stdin.flush()
        answer: dict[str, float] = json.loads(self._line("answers no more"))
        return answer

    def forget_peak(self) -> None:
        """From here on `peak_mb` is what is used at most from here on, where that can be asked."""
        with suppress(OSError):
            Path(f"/proc/{self.process.pid}/clear_refs").write_text("5", "ascii")

    def stop(self) -> None:
        """End it, and pass on what it complained of."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
        self._out.close()
        with self.said:
            self.said.seek(0)
            if told := last_lines(self.said.read()):
                say(f"  the server under test ({self.mode}) said: {told}")

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
    found: Load = json.loads(_printed("the generator", command, seconds + BESIDE_S))
    return found


def _printed(what: str, command: Sequence[str], seconds: float) -> str:
    """What a program printed. Raises `CannotMeasure` where it fails or does not end in time."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise CannotMeasure(f"{what} has not ended after {seconds:.0f} s and was killed") from error
    if done.returncode:
        told = last_lines(done.stderr) or "it gave no reason"
        raise CannotMeasure(f"{what} ended with {done.returncode}: {told}")
    return done.stdout


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
        told = _printed("wrk", arguments, seconds + BESIDE_S)
    line = next(line for line in told.splitlines() if line.startswith("Requests/sec"))
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
