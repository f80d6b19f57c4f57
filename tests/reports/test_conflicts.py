"""The conflict inbox: evidence on both sides, what may be done, and pages that lose nothing."""

from typing import Any

import pytest

from server.errors import BadRequest, Conflict, NotFound
from server.model import Door, Event, Kind
from server.reports.conflict_items import Item, actions_of
from server.reports.conflict_shapes import ConflictRow, Conflicts
from server.reports.conflicts import conflict, conflicts
from server.reports.paging import Paging
from server.reports.people import PeopleFilter, people
from server.reports.timeline import timeline
from server.reports.timeline_items import PERSON, Subject
from server.web import settling
from server.web.deciding import Act
from tests.acme import Known, mistyped
from tests.tracking import DAY, MIN, World

pytestmark = pytest.mark.anyio
ADA = "ada@lovelace.example"


async def inbox(world: World, state: str = "open", kind: str = "") -> list[ConflictRow]:
    return (await page(world, state, kind, Paging(200))).items


async def page(world: World, state: str, kind: str, paging: Paging) -> Conflicts:
    async with world.database.snapshot() as reader:
        return await conflicts(reader, world.site, state, kind, paging)


async def settle(world: World, row: ConflictRow, action: str) -> None:
    seq, _, kind = row.id[1:].partition("-")
    act = Act(world.site, "operator", world.now, "")
    await world.writer.run(lambda: settling.settle(act, int(seq), kind, action))
    await world.project()


async def mailed(world: World, number: int, email: str, kind: Kind = Kind.EMAIL_CLICK) -> None:
    """Proof on a visitor: a mail of ours was opened there by hand."""
    event = Event(
        event_id=world.next_number().to_bytes(16, "big"),
        kind=kind,
        at=world.now,
        received=world.now,
        visitor=number.to_bytes(16, "big"),
        door=Door.MAIL,
        data=f'{{"ids":{{"email":"{email}"}},"message":"m{number}","gesture":1}}',
    )
    await world.writer.append(1, [event])


async def claimed_elsewhere(world: World) -> None:
    """Ada proves her address on her laptop; a day later a phone in France says it is her."""
    laptop = world.browser(1)
    await laptop.view("/docs")
    await mailed(world, 1, ADA)
    world.now += DAY
    phone = world.browser(70)
    await phone.view("/demo")
    await phone.submit("demo", email=ADA, name="A. Lovelace", message="Call me")
    await world.project()


async def test_both_sides_of_a_quarantine(world: World, known: Known) -> None:
    """Who it should be and where they were last; what was sent, from which page and browser."""
    await claimed_elsewhere(world)
    (row,) = await inbox(world)
    assert row.kind == "quarantined"
    assert row.what == f"Ada Lovelace? {ADA} was given on a device that is not known to be theirs"
    assert row.actions == ["accept", "refuse", "dismiss"]
    assert row.person is not None
    assert (row.person.id, row.person.email, row.person.level) == (known.ada, ADA, "proven")
    assert {one.country for one in row.person.sessions} == {""}
    assert len(row.person.sessions) == 3
    assert row.event is not None
    assert (row.event.path, row.event.form) == ("/demo", "demo")
    assert row.event.fields["message"] == "Call me"
    assert [(one.type, one.value) for one in row.event.ids] == [("email", ADA)]
    assert [(one.browser, one.os, one.device) for one in row.event.sessions] == [
        ("Chrome", "Windows", "desktop")
    ]
    assert row.event.visitor not in {one.visitor for one in row.person.sessions}
    assert row.other is None


async def test_a_quarantine_that_was_ended_can_be_ended_otherwise(
    world: World, known: Known
) -> None:
    """Accepted, refused, accepted: each time only the other way is open. Proof ends that."""
    await claimed_elsewhere(world)
    (row,) = await inbox(world)
    for action, decision, left in (
        ("accept", "accepted", ["refuse"]),
        ("refuse", "refused", ["accept"]),
        ("accept", "accepted", ["refuse"]),
    ):
        await settle(world, row, action)
        assert await inbox(world) == []
        (closed,) = await inbox(world, "closed")
        assert (closed.id, closed.decision, closed.actions) == (row.id, decision, left)
        assert closed.state == "closed"
    await mailed(world, 70, ADA)
    await world.project()
    with pytest.raises(Conflict, match="proven on this device"):
        await settle(world, row, "refuse")


async def test_somebody_known_by_a_quarantined_visit_alone(world: World, known: Known) -> None:
    """Their address was confirmed in a browser without a visit: they are listed, unscored, and what
    waits is on their timeline."""
    await mailed(world, 90, "grace@navy.example", Kind.FORM_CONFIRM)
    world.now += DAY
    phone = world.browser(91)
    await phone.read("/pricing")
    await phone.submit("demo", email="grace@navy.example")
    await world.project()
    async with world.database.snapshot() as reader:
        who = PeopleFilter(email="grace@navy.example")
        (grace,) = (await people(reader, world.site, who, "-score", Paging(), world.now)).items
        subject = Subject(PERSON, int(grace.id[1:]))
        items = (await timeline(reader, world.site, subject, "", Paging())).items
    assert (grace.sessions, grace.engagement, grace.stage) == (0, 0, "other")
    assert [(item.path, item.link.state) for item in items if item.link] == [
        ("/demo", "quarantined"),
        ("/pricing", "quarantined"),
        ("/pricing", "quarantined"),
    ]


