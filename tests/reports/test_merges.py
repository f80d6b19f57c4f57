"""The merges of a site: what is in force, by whom, page by page, over many that were taken back."""

import pytest

from server.reports import merges as report
from server.reports.conflict_shapes import Merges
from server.reports.merges import merges
from server.reports.paging import Paging
from server.web import classifying, deciding
from tests.stories.deciding import decide, persons
from tests.tracking import MIN, World

pytestmark = pytest.mark.anyio


async def page(world: World, paging: Paging = Paging()) -> Merges:  # noqa: B008  # frozen
    async with world.database.snapshot() as reader:
        return await merges(reader, world.site, paging)


async def people(world: World, count: int) -> list[int]:
    """So many strangers, each of one form."""
    for number in range(count):
        browser = world.browser(100 + number)
        await browser.view("/demo")
        await browser.submit("demo", email=f"n{number}@mill.example")
        world.now += MIN
    await world.project()
    found = await persons(world)
    return [found[f"n{number}@mill.example"] for number in range(count)]


async def test_who_became_whom_by_whom_and_not_after_a_split(world: World) -> None:
    one, other, third = await people(world, 3)
    assert (await page(world)).items == []
    first = await decide(world, deciding.merge, one, other)
    second = await decide(world, deciding.merge, third, one)
    found = (await page(world)).items
    assert [item.id for item in found] == [f"e{second}", f"e{first}"]
    assert {item.person for item in found} == {f"p{one}"}  # the older id stays
    assert [side.known_as for side in found[1].persons] == ["n0@mill.example", "n1@mill.example"]
    assert [side.known_as for side in found[0].persons] == ["n2@mill.example", "n0@mill.example"]
    assert {item.author for item in found} == {"token t1"}
    await decide(world, deciding.split, one, first)
    assert [item.id for item in (await page(world)).items] == [f"e{second}"]
    again = await decide(world, deciding.merge, one, other)
    assert [item.id for item in (await page(world)).items] == [f"e{again}", f"e{second}"]


async def test_pages_over_what_was_taken_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window whose merges were all split is passed over, and a merge cut by it is told once."""
    monkeypatch.setattr(report, "WINDOW", 3)  # an odd number cuts the two rows of a merge
    found = await people(world, 7)
    made: list[int] = []
    for other in found[1:]:
        made.append(await decide(world, deciding.merge, found[0], other))
    for merge in made[2:5]:
        await decide(world, deciding.split, found[0], merge)
    expected = [f"e{seq}" for seq in (made[5], made[1], made[0])]
    assert [item.id for item in (await page(world)).items] == expected
    walked, cursor = [], ""
    while True:
        part = await page(world, Paging(1, cursor))
        walked += [item.id for item in part.items]
        if part.next is None:
            break
        cursor = part.next
    assert walked == expected


async def test_whom_somebody_took_out_is_not_listed(world: World) -> None:
    one, other = await people(world, 2)
    merge = await decide(world, deciding.merge, one, other)
    assert [item.id for item in (await page(world)).items] == [f"e{merge}"]
    await decide(world, classifying.classify_person, one, "spam", "")
    assert (await page(world)).items == []
