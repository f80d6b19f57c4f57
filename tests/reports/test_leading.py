"""Names that are left out before anything is added up: never one of the first."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.project.rollups import DIMENSIONS
from server.reports import leading as module
from server.reports.leading import BIG, MOST_NAMES, candidates

#: What each name had on each day; a day without a session has no cell.
CELLS = st.dictionaries(
    st.sampled_from([f"/{number}" for number in range(12)]),
    st.lists(st.integers(0, 4 * BIG), min_size=5, max_size=5),
    max_size=12,
)


def big_cells(cells: Mapping[str, list[int]]) -> list[tuple[str, int, int]]:
    """What the statement finds: sum and number of the big ones."""
    found = {name: [one for one in days if one >= BIG] for name, days in cells.items()}
    return [(name, sum(big), len(big)) for name, big in found.items() if big]


@given(CELLS, st.integers(1, 4))
def test_the_first_are_among_the_candidates(cells: dict[str, list[int]], limit: int) -> None:
    left = candidates(big_cells(cells), 5, limit)
    if left is None:
        return
    totals = {name: sum(days) for name, days in cells.items()}
    first = sorted(totals, key=lambda name: (-totals[name], name))[:limit]
    assert set(first) <= set(left)


@pytest.mark.parametrize(
    ("cells", "limit", "left"),
    [
        ({"/a": [9, 9, 9, 9, 9], "/b": [9, 9, 9, 9, 8], "/c": [9, 0, 0, 0, 0]}, 2, ["/a", "/b"]),
        ({"/a": [9, 9, 9, 9, 9], "/b": [9, 9, 9, 9, 0]}, 1, ["/a"]),  # /b may have 39, /a has 45
        (
            {"/a": [9, 9, 9, 3, 3], "/b": [9, 9, 9, 9, 0]},
            1,
            ["/b"],
        ),  # /a at most 33, /b at least 36
        ({"/a": [8, 8, 8, 3, 3], "/b": [9, 9, 9, 0, 0]}, 1, ["/a", "/b"]),  # either may be first
        ({"/a": [9, 9, 9, 9, 9]}, 2, None),  # who is second is in small cells, if there is one
        ({"/a": [15, 0, 0, 0, 0]}, 1, None),  # a name without a big cell may have as many
        ({"/a": [16, 0, 0, 0, 0]}, 1, ["/a"]),
    ],
)
def test_who_is_left(cells: dict[str, list[int]], limit: int, left: list[str] | None) -> None:
    assert candidates(big_cells(cells), 5, limit) == left


def test_too_many_are_added_up_with_all() -> None:
    alike = [(f"/{number}", 100, 5) for number in range(MOST_NAMES + 1)]
    assert candidates(alike, 5, 10) is None
    assert len(candidates(alike[1:], 5, 10) or ()) == MOST_NAMES


def test_it_is_asked_of_dimensions_there_are() -> None:
    assert set(DIMENSIONS) > module.MANY
