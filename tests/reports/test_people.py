"""People as lists and one by one: filters, sorts, pages, and receipts that add up."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from server.errors import BadRequest, NotFound
from server.project.ruleset import DEFAULT
from server.reports.filter_values import Frame
from server.reports.paging import Paging
from server.reports.past import person_at
from server.reports.people import ORDERS, PeopleFilter, merged_into, people, person
from server.reports.people_filters import choices
from server.reports.people_list import WIDTH, Wanted, people_sql
from server.reports.shapes import PersonDetail
from server.reports.visitors import ORDERS as VISITOR_ORDERS
from server.reports.visitors import VisitorFilter, visitor, visitors, visitors_sql
from tests.acme import Known, crowd
from tests.tracking import DAY, HOUR, NOON, World

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def listed(world: World, sort: str = "-score", **chosen: Any) -> list[str]:
    async with world.database.snapshot() as reader:
        found = await people(reader, world.site, PeopleFilter(**chosen), sort, Paging(), world.now)
    return [row.email for row in found.items]


async def one(world: World, text: str, at: int | None = None) -> PersonDetail:
    async with world.database.snapshot() as reader:
        if at is None:
            return await person(reader, world.site, int(text[1:]))
        return await person_at(reader, world.site, int(text[1:]), DEFAULT, at)


def exact_sum(found: PersonDetail) -> Decimal:
    """The points of a receipt as a client reads them: decimals from JSON text."""
    text = msgspec.json.encode(found)
    read = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    lines = msgspec.json.decode(read["receipt"], type=list[dict[str, msgspec.Raw]])
    total = sum((Decimal(bytes(line["points"]).decode()) for line in lines), Decimal(0))
    assert total == Decimal(bytes(read["score"]).decode())
    return total


async def test_the_hottest_come_first(world: World, known: Known) -> None:
    """Each sort in its own order."""
    assert await listed(world) == ["ada@lovelace.example", "eve@evil.example", "ben@gmail.com"]
    assert await listed(world, "-last_seen") == [
        "ada@lovelace.example",
        "eve@evil.example",
        "ben@gmail.com",
    ]
    assert await listed(world, "email") == [
        "ada@lovelace.example",
        "ben@gmail.com",
        "eve@evil.example",
    ]


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({"stage": ("subscriber",)}, ["ben@gmail.com"]),
        ({"stage": ("evangelist",)}, []),
        ({"signal": ("pricing_page",)}, ["ada@lovelace.example"]),
        ({"signal": ("pricing",)}, []),
        ({"signal": ("%",)}, []),
        ({"min_score": 50}, ["ada@lovelace.example"]),
        ({"source": ("google",)}, ["ada@lovelace.example"]),
        ({"source": ("mail",)}, ["ben@gmail.com"]),
        ({"company": "analytical engines"}, ["ada@lovelace.example"]),
        ({"company": "lovelace.example"}, ["ada@lovelace.example"]),
        ({"q": "ada"}, ["ada@lovelace.example"]),
        ({"q": "love"}, ["ada@lovelace.example"]),
        ({"q": "ADA lovelace.ex"}, ["ada@lovelace.example"]),
        ({"q": "ada ben"}, []),
        ({"q": "Ångs"}, ["ben@gmail.com"]),
        ({"q": "%"}, []),
        ({"since": "2026-11-09T12:00:00Z"}, ["ada@lovelace.example"]),
        ({"stage": ("subscriber",), "source": ("mail",), "q": "b"}, ["ben@gmail.com"]),
    ],
)
async def test_filters(
    world: World, known: Known, chosen: dict[str, Any], found: list[str]
) -> None:
    """Every filter alone and together; texts are compared, never patterns."""
    assert await listed(world, **chosen) == found


async def test_a_receipt_adds_up(world: World, known: Known) -> None:
    """The lines' points, read as decimals, are the score; so is that of every subject."""
    found = await one(world, known.ada)
    assert exact_sum(found) > 50
    assert found.stage == "sql"
    assert found.grade.startswith(("A", "B", "C"))
    assert found.name == "Ada Lovelace"
    assert found.traits["title"] == "VP of Engineering"
    assert [(i.type, i.value, i.level) for i in found.identifiers] == [
        ("email", "ada@lovelace.example", "claimed")
    ]
    assert [(link.level, link.state, link.until) for link in found.links] == [
        ("claimed", "active", None)
    ]
    for other in (known.ben, known.eve):
        exact_sum(await one(world, other))
    async with world.database.snapshot() as reader:
        stranger = await visitor(reader, world.site, int(known.stranger[1:]))
    assert sum(line.points for line in stranger.receipt) == stranger.score


async def test_the_score_at_a_moment(world: World, known: Known) -> None:
    """Nothing later is known: no title before the form, no points for pages opened later."""
    at_start = await one(world, known.ada, NOON + HOUR)
    assert at_start.email == ""
    assert at_start.stage == "other"
    assert at_start.sessions == 1
    assert at_start.page_views == 2
    assert at_start.fit == 0
    assert {line.rule for line in at_start.receipt} == {"pricing_page", "deep_read"}
    assert exact_sum(at_start) == 15
    asked = await one(world, known.ada, NOON + 3 * DAY + HOUR)
    assert asked.email == "ada@lovelace.example"
    assert "senior_title" in asked.signals
    assert exact_sum(asked) > exact_sum(at_start)
    now = await one(world, known.ada, world.now)
    today = await one(world, known.ada)
    assert (now.score, now.receipt, now.stage, now.page_views) == (
        today.score,
        today.receipt,
        today.stage,
        today.page_views,
    )
    before = await one(world, known.ada, NOON - DAY)
    assert (before.score, before.receipt, before.first_seen, before.links) == (0, [], None, [])


