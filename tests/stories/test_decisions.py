"""What people decide, told as stories, on both databases: each decision is in the log, does what it
says at once, and can be taken back to the very tables there were before."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest
from msgspec import structs

from server.model import STAGE_RANK, FormRule, Identifier, Kind
from server.project.projector import Projector
from server.reports.paging import Paging
from server.reports.timeline import timeline
from server.reports.timeline_items import PERSON, Subject
from server.storage import derived, sites
from server.storage.database import Database, Query, Script
from server.web import classifying, deciding, settling
from server.web.deciding import Act
from tests.stories.deciding import (
    ANN,
    BOB,
    decide,
    persons,
    prove,
    subject,
    told,
    two_people,
    without,
)
from tests.tracking import DAY, MIN, NOON, SETTINGS, World, tracking

pytestmark = pytest.mark.anyio


# ---------------------------------------------------------------- merge and split


async def test_merged_and_split_again_is_as_if_never_merged(database: Database) -> None:
    """Scenario m: every derived table is equal, but for what was said; nothing is told twice."""
    async with tracking(database) as world:
        ann, private = await two_people(world)
        before, spoken = await world.derived(), await told(world)
        merged = await decide(world, deciding.merge, ann, private)
        assert list((await persons(world)).values()) == [ann]
        assert (await subject(world, ANN))[2] == 2
        assert await world.derived() != before
        await decide(world, deciding.split, ann, merged)
        after = await world.derived()
        assert without(after, "person_entries") == without(before, "person_entries")
        assert [kind for kind in await told(world) if kind == "retracted"] == []
        assert (await told(world))[: len(spoken)] == spoken


async def test_a_person_of_two_has_the_best_of_both(database: Database) -> None:
    """The older id, the higher stage, the traits by evidence; the other id leads there."""
    async with tracking(database) as world:
        ann, private = await two_people(world)
        score = (await subject(world, ANN))[0]
        await decide(world, deciding.plain, private, Kind.SET_STAGE, {"stage": "customer"})
        await decide(world, deciding.merge, private, ann)
        assert (await subject(world, ANN))[:2] > (score, 0)
        assert (await subject(world, ANN))[1] == STAGE_RANK["customer"]
        assert {row[0] for row in await world.rows("claims", "person_id")} == {ann}


async def test_what_was_said_of_two_is_said_of_one_and_parts_again(database: Database) -> None:
    """Tags, owner and do-not-contact are united by a merge and go back with a split."""
    async with tracking(database) as world:
        ann, private = await two_people(world)
        await decide(world, deciding.tag, ann, ["vip"], [])
        await decide(world, deciding.tag, private, ["reader"], [])
        await decide(world, deciding.plain, ann, Kind.OWNER, {"owner": "Olga"})
        await decide(world, deciding.plain, private, Kind.DO_NOT_CONTACT, {"on": True})
        columns = "person_id, tags, owner, do_not_contact"
        before = await world.rows("persons", columns)
        merged = await decide(world, deciding.merge, ann, private)
        assert await world.rows("persons", columns) == [(ann, "reader\nvip", "Olga", 1)]
        await decide(world, deciding.tag, ann, ["both"], ["reader"])
        await decide(world, deciding.split, ann, merged)
        after = await world.rows("persons", columns)
        assert after == [(ann, "both\nvip", "Olga", 0), (private, "reader", "", 1)]
        assert before[1] == after[1]


# ---------------------------------------------------------------- quarantine


async def somebody_types_anns_address(world: World, projector: Projector | None = None) -> int:
    """Scenario d: Ann has proven her address on a laptop, and is claimed on a phone."""
    laptop, phone = world.browser(1), world.browser(2)
    await laptop.view("/")
    await laptop.submit("newsletter", "/", email=ANN, name="Ann Lee")
    await prove(world, laptop, ANN)
    await phone.view("/blog")
    world.now += DAY
    await phone.read("/pricing")
    await phone.submit("demo", email=ANN, title="VP of Sales")
    await world.project(projector)
    rows = await world.rows("conflicts", "seq", "site_id = 1 AND kind = 'quarantined'")
    assert len(rows) == 1
    return int(rows[0][0])


async def test_an_accepted_visit_counts_as_if_it_always_had(database: Database) -> None:
    """The score rises, the history joins, and what follows is decided now, once."""
    async with tracking(database) as world:
        claim = await somebody_types_anns_address(world)
        score, stage, sessions = await subject(world, ANN)
        assert (stage, sessions) == (STAGE_RANK["subscriber"], 1)
        assert "crossed" not in await told(world)
        await decide(world, settling.settle, claim, "quarantined", "accept")
        after = await subject(world, ANN)
        assert (after[0] > score + 50, after[1], after[2]) == (True, STAGE_RANK["mql"], 3)
        rows = await world.rows("entries", "data", f"kind = {int(Kind.CROSSED)}")
        assert ['"reason":"released"' in data for (data,) in rows] == [True]
        assert await world.rows("conflicts", "state, kind") == [(1, "quarantined")]


async def test_an_accepted_form_gives_its_stage(database: Database) -> None:
    """Also below every threshold: a contact form makes a lead of a subscriber."""
    settings = structs.replace(SETTINGS, forms=(*SETTINGS.forms, FormRule("quote")))
    async with tracking(database, settings) as world:
        laptop, phone = world.browser(1), world.browser(2)
        await laptop.submit("newsletter", "/", email="ann@gmail.com")
        await prove(world, laptop, "ann@gmail.com")
        world.now += DAY
        await phone.submit("quote", "/imprint", email="ann@gmail.com")
        await world.project()
        claim = (await world.rows("conflicts", "seq"))[0][0]
        assert (await subject(world, "ann@gmail.com"))[1] == STAGE_RANK["subscriber"]
        await decide(world, settling.settle, claim, "quarantined", "accept")
        assert (await subject(world, "ann@gmail.com"))[1] == STAGE_RANK["lead"]


async def test_not_her_takes_it_away(database: Database) -> None:
    """Refused after it was accepted: as before, and what was told is taken back."""
    async with tracking(database) as world:
        claim = await somebody_types_anns_address(world)
        before = await subject(world, ANN)
        await decide(world, settling.settle, claim, "quarantined", "accept")
        await decide(world, settling.settle, claim, "quarantined", "refuse")
        assert await subject(world, ANN) == before
        phone = (await world.rows("claims", "visitor_id", f"seq = {claim}"))[0][0]
        owners = await world.rows("sessions", "person_id, state", f"visitor_id = {phone}")
        assert owners == [(0, 0)] * 2
        assert "retracted" in await told(world)
        assert (await world.rows("claims", "state", f"seq = {claim}")) == [(2,)]
        await decide(world, settling.settle, claim, "quarantined", "accept")
        assert (await subject(world, ANN))[1] == STAGE_RANK["mql"]


async def test_somebody_elses_address_gains_nothing(database: Database) -> None:
    """While it waits, the visit is on the timeline, marked, and in no score."""
    async with tracking(database) as world:
        await somebody_types_anns_address(world)
        ann = (await persons(world))[ANN]
        async with world.database.snapshot() as reader:
            found = await timeline(reader, world.site, Subject(PERSON, ann), "", Paging())
        states = {(item.path, item.link.state) for item in found.items if item.link}
        quarantined = {path for path, state in states if state == "quarantined"}
        assert quarantined == {"/pricing", "/demo"}  # this visit, and nothing from before
        assert ("/", "active") in states
        rules = await world.rows("contributions", "rule", "kind = 1 AND axis = 'engagement'")
        assert "demo_form" not in {rule for (rule,) in rules}


# ---------------------------------------------------------------- classes


async def test_a_classified_visitor_was_never_there(database: Database) -> None:
    """Internal: nobody, and the MQL is taken back. Human again: all of it comes back, told anew."""
    async with tracking(database) as world:
        ann = world.browser()
        await ann.read("/pricing")
        await ann.submit("demo", email=ANN, name="Ann Lee")
        await world.project()
        before = await world.derived()
        person_id, spoken = (await persons(world))[ANN], await told(world)
        assert "crossed" in spoken
        await decide(world, classifying.classify_visitor, 1, "internal", "our own")
        assert await persons(world) == {}
        assert await world.rows("subjects", "kind") == []
        assert await world.rows("rollups", "name", "value <> 0") == []
        assert (await told(world))[len(spoken) :] == ["retracted"] * 3
        await decide(world, classifying.classify_person, person_id, "human", "")
        assert (await subject(world, ANN))[1] == STAGE_RANK["mql"]
        after = await world.derived()
        names = ("sessions", "session_events", "signals", "identifiers", "links", "traits")
        for name in (*names, "contributions", "claims"):
            assert after[name] == before[name], name
        assert cells(after) == cells(before)
        assert (await told(world))[len(spoken) + 3 :].count("crossed") == 1


async def test_one_event_can_be_classified(database: Database) -> None:
    """And empty takes it back to what accept said."""
    async with tracking(database) as world:
        ann = world.browser()
        await ann.view("/pricing")
        await ann.view("/docs")
        await world.project()
        before = await world.derived()
        await decide(world, classifying.classify_event, 1, "test", "")
        assert await world.rows("sessions", "landing, page_views") == [("/docs", 1)]
        await decide(world, classifying.classify_event, 1, "", "")
        assert await world.derived() == before
        assert await world.rows("classes", "kind, target, seq, class") == [
            (1, 1, 3, 3),
            (1, 1, 4, -1),
        ]


async def post(world: World, email: str, form: str = "demo") -> int:
    """A form sent without consent to more: nobody's browser."""
    event = world.browser(99).event(
        "form_submit", "/demo", d={"form": form, "fields": {"email": email}}
    )
    return (await world.send({"v": None, "e": [event], "c": "denied"}))[0]


