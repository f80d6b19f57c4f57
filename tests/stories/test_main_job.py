"""The main job, told as stories, on both databases."""

import json

import pytest
from msgspec import structs

from server.ingest.payload import read_id
from server.model import STAGE_RANK, FormRule, Kind
from server.storage.database import Database, Query, Script
from tests.tracking import DAY, HOUR, MIN, SETTINGS, World, tracking

pytestmark = pytest.mark.anyio


async def person(world: World) -> tuple[int, int, int]:
    """(person, score, stage) of the only person."""
    rows = await world.rows("subjects", "subject_id, score, stage", "kind = 1")
    assert len(rows) == 1
    return rows[0][0], rows[0][1], rows[0][2]


async def test_reads_pricing_then_asks_for_a_demo(database: Database) -> None:
    """The anonymous views come along, the receipt adds up, and MQL is told once."""
    async with tracking(database) as world:
        ann = world.browser()
        await ann.view("/", r="https://www.google.com/")
        await ann.read("/product")
        await ann.view("/pricing")
        projector = await world.project()
        anonymous = await world.rows("subjects", "kind, score, signals")
        assert anonymous == [(0, 15_000, "pricing_page deep_read")]
        await ann.submit("demo", email="Ann@Brew.example", name="Ann Lee", title="VP of Marketing")
        await world.project(projector)

        person_id, score, stage = await person(world)
        assert stage == STAGE_RANK["mql"]
        lines = await world.rows("contributions", "rule, points", "kind = 1")
        assert sum(points for _, points in lines) == score == 95_000
        assert {rule for rule, _ in lines} == {
            "pricing_page",
            "deep_read",
            "demo_form",
            "pricing_then_demo",
            "business_email",
            "senior_title",
        }
        sessions = await world.rows("sessions", "person_id, page_views, leads, channel")
        assert sessions == [(person_id, 3, 1, "Organic Search")]
        assert await world.rows("subjects", "kind") == [(1,)]
        told = await world.rows("entries", "kind", f"kind >= {int(Kind.STAGE_MOVED)}")
        assert sorted(row[0] for row in told) == [128, 128, 129]


async def test_an_mql_who_reads_pricing_again_is_sql(database: Database) -> None:
    """The high-intent event must come after the one that made the MQL."""
    async with tracking(database) as world:
        ann = world.browser()
        await ann.view("/pricing")
        await ann.submit("demo", email="ann@brew.example")
        projector = await world.project()
        assert (await person(world))[2] == STAGE_RANK["mql"]
        await ann.view("/docs")
        await world.project(projector)
        assert (await person(world))[2] == STAGE_RANK["mql"]
        await ann.view("/pricing")
        await world.project(projector)
        assert (await person(world))[2] == STAGE_RANK["sql"]
        moves = await world.rows("stages", "stage_from, stage_to, cause")
        assert [(a, b) for a, b, _ in moves] == [(0, 2), (2, 3), (3, 5)]


async def test_two_people_share_a_laptop(database: Database) -> None:
    """Nobody gets the other's pages, and later anonymous visits are nobody's."""
    async with tracking(database) as world:
        laptop = world.browser()
        await laptop.view("/pricing")
        await laptop.submit("demo", email="ann@brew.example")
        await laptop.submit("demo", email="bob@brew.example")
        await laptop.view("/docs")
        world.now += DAY
        await laptop.view("/careers")
        await world.project()
        ids = {email: number for email, number in await world.rows("persons", "email, person_id")}
        sessions = await world.rows("sessions", "person_id, landing, page_views")
        assert sorted(sessions) == sorted(
            [
                (ids["ann@brew.example"], "/pricing", 1),
                (ids["bob@brew.example"], "/docs", 1),
                (0, "/careers", 1),
            ]
        )


