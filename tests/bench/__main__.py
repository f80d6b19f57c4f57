"""`make bench`: the figures of the write path, as ratios to what the machine can do at all.

How to read the table: a line is met if `measured` reaches `must`. Both sides of a ratio (×) are
measured in this one run, in turns, on the same cores: the server under test on core 0, the
generator on core 1; `measured` is the median of the runs, the note tells their spread. Lines
without a figure are there to compare with. A machine that does other work meanwhile makes the
spread wide and the tail late: repeat such a run before believing it.

The no-op is a raw ASGI app under the same uvicorn that reads the body and answers: nothing in this
language and server can be faster. Ingest means acknowledged after fsync, into a log that holds a
million events already, with the projector running.
"""

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import click

from tests.bench import late, plain, reading, rebuild, rescore, scoring
from tests.bench.place import NAME, Copies, filled
from tests.bench.postgres import Postgres
from tests.bench.serving import Ingest, Plan, Sqlite, Sustained, generator_row, start_rows
from tests.bench.table import Row, number, say, shown
from tests.engines import CannotStart

GROUPS = (
    "decode",
    "scoring",
    "widget",
    "fsync",
    "append",
    "late",
    "rebuild",
    "rescore",
    "reading",
    "generator",
    "ingest",
    "sustained",
    "start",
    "postgres",
)


class Bench:
    """One run: what was asked for, and the rows found so far."""

    def __init__(self, events: int, plan: Plan, scratch: Path, data: Path, quick: bool) -> None:
        self.events = events
        self.plan = plan
        self.scratch = scratch
        self.data = data
        self.quick = quick
        self.fsync_p99 = 0.0
        self.noop = 0.0
        self.stack = ExitStack()

    def filled(self) -> Path:
        say(f"  filling a database with {self.events:,} events, unless it is kept")
        return filled(self.data, self.events)

    def sqlite(self) -> Sqlite:
        return Sqlite(Copies(self.filled(), self.scratch))

    # ------------------------------------------------------------ groups

    def decode(self) -> list[Row]:
        return [plain.decoding()]

    def scoring(self) -> list[Row]:
        return scoring.rows()

    def widget(self) -> list[Row]:
        return [plain.widget()]

    def fsync(self) -> list[Row]:
        row, self.fsync_p99 = plain.fsync(self.scratch)
        return [row]

    def append(self) -> list[Row]:
        return [plain.bulk_insert(self.filled() / NAME, self.scratch)]

    def late(self) -> list[Row]:
        return late.late_events(self.scratch, 20 if self.quick else 200)

    def rebuild(self) -> list[Row]:
        return rebuild.rebuild(self.filled(), self.scratch)

    def rescore(self) -> list[Row]:
        return rescore.rescored(self.scratch, 200 if self.quick else 4_000)

    def reading(self) -> list[Row]:
        say(f"  a site of {self.events:,} events is filled and projected, unless it is kept")
        times = 10 if self.quick else 100
        return reading.reading(self.data, self.scratch, self.events, times)

    def generator(self) -> list[Row]:
        return [generator_row(self.quick)]

    def ingest(self) -> list[Row]:
        if not self.fsync_p99:
            self.fsync()
        runs = Ingest(self.sqlite(), self.plan)
        runs.run()
        self.noop = runs.noop.rate
        return runs.rows(self.fsync_p99)

    def sustained(self) -> list[Row]:
        search = Sustained(self.sqlite(), self.plan, self._noop())
        part = search.find(0.10, 0.30)
        told = f"{number(part * search.noop)} events/s; tried {', '.join(search.tried)}"
        rows = [Row("sustained with projection, lag < 1 s", part, 0.10, 0.18, "×", told)]
        if search.disk:
            rows.append(Row("disk, everything in", search.disk, 250, 160, "B/event", "", False))
        rows.append(Row("peak memory, sustained", search.peak_mb, 150, None, "MB", "", False))
        return rows

    def _noop(self) -> float:
        return self.noop or generator_row(self.quick).measured

    def start(self) -> list[Row]:
        return start_rows(self.sqlite())

    def postgres(self) -> list[Row]:
        try:
            place = Postgres(self.events, self.stack)
        except CannotStart as error:
            say(f"  PostgreSQL cannot start here: {error}")
            return []
        runs = Ingest(place, self.plan)
        for seed in range(self.plan.runs):
            runs.noop.add(runs.floor("noop"))
            runs.full.add(runs.app(seed))
        search = Sustained(place, self.plan, runs.noop.rate)
        part = search.find(0.08, 0.24)
        ratio, told = runs.full.rate / runs.noop.rate, f"{number(runs.full.rate)} events/s"
        return [
            Row("PostgreSQL: ingest, one event a request", ratio, 0.22, 0.33, "×", told),
            Row("PostgreSQL: sustained", part, 0.08, 0.15, "×", ", ".join(search.tried)),
        ]


@click.command()
@click.option("--events", default=1_000_000, show_default=True, help="events stored beforehand")
@click.option("--seconds", default=6.0, show_default=True, help="length of one run")
@click.option("--runs", default=3, show_default=True, help="repetitions of each interleaved run")
@click.option("--quick", is_flag=True, help="show that everything runs; the figures mean nothing")
@click.option("--only", default="", help=f"some of: {', '.join(GROUPS)} (comma separated)")
@click.option("--data", default="", help="keep the filled database in this folder")
def main(events: int, seconds: float, runs: int, quick: bool, only: str, data: str) -> None:
    """Measure the write path and print one table."""
    wanted = [name for name in only.split(",") if name] or list(GROUPS)
    unknown = set(wanted) - set(GROUPS)
    if unknown:
        raise click.BadParameter(f"unknown: {', '.join(sorted(unknown))}", param_hint="--only")
    if quick:
        events, seconds, runs = min(events, 5_000), 1.0, 1
    began = time.monotonic()
    os.sched_setaffinity(0, {0})
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="hr-bench-") as scratch:
        plan = Plan(runs, seconds, seconds * 2)
        bench = Bench(events, plan, Path(scratch), Path(data or scratch), quick)
        with bench.stack:
            for name in wanted:
                say(f"{name} …")
                measure: Callable[[], list[Row]] = getattr(bench, name)
                rows += measure()
    click.echo(shown(rows))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    click.echo(f"took {time.monotonic() - began:.0f} s; load averages at the end {load}")
    missed = [row.what.strip() for row in rows if row.verdict().startswith("MISSED")]
    click.echo(f"missed: {'; '.join(missed)}" if missed else "every figure is met")


if __name__ == "__main__":
    main()
