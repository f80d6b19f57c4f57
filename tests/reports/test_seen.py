"""Visitors are told apart by their numbers as a set would tell them."""

from hypothesis import given
from hypothesis import strategies as st

from server.reports.seen import Seen


@given(
    st.lists(st.lists(st.integers(1, 500), max_size=50).map(sorted), max_size=8),
    st.sampled_from([1, 250, 500, 501, 502]),
)
def test_seen_is_a_set(days: list[list[int]], most: int) -> None:
    seen, known = Seen(most), set[int]()
    for day in days:
        if day:
            seen.add(day, day[-1])
        known.update(day)
        assert len(seen) == len(known)