def cells(derived: dict[str, list[Any]]) -> list[Any]:
    """The daily figures but for how long it took: who became a lead again did so later."""
    return [cell for cell in derived["rollups"] if cell[0] != "lead_after"]


async def test_a_form_of_nobodys_browser_is_decided_about_at_once(database: Database) -> None:
    """Classified away and back, or accepted: its person follows, and what that causes is told."""
    async with tracking(database) as world:
        seq = await post(world, ANN)
        await world.project()
        before = await world.derived()
        await decide(world, classifying.classify_event, seq, "spam", "")
        assert await persons(world) == {}
        await decide(world, classifying.classify_event, seq, "", "")
        assert await persons(world) == {ANN: seq}
        after = await world.derived()
        for name in ("sessions", "session_events", "identifiers", "contributions"):
            assert after[name] == before[name], name
        assert cells(after) == cells(before)
        assert (await subject(world, ANN))[1] == STAGE_RANK["mql"]
        bob = world.browser(3)
        await bob.view("/")
        await prove(world, bob, BOB)
        world.now += DAY
        claim = await post(world, BOB)
        await world.project()
        assert (await subject(world, BOB))[1] == STAGE_RANK["other"]
        await decide(world, settling.settle, claim, "quarantined", "accept")
        assert (await subject(world, BOB))[1] == STAGE_RANK["mql"]