async def test_nobody_and_strangers_are_not_found(world: World, known: Known) -> None:
    """An id of nothing, a visitor's id as a person, an owned visitor."""
    async with world.database.snapshot() as reader:
        for number in (10_000, int(known.stranger[1:])):
            with pytest.raises(NotFound):
                await person(reader, world.site, number)
            with pytest.raises(NotFound):
                await merged_into(reader, world.site, number)
        with pytest.raises(NotFound):
            await visitor(reader, world.site, 1)


@pytest.mark.parametrize("limit", [1, 7, 40])
async def test_pages_walk_everything_once(world: World, limit: int) -> None:
    """Whatever the sort and the size of a page, ties included."""
    await crowd(world, 40)
    async with world.database.snapshot() as reader:
        for sort in ORDERS:
            seen: list[str] = []
            page = Paging(limit)
            while True:
                found = await people(reader, world.site, PeopleFilter(), sort, page, NOON)
                seen += [row.id for row in found.items]
                if found.next is None:
                    break
                page = Paging(limit, found.next)
            whole = await people(reader, world.site, PeopleFilter(), sort, Paging(200), NOON)
            assert seen == [row.id for row in whole.items]
            assert len(set(seen)) == len(seen) == 40
        for sort in VISITOR_ORDERS:
            walked: list[str] = []
            page = Paging(limit)
            while True:
                some = await visitors(reader, world.site, VisitorFilter(), sort, page)
                walked += [row.id for row in some.items]
                if some.next is None:
                    break
                page = Paging(limit, some.next)
            assert len(set(walked)) == len(walked) == 40


async def test_a_cursor_fits_its_list_only(world: World) -> None:
    """One of another sort, or one made up, is refused with a sentence."""
    await crowd(world, 3)
    async with world.database.snapshot() as reader:
        found = await people(reader, world.site, PeopleFilter(), "-score", Paging(1), NOON)
        for cursor in (found.next or "", "nonsense", "W10", "a", "é", "bnVsbA"):
            page = Paging(1, cursor)
            with pytest.raises(BadRequest, match="cursor"):
                await people(reader, world.site, PeopleFilter(), "email", page, NOON)


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("sort", "index"),
    [
        ("-score", "subjects_score"),
        ("score", "subjects_score"),
        ("-last_seen", "subjects_seen"),
        ("last_seen", "subjects_seen"),
        ("email", "persons_email"),
        ("id", "PRIMARY KEY"),
    ],
)
async def test_lists_follow_an_index(world: World, sort: str, index: str) -> None:
    """No such list sorts what it read: the index gives the order, also in the middle."""
    await crowd(world, 3)
    order = ORDERS[sort]
    key = tuple("b" if kind is str else 1 for kind in order.types)
    statements = [people_sql(Wanted(world.site, (), order, key, 2))]
    if sort in VISITOR_ORDERS:
        statements.append(visitors_sql(world.site, VisitorFilter(), sort, Paging()))
    async with world.database.snapshot() as reader:
        for sql, args in statements:
            plan = " / ".join(
                row[3] for row in await reader.fetch(f"EXPLAIN QUERY PLAN {sql}", *args)
            )
            assert index in plan
            assert "TEMP B-TREE" not in plan
            assert "SCAN" not in plan


@pytest.mark.parametrize("sort", list(ORDERS))
@pytest.mark.parametrize(
    "chosen",
    [
        {"q": "person0"},
        {"q": "crowd1 person"},
        {"signal": ("pricing_page",)},
        {"company": "crowd2.example"},
        {"stage": ("subscriber",), "min_score": 20},
        {"since": "2026-11-03T12:10:00Z"},
    ],
    ids=str,
)
async def test_every_way_finds_the_same_people(
    world: World, sort: str, chosen: dict[str, Any]
) -> None:
    """Along the index, within its next rows, or everybody who fits: the rows are the same, on the
    first page and after a cursor."""
    await crowd(world, 24)
    asked, order = PeopleFilter(**chosen), ORDERS[sort]
    conditions = choices(asked, Frame(world.site, world.now))
    key = None
    async with world.database.snapshot() as reader:
        page = Paging(5)
        for _ in range(3):
            found = await people(reader, world.site, asked, sort, page, world.now)
            wanted = Wanted(world.site, conditions, order, key, 5)
            for way in ("index", "window", "all"):
                sql, args = people_sql(wanted, way)
                rows = await reader.fetch(sql, *args)
                assert [f"p{row[0]}" for row in rows] == [row.id for row in found.items], way
            assert found.items
            if found.next is None:
                break
            key = tuple(rows[-1][WIDTH:])
            page = Paging(5, found.next)