async def test_one_person_on_two_devices(database: Database) -> None:
    """The same address on a phone: one person, both histories, one score."""
    async with tracking(database) as world:
        laptop, phone = world.browser(1), world.browser(2)
        await laptop.view("/pricing")
        await laptop.submit("demo", email="ann@brew.example")
        await phone.view("/docs")
        await phone.submit("newsletter", "/docs", email="ANN@brew.example")
        await world.project()
        assert await world.rows("persons", "email") == [("ann@brew.example",)]
        assert await world.rows("subjects", "sessions, page_views", "kind = 1") == [(2, 2)]
        assert len(await world.rows("links", "visitor_id")) == 2


async def test_the_same_form_twice_is_one_submission(database: Database) -> None:
    """A double click, and the same events posted again."""
    async with tracking(database) as world:
        ann = world.browser()
        sent = await ann.submit("demo", email="ann@brew.example")
        assert await ann.send(sent) == [0]
        await ann.submit("demo", email="ann@brew.example")
        await world.project()
        assert await world.rows("sessions", "leads") == [(1,)]
        rules = await world.rows("contributions", "rule", "kind = 1 AND axis = 'engagement'")
        assert rules == [("demo_form",)]


async def test_a_newsletter_reader_is_a_subscriber(database: Database) -> None:
    """Not a lead until they ask for more."""
    async with tracking(database) as world:
        ann = world.browser()
        await ann.submit("newsletter", "/", email="ann@gmail.com")
        await world.project()
        assert (await person(world))[2] == STAGE_RANK["subscriber"]


async def test_robots_and_the_owner_are_kept_out(database: Database) -> None:
    """In the log with their class, in no figure."""
    async with tracking(database) as world:
        bot = world.browser()
        await bot.send(bot.event("page_view", "/pricing"), f=2)
        await world.project()
        assert await world.rows("entries", "class") == [(1,)]
        assert await world.rows("sessions", "session_id") == []
        assert await world.rows("rollups", "name") == []


async def test_a_restart_forgets_nothing(database: Database) -> None:
    """A projector without memory goes on where the last one stopped, to the same tables."""
    async with tracking(database) as world:
        ann = world.browser()
        for step, path in enumerate(["/", "/pricing", "/docs", "/pricing", "/demo"]):
            await ann.view(path, 20 if step % 2 else 45)
            await world.project()
        await ann.submit("demo", email="ann@brew.example")
        await world.project()
        await ann.view("/pricing")
        await world.project()
        assert len(await world.rows("sessions", "session_id")) == 4
        moves = await world.rows("entries", "seq", f"kind >= {int(Kind.STAGE_MOVED)}")
        assert len(moves) == 4
        assert await world.rows("cursors", "seq") == await world.rows("heads", "seq")


async def test_any_order_of_arrival_gives_the_same_people(database: Database) -> None:
    """Events of a slow tab arrive after the form: tables are as if they had come in order."""
    async with tracking(database) as world:
        ann = world.browser()
        events = [
            ann.event("page_view", "/", r="https://www.google.com/"),
            ann.event("page_view", "/pricing") | {"t": world.now + MIN},
            ann.event("page_view", "/docs") | {"t": world.now + 50 * MIN},
            ann.event(
                "form_submit", "/demo", d={"form": "demo", "fields": {"email": "a@x.example"}}
            )
            | {"t": world.now + 52 * MIN},
        ]
        world.now += HOUR
        projector = await world.project()
        for event in (events[3], events[1], events[0], events[2]):
            await ann.send(event)
            await world.project(projector)
        sessions = await world.rows("sessions", "landing, page_views, events, source")
        assert sorted(sessions) == [("/", 2, 2, "google"), ("/docs", 1, 2, "google")] or sorted(
            sessions
        ) == [("/", 2, 2, "google"), ("/docs", 1, 2, "(direct)")]
        owned = {row[0] for row in await world.rows("sessions", "person_id")}
        assert owned == {(await person(world))[0]}
        rollups = dict(
            ((name, key), value)
            for name, key, value in await world.rows("rollups", "name, key, value", "value <> 0")
        )
        assert rollups["page_views", ""] == 3
        assert rollups["submissions", ""] == 1


