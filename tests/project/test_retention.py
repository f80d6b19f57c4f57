"""Old events are thinned and their days sealed: every figure and score stays as it was."""

from typing import Any

import pytest
from msgspec.structs import replace

from server.model import Kind, SiteSettings
from server.project import copying
from server.project.replay import Replay
from server.project.retention import Visit, limits, names_somebody, sealable
from server.project.thinning import Retention
from server.storage import sites
from server.storage.database import Database
from server.storage.generations import Generation
from tests.project.thinned import Stopped, entries_of, figures, lived_in, rebuilt, thin, verified
from tests.tracking import DAY, HOUR, MIN, NOON, SETTINGS, tracking

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
KEEP = SETTINGS.retention_days


# ---------------------------------------------------------------- what may go


def visit(number: int, start: int, *, held: bool = False, last: int = 0) -> Visit:
    """A visit of a minute that starts at minute `start`."""
    end = (start + 1) * MIN
    return Visit(number, start * MIN, end, last * MIN or end, held)


PLANS: list[tuple[str, list[Visit], list[list[int]]]] = [
    ("nothing", [], []),
    ("all are old", [visit(1, 0), visit(2, 100)], [[1], [2]]),
    ("the first is young", [visit(1, 900), visit(2, 950)], []),
    ("the last is young", [visit(1, 0), visit(2, 900)], [[1]]),
    ("nothing after a visit that stays", [visit(1, 0, held=True), visit(2, 100)], []),
    ("before it", [visit(1, 0), visit(2, 100, held=True), visit(3, 200)], [[1]]),
    ("without a gap together", [visit(1, 0), visit(2, 10), visit(3, 100)], [[1, 2], [3]]),
    ("without a gap to one that stays", [visit(1, 0), visit(2, 10, held=True)], []),
    ("something came long after", [visit(1, 0, last=900), visit(2, 100)], []),
]


@pytest.mark.parametrize(("story", "visits", "groups"), PLANS, ids=[one[0] for one in PLANS])
async def test_which_visits_may_be_sealed(
    story: str, visits: list[Visit], groups: list[list[int]]
) -> None:
    """Minute 500 and later is young."""
    del story
    assert sealable(visits, lambda at: at < 500 * MIN) == groups


async def test_days_end_at_midnight_in_the_zone_of_the_site() -> None:
    """A visit is old once its whole day is; what is accepted today never joins it."""
    old = limits(SiteSettings(zone="Pacific/Auckland", retention_days=10), NOON + 10 * DAY)
    midnight = NOON - HOUR  # UTC+13 in November
    assert [old.passed(midnight + minutes * MIN) for minutes in (-31, -30, 0)] == [
        True,
        False,
        False,
    ]
    assert old.before == NOON
    assert old.bots == NOON - 20 * DAY


@pytest.mark.parametrize(
    ("kind", "data", "named"),
    [
        (Kind.FORM_SUBMIT, '{"form":"search","ids":{"email":"ann@brew.example"}}', True),
        (Kind.FORM_SUBMIT, '{"form":"search"}', False),
        (Kind.IDENTIFY, '{"ids":{}}', False),
        (Kind.PAGE_VIEW, '{"ids":{"email":"ann@brew.example"}}', False),
        (Kind.FORM_CONFIRM, None, False),
    ],
)
async def test_what_names_somebody(kind: Kind, data: str | None, named: bool) -> None:
    """By what it holds, whatever the settings make of it."""
    assert names_somebody(kind, data) is named


# ---------------------------------------------------------------- the job


async def test_old_visits_become_stubs_and_every_figure_stays(database: Database) -> None:
    async with tracking(database) as world:
        projector = await lived_in(world)
        before = await figures(world)
        kept = await entries_of(world, (Kind.CONSENT, Kind.FORM_SUBMIT))
        run = await thin(world, projector)
        assert run.sessions == 4  # Bob's and Cat's of days 0 and 50; Ann's are owned or young
        assert await figures(world) == before
        assert await entries_of(world, (Kind.CONSENT, Kind.FORM_SUBMIT)) == kept
        stubs = await world.rows("entries", "at, visitor_id, url_id, agent_id, data", "kind = 0")
        assert stubs == [(None,) * 5] * run.entries
        old = NOON + (500 - KEEP) * DAY
        assert await world.rows("session_events", "seq", f"at < {old} AND kind <> 10") == []


