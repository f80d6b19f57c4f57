"""How far two texts are apart: a table, and the same as the plain dynamic programme says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.project.typos import within


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [
        ("ann@brew.example", "ann@brew.example", 0),
        ("ann@brew.example", "anna@brew.example", 1),
        ("ann@brew.example", "an@brew.example", 1),
        ("ann@brew.example", "amn@brew.example", 1),
        ("ann@brew.example", "nan@brew.example", 1),
        ("ann@brew.example", "ann@brew.exmaple", 1),
        ("ann@brew.example", "ann@berw.exmaple", 2),
        ("ann@brew.example", "bnn@brew.examplee", 2),
        ("ann@brew.example", "bob@brew.example", 3),
        ("ann@gmail.com", "ann+shop@gmail.com", 5),
        ("", "ab", 2),
        ("ca", "abc", 3),  # no place is edited twice
    ],
)
def test_edits(one: str, other: str, edits: int) -> None:
    """A letter more, less, another, or two swapped."""
    assert within(one, other, edits)
    assert within(other, one, edits)
    assert not edits or not within(one, other, edits - 1)


LETTERS = st.text(alphabet="abc", max_size=8)


@given(LETTERS, LETTERS, st.integers(0, 3))
def test_it_is_the_distance_of_the_textbook(one: str, other: str, edits: int) -> None:
    """Optimal string alignment, row by row."""
    assert within(one, other, edits) == (distance(one, other) <= edits)


@given(st.text(max_size=20), st.text(max_size=20))
def test_it_is_symmetric(one: str, other: str) -> None:
    """And a text is no edit away from itself alone."""
    assert within(one, other, 2) == within(other, one, 2)
    assert within(one, other, 0) == (one == other)


def distance(one: str, other: str) -> int:
    rows: list[list[int]] = [[*range(len(other) + 1)]]
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and (a, b) == (other[j - 2], one[i - 2]):
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]
