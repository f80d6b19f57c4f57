"""What the overload counts, and who else is there meanwhile."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.faults.beside import Beside
from tests.faults.flood import ids_of
from tests.faults.flooded import Taken
from tests.faults.under_load import Book


def test_a_flood_is_counted_by_request(tmp_path: Path) -> None:
    """One event of an acknowledged request is gone, one is there twice, a stranger's is gone."""
    taken = Taken({11: [0, 2], 31: [1]}, {b"o" * 16, b"p" * 16})
    stored = [*ids_of(11, 0), *ids_of(11, 1), *ids_of(11, 2)[1:], *ids_of(31, 1), b"o" * 16]
    stored.append(ids_of(31, 1)[49])
    path = tmp_path / "handraise.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE entries (event_id, kind)")
        connection.executemany("INSERT INTO entries VALUES (?, 1)", [(one,) for one in stored])
        connection.commit()
    assert taken.count == 152
    assert taken.left(path) == (2, 1)


def beside(reads: list[tuple[int, float]], stored: int) -> list[str]:
    """What is wrong where the flooded site stores half of its requests."""
    found = Beside("k", "t", Book(seed=1), reads, posted=100, stored=stored)
    return [words for words, bad in found.wrong(0.5).items() if bad]


def test_reads_and_another_site_are_judged() -> None:
    assert beside([(200, 0.2), (503, 0.1)], 41) == []
    assert beside([(200, 1.1)], 50) == ["1 of 1 reads took more than a second"]
    assert beside([(500, 0.1), (0, 0.1), (200, 0.1)], 50) == ["2 of 3 reads failed"]
    assert beside([], 50) == ["0 of 0 reads failed"]
    assert beside([(200, 0.1)], 39) == ["another site stored 39 of 100, beside 50%"]
