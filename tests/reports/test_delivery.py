"""What got lost on the way shows as a gap in a tab's numbers; what came late, what came twice."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.cli import tables
from server.ingest.payload import read_id
from server.reports.delivery import (
    LATE_MS,
    LONGEST_GAP,
    Delivery,
    Numbered,
    counted,
    delivery,
    gaps,
)
from server.storage import erasing, repeats
from server.storage.database import Database
from tests.tracking import AGENTS, HOUR, tracking

NOW = 1_790_000_000_000


@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        ([], []),
        ([7], []),
        ([1, 2, 3], []),
        ([1, 3], [(1, 1)]),
        ([9, 4, 5], [(5, 3)]),  # in whatever order they came
        ([1, 2, 2 + LONGEST_GAP], [(2, LONGEST_GAP - 1)]),
        ([1, 3 + LONGEST_GAP], []),  # no loss: whoever counts so has counted for itself
    ],
)
def test_gaps(numbers: list[int], found: list[tuple[int, int]]) -> None:
    assert list(gaps(numbers)) == found


def event(
    q: int, page: str = "/", browser: str = "Chrome", *, tab: int = 1, lag: int = 0, again: int = 0
) -> Numbered:
    return Numbered(1, tab, q, lag, page, browser, again)


def rows(found: list[object]) -> list[tuple[object, ...]]:
    return [(r.name, r.events, r.missing, r.late, r.duplicates) for r in found]  # type: ignore[attr-defined]


def test_a_gap_is_put_down_to_the_page_and_the_browser_before_it() -> None:
    found = counted(
        [
            event(1, "/pricing"),
            event(5, "/demo", again=1),
            event(6, "/demo", lag=LATE_MS + 1),
            event(1, "/demo", "Firefox", tab=2),
            event(3, "/demo", "Firefox", tab=2, lag=LATE_MS, again=2),
        ],
        NOW,
    )
    assert (found.tabs, found.events, found.missing, found.late) == (2, 5, 4, 1)
    assert rows([*found.browsers]) == [("Chrome", 3, 3, 1, 1), ("Firefox", 2, 1, 0, 2)]
    assert rows([*found.pages]) == [("/pricing", 1, 3, 0, 0), ("/demo", 4, 1, 1, 3)]
    assert found.duplicates == 3


def test_a_number_that_came_twice_is_one() -> None:
    """A tab that the browser duplicates counts on from the same number."""
    found = counted([event(1), event(2), event(2), event(3)], NOW)
    assert (found.events, found.missing) == (4, 0)


@given(st.sets(st.integers(1, 60), min_size=1), st.integers(0, 1_000))
def test_whatever_is_lost_between_the_first_and_the_last_is_missing(
    came: set[int], seed: int
) -> None:
    order = [event(q) for q in sorted(came)]
    random.Random(seed).shuffle(order)
    assert counted(order, NOW).missing == max(came) - min(came) + 1 - len(came)


def test_nothing_has_come() -> None:
    assert counted([], None) == Delivery(
        since=None, tabs=0, events=0, missing=0, late=0, duplicates=0, browsers=[], pages=[]
    )
    assert "nothing to tell yet" in tables.delivery(msgspec.to_builtins(counted([], None)))


def test_the_terminal_says_it_in_a_sentence() -> None:
    came = [*(event(q) for q in range(1, 998)), event(1_000, lag=LATE_MS + 1, again=1)]
    found = counted(came, NOW)
    said = tables.delivery(msgspec.to_builtins(found)).splitlines()
    assert said[0] == (
        "missing 0.2 %, late 0.1 %, duplicate 0.1 % of 1,000 events in 1 tab since 2026-09-21T14:13"
    )
    assert said[2].split() == ["browser", "events", "missing", "late", "duplicate"]
    assert said[4].split() == ["Chrome", "998", "0.2", "%", "0.1", "%", "0.1", "%"]


@pytest.mark.anyio
async def test_what_a_site_is_told(database: Database) -> None:
    """Three of Ann's events are lost, one of Ben's waited for an hour, and one came twice."""
    async with tracking(database) as world:
        ann, ben = world.browser(1), world.browser(2)
        await ann.view("/pricing")
        ann.q += 3
        await ann.view("/demo")
        waited = ben.event("page_view", "/about")
        world.now += HOUR
        await ben.send(waited)
        assert await ben.send(waited) == [0]
        again = {(1, read_id(waited["i"]) or b""): 1, (1, b"of nobody"): 5}
        await world.writer.run(lambda: repeats.add(again))
        async with database.snapshot() as reader:
            found = await delivery(reader, world.site, AGENTS)
    assert (found.tabs, found.events, found.missing, found.late) == (2, 3, 3, 1)
    assert rows([*found.browsers]) == [("Chrome", 3, 3, 1, 1)]
    assert rows([*found.pages]) == [
        ("/pricing", 1, 3, 0, 0),
        ("/about", 1, 0, 1, 1),
        ("/demo", 1, 0, 0, 0),
    ]


@pytest.mark.anyio
async def test_what_is_erased_was_never_there_twice(database: Database) -> None:
    """Nor is it counted when it comes again."""
    async with tracking(database) as world:
        view = await world.browser(1).view("/pricing")
        again = {(1, read_id(view["i"]) or b""): 2}
        rows = "SELECT seq, count FROM repeats"
        await world.writer.run(lambda: repeats.add(again))
        await world.writer.run(lambda: repeats.add(again))
        assert await database.fetch(rows) == [(1, 4)]
        await world.writer.run(lambda: erasing.stub(1, [1], ()))
        await world.writer.run(lambda: repeats.add(again))
        assert await database.fetch(rows) == []
