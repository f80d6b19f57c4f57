"""What a soak has shown, and what no soak may show: a limit for everything that could creep."""

from dataclasses import dataclass, field
from statistics import median

from tests.bench.load import quantile
from tests.faults.remains import Remains
from tests.faults.under_load import SENDERS, Book

SETTLED = 0.25  # of a life; what is learned before is no creep
SLOWER = 1.2  # p99 of the last quarter, beside that of the first
APART = 0.1  # bytes of an event, in the end beside the beginning
MEMORY_MB = 150.0
LOG_MB = 16.0  # of writes, in the median
LONGEST_MB = 256.0  # while somebody reads
BACK_S = 3.0


@dataclass
class Sample:
    """What the server held at one moment; `life` counts its starts."""

    at_s: float
    life: int
    rss_mb: float
    files: int
    threads: int
    wal_mb: float
    event_bytes: float


@dataclass
class Soaked:
    """All that was seen."""

    samples: list[Sample] = field(default_factory=list)
    reads: dict[int, int] = field(default_factory=dict)
    backups: list[str] = field(default_factory=list)  # what each said; nothing if it was well
    back_s: list[float] = field(default_factory=list)  # from each kill to the first 2xx
    left: Remains | None = None
    rate: float = 0.0
    seconds: float = 0.0


def slope(points: list[tuple[float, float]]) -> float:
    """Least squares, a unit an hour."""
    if len(points) < 2:
        return 0.0
    middle = sum(x for x, _ in points) / len(points)
    spread = sum((x - middle) ** 2 for x, _ in points)
    return 3600 * sum((x - middle) * y for x, y in points) / spread if spread else 0.0


def settled(samples: list[Sample]) -> list[list[Sample]]:
    """The later part of each life."""
    found = []
    for life in sorted({one.life for one in samples}):
        mine = [one for one in samples if one.life == life]
        found.append(mine[int(len(mine) * SETTLED) :])
    return [mine for mine in found if len(mine) > 1]


def quarters(book: Book) -> tuple[float, float]:
    """p99 of the first and of the last quarter of the answers, in ms."""
    quarter = max(1, len(book.took) // 4)
    first, last = (
        1e3 * quantile(sorted(took_s for _, took_s in part), 0.99)
        for part in (book.took[:quarter], book.took[-quarter:])
    )
    return first, last


def report(found: Soaked, book: Book) -> list[str]:
    """The figures, one a line."""
    lives = settled(found.samples)
    last = [one for life in lives for one in life]
    first_p99, last_p99 = quarters(book)
    slopes = [slope([(one.at_s, one.rss_mb) for one in life]) for life in lives]
    assert found.left is not None
    return [
        f"{found.seconds / 60:.1f} minutes at {found.rate:,.0f} events/s",
        f"memory {last[0].rss_mb:.0f} MB first, {last[-1].rss_mb:.0f} last,"
        f" {max(one.rss_mb for one in found.samples):.0f} most;"
        f" slope of each life {', '.join(f'{one:+.1f}' for one in slopes)} MB/h",
        f"open files {min(one.files for one in last)} to {max(one.files for one in last)},"
        f" threads {min(one.threads for one in last)} to {max(one.threads for one in last)}",
        f"log of writes {median(one.wal_mb for one in last):.1f} MB (median),"
        f" {max(one.wal_mb for one in found.samples):.1f} MB (most)",
        f"an event {last[0].event_bytes:.0f} bytes first, {last[-1].event_bytes:.0f} last",
        f"p99 {first_p99:.1f} ms in the first quarter, {last_p99:.1f} in the last"
        f" ({last_p99 / first_p99:.2f} ×)",
        f"reads {', '.join(f'{n:,} × {status}' for status, n in sorted(found.reads.items()))}"
        " (0: it was just killed); backups"
        f" {found.backups.count('')} of {len(found.backups)} well",
        f"{len(found.back_s)} kills, back after {max(found.back_s, default=0.0):.1f} s at most",
    ]


def limits(found: Soaked, book: Book) -> dict[str, bool]:
    """Each limit in words, as it is said where it does not hold, and whether it holds."""
    left = found.left
    assert left is not None
    lives = settled(found.samples)
    last = [one for life in lives for one in life]
    files = max(max(o.files for o in life) - min(o.files for o in life) for life in lives)
    threads = max(life[-1].threads - life[0].threads for life in lives)
    first_p99, last_p99 = quarters(book)
    most = max(one.rss_mb for one in found.samples)
    log = median(one.wal_mb for one in last)
    longest = max(one.wal_mb for one in found.samples)
    size = last[-1].event_bytes / last[0].event_bytes
    back = max(found.back_s, default=0.0)
    return {
        "events were lost or doubled": not left.lost + left.doubled + left.gaps,
        f"the file is {left.sound}": left.sound == "ok",
        f"odd answers {book.odd}": not book.odd,
        f"reads {found.reads}": not set(found.reads) - {0, 200} and found.reads.get(200, 0) > 0,
        f"backups {found.backups}": bool(found.backups) and not any(found.backups),
        f"open files went apart by {files}": files <= SENDERS + 16,
        f"{threads} threads more": threads <= 1,
        f"p99 {last_p99 / first_p99:.2f} × in the end": last_p99 <= SLOWER * first_p99,
        f"the log of writes had {log:.0f} MB": log <= LOG_MB,
        f"the log of writes reached {longest:.0f} MB": longest <= LONGEST_MB,
        f"bytes of an event {size:.2f} ×": abs(size - 1) <= APART,
        f"memory reached {most:.0f} MB": most <= MEMORY_MB,
        f"back after {back:.1f} s": back <= BACK_S,
    }
