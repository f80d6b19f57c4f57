"""The line in front of reading: a slice a pass, first come first served, a bound."""

import asyncio

import pytest

from server.errors import Overloaded
from server.web.line import Line

pytestmark = pytest.mark.anyio


async def read(line: Line, number: int, size: int, done: list[int]) -> None:
    await line.turn(size)
    done.append(number)


async def passes(line: Line, sizes: list[int]) -> list[list[int]]:
    """Who was read in each pass of the loop, by number."""
    done: list[int] = []
    tasks = [asyncio.create_task(read(line, n, size, done)) for n, size in enumerate(sizes)]
    found: list[list[int]] = []
    while not all(task.done() for task in tasks):
        before = len(done)
        await asyncio.sleep(0)
        found.append(done[before:])
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
    tasks = [asyncio.create_task(read(line, number, 40, done)) for number in range(5)]
    await asyncio.sleep(0)  # one was read, two wait
    assert (done, line.length) == ([0], 80)
    refused = [task for task in tasks if task.done() and task.exception()]
    assert len(refused) == 2
    assert all(isinstance(task.exception(), Overloaded) for task in refused)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (done, line.length) == ([0, 1, 2], 0)
    await line.turn(40)


async def test_whoever_leaves_holds_nobody_up() -> None:
    """A client that goes away while it waits gives its place to the next."""
    line, done = Line(slice_bytes=10), list[int]()
    tasks = [asyncio.create_task(read(line, number, 10, done)) for number in range(4)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[1]
    await asyncio.gather(tasks[0], *tasks[2:])
    assert (done, line.length) == ([0, 2, 3], 0)
