"""`make bench`: the figures, as ratios to what the machine can do at all; docs/proof.md reads them.

How to read the table: a line is met if `measured` reaches `must`. Both sides of a ratio (×) are
measured in this one run, in turns, on the same cores: the server under test on core 0, the
generator on core 1; `measured` is the median of the runs, the note tells their spread. Lines
without a figure are there to compare with. The figures of the design stand once more at the end,
measured or not. A machine that does other work meanwhile makes the
spread wide and the tail late: repeat such a run before believing it.

The no-op is a raw ASGI app under the same uvicorn that reads the body and answers: nothing in this
language and server can be faster. Ingest means acknowledged after fsync, into a log that holds a
million events already (of which nothing is derived), with the projector running.

`--events` scales it: so many are stored for the ratios, `--large` (ten times as many) for growth
and for reading.
"""

import os
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from tests.bench import (
    download,
    growth,
    held,
    late,
    lengths,
    listening,
    matrix,
    plain,
    reading,
    rebuild,
    rescore,
    scoring,
    summary,
    widget_speed,
)
from tests.bench.flame import SAMPLERS, flame
from tests.bench.place import NAME, Copies, filled
from tests.bench.postgres import Postgres
from tests.bench.reading_fill import filled_site
from tests.bench.serving import (
    Ingest,
    Plan,
    Sqlite,
    Sustained,
    floor,
    generator_row,
    start_rows,
)
from tests.bench.table import (
    CannotMeasure,
    Lacking,
    Row,
    medians,
    number,
    say,
    shown,
    spread,
)
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
    "disk",
    "generator",
    "ingest",
    "sustained",
    "matrix",
    "growth",
    "memory",
    "live",
    "csv",
    "start",
    "postgres",
)


class Bench:
    """One run: what was asked for, and the rows found so far."""

    def __init__(
        self, events: int, large: int, plan: Plan, scratch: Path, data: Path, quick: bool
    ) -> None:
        self.events = events
        self.large = large
        self.plan = plan
        self.scratch = scratch
        self.data = data
        self.quick = quick
        self.fsync_p99 = 0.0
        self.lacking: dict[str, str] = {}
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
        loads, navigations = (1, 100) if self.quick else (30, 1_000)
        rows = [plain.widget()]
        try:
            rows += widget_speed.rows(self.scratch, loads, navigations)
        except Lacking as error:
            self.lacking["widget, what it costs the page"] = str(error)
        return rows

    def fsync(self) -> list[Row]:
        row, self.fsync_p99 = plain.fsync(self.scratch)
        return [row]

    def append(self) -> list[Row]:
        path = self.filled() / NAME
        return [plain.bare_insert(path, self.scratch), plain.bulk_insert(path, self.scratch)]

    def late(self) -> list[Row]:
        visitors = 20 if self.quick else 200
        return medians([late.late_events(self.scratch, visitors) for _ in range(self.plan.runs)])

    def rebuild(self) -> list[Row]:
        return rebuild.rebuild(self.filled(), self.scratch)

    def rescore(self) -> list[Row]:
        return rescore.rescored(self.scratch, 200 if self.quick else 4_000)

    def reading(self) -> list[Row]:
        times = 10 if self.quick else 300
        return reading.reading(self._site(), self.scratch, times)

    def disk(self) -> list[Row]:
        return growth.disk(self._site() / NAME, self.large)

    def _site(self, events: int = 0) -> Path:
        events = events or self.large
        say(f"  a site of {events:,} events is filled and projected, unless it is kept")
        return filled_site(self.data, events)

    def generator(self) -> list[Row]:
        return [generator_row(self.quick)]

    def ingest(self) -> list[Row]:
        if not self.fsync_p99:
            self.fsync()
        runs = Ingest(self.sqlite(), self.plan)
        runs.run()
        return runs.rows(self.fsync_p99)

    def sustained(self) -> list[Row]:
        search = Sustained(self.sqlite(), self.plan)
        part, what = search.find(0.10, 0.30), "sustained with projection, lag < 1 s"
        rows = [Row(what, part, 0.10, 0.18, "×", search.told(), figure="sustained")]
        if search.disk:
            what = "disk, everything in"
            rows.append(Row(what, search.disk, 250, 160, "B/event", "", False, "disk"))
        what = "peak memory, sustained"
        rows.append(Row(what, search.peak_mb, 150, None, "MB", "", False, "memory"))
        return rows

    def matrix(self) -> list[Row]:
        return matrix.matrix(self.sqlite(), self.plan, 3 if self.quick else 0)

    def growth(self) -> list[Row]:
        levels = (0, self.events, self.large)
        sites = {events: self._site(events) for events in levels[1:]}
        return [
            *growth.growth(self.data, self.scratch, levels, self.plan),
            *growth.projected(sites, self.scratch, self.plan),
        ]

    def memory(self) -> list[Row]:
        return held.held(self.sqlite(), quick=self.quick)

    def live(self) -> list[Row]:
        there = (self.data / f"site-{self.large}" / "done").exists()
        if there:
            place, what = self._site(), f"{self.large:,} events stored and derived"
        else:
            place, what = self.filled(), f"{self.events:,} events stored, nothing derived"
        copies = Copies(place, self.scratch)
        many = 20 if self.quick else 200
        return listening.live(copies, listening.Asked(many, many, self.plan.runs, what))

    def csv(self) -> list[Row]:
        return download.people_csv(self.data, self.scratch, 500 if self.quick else 100_000)

    def start(self) -> list[Row]:
        return start_rows(self.sqlite(), self.plan.runs, self.events)

    def postgres(self) -> list[Row]:
        try:
            place = Postgres(self.events, self.stack)
        except CannotStart as error:
            raise Lacking(f"PostgreSQL cannot start here: {error}") from error
        runs = Ingest(place, self.plan)
        for seed in range(self.plan.runs):
            runs.noop.add(floor(self.plan))
            runs.full.add(runs.app(seed))
        search = Sustained(place, self.plan)
        part = search.find(0.08, 0.24)
        ratio, rates = runs.full.rate / runs.noop.rate, runs.full.rates
        told = f"{number(runs.full.rate)} events/s ({spread(rates)})"
        what = "PostgreSQL: ingest, one event a request"
        held_to = Row("PostgreSQL: sustained", part, 0.08, 0.15, "×", search.told())
        return [
            Row(what, ratio, 0.22, 0.33, "×", told, figure="pg-ingest"),
            held_to._replace(figure="pg-sustained"),
            *matrix.matrix(place, self.plan, 1 if self.quick else 0),
        ]


