"""Identity meets what nobody should send: floods, chains and circles, words that name nobody."""

import pytest

from server.model import Door, Event, Kind
from server.project.identity import resolve
from server.storage.database import Database
from tests.tracking import DAY, World, tracking

pytestmark = pytest.mark.anyio


async def decide(world: World, kind: Kind, said: str) -> None:
    """A decision, as the API appends it."""
    number = world.next_number()
    event = Event(
        event_id=b"\xff\xff" + number.to_bytes(14, "big"),
        kind=kind,
        at=world.now,
        received=world.now,
        door=Door.OPERATOR,
        data=said,
    )
    await world.writer.append(world.site.site_id, [event])


@pytest.mark.slow
async def test_a_thousand_browsers_claim_one_address_in_a_second(database: Database) -> None:
    """Ten are linked, the rest are set aside, and that is one item to look at."""
    async with tracking(database, check=database.engine == "sqlite") as world:
        for number in range(1, 1_001):
            browser = world.browser(number)
            world.now += 1
            await browser.send(browser.event("identify", d={"email": "info@brew.example"}))
        await world.project()
        assert await world.rows("persons", "email") == [("info@brew.example",)]
        states = [state for (state,) in await world.rows("claims", "state")]
        assert (states.count(0), states.count(1)) == (10, 990)
        assert await world.rows("conflicts", "kind") == [("too_many_devices",)]
        sessions = await world.rows("subjects", "sessions", "kind = 1")
        assert sessions == [(10,)]
        world.now += 8 * DAY  # the flood is over: another device is an ordinary one
        late = world.browser(2_000)
        await late.send(late.event("identify", d={"email": "info@brew.example"}))
        await world.project()
        assert (0,) in await world.rows("claims", "state", "visitor_id > 1000")


async def test_chains_and_circles_of_merges(database: Database) -> None:
    """One person, under the oldest number, however often it is said; a split leaves the others."""
    async with tracking(database) as world:
        for number, name in enumerate(("ann", "bob", "cat", "dan"), 1):
            browser = world.browser(number)
            await browser.submit("demo", email=f"{name}@brew.example")
        projector = await world.project()
        before = await world.derived()
        ids = [row[0] for row in await world.rows("persons", "person_id")]
        pairs = [(0, 1), (1, 2), (2, 0), (0, 0), (2, 3), (3, 1)]
        first = (await world.rows("heads", "seq"))[0][0]
        for one, other in pairs:
            await decide(world, Kind.MERGE, f'{{"claims":[{ids[one]},{ids[other]}]}}')
        await world.project(projector)
        assert await world.rows("persons", "person_id") == [(min(ids),)]
        assert await world.rows("subjects", "sessions", "kind = 1") == [(4,)]
        merges = [seq for (seq,) in await world.rows("entries", "seq", f"kind = {int(Kind.MERGE)}")]
        assert len(merges) == len(pairs)
        assert min(merges) > first
        for merge in merges[4:]:  # both that hold dan
            await decide(world, Kind.SPLIT, f'{{"merge":{merge},"claims":[{ids[2]},{ids[3]}]}}')
        await world.project(projector)
        assert await world.rows("persons", "person_id") == [(ids[0],), (ids[3],)]
        for merge in merges[:4]:
            await decide(world, Kind.SPLIT, f'{{"merge":{merge},"claims":[{ids[0]},{ids[1]}]}}')
        await world.project(projector)
        after = await world.derived()
        for table in ("sessions", "subjects", "persons", "identifiers", "links", "contributions"):
            assert after[table] == before[table], table


async def test_decisions_about_nobody_do_no_harm(database: Database) -> None:
    """Claims that never were, words that are no stage, fields of another kind."""
    async with tracking(database) as world:
        await world.browser().submit("demo", email="ann@brew.example")
        projector = await world.project()
        before = await world.derived()
        for kind, said in (
            (Kind.MERGE, '{"claims":[999,1000]}'),
            (Kind.MERGE, '{"claims":[1]}'),
            (Kind.SPLIT, '{"merge":77,"claims":[]}'),
            (Kind.RELEASE, '{"claim":500}'),
            (Kind.SET_STAGE, '{"claim":500,"stage":"customer"}'),
            (Kind.SET_STAGE, '{"claim":1,"stage":"king"}'),
            (Kind.VERIFY, '{"claim":1}'),
            (Kind.CLASSIFY, '{"visitor":500,"class":"bot"}'),
        ):
            await decide(world, kind, said)
        await world.project(projector)
        after = await world.derived()
        for table in ("sessions", "subjects", "persons", "links", "contributions", "rollups"):
            assert after[table] == before[table], table
        assert projector.projector_of(world.site).passed_over == 0


@pytest.mark.parametrize("word", ["null", "undefined", "NaN", "anonymous", "0", "[object Object]"])
async def test_words_that_name_nobody(database: Database, word: str) -> None:
    """They would join strangers: refused by name at the door, so that two of them stay two."""
    async with tracking(database) as world:
        for number in (1, 2):
            browser = world.browser(number)
            await browser.view("/pricing")
            told = browser.event("identify", d={"user_id": word})
            assert await world.refusals(browser, told) == ["reserved_id"]
        await world.project()
        assert await world.rows("persons", "person_id") == []
        assert await world.rows("subjects", "kind") == [(0,), (0,)]


def test_nobody_at_all() -> None:
    """No claims, no decisions: an empty answer."""
    assert resolve([]).rulings == {}
