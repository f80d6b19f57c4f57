"""The projector's memory of visitors has an end, however many events each of them has."""

import asyncio

import pytest

from server.model import Kind
from server.project import loading, lookup, remembered, site_projector
from server.project.remembered import Remembered, weight_of
from server.project.seen import Seen
from server.project.sessions import Session
from server.project.site_projector import SiteProjector, aside
from server.project.visitor import Visitor
from server.storage.database import Database
from tests.tracking import AGENTS, HOUR, World, tracking

EACH = 30


def visitor(visitor_id: int, events: int) -> Visitor:
    seen = Seen(seq=1, at=0, event_id=b"", kind=Kind.PAGE_VIEW, visitor_id=visitor_id)
    session = Session(seen, -1)
    session.weight = events
    found = Visitor(visitor_id)
    found.sessions.append(session)
    return found


def memory(*events: int) -> Remembered:
    """Visitors 1, 2 … with so many events, touched in this order."""
    found = Remembered()
    for visitor_id, count in enumerate(events, 1):
        found[visitor_id] = visitor(visitor_id, count)
        found.touched([visitor_id])
    return found


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "VISITORS_KEPT", 6)
    monkeypatch.setattr(remembered, "WEIGHT_KEPT", 300)
    monkeypatch.setattr(loading, "READ_EVENTS", 100)


@pytest.mark.parametrize(
    ("events", "left"),
    [
        ((10,) * 6, [1, 2, 3, 4, 5, 6]),  # just as many as may be
        ((10,) * 7, [4, 5, 6, 7]),  # a third of them goes
        ((100, 100, 100), [1, 2, 3]),
        ((100, 100, 101), [3]),  # 201 are more than two thirds of 300
        ((1, 1, 1, 299), [4]),  # one that is too much by itself, and was there last
        ((301, 1, 1), [2, 3]),
    ],
)
def test_too_many_visitors_or_events(events: tuple[int, ...], left: list[int]) -> None:
    found = memory(*events)
    found.trim()
    assert list(found) == left
    assert found.weight == sum(weight_of(one) for one in found.values())


def test_whoever_was_touched_stays() -> None:
    found = memory(*(10,) * 7)
    found.touched([1, 2])
    found.trim()
    assert list(found) == [1, 2, 6, 7]


def test_all_who_were_touched_last_stay() -> None:
    """However much they are: they come again with the next entries."""
    found = memory(10, 10, 400, 500)
    found.touched([3, 1])
    found.trim()
    assert sorted(found) == [1, 3]
    found.trim()
    assert (sorted(found), found.weight) == ([1, 3], 410)
    found.touched([2])
    found.trim()
    assert list(found) == []


def test_events_that_came_later_count() -> None:
    found = memory(10, 10)
    found[1].sessions[0].weight = 250
    found.touched([1])
    assert found.weight == 260


def test_who_was_taken_out_counts_until_it_is_noticed() -> None:
    found = memory(200, 10, 10, 150)
    del found[1]
    found.trim()
    assert (list(found), found.weight) == ([2, 3, 4], 170)
    del found[2]
    found.touched([2])
    assert found.weight == 160


async def busy(world: World, visitors: int) -> None:
    """Each of them has seen so many pages, in turns."""
    for number in range(EACH):
        for one in range(1, visitors + 1):
            await world.browser(one).view(f"/{number}", 0.01, q=number)


@pytest.mark.anyio
async def test_visitors_of_many_events_are_read_a_few_at_a_time(database: Database) -> None:
    """Ten who come again after a restart have 300 events: 100 may be read for one result. At the
    end of `tracking` the tables are compared with those of a projector that read all in turn."""
    async with tracking(database) as world:
        await busy(world, 10)
        await world.project()
        for one in range(1, 11):
            await world.browser(one).view("/pricing", q=EACH + 1)
        await world.browser(3).submit("demo", email="ann@brew.example")
        fresh = SiteProjector(world.site, database, world.writer, AGENTS, lambda: world.now)
        passed = []
        while count := await fresh.advance(aside):
            passed.append(count)
            assert fresh.visitors.weight <= 300 + 3 * (EACH + 2)
        assert passed[:4] == [3, 3, 3, 2]  # of 30 events each; then what followed from the form
        assert len(fresh.visitors) < 10
        views = await world.rows("sessions", "visitor_id, page_views")
        assert [row[1] for row in views] == [EACH + 1] * 10


@pytest.mark.anyio
async def test_one_visitor_of_too_many_events_is_read_all_the_same(database: Database) -> None:
    async with tracking(database) as world:
        await asyncio.gather(*(world.browser().view(f"/{n}", 0.01, q=n) for n in range(350)))
        await world.project()
        await world.browser().view("/pricing", q=351)
        await world.project()
        assert await world.rows("sessions", "page_views") == [(351,)]


@pytest.mark.anyio
async def test_persons_of_many_visits_are_forgotten_too(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three people, two visits each in turn: more than four visits are not kept."""
    monkeypatch.setattr(site_projector, "PARTS_KEPT", 4)
    async with tracking(database) as world:
        one = SiteProjector(world.site, database, world.writer, AGENTS, lambda: world.now)
        held = []
        for number in (1, 2, 3):
            browser = world.browser(number)
            await browser.submit("demo", email=f"{number}@brew.example")
            world.now += HOUR
            await browser.view("/pricing", 60)
            while await one.advance(aside):
                pass
            held.append(sum(len(person.parts) for person in one.people.persons.values()))
        assert held == [
            2,
            4,
            2,
        ]  # with the third there were six; what followed of them is the third's
        await world.browser(1).view("/pricing")
        await one.advance(aside)
        assert [len(person.parts) for person in one.people.persons.values()] == [2, 3]
        assert await world.rows("subjects", "sessions", "kind = 1") == [(2,), (2,), (3,)]


@pytest.mark.anyio
async def test_texts_are_forgotten_by_their_length(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sends long addresses does not fill the memory; what follows from them is the same."""
    monkeypatch.setattr(lookup, "REMEMBERED_LENGTH", 2_000)
    async with tracking(database) as world:
        one = SiteProjector(world.site, database, world.writer, AGENTS, lambda: world.now)
        held = []
        for number in range(12):
            path = f"/{number}".ljust(500, "x")
            await world.browser(number % 3 + 1).view(path, r=f"https://search.example{path}")
            while await one.advance(aside):
                pass
            held.append(sum(map(len, one.lookup.texts.values())))
        assert max(held) < 2_000 + 1_500 < sum(held)
        assert [len(row[0]) for row in await world.rows("sessions", "landing")] == [500] * 3
        found = {text for session in one.visitors[1].sessions for text in session.readings}
        assert len(found) == 4
        assert one.visitors.weight >= 12 + 12 * (500 // 256)