@click.command()
@click.option("--events", default=1_000_000, show_default=True, help="events stored beforehand")
@click.option("--large", default=0, help="events stored for growth and reading; 10 × --events")
@click.option("--seconds", default=6.0, show_default=True, help="length of one run")
@click.option("--runs", default=3, show_default=True, help="repetitions of each interleaved run")
@click.option("--quick", is_flag=True, help="show that everything runs; the figures mean nothing")
@click.option("--only", default="", help=f"some of: {', '.join(GROUPS)} (comma separated)")
@click.option("--data", default="", help="keep the filled databases in this folder")
@click.option("--flame", "picture", default="", help="only draw a flame graph of ingest, as SVG")
@click.option("--flame-by", type=click.Choice(SAMPLERS), default="auto", show_default=True)
def main(
    events: int,
    large: int,
    seconds: float,
    runs: int,
    quick: bool,
    only: str,
    data: str,
    picture: str,
    flame_by: str,
) -> None:
    """Measure, and print one table."""
    wanted = [name for name in only.split(",") if name] or list(GROUPS)
    unknown = set(wanted) - set(GROUPS)
    if unknown:
        raise click.BadParameter(f"unknown: {', '.join(sorted(unknown))}", param_hint="--only")
    if quick:
        events, seconds, runs = min(events, 5_000), 1.0, 1
    large = large or events * (2 if quick else 10)
    os.sched_setaffinity(0, {0})
    with tempfile.TemporaryDirectory(prefix="hr-bench-") as scratch:
        plan = Plan(runs, seconds, seconds * 2)
        bench = Bench(events, large, plan, Path(scratch), Path(data or scratch), quick)
        if picture:
            drawn(bench, Path(picture), flame_by)
        else:
            measure(bench, wanted)


def drawn(bench: Bench, picture: Path, by: str) -> None:
    try:
        flame(bench.sqlite(), bench.plan, bench.scratch, picture, by)
    except CannotMeasure as error:
        raise click.ClickException(why(bench, error)) from error


def why(bench: Bench, error: Exception) -> str:
    """What broke a group, in a line; with a hint where it may be what an older run has kept."""
    known = isinstance(error, CannotMeasure)
    told = str(error) if known else repr(error)
    if known and bench.data != bench.scratch:
        told += f" (databases are kept in {bench.data}: --data with an empty folder fills new ones)"
    return " ".join(told.split())


def measure(bench: Bench, wanted: Sequence[str]) -> None:
    """Every group in turn; the table, how long it took, and the figures in one place."""
    size = lengths.Size(bench.events, bench.large, bench.plan, bench.data, bench.quick)
    expected = lengths.seconds(wanted, size)
    click.echo(lengths.told(wanted, size), err=True)
    head = summary.head(lengths.sizes(size))
    began = time.monotonic()
    rows: list[Row] = []
    broken: dict[str, str] = {}
    with bench.stack:
        for name in wanted:
            started = time.monotonic()
            say(f"{name} …")
            group: Callable[[], list[Row]] = getattr(bench, name)
            try:
                rows += group()
            except Lacking as error:
                bench.lacking[name] = str(error)
            except Exception as error:  # the others have measured for many minutes
                broken[name] = why(bench, error)
                told = isinstance(error, CannotMeasure)
                say(f"  {broken[name]}" if told else traceback.format_exc())
            say(f"{name}: {time.monotonic() - started:.0f} s")
    open_ = bench.lacking | broken
    click.echo(f"{head}\n\n{shown(rows, open_)}\n\n{summary.summary(rows, open_, wanted)}\n")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    took = time.monotonic() - began
    click.echo(f"took {took:.0f} s, {expected:.0f} expected; load averages at the end {load}")
    click.echo(summary.ending(rows, open_))
    if broken:
        raise click.ClickException(f"not measured, see above: {', '.join(broken)}")


if __name__ == "__main__":
    main()
