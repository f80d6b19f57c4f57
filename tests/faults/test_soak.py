"""Each limit of the soak can fail."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.faults.remains import Remains
from tests.faults.soaked import Sample, Soaked, limits
from tests.faults.under_load import Book


def soaked() -> tuple[Soaked, Book]:
    """An hour in which nothing crept."""
    samples = [Sample(30.0 * n, 1 + n // 40, 120, 64, 5, 8.0, 168.0) for n in range(120)]
    found = Soaked(samples, {200: 1_000, 0: 4}, [""] * 10, [1.8, 1.2])
    found.left = Remains(0, 0, 1_000, 0, "ok")
    book = Book(seed=1)
    book.took = [(float(n), 0.01) for n in range(1_000)]
    return found, book


def _last(name: str, value: float) -> Callable[[Soaked, Book], None]:
    def change(found: Soaked, _: Book) -> None:
        found.samples[-1] = replace(found.samples[-1], **{name: value})  # type: ignore[arg-type]

    return change


def _slow(_: Soaked, book: Book) -> None:
    book.took[-250:] = [(at, 0.0121) for at, _ in book.took[-250:]]


def _long_log(found: Soaked, _: Book) -> None:
    found.samples = [replace(one, wal_mb=17.0) for one in found.samples]


def _lost(found: Soaked, _: Book) -> None:
    found.left = Remains(1, 0, 1_000, 0, "ok")


CREEPS: dict[str, Callable[[Soaked, Book], None]] = {
    "memory": _last("rss_mb", 151),
    "open files": _last("files", 100),
    "threads": _last("threads", 7),
    "bytes of an event": _last("event_bytes", 186),
    "reached 257": _last("wal_mb", 257),
    "had 17": _long_log,
    "p99": _slow,
    "lost": _lost,
    "reads": lambda found, _: found.reads.update({500: 1}),
    "backups": lambda found, _: found.backups.append("no space"),
    "back after": lambda found, _: found.back_s.append(3.1),
    "odd": lambda _, book: book.answers.update({500: 1}),
}


def test_what_does_not_creep_is_within_its_limits() -> None:
    assert all(limits(*soaked()).values())


@pytest.mark.parametrize("word", CREEPS)
def test_what_creeps_is_seen(word: str) -> None:
    found, book = soaked()
    CREEPS[word](found, book)
    bad = [text for text, holds in limits(found, book).items() if not holds]
    assert len(bad) == 1
    assert word in bad[0]