async def test_what_comes_together_with_a_decision_is_not_lost(database: Database) -> None:
    """A form of nobody's browser in the same result as a merge of somebody known by such a form."""
    async with tracking(database) as world:
        ann, bob = await post(world, ANN), await post(world, BOB)
        await world.project()
        act = Act(world.site, "operator", world.now, "")
        await world.writer.run(lambda: deciding.merge(act, ann, bob))
        zoe = await post(world, "zoe@brew.example")
        await world.project()
        owners = await world.rows("sessions", "session_id, person_id")
        assert owners == [(ann, ann), (bob, ann), (zoe, zoe)]
        assert (await subject(world, "zoe@brew.example"))[1] == STAGE_RANK["mql"]


# ---------------------------------------------------------------- who is who


async def test_a_verified_address_brings_whoever_claimed_it(database: Database) -> None:
    """Bob's second address, which somebody unknown gave before: decided evidence takes it, whatever
    comes later; and the next who gives it is Bob."""
    async with tracking(database) as world:
        one, other, third = (world.browser(number) for number in (1, 2, 3))
        await one.submit("demo", email=BOB)
        await other.submit("newsletter", "/", email="bob@home.example")
        await world.project()
        ids = await persons(world)
        known = Identifier("email", "bob@home.example")
        await decide(world, deciding.verify, ids[BOB], known)
        assert await world.rows("persons", "person_id") == [(ids[BOB],)]
        await third.submit("newsletter", "/", email="bob@home.example")
        await world.project()
        assert await world.rows("persons", "person_id") == [(ids[BOB],)]
        levels = await world.rows("identifiers", "value, level")
        assert levels == [(BOB, 1), ("bob@home.example", 4)]
        assert len(await world.rows("links", "visitor_id")) == 3


