"""Old events are thinned and their days sealed: every figure and score stays as it was."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import structs

from server.model import RESERVED_IDS, Event, Kind, SiteSettings
from server.project import copying
from server.project.projector import Projector
from server.project.replay import Replay
from server.project.retention import Visit, limits, names_somebody, sealable
from server.project.thinning import Retention, Run
from server.storage import entries, erasing
from server.storage.database import Database, Row, Script
from server.storage.generations import Generation
from server.storage.names import Names
from tests.tracking import DAY, HOUR, MIN, NOON, SETTINGS, World, tracking

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

KEEP = SETTINGS.retention_days
#: What thinning must leave alone.
FIGURES = ("subjects", "contributions", "signals", "persons", "links", "claims", "identifiers")


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


# ---------------------------------------------------------------- the world


class Stopped(Exception):
    """The process was killed between two turns."""


async def thin(world: World, projector: Projector | None = None, turns: int = 10_000) -> Run:
    """One pass of the job; killed before turn number `turns`."""
    job = Retention(projector or world.fresh_projector())
    left = turns

    async def count() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Stopped

    job.before = count
    return await job.run(world.site)


async def lived_in(world: World) -> Projector:
    """500 days: anonymous visits, a person, a robot, a visitor who comes back."""
    ann, bob, cat, robot = (world.browser(number) for number in (1, 2, 3, 4))
    projector = await world.project()
    for day in range(0, 500, 50):
        world.now = NOON + day * DAY
        await bob.read("/pricing")
        await bob.view("/careers")
        await robot.send(robot.event("page_view", "/wp-login", n="Login"), f=2)
        if day in {100, 150, 450}:
            await ann.view("/pricing", r="https://www.google.com/")
        if day == 450:
            await ann.submit("demo", email="ann@brew.example", name="Ann Lee")
        if day in {0, 50}:
            await cat.send(cat.event("form_start", "/demo", d={"form": "demo", "fields": []}))
            await cat.send(cat.event("consent", "/", d={"state": "granted"}), c="granted")
        await world.project(projector)
    world.now = NOON + 500 * DAY
    await world.project(projector)
    return await world.project(projector)  # what midnight brought


async def figures(world: World) -> dict[str, list[Row]]:
    """Everything readers see but the events themselves."""
    found = await world.derived()
    return {name: found[name] for name in (*FIGURES, "sessions")} | {
        "rollups": [row for row in found["rollups"] if row[0] != "sealed_views"]
    }


async def entries_of(world: World, kinds: Sequence[Kind]) -> list[Row]:
    listed = ", ".join(str(int(kind)) for kind in kinds)
    return await world.rows("entries", "seq", f"kind IN ({listed})")


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


async def verified(world: World) -> dict[str, int]:
    """Rows by table in which the log read again differs."""
    replay = Replay(1, swaps=False)
    await world.replays().run(replay)
    assert (replay.state, replay.detail) == ("done", "")
    return replay.unlike


async def rebuilt(world: World) -> None:
    replay = Replay(1, swaps=True)
    await world.replays().run(replay)
    assert (replay.state, replay.detail) == ("done", "")


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


async def test_while_the_log_is_read_again_nothing_is_thinned(database: Database) -> None:
    async with tracking(database) as world:
        await lived_in(world)
        replays = world.replays()
        await replays._generation(world.site, Replay(1, swaps=True), [Generation(1, 0, 0, 1)], 0)
        assert (await thin(world)).entries == 0
        await rebuilt(world)
        assert (await thin(world)).entries > 0


# ---------------------------------------------------------------- life goes on


async def test_a_visitor_who_comes_back_keeps_the_score(database: Database) -> None:
    """Also in the memory of the projector that went on, and read again after a restart."""
    async with tracking(database) as world:
        projector = await lived_in(world)
        bob = world.browser(2)
        await thin(world, projector)
        for step in range(3):
            world.now += HOUR
            await bob.view("/pricing")
            await world.project(projector if step < 2 else None)
            assert await verified(world) == {}
        (seen,) = await world.rows("subjects", "sessions, first_seen", "subject_id = 1")
        assert seen == (13, NOON)


async def test_after_thinning_late_events_fold_only_what_is_left(database: Database) -> None:
    """An event of some days ago, of a visitor with sealed visits: the rest is folded anew."""
    async with tracking(database) as world:
        projector = await lived_in(world)
        bob, ann = world.browser(2), world.browser(1)
        await thin(world, projector)
        await bob.view("/pricing")
        await world.project(projector)
        sealed = await world.rows("sessions", "session_id, day, page_views, prev_day", "sealed > 0")
        for late in (bob.event("page_view", "/plans"), ann.event("page_view", "/plans")):
            late["t"] -= 3 * DAY
            await bob.send(late)
            await world.project(projector)
            assert await verified(world) == {}
        again = await world.rows("sessions", "session_id, day, page_views, prev_day", "sealed > 0")
        assert again == sealed


async def test_a_claim_takes_nothing_that_is_sealed(database: Database) -> None:
    """What was thinned stays nobody's, and counts for the visitor alone."""
    async with tracking(database) as world:
        projector = await lived_in(world)
        bob = world.browser(2)
        await thin(world, projector)
        await bob.submit("demo", email="bob@brew.example")
        await world.project(projector)
        await world.project()
        assert await world.rows("sessions", "person_id, count(*)", "sealed > 0 GROUP BY 1") == [
            (0, 4)
        ]
        assert await verified(world) == {}


