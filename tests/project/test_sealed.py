"""Life goes on beside sealed visits: they keep what they gave, and nobody gets into them."""

import pytest
from msgspec import structs

from server.model import Kind, SiteSettings
from server.storage import erasing
from server.storage.database import Database
from tests.project.thinned import entries_of, erased, lived_in, rebuilt, thin, verified
from tests.tracking import DAY, HOUR, NOON, SETTINGS, tracking

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
KEEP = SETTINGS.retention_days


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
