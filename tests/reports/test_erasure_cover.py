"""What an erasure takes, on many small worlds: nobody's is everybody's business but the owner's."""

import random

import pytest

from server.reports.erasure import Until, covered
from server.storage.database import Database
from tests.tracking import DAY, HOUR, MIN, World, tracking

pytestmark = pytest.mark.anyio
PEOPLE = ("ann", "ben", "eve", "kim")


async def lives(world: World, chance: random.Random) -> None:
    """Some people on some browsers, as it comes."""
    browsers = [world.browser(number) for number in range(1, 6)]
    for _ in range(40):
        browser = chance.choice(browsers)
        what = chance.random()
        name = chance.choice(PEOPLE)
        if what < 0.6:
            await browser.view(chance.choice(["/", "/pricing", f"/of/{name}"]))
        elif what < 0.85:
            await browser.submit("demo", email=f"{name}@brew.example", name=name)
        elif what < 0.9:
            known = {"user_id": f"u-{name}", "email": f"{chance.choice(PEOPLE)}@brew.example"}
            await world.send({"e": [browser.event("identify", "", d=known)]}, secret=True)
        else:
            late = browser.event("identify", "/", d={"email": f"{name}@brew.example"})
            await browser.send(late | {"t": world.now - 8 * DAY})
        world.now += chance.choice([MIN, MIN, HOUR, DAY])
    await world.project()


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize("seed", range(12))
async def test_covers_never_overlap(database: Database, seed: int) -> None:
    """No entry is taken from two persons, no claim or visit of another, no visitor whole on which
    another was; and every claim and visit of one's own is taken."""
    async with tracking(database) as world:
        await lives(world, random.Random(seed))
        claims = await world.rows("claims", "seq, person_id, visitor_id, state")
        sessions = await world.rows("sessions", "session_id, person_id, visitor_id")
        placed = await world.rows("session_events", "seq, session_id, visitor_id")
        taken: set[int] = set()
        for (person_id,) in await world.rows("persons", "person_id"):
            async with database.snapshot() as reader:
                cover = await covered(reader, world.site, f"p{person_id}", Until())
            every = cover.events | cover.said
            assert not every & taken
            taken |= every
            mine = {seq for seq, owner, _, _ in claims if owner == person_id}
            assert mine <= cover.claims
            assert not every & {seq for seq, owner, *_ in claims if owner not in {person_id, 0}}
            own = {session for session, owner, _ in sessions if owner == person_id}
            assert {seq for seq, session, _ in placed if session in own} <= cover.events
            others = {v for _, owner, v in sessions if owner not in {person_id, 0}}
            assert not cover.whole & others
            assert cover.kept <= cover.events
            assert not cover.reworded & cover.events