async def test_a_second_pass_finds_nothing(database: Database) -> None:
    async with tracking(database) as world:
        await lived_in(world)
        assert (await thin(world)).entries > 0
        run = await thin(world)
        assert (run.entries, run.sessions) == (0, 0)


async def test_killed_before_any_turn_it_goes_on(database: Database, few: None) -> None:
    """Whatever is done is whole: the tables are what a rebuild gives after every turn."""
    del few
    async with tracking(database) as world:
        await lived_in(world)
        before, turns, done = await figures(world), 1, 0
        while True:
            try:
                await thin(world, turns=turns)
            except Stopped:
                done += 1
            else:
                break
            assert await figures(world) == before
            await verified(world)
        assert done > 5


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small turns: one visit, one page."""
    monkeypatch.setattr("server.project.thinning.ENTRIES", 2)
    monkeypatch.setattr("server.project.thinning.VISITS", 2)
    monkeypatch.setattr(copying, "PAGE", 1)


async def test_a_rebuild_keeps_what_is_sealed(database: Database) -> None:
    async with tracking(database) as world:
        await lived_in(world)
        await thin(world)
        before = await world.derived()
        await rebuilt(world)
        assert world.site.generation == 2
        assert await world.derived() == before


async def test_what_a_rebuild_without_copying_would_lose(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: figures, scores and signals of everything that was thinned."""
    async with tracking(database) as world:
        await lived_in(world)
        await thin(world)
        with monkeypatch.context() as patched:
            patched.setattr("server.project.replay.BEGUN", 0)
            unlike = await verified(world)
        assert {"sessions", "signals", "subjects", "rollups"} <= unlike.keys()
        assert await verified(world) == {}


async def test_a_rebuild_killed_while_copying_goes_on(
    database: Database, few: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost and nothing doubled, after whichever page."""
    del few
    async with tracking(database) as world:
        await lived_in(world)
        await thin(world)
        before = await world.derived()
        replays = world.replays()
        copied, left = replays._copy, 0

        async def stopping(*args: Any) -> bool:
            nonlocal left
            left -= 1
            if left < 0:
                raise Stopped
            return await copied(*args)

        monkeypatch.setattr(replays, "_copy", stopping)
        for pages in (1, 1, 2):
            left = pages
            with pytest.raises(Stopped):
                await replays._attempt(Replay(1, swaps=True))
        assert await world.rows("cursors", "gen", "seq < 0") == [(2,)]
        await rebuilt(world)
        assert await world.derived() == before


@pytest.mark.parametrize("days", [10 * KEEP, 10])
async def test_other_settings_hold_from_the_next_turn_on(
    database: Database, few: None, days: int
) -> None:
    """Whoever decides to keep more, on whatever node, stops a pass under way; fewer days take what
    it has passed over too."""
    del few
    async with tracking(database) as world:
        projector = await lived_in(world)
        job, after = Retention(projector), replace(world.settings, retention_days=days)
        after, first = replace(after, bot_retention_days=days), 0

        async def change() -> None:
            nonlocal first
            if not first and (first := await gone()):
                script = lambda: sites.change_settings(1, after, shapes=False)  # noqa: E731
                await world.writer.run(script)

        async def gone() -> int:
            return len(await world.rows("entries", "seq", "kind = 0"))

        job.before = change
        await job.run(world.site)
        if days > KEEP:
            assert await gone() == first > 0
        else:
            assert await gone() > first > 0
            assert (await thin(world, projector)).entries == 0, "nothing was passed over"


async def test_while_the_log_is_read_again_nothing_is_thinned(database: Database) -> None:
    async with tracking(database) as world:
        await lived_in(world)
        replays = world.replays()
        await replays._generation(world.site, Replay(1, swaps=True), [Generation(1, 0, 0, 1)], 0)
        assert (await thin(world)).entries == 0
        await rebuilt(world)
        assert (await thin(world)).entries > 0
