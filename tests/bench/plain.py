"""Rows that need no second process: parts of the path by themselves, on the server's core."""

import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from server.ingest.payload import decode
from server.model import DAY_MS, EVENT_KINDS, Kind
from server.project.decay import Decay
from server.project.rules import EventCondition, Rule, Ruleset
from server.project.scoring import score
from server.project.signals import Fact, Hit, Matcher, SessionHits, SessionSignals
from server.storage import entries
from server.storage.names import Names
from server.storage.sqlite import SqliteWriter
from server.web.widget import widget_file
from tests.bench.load import quantile
from tests.bench.place import now_ms
from tests.bench.table import Row, spread
from tests.bench.workload import KEY, Workload, urls

RUNS = 5


def repeated(measure: Callable[[], float], runs: int = RUNS) -> tuple[float, list[float]]:
    values = [measure() for _ in range(runs)]
    return statistics.median(values), values


def decoding() -> Row:
    """msgspec alone: one event a body, from bytes to typed values."""
    stream = [part for batch in Workload(3, now_ms()).requests(2_000, 1) for part in batch]
    bodies = [part.partition(b"\r\n\r\n")[2] for part in stream]

    def once() -> float:
        started = time.perf_counter()
        for body in bodies:
            decode(body)
        return len(bodies) / (time.perf_counter() - started)

    middle, all_ = repeated(once)
    return Row("decode alone", middle, unit="/s", note=spread(all_))


def bulk_insert(filled: Path, scratch: Path) -> Row:
    """Appending through `entries.append` without a server: 64 events a transaction, FULL."""
    path = scratch / "bulk.db"
    path.write_bytes(filled.read_bytes())
    writer = SqliteWriter(path, "FULL")
    names = Names()
    work = Workload(11, now_ms())
    parts = [batch[i : i + 64] for batch in work.events(30_000) for i in range(0, len(batch), 64)]
    third = len(parts) // 3

    def once() -> float:
        taken, parts[:third] = parts[:third], []
        started = time.perf_counter()
        for part in taken:
            writer.turn([lambda p=part: entries.append(1, p, names)])  # type: ignore[misc]
        return sum(map(len, taken)) / (time.perf_counter() - started)

    middle, all_ = repeated(once, 3)
    writer.close()
    path.unlink()
    return Row("append alone, 64 events a commit, FULL", middle, unit="/s", note=spread(all_))


def fsync(scratch: Path) -> tuple[Row, float]:
    """What the disk takes for 16 kB more at the end of a file; the p99 in seconds."""
    path = scratch / "fsync.bin"
    times = []
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_TRUNC)
    try:
        for number in range(600):
            os.pwrite(handle, os.urandom(16_384), number * 16_384)
            started = time.perf_counter()
            os.fdatasync(handle)
            times.append(time.perf_counter() - started)
    finally:
        os.close(handle)
        path.unlink()
    times.sort()
    middle, late = quantile(times, 0.5) * 1e3, quantile(times, 0.99) * 1e3
    return Row("fsync p99", late, unit="ms", note=f"p50 {middle:.2f} ms"), late / 1e3


def scoring() -> Row:
    """One person with 500 contributions, each on a line of the receipt."""
    rule = Rule(
        "read",
        "Read",
        1_000,
        EventCondition(("page_view",)),
        decay=Decay("half_life", days=60),
        counted="each",
    )
    ruleset = Ruleset(1, "bench", (rule,))
    today = 20_000
    sessions = []
    for number in range(50):
        start = (today - number) * DAY_MS
        hits = tuple(Hit("read", number * 100 + i, start + i * 60_000) for i in range(10))
        sessions.append(SessionHits(number * 100, number * 100, start, start + 600_000, hits))
    assert len(score(ruleset, sessions, {}, today + 1).lines) == 500

    def once() -> float:
        started = time.perf_counter()
        for _ in range(50):
            score(ruleset, sessions, {"email": "ann@acme.example"}, today + 1)
        return (time.perf_counter() - started) / 50 * 1e3

    middle, all_ = repeated(once)
    return Row("score a person, 500 contributions", middle, 1.0, None, "ms", spread(all_), False)


def matching() -> Row:
    """What one event may meet of 200 rules, amortised over a visit's facts."""
    rules = tuple(
        Rule(
            f"rule_{number}",
            "Rule",
            1_000,
            EventCondition(("page_view", "click"), page=f"/learn/article-{number}*"),
        )
        for number in range(200)
    )
    matcher = Matcher(Ruleset(1, "bench", rules))
    choose = random.Random(5)
    pages = [url.partition("example")[2] for url in urls()]
    kinds = (Kind.PAGE_VIEW,) * 70 + (Kind.ENGAGEMENT,) * 25 + (Kind.CLICK,) * 5
    assert set(kinds) <= set(EVENT_KINDS.values())
    facts = [
        Fact(seq, seq * 1_000, choose.choice(kinds), choose.choice(pages)) for seq in range(20_000)
    ]

    def once() -> float:
        started = time.perf_counter()
        for place in range(0, len(facts), 10):
            signals = SessionSignals()
            for fact in facts[place : place + 10]:
                signals.step(matcher, fact)
        return (time.perf_counter() - started) / len(facts) * 1e6

    first = once()
    middle, all_ = repeated(once)
    note = f"{spread(all_)}, the first time {first:.1f}"
    return Row("match an event against 200 rules", middle, 20, None, "µs", note, False)


def widget() -> Row:
    """The script as a browser gets it: brotli 11, the settings of a new site inlined."""
    size = len(widget_file({"key": KEY + "0" * 11}, "br").body)
    return Row("h.js, default configuration", size, 2_560, 2_300, "B", "brotli", False)
