"""What the widget costs the page it is on: its own running time, web vitals, and what it leaves.

All at a quarter of the machine's speed, as browsers simulate a telephone. Vitals are compared
between loads with and without the widget, in turns; the noise they may differ by is what half of
the loads without it differ by. A run on a machine with other work says little.
"""

import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.table import Row, number, say
from tests.bench.widget_page import Flat, Vitals, Weighed, Work, weighed

#: What a difference is measured to, whatever the noise: an interaction is told in steps of 8 ms.
STEPS = {"lcp": 4.0, "cls": 0.001, "inp": 8.0}
HEAP_KB = 64
ARMS = ("/", "/widget", "/heavy")


def rows(scratch: Path, loads: int, navigations: int) -> list[Row]:
    """Every line of the group; `loads` of each kind. Raises `Lacking` without a browser."""
    with all_cores(), weighed(scratch) as site:
        return [
            *working([site.work() for _ in range(max(1, loads // 3))]),
            *compared(measured(site, loads)),
            *left(site, navigations),
        ]


@contextmanager
def all_cores() -> Iterator[None]:
    """A browser and a server on the one core this bench keeps to would wait for each other."""
    kept = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        os.sched_setaffinity(0, kept)


def working(found: Sequence[Work]) -> list[Row]:
    run = [one.run for one in found]
    wall = statistics.median(one.wall for one in found)
    every = statistics.median(one.all for one in found)
    longest = max(one.longest for one in found)
    note = f"{apart(run)} ms of its thread, {len(run)} visits; {number(wall)} ms on the clock"
    return [
        Row("widget runs, at ¼ speed", statistics.median(run), 10, 5, "ms", note, False),
        Row("   longest piece of a visit", longest, 50, 10, "ms", "of all visits", False),
        Row("   all pieces of a visit", every, unit="ms", least=False),
    ]


def measured(site: Weighed, loads: int) -> dict[str, list[Vitals]]:
    """The vitals of each kind of load, in turns."""
    found: dict[str, list[Vitals]] = {path: [] for path in ARMS}
    for turn in range(loads):
        for path in ARMS:
            found[path].append(site.vitals(path))
        if turn % 10 == 9:
            say(f"  {turn + 1} of {loads} loads of each kind")
    return found


def compared(found: dict[str, list[Vitals]]) -> list[Row]:
    """The difference of the medians, which must be within the noise; of the heavy one, beyond."""
    made = []
    for name, step in STEPS.items():
        plain, widget, heavy = ([getattr(one, name) for one in found[path]] for path in ARMS)
        noise = max(quartiles(plain)[1] - quartiles(plain)[0], step)
        more = statistics.median(widget) - statistics.median(plain)
        beyond = statistics.median(heavy) - statistics.median(plain)
        note = f"{told(widget)} with, {told(plain)} without; must is the noise"
        unit = "" if name == "cls" else "ms"
        made.append(Row(f"{name.upper()} with it, more", more, noise, None, unit, note, False))
        words = "   a heavy script, more"
        made.append(Row(words, beyond, noise, None, unit, f"{told(heavy)}: it is seen"))
    return made


def left(site: Weighed, navigations: int) -> list[Row]:
    """What a thousand navigations add, less what they add to a page without the widget."""
    plain, widget = site.flat("/", navigations), site.flat("/widget", navigations)
    grown: Callable[[Flat], str] = lambda one: f"{one.heap / 1024:+.0f} kB"  # noqa: E731
    note = f"{grown(widget)} with, {grown(plain)} without, {navigations:,} navigations"
    heap = max(0.0, (widget.heap - plain.heap) / 1024)
    more = widget.listeners - plain.listeners
    return [
        Row("listeners after 1,000 navigations, more", more, 0, None, "", "", False),
        Row("heap after 1,000 navigations, more", heap, HEAP_KB, None, "kB", note, False),
    ]


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def apart(values: Sequence[float]) -> str:
    """The least and the most."""
    return f"{number(min(values))}–{number(max(values))}"


def told(values: Sequence[float]) -> str:
    """The median and the middle half."""
    low, high = quartiles(values)
    return f"{number(statistics.median(values))} ({number(low)}–{number(high)})"
