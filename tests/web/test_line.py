"""The line in front of reading: a slice a pass, first come first served, a bound."""

import asyncio
from functools import partial

import pytest

from server.errors import Overloaded
from server.web.line import Line

pytestmark = pytest.mark.anyio


async def passes(line: Line, sizes: list[int]) -> list[list[int]]:
    """Who was read in each pass of the loop, by number."""
    done: list[int] = []
    for number, size in enumerate(sizes):
        line.wait(size, partial(done.append, number))
    found, seen = [done[:]], len(done)
    while seen < len(sizes):
        await asyncio.sleep(0)
        found.append(done[seen:])
        seen = len(done)
    return [one for one in found if one]


async def test_a_pass_reads_a_slice_in_order() -> None:
    """Each pass goes on where the one before ended; nobody overtakes."""
    found = await passes(Line(slice_bytes=100), [40] * 8)
    assert [number for one in found for number in one] == list(range(8))
    assert max(map(len, found)) == 3  # the third one begins within the slice
    assert len(found) == 3


async def test_few_are_never_held_up() -> None:
    line = Line(slice_bytes=100)
    for _ in range(5):
        assert await passes(line, [30, 30]) == [[0, 1]]
    assert line.length == 0


async def test_a_large_one_comes_in_alone() -> None:
    """A body over the slice is read like any other, and the next one waits."""
    assert await passes(Line(slice_bytes=100), [500, 10, 10]) == [[0], [1, 2]]


async def test_whoever_finds_the_line_too_long_is_told_at_once() -> None:
    line, done = Line(slice_bytes=10, most_bytes=100), list[int]()
    for number in range(4):
        line.wait(40, partial(done.append, number))
    assert (done, line.length) == ([0], 120)  # one was read, three wait
    for number in (4, 5):
        with pytest.raises(Overloaded):
            line.wait(40, partial(done.append, number))
    for _ in range(4):
        await asyncio.sleep(0)
    assert (done, line.length) == ([0, 1, 2, 3], 0)
    line.wait(40, partial(done.append, 6))
    assert done == [0, 1, 2, 3, 6]