async def test_a_refused_join_names_both(world: World, known: Known) -> None:
    """One event with a user id of one and an address of another: two sides, merge or dismiss."""
    for number, email in ((80, "ben@gmail.com"), (81, ADA)):
        browser = world.browser(number)
        await browser.send(browser.event("identify", d={"user_id": "u-ben", "email": email}))
    await world.project()
    (row,) = await inbox(world, kind="two_persons")
    assert row.person is not None
    assert row.other is not None
    assert {row.person.id, row.other.id} == {known.ada, known.ben}
    assert row.identifier is not None
    assert row.identifier.value == ADA
    assert row.actions == ["merge", "dismiss"]
    assert row.what.startswith("One event names ")


async def test_a_typo_shows_both_addresses(world: World, known: Known) -> None:
    """The later claim with what was given before it."""
    name = await mistyped(world)
    (row,) = await inbox(world)
    assert row.id == name
    assert [one.value for one in row.other_ids] == ["dan@mill.example"]
    assert row.event is not None
    assert [one.value for one in row.event.ids] == ["dna@mill.example"]
    assert "dna@mill.example after dan@mill.example" in row.what


async def test_pages_walk_the_inbox_once(world: World, known: Known) -> None:
    """Open and closed together, several at one moment, any page size; a cursor fits its list."""
    for number in range(7):
        tablet = world.browser(200 + number)
        for email in (f"person{number}@crowd.example", f"person{number}@crwod.example"):
            await tablet.submit("demo", email=email)
        world.now += MIN * (number % 2)
    await world.project()
    rows = await inbox(world)
    assert len(rows) == 7
    for row in rows[::3]:
        await settle(world, row, "dismiss")
    every = [row.id for row in await inbox(world, "all")]
    assert every == [row.id for row in rows]
    assert len(await inbox(world)) == 4
    assert await inbox(world, kind="taken") == []
    for limit in (1, 2, 3, 7):
        walked: list[str] = []
        found = await page(world, "all", "", Paging(limit))
        walked += [row.id for row in found.items]
        while found.next:
            found = await page(world, "all", "", Paging(limit, found.next))
            walked += [row.id for row in found.items]
        assert walked == every
    first = await page(world, "all", "", Paging(1))
    with pytest.raises(BadRequest):
        await page(world, "open", "", Paging(1, first.next or ""))


async def test_one_conflict(world: World, known: Known) -> None:
    """By its id; there is none for another kind or number."""
    name = await mistyped(world)
    seq = int(name[1:].partition("-")[0])
    async with world.database.snapshot() as reader:
        assert (await conflict(reader, world.site, seq, "typo")).id == name
        for number, kind in ((seq, "taken"), (seq + 1, "typo")):
            with pytest.raises(NotFound):
                await conflict(reader, world.site, number, kind)


async def test_quarantined_events_are_marked_on_the_timeline(world: World, known: Known) -> None:
    """Also the form that came without a browser."""
    await claimed_elsewhere(world)
    world.now += MIN
    form = {"form": "demo", "fields": {"email": ADA}}
    event = world.browser(71).event("form_submit", "/demo", d=form)
    await world.send({"v": None, "e": [event], "c": "denied"})
    await world.project()
    async with world.database.snapshot() as reader:
        subject = Subject(PERSON, int(known.ada[1:]))
        items = (await timeline(reader, world.site, subject, "", Paging())).items
    marks = [(item.visitor is None, item.link.state) for item in items[:3] if item.link]
    assert marks == [(True, "quarantined"), (False, "quarantined"), (False, "quarantined")]
    assert {item.link.state for item in items[3:] if item.link} == {"active"}


@pytest.mark.parametrize(
    ("kind", "other", "state", "decided", "actions"),
    [
        ("quarantined", 0, 0, "", ["accept", "refuse", "dismiss"]),
        ("quarantined", 0, 1, "", ["accept", "refuse"]),
        ("quarantined", 0, 1, "accepted", ["refuse"]),
        ("quarantined", 0, 1, "refused", ["accept"]),
        ("too_many_devices", 0, 0, "", ["accept", "refuse", "dismiss"]),
        ("two_persons", 2, 0, "", ["merge", "dismiss"]),
        ("second_address", 2, 0, "", ["merge", "dismiss"]),
        ("second_address", 0, 0, "", ["dismiss"]),
        ("second_user_id", 0, 0, "", ["dismiss"]),
        ("too_many_addresses", 0, 1, "", []),
        ("typo", 2, 1, "", ["merge"]),
    ],
)
def test_what_may_be_done(
    kind: str, other: int, state: int, decided: str, actions: list[str]
) -> None:
    """Merge only where two are named; a quarantine the other way; dismiss what is open."""
    evidence: dict[str, Any] = {"decided": decided} if decided else {}
    assert actions_of(Item(5, kind, other, 1, state, 0, evidence)) == actions
