"""Rows about the whole program: a server on one core, the generator on the other."""

import asyncio
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from server.storage import tokens
from server.storage.sqlite import SqliteDatabase
from tests.bench.place import NAME, Copies, now_ms, turn, used_bytes
from tests.bench.runs import Host, Load, Watch, generate, host, wrk
from tests.bench.table import Row, number, say, spread

WAL_MB = 16
#: More requests than a server on this core can answer, so that a run ends by time.
MOST_A_SECOND = 25_000
PROBES = 5
SITE = "/api/v1/sites/1"


@dataclass
class Plan:
    """How long everything takes; `quick` shows that it runs, not how fast it is."""

    runs: int
    seconds: float
    sustained: float


@dataclass
class Measured:
    """Repeated runs of one kind."""

    rates: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)

    def add(self, load: Load) -> None:
        self.rates.append(load["rate"])
        self.p99.append(load["p99"])

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def late(self) -> float:
        return statistics.median(self.p99)


class Sqlite:
    """Starts the program on copies of a filled database."""

    name = "SQLite"

    def __init__(self, copies: Copies) -> None:
        self.copies = copies
        self.wal = 0
        self.folder = Path()

    @contextmanager
    def serve(self, *arguments: str) -> Iterator[Host]:
        self.folder = self.copies.fresh()
        with (
            host("app", "--data", str(self.folder), *arguments) as running,
            Watch(self.folder / f"{NAME}-wal") as watch,
        ):
            warm(running, projects="--still" not in arguments)
            yield running
        self.wal = max(self.wal, watch.most)


def warm(running: Host, *, projects: bool = True) -> None:
    """What is loaded or learned at the first event of its kind is no part of a run."""
    generate(running.port, 5, requests=2_500, batch=10, seed=4_242)
    if projects:
        until_projected(running, 20)


def until_projected(running: Host, seconds: float) -> dict[str, float]:
    late = time.monotonic() + seconds
    while (told := running.ask())["cursor"] < told["head"] and time.monotonic() < late:
        time.sleep(0.1)
    return told


def floor(plan: Plan, mode: str = "noop") -> Load:
    """One run of a server that does nothing."""
    with host(mode) as running:
        return generate(running.port, plan.seconds / 2, requests=10_000, cycle=True)


class Ingest:
    """The interleaved runs that the ratios are made of."""

    def __init__(self, place: Sqlite, plan: Plan) -> None:
        self.place = place
        self.plan = plan
        self.noop = Measured()
        self.starlette = Measured()
        self.full = Measured()
        self.normal = Measured()
        self.ten = Measured()
        self.peak_mb = 0.0
        self.refused = 0.0

    def run(self) -> None:
        for number_ in range(self.plan.runs):
            say(f"  ingest, round {number_ + 1} of {self.plan.runs}")
            self.noop.add(floor(self.plan))
            self.full.add(self.app(number_))
            self.noop.add(floor(self.plan))
            self.ten.add(self.app(number_, batch=10))
            self.normal.add(self.app(number_, "--synchronous=NORMAL"))
            self.starlette.add(floor(self.plan, "starlette"))

    def app(self, seed: int, *arguments: str, batch: int = 1) -> Load:
        seconds = self.plan.seconds
        with self.place.serve(*arguments) as running:
            most = int(MOST_A_SECOND * seconds / batch * (1 if batch == 1 else 2.5))
            load = generate(running.port, seconds, requests=most, batch=batch, seed=seed)
            self.peak_mb = max(self.peak_mb, running.ask()["peak_mb"])
        self.refused += load["refused"]
        return load

    def rows(self, fsync_p99: float) -> list[Row]:
        noop, full, ten = self.noop, self.full, self.ten
        pairs = [one / floor for one, floor in zip(full.rates, noop.rates[::2], strict=True)]
        told = f"{number(full.rate)} events/s ({spread(full.rates)}); pairs {spread(pairs)}"
        allowed = (6 * noop.late + 4 * fsync_p99) * 1e3
        wished = (4 * noop.late + 4 * fsync_p99) * 1e3
        spread_ms = spread([value * 1e3 for value in full.p99])
        return [
            Row("raw uvicorn no-op", noop.rate, unit="/s", note=spread(noop.rates)),
            Row("no-op p99", noop.late * 1e3, unit="ms"),
            Row(
                "Starlette route no-op",
                self.starlette.rate,
                unit="/s",
                note=spread(self.starlette.rates),
            ),
            Row(
                "ingest, one event a request, FULL",
                full.rate / noop.rate,
                0.28,
                0.38,
                "×",
                told,
                figure="ingest",
            ),
            Row("  its p99", full.late * 1e3, allowed, wished, "ms", spread_ms, False, "p99"),
            Row("  refused", self.refused, 0, None, "", "", False),
            Row("  write-ahead log", self.place.wal / 1e6, WAL_MB, None, "MB", "4–16 MB", False),
            Row(
                "  the same with NORMAL",
                self.normal.rate / noop.rate,
                unit="×",
                note=f"{spread(self.normal.rates)} events/s",
            ),
            Row(
                "10 events a request",
                ten.rate / full.rate,
                2,
                2.5,
                "×",
                f"{number(ten.rate)} events/s ({spread(ten.rates)})",
                figure="ten",
            ),
            Row("peak memory under load", self.peak_mb, 150, None, "MB", "", False, "memory"),
        ]