async def test_midnight_lets_scores_fade(database: Database) -> None:
    """Half of it is gone after its half-life, and the list agrees with the receipt."""
    async with tracking(database) as world:
        ann = world.browser()
        await ann.view("/pricing")
        projector = await world.project()
        assert await world.rows("subjects", "score") == [(10_000,)]
        world.now += 30 * DAY
        await world.project(projector)
        assert await world.rows("subjects", "score") == [(5_000,)]
        assert await world.rows("contributions", "points, base") == [(5_000, 10_000)]


async def test_a_server_vouches_for_old_events_and_tells_nobody(database: Database) -> None:
    """Older than a week from a secret key: counted, asserted, mute."""
    async with tracking(database) as world:
        ann = world.browser()
        old = ann.event(
            "form_submit", "/demo", d={"form": "demo", "fields": {"email": "a@x.example"}}
        )
        await world.send({"v": ann.visitor, "e": [old | {"t": world.now - 20 * DAY}]}, secret=True)
        await world.project()
        assert await world.rows("identifiers", "level") == [(2,)]
        told = await world.rows("entries", "data", f"kind >= {int(Kind.STAGE_MOVED)}")
        assert told
        assert all(json.loads(data)["mute"] for (data,) in told)


async def test_a_late_public_event_is_on_the_timeline_and_counts_for_nothing(
    database: Database,
) -> None:
    """Older than a week from a public key."""
    async with tracking(database) as world:
        ann = world.browser()
        await ann.send(ann.event("page_view", "/pricing") | {"t": world.now - 8 * DAY})
        await world.project()
        assert await world.rows("session_events", "session_id") == [(0,)]
        assert await world.rows("subjects", "kind") == []


async def test_without_consent_only_the_submission_is_kept(database: Database) -> None:
    """The person and the form, no history and no later joining."""
    async with tracking(database) as world:
        ann = world.browser()
        await ann.view("/pricing")
        form = ann.event(
            "form_submit", "/demo", d={"form": "demo", "fields": {"email": "a@x.example"}}
        )
        await ann.send(form, c="denied")
        await ann.view("/docs")
        await world.project()
        sessions = await world.rows("sessions", "visitor_id, person_id, page_views")
        owner = (await person(world))[0]
        assert sorted(sessions) == [(0, owner, 0), (1, 0, 2)]


async def test_an_entry_that_cannot_be_projected_stops_nobody(
    database: Database,
) -> None:
    """It is passed over, counted, and everything behind it is projected."""
    async with tracking(database) as world:
        ann, bob = world.browser(1), world.browser(2)
        await ann.view("/")
        broken = await ann.view("/broken")
        await ann.view("/pricing")
        await bob.view("/pricing")
        await world.writer.run(lambda: _spoil(broken["i"]))
        await world.project()
        assert world.metrics.passed_over._value.get() == 1
        assert await world.rows("sessions", "visitor_id, page_views") == [(1, 2), (4, 1)]
        assert await world.rows("cursors", "seq") == [(4,)]


def _spoil(name: str) -> Script[None]:
    """Damage one entry's data behind the program's back."""
    yield Query("UPDATE entries SET data = $2 WHERE event_id = $1", (read_id(name), "{not json"))


async def test_a_late_beacon_decides_nothing_anew(database: Database) -> None:
    """Engagement that arrives out of order folds the visitor again, and tells nobody twice."""
    async with tracking(database) as world:
        ann = world.browser()
        view = await ann.view("/pricing")
        await ann.submit("demo", email="ann@brew.example")
        world.now += 5 * MIN
        await ann.view("/pricing")
        projector = await world.project()
        before = await world.rows("entries", "kind", f"kind >= {int(Kind.STAGE_MOVED)}")
        for ms in (5_000, 9_000):
            late = ann.event("engagement", "/pricing", p=view["i"], d={"ms": ms, "scroll": 10})
            await ann.send(late | {"t": view["t"] + ms})
            await world.project(projector)
        told = await world.rows("entries", "kind", f"kind >= {int(Kind.STAGE_MOVED)}")
        assert told == before
        assert (await person(world))[2] == STAGE_RANK["sql"]


