"""Overload: more is sent than can be stored. What is refused is refused at once, and by name.

The peak is found by a closed loop over as many connections; then requests come at 1, 2, 5 and 10
times that rate, whatever is answered, while the server may allocate `CAP_BYTES` at most. The peak
is found anew before each rate: a log that has grown since would be taken for the overload. How much
of that really came is told: what found every connection waiting for the server counts against it.
Meanwhile somebody reads a page and another site sends, every half second: both must be served.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.beside import Beside, going_on
from tests.faults.flood import BATCH
from tests.faults.flooded import Taken
from tests.faults.kill import key_of
from tests.faults.row import CannotRun, Fault, Outcome
from tests.faults.soak import new_token
from tests.faults.under_load import Book, Program, load

TIMES = (1, 2, 5, 10)
PEAK_S = 10.0  # at most, to find the peak
SHARE = 0.9  # of the peak is stored however much is sent
OFFERED = 0.8  # of the rate meant, at least: less is no such overload
REFUSED_S = 0.1
#: A closed loop over so many finds the peak: what they have under way still finds room to wait.
PEAK_CONNECTIONS = 128
GOOD_S = 3.0  # what waits longer is refused, or was never taken
BACK_S = 10.0
CAP_BYTES = 400_000_000
MOST_MB = 200.0


@dataclass
class Pace:
    """Seconds of one rate: few, so that all rows take no hour; 300 for a run that is published."""

    seconds: float = 4.0


PACE = Pace()


@dataclass
class Step:
    """One rate, and what came of it."""

    times: float
    told: dict[str, Any]
    peak: float
    memory_mb: float
    back_s: float
    beside: dict[str, bool] = field(default_factory=dict)
    said: str = ""  # of who else was there

    @property
    def meant(self) -> float:
        """Requests a second."""
        return self.times * self.peak

    @property
    def slow(self) -> str:
        """Why the generator could not mean it, else nothing."""
        due: float = self.told["due"]
        if due >= OFFERED * self.meant:
            return ""
        part = f"{due / self.meant:.0%} of {self.times:g} times the peak"
        return f"the generator is too slow on this machine: it came to {part}"

    @property
    def wrong(self) -> str:
        """The first promise that did not hold, else nothing."""
        told = self.told
        odd = {status for status in told["statuses"] if status not in {"202", "503"}}
        offered = told["sent"] / max(told["due"], 1e-9)
        faults = {
            f"{1 - offered:.0%} found every connection waiting": offered < OFFERED,
            f"{told['rate'] / self.peak:.0%} of the peak stored": told["rate"] < SHARE * self.peak,
            f"refusals took {told['refused_p99'] * 1e3:.0f} ms": told["refused_p99"] > REFUSED_S,
            f"what was stored took {told['good_p99']:.1f} s": told["good_p99"] > GOOD_S,
            f"{told['bare']} refusals without Retry-After": told["bare"],
            f"answers {odd}": odd,
            f"{told['broken']} connections broken": told["broken"],
            f"{told['unanswered']} requests without an answer": told["unanswered"],
            f"{self.memory_mb:.0f} MB": self.memory_mb > MOST_MB,
            f"back after {self.back_s:.1f} s": self.back_s > BACK_S,
            **self.beside,
        }
        return "; ".join(text for text, bad in faults.items() if bad)

    def __str__(self) -> str:
        told = self.told
        refused = told["statuses"].get("503", 0)
        return (
            f"{self.times:g}×: {told['sent'] * BATCH:,.0f} events/s offered"
            f" ({told['sent'] / self.meant:.0%} of what was meant),"
            f" {told['rate'] * BATCH:,.0f} stored ({told['rate'] / self.peak:.0%} of the peak),"
            f" p99 {told['good_p99'] * 1e3:.0f} ms; {refused} refused,"
            f" p99 {told['refused_p99'] * 1e3:.0f} ms; {self.memory_mb:.0f} MB;"
            f" back after {self.back_s:.1f} s; {self.said}"
        )


@dataclass
class Found:
    """All rates of a run."""

    steps: list[Step] = field(default_factory=list)
    taken: Taken = field(default_factory=Taken)


async def flood(
    server: Program, key: str, seed: int, rate: float, seconds: float, connections: int = 64
) -> Any:
    """The generator in a process of its own; what it tells. At rate 0 it is a closed loop over so
    many connections."""
    command = [sys.executable, "-m", "tests.faults.flood", f"--port={server.port}", f"--key={key}"]
    command += [f"--seed={seed}", f"--rate={rate}", f"--seconds={seconds}"]
    process = await asyncio.create_subprocess_exec(
        *[*command, f"--connections={connections}"],
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    return json.loads(said)


def memory_mb(server: Program, name: str = "VmHWM") -> float:
    """What the server has had in memory at most, so far; 0 once it is dead."""
    assert server.process is not None
    try:
        text = Path(f"/proc/{server.process.pid}/status").read_text()
    except OSError:
        return 0.0
    found = [line.split()[1] for line in text.splitlines() if line.startswith(name)]
    return int(found[0]) / 1024 if found else 0.0


async def back(server: Program, key: str, book: Book) -> float:
    """Seconds until one sender's batches are stored again, fifty in a row."""
    began = time.monotonic()
    async with load(book, key, lambda: server.port, senders=1):
        try:
            await book.more(500, 2 * BACK_S)
        except TimeoutError:
            return float("inf")
    return time.monotonic() - began


