"""Rows that need no second process: parts of the path by themselves, on the server's core."""

import os
import random
import shutil
import statistics
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

from server.ingest.payload import decode
from server.storage import entries
from server.storage.names import Names
from server.storage.sqlite import SqliteWriter
from server.storage.sqlite_faults import adapted
from server.web.widget import widget_file
from tests.bench.load import quantile
from tests.bench.place import now_ms
from tests.bench.table import Row, spread
from tests.bench.workload import KEY, Workload

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


def bare_insert(filled: Path, scratch: Path) -> Row:
    """What SQLite itself can do with our table: ready rows into `entries`, 1,000 a commit, FULL,
    with nothing of ours but the statement."""
    path = scratch / "bare.db"
    shutil.copyfile(filled, path)
    connection = SqliteWriter(path, "FULL").connection
    (last,) = connection.execute("SELECT max(seq) FROM entries").fetchone()
    made = count(last + 1)
    choose, now = random.Random(13), now_ms()
    insert = adapted(entries.INSERT)

    def row() -> tuple[int | bytes | str | None, ...]:
        event_id = now.to_bytes(6, "big") + choose.randbytes(10)
        texts = (choose.randrange(1, 5_000), 7, None, choose.randrange(1, 200), None, None, None)
        return (1, next(made), event_id, 1, now, 0, 1, 1, 0, *texts, 0, None, 0, 0, 0, None, None)

    def once() -> float:
        parts = [[row() for _ in range(1_000)] for _ in range(20)]
        started = time.perf_counter()
        for part in parts:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(insert, part)
            connection.execute("COMMIT")
        return 20_000 / (time.perf_counter() - started)

    middle, all_ = repeated(once, 3)
    connection.close()
    path.unlink()
    note = spread(all_)
    return Row("bare insert into entries, 1,000 a commit, FULL", middle, unit="/s", note=note)


def bulk_insert(filled: Path, scratch: Path) -> Row:
    """Appending through `entries.append` without a server: 64 events a transaction, FULL."""
    path = scratch / "bulk.db"
    shutil.copyfile(filled, path)
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


def widget() -> Row:
    """The script as a browser gets it: brotli 11, the settings of a new site inlined."""
    size = len(widget_file({"key": KEY + "0" * 11}, "br").body)
    return Row("h.js, default configuration", size, 2_560, 2_300, "B", "brotli", False, "widget")
