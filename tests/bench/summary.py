"""The figures Handraise is held to, in one place: what was measured of each in this run, and what
was not. With the head of what is printed: which program, when, on what machine."""

import os
import platform
import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from tests.bench.table import Row, aligned, number

ROOT = Path(__file__).parents[2]


class Figure(NamedTuple):
    """One figure. Rows carry its key; `groups` print such rows."""

    key: str
    groups: tuple[str, ...]
    what: str
    must: str
    stretch: str = ""


FIGURES = (
    Figure("ingest", ("ingest",), "durable ingest, one event a request", "≥ 0.28 ×", "≥ 0.38 ×"),
    Figure("p99", ("ingest",), "its p99", "≤ 6 no-op + 4 fsync", "≤ 4 no-op + 4 fsync"),
    Figure("ten", ("ingest",), "10 events a request, of single ones", "≥ 2 ×", "≥ 2.5 ×"),
    Figure("sustained", ("sustained",), "sustained, lag < 1 s", "≥ 0.1 ×", "≥ 0.18 ×"),
    Figure("pg-ingest", ("postgres",), "PostgreSQL, same core: ingest", "≥ 0.22 ×", "≥ 0.33 ×"),
    Figure("pg-sustained", ("postgres",), "PostgreSQL: sustained", "≥ 0.08 ×", "≥ 0.15 ×"),
    Figure("growth", ("growth",), "ingest at 10 million stored, of 1 million", "≥ 0.8 ×"),
    Figure("timeline", ("reading",), "timeline page, p99", "≤ 10 ms", "≤ 3 ms"),
    Figure("people", ("reading",), "people list, p99", "≤ 20 ms", "≤ 5 ms"),
    Figure("overview", ("reading",), "overview, unfiltered, p99", "≤ 50 ms", "≤ 10 ms"),
    Figure("filtered", ("reading",), "overview, 90 days, filtered, p99", "≤ 300 ms", "≤ 150 ms"),
    Figure("disk", ("disk", "sustained"), "disk, everything in", "≤ 250 B/event", "≤ 160 B/event"),
    Figure("memory", ("growth", "ingest", "sustained"), "memory under full load", "≤ 150 MB"),
    Figure("widget", ("widget",), "h.js, default configuration, brotli", "≤ 2,560 B", "≤ 2,300 B"),
    Figure("start", ("start",), "start", "≤ 1 s"),
    Figure("back", ("start",), "back after kill -9", "≤ 3 s"),
)


def reached(row: Row) -> float:
    """How much of its figure a row reaches: below one it is missed."""
    assert row.must is not None
    if row.least:
        return row.measured / row.must
    return row.must / row.measured if row.measured else float("inf")


def summary(rows: Sequence[Row], broken: Mapping[str, str], wanted: Sequence[str]) -> str:
    """A line for each figure. Where several rows are held to one, it is the worst of them."""
    lines = [("figure", "must", "stretch", "measured", "verdict", "row")]
    for figure in FIGURES:
        of_it = [row for row in rows if row.figure == figure.key and row.must is not None]
        head = (figure.what, figure.must, figure.stretch)
        if not of_it:
            lines.append((*head, "", "NOT MEASURED", _why(figure, broken, wanted)))
            continue
        row = min(of_it, key=reached)
        measured = number(row.measured, row.unit)
        if figure.key == "p99":  # its must is made of what this run found
            measured += f" of {number(row.must, row.unit)}"
        others = f", the worst of {len(of_it)}" if len(of_it) > 1 else ""
        lines.append((*head, measured, row.verdict(), f"{row.what.strip()}{others}"))
    return aligned(lines)


def _why(figure: Figure, broken: Mapping[str, str], wanted: Sequence[str]) -> str:
    for group in figure.groups:
        if group in broken:
            return broken[group]
    return f"not asked for: --only {figure.groups[0]}" if figure.groups[0] not in wanted else ""


def ending(rows: Sequence[Row], broken: Mapping[str, str]) -> str:
    """The last line: what is missed, and how much was to be measured and was not."""
    missed = [row.what.strip() for row in rows if row.verdict().startswith("MISSED")]
    told = f"missed: {'; '.join(missed)}" if missed else "every figure that was measured is met"
    if broken:
        told += f"; {len(broken)} NOT MEASURED: {'; '.join(broken)}"
    return told


# ---------------------------------------------------------------- the head


def head(sizes: str) -> str:
    """Which program, when, on what machine, and how much of it."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"Handraise {program()}, {now}\n{machine()}\n{sizes}"


def program() -> str:
    """The version, and the commit where this is a checkout."""
    try:
        told = version("handraise")
    except PackageNotFoundError:
        told = "of an unknown version"
    if not (ROOT / ".git").exists():
        return told
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return told
    return f"{told}, commit {done.stdout.strip()}"


def machine() -> str:
    """Processor, cores, memory, and the programs the figures depend on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores of {_processor()}, {memory:.0f} GB, {platform.system()}"
        f" {platform.release()}, Python {platform.python_version()},"
        f" SQLite {sqlite3.sqlite_version}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