async def overload(module: str, data: Path, times: tuple[float, ...], seconds: float) -> Found:
    """Find the peak, then send more; one server for all of it."""
    key, book, found = key_of(data), Book(seed=18), Found()
    token = await new_token(data)  # while there is one site, for that one
    other = Beside(key_of(data), token, Book(seed=19))
    server = Program(module, data, data_bytes=CAP_BYTES)
    await server.start()
    await flood(server, key, 1, 0, 1.0)  # what is learned at the first event of its kind
    for number, factor in enumerate(times):
        told = await flood(server, key, 30 + number, 0, min(seconds, PEAK_S), PEAK_CONNECTIONS)
        peak = told["rate"]
        found.taken.numbers[30 + number] = told["accepted"]
        async with going_on(other, server):
            told = await flood(server, key, 10 + number, factor * peak, seconds)
        found.taken.numbers[10 + number] = told.pop("accepted")
        back_s = await back(server, key, book)
        beside = other.wrong(share(told))
        step = Step(factor, told, peak, memory_mb(server), back_s, beside, str(other))
        found.steps.append(step)
    server.kill()
    await server.gone()
    found.taken.others = {*book.acknowledged, *other.book.acknowledged}
    return found


def share(told: dict[str, Any]) -> float:
    """The part of the answers that were no refusals."""
    return float(told["statuses"].get("202", 0) / max(sum(told["statuses"].values()), 1))


def overload_once(data: Path, factor: float, seconds: float) -> Found:
    """One rate alone."""
    return asyncio.run(overload("server", data, (factor,), seconds))


def missing(data: Path, found: Found) -> int:
    """How many acknowledged events are not stored once."""
    return sum(found.taken.left(data / "handraise.db"))


def outcome(
    module: str, data: Path, times: tuple[float, ...] = TIMES, seconds: float = 0.0
) -> Outcome:
    """Overload as one row of the table. Raises `CannotRun` where all held, of too little."""
    found = asyncio.run(overload(module, data, times, seconds or PACE.seconds))
    lost, doubled = found.taken.left(data / "handraise.db")
    bad = [f"{step.times:g}×: {step.wrong}" for step in found.steps if step.wrong]
    slow = [step.slow for step in found.steps if step.slow]
    if slow and not bad and not lost + doubled:
        raise CannotRun(slow[0])
    lines = [str(step) for step in found.steps] + [f"WRONG {text}" for text in bad]
    return Outcome(
        len(times),
        len(times) - len(bad),
        found.taken.count,
        lost,
        doubled,
        "\n       ".join(lines),
    )


FAULTS = (
    Fault(
        "R18",
        "overload, 1 to 10 times the peak",
        len(TIMES),
        lambda data, times: outcome("server", data, TIMES[-times:]),
        lambda data: outcome("tests.faults.boundless", data, (10,), 4.0),
    ),
)