class Sustained:
    """The highest paced rate at which the projector is less than a second behind at the end.

    A run of the no-op goes before each probe; what is told is of the median of them all.
    """

    def __init__(self, place: Sqlite, plan: Plan) -> None:
        self.place = place
        self.plan = plan
        self.noops: list[float] = []
        self.rate = 0.0
        self.tried: list[str] = []
        self.disk = 0.0
        self.peak_mb = 0.0

    @property
    def noop(self) -> float:
        return statistics.median(self.noops)

    def look(self) -> None:
        """What the machine can do at this moment."""
        self.noops.append(floor(self.plan)["rate"])

    def probe(self, part: float) -> float:
        """The rate of that part of the no-op as far as it is known, 0 where it does not hold."""
        self.look()
        rate = part * self.noop
        return rate if self.holds(rate) else 0.0

    def holds(self, rate: float) -> bool:
        part, seconds = rate / self.noop, self.plan.sustained
        with self.place.serve() as running:
            before = running.ask()["cursor"]
            began = self._bytes()
            load = generate(running.port, seconds, rate=rate)
            told = running.ask()
            in_time = abs(load["seconds"] - seconds) < 1
            good = told["lag_s"] < 1 and in_time and not load["refused"]
            self.peak_mb = max(self.peak_mb, told["peak_mb"])
            if good:
                told = until_projected(running, 10)
        if good and self.place.folder.name:
            self.disk = (self._bytes() - began) / (told["cursor"] - before)
        verdict = "holds" if good else "does not hold"
        self.tried.append(f"{part:.3f} {verdict}")
        say(
            f"  sustained {part:.3f} × no-op ({rate:,.0f}/s): {verdict}, lag {told['lag_s']:.2f} s,"
            f" answers {load['seconds'] - seconds:.2f} s behind"
        )
        return good

    def _bytes(self) -> int:
        path = self.place.folder / NAME
        return used_bytes(path) if path.exists() else 0

    def find(self, least: float, most: float) -> float:
        """Halve the distance between what holds and what does not; what held is repeated, and
        counts where most of its repetitions hold."""
        low, high, part = 0.0, most, least
        held: list[float] = []
        for _ in range(PROBES):
            if rate := self.probe(part):
                held.append(rate)
                low = part
            else:
                high = part
            part = (low + high) / 2 if low else high / 2
        self.rate = next((rate for rate in sorted(held, reverse=True) if self.again(rate)), 0.0)
        return self.rate / self.noop

    def again(self, rate: float) -> bool:
        """Whether most of the repetitions hold: the run that chose it was a lucky one perhaps."""
        if self.plan.runs == 1:
            return True
        found = []
        for _ in range(self.plan.runs):
            self.look()
            found.append(self.holds(rate))
        return sum(found) * 2 > len(found)

    def told(self) -> str:
        """What its row says beside the figure."""
        noops = f"no-op {number(self.noop)}/s ({spread(self.noops)})"
        return f"{number(self.rate)} events/s; {noops}; tried {', '.join(self.tried)}"


def generator_row(quick: bool) -> Row:
    """What the generator itself can do, beside wrk: the best of some turns of each."""
    turns = 1 if quick else 3
    with host("noop") as running:
        own, theirs = [], []
        for _ in range(turns):
            own.append(generate(running.port, 1.5, requests=5_000, cycle=True)["rate"])
            theirs.append(wrk(running.port, 1) or 0.0)
    note = f"wrk {max(theirs):,.0f}/s" if max(theirs) else "wrk is not installed"
    return Row("generator against the no-op", max(own), unit="/s", note=note)


def start_rows(place: Sqlite, runs: int, events: int) -> list[Row]:
    """From an empty process to the first answer (/livez), in order and after kill -9 under load."""
    starts, backs = [], []
    for turn_ in range(runs):
        folder = place.copies.fresh()
        with host("app", "--data", str(folder)) as first:
            generate(first.port, 2, requests=20_000, seed=99 + turn_)
            first.kill()
        with host("app", "--data", str(folder)) as second:
            pass
        starts.append(first.seconds_to_start)
        backs.append(second.seconds_to_start)
    what, start, back = f"start, {events:,} events stored", *map(statistics.median, (starts, backs))
    return [
        Row(what, start, 1, None, "s", spread(starts), False, "start"),
        Row("back after kill -9", back, 3, None, "s", spread(backs), False, "back"),
    ]


async def add_token(path: Path) -> str:
    """A token that may read, in a database that nobody serves yet."""
    token = tokens.new_token()
    database = SqliteDatabase(path, readers=1)
    await database.open()
    try:
        await turn(database, tokens.add(1, token, "read", "Bench", "", now_ms()))
    finally:
        await database.close()
    return token


@contextmanager
def served(folder: Path) -> Iterator[tuple[Host, str]]:
    """A server on a folder, and a token for it; meanwhile this process is on the other core."""
    token = asyncio.run(add_token(folder / NAME))
    before = os.sched_getaffinity(0)
    with host("app", "--data", str(folder)) as running:
        os.sched_setaffinity(0, {1 % (os.cpu_count() or 1)})
        try:
            yield running, token
        finally:
            os.sched_setaffinity(0, before)