async def test_consent_given_lets_the_same_page_load_join(database: Database) -> None:
    """Mode `ask`: counted as views only, until the visitor says yes."""
    settings = structs.replace(SETTINGS, consent="ask")
    async with tracking(database, settings) as world:
        ann = world.browser()
        projector = await world.project()
        await ann.view("/")
        await ann.view("/pricing")
        await world.project(projector)
        assert await world.rows("rollups", "name, value", "value <> 0") == [("cookieless_views", 2)]
        for path in ("/docs", "/demo"):
            await ann.send(ann.event("page_view", path), c="granted")
            await world.project(projector)
        assert await world.rows("sessions", "page_views") == [(4,)]
        names = {name for (name,) in await world.rows("rollups", "name", "value <> 0")}
        assert "cookieless_views" not in names


async def test_a_servers_identify_calls_are_no_visits(database: Database) -> None:
    """A nightly sync of users makes nobody come back."""
    async with tracking(database) as world:
        for _ in range(4):
            call = world.browser().event("identify", "/", d={"email": "ann@brew.example"})
            await world.send({"e": [call]}, secret=True)
            world.now += DAY
        await world.project()
        assert (await person(world))[1:] == (10_000, 0)  # a business address, and no more
        assert await world.rows("rollups", "name", "value <> 0") == []


async def test_an_unsigned_claim_never_takes_the_first_address(database: Database) -> None:
    """Equal evidence: the first stays."""
    async with tracking(database) as world:
        one, other = world.browser(1), world.browser(2)
        await one.send(one.event("identify", d={"user_id": "u1", "email": "victim@brew.example"}))
        await other.send(other.event("identify", d={"user_id": "u1", "email": "aaa@evil.example"}))
        await world.project()
        assert await world.rows("persons", "email") == [("victim@brew.example",)]


async def test_midnight_comes_on_a_busy_site_too(database: Database) -> None:
    """Scores fade although entries keep arriving."""
    async with tracking(database) as world:
        ann, bob = world.browser(1), world.browser(2)
        await ann.view("/pricing")
        projector = await world.project()
        world.now += 30 * DAY
        for _ in range(3):
            await bob.view("/")
            await projector.round()
        scores = await world.rows("subjects", "score", "subject_id = 1")
        assert scores == [(5_000,)]


async def test_changed_settings_keep_the_figures_whole(database: Database) -> None:
    """A visitor who returns after a change of zone and purposes: what was written is taken back
    as it was written."""
    async with tracking(database) as world:
        ann = world.browser()
        await ann.view("/pricing")
        await ann.submit("demo", email="ann@brew.example")
        await world.project()
        await world.change(
            structs.replace(
                SETTINGS, zone="Pacific/Auckland", forms=(FormRule("demo", purpose="newsletter"),)
            )
        )
        world.now += 10 * MIN
        await ann.view("/docs")
        await world.project()
        rows = await world.rows("rollups", "name, key, value", "value <> 0")
        figures = {(name, key): value for name, key, value in rows}
        assert figures["sessions", "-1"] == 1
        assert figures["page_views", ""] == 2
        assert ("submissions", "") not in figures


async def test_a_claim_stays_with_whom_it_was_given_to(database: Database) -> None:
    """Evidence that grew since does not move old history when it is read again."""
    async with tracking(database) as world:
        one, two, three = (world.browser(number) for number in (1, 2, 3))
        await one.send(one.event("identify", d={"email": "e1@brew.example"}))
        await two.send(two.event("identify", d={"user_id": "u2"}))
        both = {"user_id": "u2", "email": "e1@brew.example"}
        await three.send(three.event("identify", d=both))
        await world.project()
        before = await world.rows("sessions", "visitor_id, person_id")
        call = world.browser(4).event("identify", d={"email": "e1@brew.example"})
        await world.send({"e": [call]}, secret=True)
        await world.project()
        await three.view("/pricing")
        await world.project()
        after = await world.rows("sessions", "visitor_id, person_id", "visitor_id > 0")
        assert after == before
        assert len(await world.rows("links", "person_id", "visitor_id = 3")) == 1
