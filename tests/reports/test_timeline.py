"""Timelines: whose they are, what they say, and pages that lose and repeat nothing."""

from typing import Any

import pytest

from server.reports.consequences import decided_before
from server.reports.paging import Paging
from server.reports.shapes import Timeline, TimelineItem
from server.reports.timeline import timeline
from server.reports.timeline_items import PERSON, VISITOR, Subject
from tests.acme import Known
from tests.tracking import DAY, MIN, World

pytestmark = pytest.mark.anyio


def subject(text: str) -> Subject:
    return Subject(PERSON if text.startswith("p") else VISITOR, int(text[1:]))


async def read(world: World, who: str, kind: str = "", page: Paging = Paging(200)) -> Timeline:  # noqa: B008
    async with world.database.snapshot() as reader:
        return await timeline(reader, world.site, subject(who), kind, page)


async def walked(world: World, who: str, kind: str, limit: int) -> list[TimelineItem]:
    items: list[TimelineItem] = []
    page = Paging(limit)
    while True:
        found = await read(world, who, kind, page)
        items += found.items
        if found.next is None:
            return items
        page = Paging(limit, found.next)


def told(items: list[TimelineItem]) -> list[tuple[str, str]]:
    return [(item.kind, item.path) for item in items]


async def test_a_person_has_their_story_from_before_they_had_a_name(
    world: World, known: Known
) -> None:
    """Newest first, on every visit, with dwell, scroll, signals and their points."""
    items = (await read(world, known.ada)).items
    assert told(items) == [
        ("download", "/pricing"),
        ("page_view", "/pricing"),
        ("form_submit", "/demo"),
        ("page_view", "/demo"),
        ("page_view", "/pricing"),
        ("engagement", "/pricing"),
        ("page_view", "/pricing"),
        ("page_view", "/"),
    ]
    first_read = items[6]
    assert first_read.data == {"ms": 70_000, "scroll": 90}
    assert [signal.rule for signal in first_read.signals] == ["pricing_page"]
    assert first_read.signals[0].points == 8.5
    assert items[7].data["referrer"] == "https://www.google.com/"
    assert items[5].signals[0].rule == "deep_read"
    assert {(item.link.level, item.link.state) for item in items if item.link} == {
        ("claimed", "active")
    }
    assert all(item.link for item in items)
    assert len({item.session for item in items}) == 3


async def test_the_points_on_a_timeline_are_those_of_the_receipt(
    world: World, known: Known
) -> None:
    """Every line of the receipt that names an event stands with that event."""
    items = (await read(world, known.ada)).items
    on_timeline = sum(round(s.points * 1000) for item in items for s in item.signals)
    rows = await world.rows("contributions", "seq, points", "kind = 1 AND seq > 0")
    seqs = {int(item.id[1:]) for item in items}
    assert on_timeline == sum(points for seq, points in rows if seq in seqs)


async def test_consequences_stand_on_the_whole_timeline(world: World, known: Known) -> None:
    """`all` adds what was decided; a kind alone shows only that."""
    every = (await read(world, known.ada, "all")).items
    plain = (await read(world, known.ada)).items
    decided = [item for item in every if item not in plain]
    assert [item.kind for item in decided] == [
        "stage_moved",
        "stage_moved",
        "crossed",
        "stage_moved",
    ]
    assert [item.data["to"] for item in decided] == ["sql", "mql", "lead", "lead"]
    cause = next(item for item in plain if item.kind == "page_view")
    assert decided[0].data["cause"] == cause.id
    assert 50 < decided[1].data["score"] <= 125
    moved = (await read(world, known.ada, "stage_moved")).items
    assert [item.kind for item in moved] == ["stage_moved"] * 3
    views = (await read(world, known.ada, "page_view")).items
    assert [item.kind for item in views] == ["page_view"] * 5
    assert (await read(world, known.ben, "crossed")).items == []
    assert (await read(world, known.stranger, "crossed")).items == []


async def test_every_consequence_of_the_log_is_found(world: World, known: Known) -> None:
    """By the person they name."""
    rows = await world.rows("entries", "seq", "kind >= 128")
    found: set[int] = set()
    async with world.database.snapshot() as reader:
        for who in (known.ada, known.ben, known.eve):
            told = await decided_before(reader, world.site, int(who[1:]), None, None, 100)
            found |= {seq for _, seq in told}
    assert found == {seq for (seq,) in rows}
    assert len(found) == 6


async def test_a_stranger_has_a_timeline_too(world: World, known: Known) -> None:
    """Unowned sessions only, without a link."""
    items = (await read(world, known.stranger)).items
    assert told(items) == [("page_view", "/pricing"), ("page_view", "/")]
    assert [item.link for item in items] == [None, None]
    assert (await read(world, "v1")).items == []  # Ada's browser: all of it is hers


@pytest.mark.parametrize("kind", ["", "all", "page_view"])
@pytest.mark.parametrize("limit", [1, 3, 5])
async def test_pages_walk_the_story_once(world: World, known: Known, kind: str, limit: int) -> None:
    """Two devices at once, many events in one millisecond: no item twice, none lost."""
    phone = world.browser(77)
    laptop = world.browser(1)
    for minute in range(6):
        await phone.send(*(phone.event("page_view", f"/p{minute}{n}") for n in range(3)))
        await laptop.send(laptop.event("page_view", f"/l{minute}"))
        world.now += MIN if minute % 2 else 0
    await phone.submit("demo", email="ada@lovelace.example")
    await world.project()
    whole = (await read(world, known.ada, kind)).items
    assert [i.id for i in await walked(world, known.ada, kind, limit)] == [i.id for i in whole]
    assert len({item.id for item in whole}) == len(whole)
    if kind == "page_view":
        assert len(whole) == 5 + 24
    assert len({item.visitor for item in whole if item.visitor}) == 2


async def test_a_form_without_a_browser_is_on_the_timeline(world: World, known: Known) -> None:
    """Sent without JavaScript or without consent: the form, and nothing around it."""
    world.now += DAY
    event = world.browser(9).event(
        "form_submit", "/demo", d={"form": "demo", "fields": {"email": "ben@gmail.com"}}
    )
    await world.send({"v": None, "e": [event], "c": "denied"})
    await world.project()
    newest = (await read(world, known.ben)).items[0]
    assert (newest.kind, newest.visitor, newest.data["form"]) == ("form_submit", None, "demo")
    assert newest.link is not None
    assert newest.link.level == "claimed"


async def test_late_events_are_shown_and_never_counted(world: World, known: Known) -> None:
    """Older than a week when it came: on the timeline of who held the browser then."""
    ada = world.browser(1)
    late = ada.event("page_view", "/pricing", t=world.now - 8 * DAY + MIN)
    late["t"] = world.now - 7 * DAY - MIN
    before = (await read(world, known.ada)).items
    await ada.send(late)
    await world.project()
    after = (await read(world, known.ada)).items
    added: list[Any] = [item for item in after if item.id not in {b.id for b in before}]
    assert [(item.kind, item.session, item.signals) for item in added] == [("page_view", None, [])]
