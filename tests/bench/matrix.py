"""Ingest, every way: events a request, connections, FULL and NORMAL, projecting and not.

A row is acknowledged events a second; its note tells latencies, work and memory of the server. All
cells are measured in turns, one run of each after the other, so that a slow minute of the machine
meets them all.
"""

import statistics
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.bench.runs import Load, generate
from tests.bench.serving import MOST_A_SECOND, Plan, Sqlite
from tests.bench.table import Row, number, say, spread

BATCHES = (1, 10, 100)
CONNECTIONS = (8, 64, 256)


class Cell(NamedTuple):
    """One way to be loaded. `how` tells what differs from FULL with the projector on."""

    batch: int
    connections: int
    how: str = ""

    def __str__(self) -> str:
        events = "1 event" if self.batch == 1 else f"{self.batch} events"
        return f"{events}, {self.connections} connections{', ' * bool(self.how)}{self.how}"

    @property
    def arguments(self) -> tuple[str, ...]:
        return {"NORMAL": ("--synchronous=NORMAL",), "not projecting": ("--still",)}.get(
            self.how, ()
        )


def cells(engine: str) -> Iterator[Cell]:
    """NORMAL is SQLite's word; what a database of its own does with its log is its own affair."""
    for batch in BATCHES:
        for connections in CONNECTIONS:
            for how in ("", "NORMAL", "not projecting"):
                if how == "NORMAL" and engine != "SQLite":
                    continue
                yield Cell(batch, connections, how)


def measure(place: Sqlite, cell: Cell, seconds: float, seed: int) -> Load:
    """One run; `cpu` is seconds of work of the server for 1,000 events, `mb` its most memory."""
    with place.serve(*cell.arguments) as running:
        most = int(MOST_A_SECOND * seconds / cell.batch * (1 if cell.batch == 1 else 2.5))
        before = running.ask()["cpu_s"]
        load = generate(
            running.port,
            seconds,
            requests=most,
            batch=cell.batch,
            connections=cell.connections,
            seed=seed,
        )
        after = running.ask()
    load["cpu"] = (after["cpu_s"] - before) / max(load["events"], 1) * 1e3
    load["mb"] = after["peak_mb"]
    return load


def row(cell: Cell, loads: Sequence[Load], engine: str) -> Row:
    def middle(name: str) -> float:
        return statistics.median(load[name] for load in loads)

    rates = [load["rate"] for load in loads]
    late = " · ".join(number(middle(name) * 1e3) for name in ("p50", "p99", "p999"))
    note = (
        f"{spread(rates)}; p50 · p99 · p99.9 {late} ms;"
        f" {number(middle('cpu'))} s of work for 1,000; {number(middle('mb'))} MB"
    )
    refused = sum(load["refused"] for load in loads)
    if refused:
        note += f"; {number(refused)} REFUSED"
    return Row(f"{engine}: {cell}", middle("rate"), unit="/s", note=note)


def matrix(place: Sqlite, plan: Plan, some: int = 0) -> list[Row]:
    """All cells, or the first `some` of them."""
    chosen = list(cells(place.name))[: some or None]
    found: dict[Cell, list[Load]] = {cell: [] for cell in chosen}
    for turn in range(plan.runs):
        for count, cell in enumerate(chosen):
            say(f"  run {turn + 1} of {plan.runs}, {count + 1} of {len(chosen)}: {cell}")
            found[cell].append(measure(place, cell, plan.seconds, 1_000 * turn + count))
    return [row(cell, loads, place.name) for cell, loads in found.items()]