async def test_addresses_that_look_alike_stay_apart(database: Database) -> None:
    """A tag, a dot, a letter of another alphabet: other people, on other devices, and no hint."""
    alike = ["ann@gmail.com", "ann+shop@gmail.com", "a.nn@gmail.com", "аnn@gmail.com"]
    async with tracking(database) as world:
        for number, email in enumerate(alike):
            await world.browser(number + 1).submit("demo", email=email, name="Ann Lee")
        await world.project()
        values = {value for (value,) in await world.rows("identifiers", "value")}
        assert {"ann@gmail.com", "ann+shop@gmail.com", "a.nn@gmail.com"} <= values
        assert len(await world.rows("persons", "person_id")) == len(values)
        assert await world.rows("conflicts", "kind") == []


async def test_one_browser_on_two_sites_is_two_visitors(database: Database) -> None:
    """The same visitor id: each site knows its own half, and a decision stays on its site."""
    async with tracking(database) as world:
        ann = world.browser()
        await ann.submit("demo", email=ANN)
        await world.project()
        first = world.site
        world.site = await world.writer.run(lambda: sites.add("Brew", "k2", "s", SETTINGS, NOON))
        await ann.send(ann.event("page_view", "/pricing"), k="k2")
        await world.project()
        owners = await world.rows("sessions", "site_id, person_id", "gen = 1")
        assert owners == [(1, 1), (2, 0)]
        await decide(world, classifying.classify_visitor, 1, "bot", "")
        assert await world.rows("sessions", "site_id", "gen = 1") == [(1,)]
        world.site = first
        assert list(await persons(world)) == [ANN]


# ---------------------------------------------------------------- typos


async def mistyped(
    world: World, number: int = 1, shop: str = "brew", order: Sequence[int] = (0, 1, 2)
) -> None:
    """Ann's second try, and Zoe's at the same tablet; sent in some order, one by one."""
    tablet, start, events = world.browser(number), world.now, []
    tries = ((f"ann@{shop}.exmaple", "Ann Lee"), (f"ann@{shop}.example", "Ann Lee"))
    for email, name in (*tries, (f"zoe@else{shop}.example", "Zoe")):
        data = {"form": "demo", "fields": {"email": email, "name": name}}
        events.append(tablet.event("form_submit", "/demo", d=data))
        world.now += 2 * MIN
    for place in order:
        await tablet.send(events[place])
        await world.project()
    world.now = start


async def test_a_typo_is_offered_and_one_merge_settles_it(database: Database) -> None:
    """The tablet is Ann's alone again as far as she is concerned; split, and the item is back."""
    async with tracking(database) as world:
        await mistyped(world)
        found = await world.rows("conflicts", "seq, kind, person_id, other_id, state")
        assert [(row[1], row[4]) for row in found] == [("typo", 0)]
        seq, _, right, wrong, _ = found[0]
        assert right != wrong
        merged = await decide(world, settling.settle, seq, "typo", "merge")
        assert await world.rows("conflicts", "kind") == []
        await decide(world, deciding.split, wrong, merged)
        assert await world.rows("conflicts", "seq, kind, person_id, other_id, state") == found
        await decide(world, settling.settle, seq, "typo", "dismiss")
        assert await world.rows("conflicts", "state") == [(1,)]
        await world.browser().view("/pricing")
        late = world.browser().event("page_view", "/blog") | {"t": world.now - 20 * MIN}
        await world.browser().send(late)
        await world.project()
        assert await world.rows("conflicts", "state") == [(1,)]


async def test_typos_are_found_in_any_order_of_arrival(database: Database) -> None:
    """One by one as they happened, backwards, mixed, or all at once: the same item."""
    async with tracking(database) as world:
        orders = list(permutations(range(3)))
        for number, order in enumerate(orders, 1):
            await mistyped(world, number, f"shop{number}", order)
        rows = await world.rows("conflicts", "at, kind, state, evidence")
        assert [row[:3] for row in rows] == [(NOON + 2 * MIN, "typo", 0)] * len(orders)
        before = [row[3] for row in rows]
        assert all('["email","ann@shop' in text and ".exmaple" in text for text in before)
        await world.writer.run(lambda: forgotten(1))
        await world.project()
        again = await world.rows("conflicts", "at, kind, state, evidence")
        assert [row[3] for row in again] == before


def forgotten(site_id: int) -> Script[None]:
    """Empty derived tables, and the cursor at the beginning."""
    for table in derived.TABLES:
        yield Query(f"DELETE FROM {table.name} WHERE site_id = $1", (site_id,))
    yield Query("DELETE FROM rollups WHERE site_id = $1", (site_id,))
    yield Query("UPDATE cursors SET seq = 0 WHERE site_id = $1", (site_id,))