async def test_a_visit_that_somebody_else_claimed_in_stays(database: Database) -> None:
    """And all visits after it on that browser, whosever they are: owning passes from one to the
    next. What was before the first lookback goes."""
    async with tracking(database) as world:
        laptop = world.browser()
        await laptop.view("/")
        world.now += (SETTINGS.lookback_days + 1) * DAY
        for name in ("ann", "cat"):
            await laptop.submit("demo", email=f"{name}@brew.example")
            world.now += DAY
        await laptop.view("/pricing")  # nobody's: two people use it
        await world.project()
        owners = await world.rows("sessions", "start_at, person_id > 0")
        assert [bool(owned) for _, owned in owners] == [False, True, True, False]
        world.now += 2 * KEEP * DAY
        run = await thin(world)
        assert (run.sessions, run.entries) == (1, 1)
        assert await world.rows("sessions", "start_at", "sealed > 0") == [(NOON,)]


async def test_views_without_cookies_stay_counted(database: Database) -> None:
    """They are in no visit; the daily figure outlives them, and any rebuild."""
    async with tracking(database, ASKING) as world:
        ann = world.browser(1)
        for _ in range(3):
            await ann.view("/", minutes=5)
        await world.project()
        where = "name = 'cookieless_views' AND value > 0"
        before = await world.rows("rollups", "day, value", where)
        assert before == [(NOON // DAY, 3)]
        world.now += (KEEP + 1) * DAY
        assert (await thin(world)).entries == 3
        await rebuilt(world)
        await rebuilt(world)
        assert await world.rows("rollups", "day, value", where) == before


ASKING = SiteSettings(consent="ask")


async def test_consent_that_was_given_is_kept_and_goes_on(database: Database) -> None:
    """Its proof stays in the log; what came without consent later joins as before."""
    async with tracking(database, ASKING) as world:
        ann = world.browser(1)
        await ann.send(ann.event("page_view", "/"), c="granted")
        await ann.send(ann.event("consent", "/", d={"state": "granted"}), c="granted")
        world.now += (KEEP + 1) * DAY
        projector = await world.project()
        await ann.view("/pricing")  # this page asks again
        await world.project(projector)
        sessions = await world.rows("sessions", "session_id, page_views")
        run = await thin(world, projector)
        assert (run.sessions, run.entries) == (1, 1)
        assert await world.rows("sessions", "session_id, page_views") == sessions
        assert await world.rows("sessions", "sealed") == [(0,), (2,)]
        assert len(await entries_of(world, (Kind.CONSENT,))) == 1
        assert await verified(world) == {}
        await ann.view("/plans")
        await world.project(projector)


async def test_calls_of_a_server_are_thinned_one_by_one(database: Database) -> None:
    """An event of nobody's browser is a session of its own; one that names somebody stays."""
    async with tracking(database) as world:
        for data in ({"name": "paid"}, {"name": "paid"}):
            event = world.browser().event("track", "/", d=data)
            await world.send({"e": [event]}, secret=True)
        event = world.browser().event("identify", "/", d={"user_id": "7"})
        await world.send({"e": [event]}, secret=True)
        await world.project()
        world.now += (KEEP + 1) * DAY
        run = await thin(world)
        assert (run.sessions, run.entries) == (2, 2)


async def test_robots_go_after_a_month(database: Database) -> None:
    """And nothing of people does."""
    async with tracking(database) as world:
        ann, robot = world.browser(1), world.browser(2)
        await ann.view("/")
        await robot.send(robot.event("page_view", "/"), f=2)
        spam = {"form": "demo", "fields": {"email": "spam@brew.example"}}
        await robot.send(robot.event("form_submit", "/demo", d=spam), f=2)
        projector = await world.project()
        world.now += 30 * DAY - HOUR
        assert (await thin(world, projector)).entries == 0
        world.now += 2 * HOUR
        assert (await thin(world, projector)).entries == 1
        assert len(await entries_of(world, (Kind.FORM_SUBMIT,))) == 1  # claims are kept


async def test_a_result_in_flight_on_another_node_is_refused(database: Database) -> None:
    """What it has read of the visitor is void: it reads again and writes nothing of what went."""
    async with tracking(database) as world:
        other = await lived_in(world)
        bob = world.browser(2)
        await bob.view("/pricing")
        await world.project(other)  # has Bob in memory, with visits that go now
        await thin(world)
        await bob.view("/plans")
        with pytest.raises(Exception, match="another projector"):
            await other.round()
        await world.project(other)
        assert len(await world.rows("sessions", "session_id", "sealed > 0")) == 4


async def test_strings_that_only_old_events_used_go(database: Database) -> None:
    async with tracking(database) as world:
        await lived_in(world)
        texts = {row[0] for row in await world.rows("strings", "text")}
        run = await thin(world)
        left = {row[0] for row in await world.rows("strings", "text")}
        columns = ", ".join(erasing.STRING_COLUMNS)
        used = {one for row in await world.rows("entries", columns) for one in row}
        ids = {row[0] for row in await world.rows("strings", "string_id")}
        assert ids <= used
        assert len(texts - left) == run.strings > 0


async def test_who_is_erased_leaves_no_sealed_visit(database: Database) -> None:
    """A visitor without a key any more: the tables forget what no entry tells."""
    async with tracking(database) as world:
        projector = await lived_in(world)
        await thin(world, projector)
        await erased(world, 1)
        await world.project(projector)
        assert await world.rows("sessions", "session_id", "visitor_id = 1") == []
        assert await world.rows("subjects", "score", "kind = 0 AND subject_id = 1") == []


async def erased(world: World, visitor_id: int, number: int = 0) -> None:
    """What the eraser does to the log, in short."""
    said = f'{{"visitors":[{visitor_id}],"claims":[]}}'
    name = RESERVED_IDS + number.to_bytes(14, "big")
    event = Event(event_id=name, kind=Kind.ERASE, at=world.now, received=world.now, data=said)
    seqs = [row[0] for row in await world.rows("entries", "seq", f"visitor_id = {visitor_id}")]

    def script() -> Script[None]:
        yield from erasing.forget_visitors(1, [visitor_id])
        yield from erasing.stub(1, seqs, ())
        yield from entries.append(1, [event], Names())

    await world.writer.run(script)


async def test_other_settings_do_not_reach_what_is_sealed(database: Database) -> None:
    """A rebuild under another zone and other page groups leaves those days as they are."""
    async with tracking(database) as world:
        await lived_in(world)
        await thin(world)
        sealed = await world.rows("sessions", "session_id, day, prev_day", "sealed > 0")
        settings = structs.replace(SETTINGS, zone="Pacific/Auckland", page_groups=())
        await world.change(settings)
        await rebuilt(world)
        assert await world.rows("sessions", "session_id, day, prev_day", "sealed > 0") == sealed
