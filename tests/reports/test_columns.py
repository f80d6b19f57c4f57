"""Columns say of rows what the rows say, with few words and with many."""

from collections import Counter
from itertools import compress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.reports.columns import (
    FEW_WORDS,
    OBJECT_BYTES,
    Rows,
    Words,
    chosen,
    flagged,
    from_small_bytes,
    mask_of,
    small,
    small_bytes,
    stored_rows,
)

#: Words and whether a row is chosen; some columns have more words than are held as bits.
ROWS = st.integers(1, 3 * FEW_WORDS).flatmap(
    lambda words: st.lists(st.tuples(st.integers(0, words), st.booleans()), max_size=300)
)


@given(ROWS, st.sets(st.integers(0, 3 * FEW_WORDS), max_size=5))
def test_counts_are_those_of_the_rows(rows: list[tuple[int, bool]], asked: set[int]) -> None:
    numbers = [number for number, _ in rows]
    words = [f"/page-{number}" for number in numbers]
    picked = [pick for _, pick in rows]
    known = Words()
    known.numbers_of(["/before"])  # another day's
    stored = stored_rows({"page": words, "views": numbers, "unasked": words})
    found = Rows(stored.count)
    found.open(stored, ("page", "views", "another"), {"page": known})
    mask = mask_of(bytes(picked))
    assert chosen(mask, found.count) == bytes(picked)
    assert mask.bit_count() == sum(picked)
    page, views = found.column("page"), found.column("views")
    assert page.counts(mask) == Counter(compress(words, picked))
    assert views.total(mask) == sum(compress(numbers, picked))
    thrice = [1]
    page.add(thrice, mask, 3)
    named = dict(zip(known.words, thrice, strict=True))
    assert named.pop("/before") == 1
    assert {word: count for word, count in named.items() if count} == Counter(
        3 * list(compress(words, picked))
    )
    wanted = {f"/page-{number}" for number in asked}
    assert page.having(wanted) == mask_of(bytes(word in wanted for word in words))
    assert found.all == mask_of(bytes([1] * len(rows)))


@pytest.mark.parametrize("words", [FEW_WORDS, FEW_WORDS + 1])
def test_either_form_is_small(words: int) -> None:
    """A bit for each word, or a number: whatever is less, a row of any width comes back whole."""
    column = [f"w{number % words}" for number in range(2_000)]
    stored = stored_rows({"word": column})
    assert len(stored.columns["word"]) < 2_000 * 9
    rows = Rows(stored.count)
    rows.open(stored, ["word"], {})
    assert sum(rows.column("word").counts(rows.all).values()) == 2_000
    assert rows.bytes < 2_000 * 10 + FEW_WORDS * OBJECT_BYTES


@given(
    st.sampled_from([0xFF, 0xFFFF, 0xFFFF_FFFF, 0x7FFF_FFFF_FFFF_FFFF]).flatmap(
        lambda most: st.lists(st.integers(0, most) | st.integers(most - 2, most), max_size=50)
    )
)
def test_numbers_come_back_from_bytes(numbers: list[int]) -> None:
    """Whatever the width, and that is the least there is room in."""
    most = max(numbers, default=0)
    stored = small_bytes(numbers, most)
    assert list(from_small_bytes(stored, len(numbers))) == numbers
    assert len(stored) == len(numbers) * next(w for w in (1, 2, 4, 8) if most < 256**w)
    assert not numbers or stored[0] == numbers[0] % 256  # the lowest byte is the first one


@given(
    st.integers(1, 2_000).flatmap(
        lambda count: st.tuples(
            st.lists(st.integers(0, count - 1), min_size=1, max_size=300),
            st.sets(st.integers(0, count - 1), max_size=20),
            st.just(count),
        )
    )
)
def test_rows_of_flagged_places(case: tuple[list[int], set[int], int]) -> None:
    """In one byte a row and in two, among few places and among many."""
    rows, asked, count = case
    flags = bytes(place in asked for place in range(count))
    expected = mask_of(bytes(row in asked for row in rows))
    assert flagged(small(rows, count), flags) == expected
