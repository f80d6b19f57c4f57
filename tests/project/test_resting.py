"""How long the projector leaves the time to events that wait to be stored."""

import asyncio
from itertools import accumulate

import pytest

from server.project import site_projector
from server.project.projector import REST_MOST_S, REST_S, rest_after
from server.project.site_projector import SiteProjector
from tests.engines import Place
from tests.tracking import AGENTS, tracking


def rests(pressed: str) -> list[float]:
    """In ms, after each moment: `x` where somebody waits, `.` where nobody does."""
    found = accumulate(pressed, lambda rest, now: rest_after(rest, pressed=now == "x"), initial=0.0)
    return [round(rest * 1e3, 2) for rest in found][1:]


def test_nobody_rests_where_nobody_waits() -> None:
    assert rests("...") == [0, 0, 0]


def test_a_rest_grows_while_somebody_waits_up_to_its_most() -> None:
    grown = rests("x" * 12)
    assert grown[:4] == [REST_S * 1e3, 10, 20, 40]
    assert grown[-1] == grown[-2] == REST_MOST_S * 1e3


def test_a_moment_in_which_nobody_waits_does_not_end_a_flood() -> None:
    assert rests("xxxx.x") == [5, 10, 20, 40, 20, 40]


def test_it_ends_in_half_a_second_when_nobody_waits_any_more() -> None:
    ends = rests("x" * 12 + "." * 8)[12:]
    assert ends[-1] == 0
    assert sum(ends) < 500


@pytest.mark.anyio
@pytest.mark.usefixtures("database")  # makes the tables
async def test_nothing_is_held_while_it_rests(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a snapshot open the log of writes cannot be emptied: whoever writes would wait for the
    rest too. The only reader there is must be free each time."""
    monkeypatch.setattr(site_projector, "SLICE_S", 0.0)
    database = place.make(readers=1)
    await database.open()
    rests = 0

    async def rest() -> None:
        nonlocal rests
        rests += 1
        async with asyncio.timeout(2):
            assert await database.fetch("SELECT 1") == [(1,)]

    try:
        async with tracking(database, check=False) as world:
            for number in range(1, 21):
                browser = world.browser(number)
                await browser.read("/pricing")
                await browser.submit("demo", email=f"person{number}@brew.example")
            projector = SiteProjector(world.site, database, world.writer, AGENTS, lambda: world.now)
            while await projector.advance(rest):
                pass
            assert len(await world.rows("persons", "person_id")) == 20
    finally:
        await database.close()
    assert rests >= 60  # after each event at least
