"""A past score while a ruleset is on its way to everybody."""

import pytest

from server.project.rules import EventCondition, Rule, Ruleset
from server.reports.past import person_at
from server.reports.people import person
from server.reports.shapes import PersonDetail
from server.storage.database import Database
from tests.tracking import DAY, MIN, World, tracking

pytestmark = pytest.mark.anyio

VIEW = EventCondition(("page_view",), page="/pricing*")
TRACK = EventCondition(("track",), name="watched")
#: The same key, and other events: signals of one counted by the other are wrong.
OLD = Ruleset(1, "old", (Rule("interest", "Interest", 10_000, VIEW),))
NEW = Ruleset(1, "new", (Rule("interest", "Interest", 1_000, TRACK), Rule("x", "X", 7_000, VIEW)))


async def asked(world: World, person_id: int, at: int, published: Ruleset) -> PersonDetail:
    async with world.database.snapshot() as reader:
        return await person_at(reader, world.site, person_id, published, at)


async def test_the_version_somebody_bears(database: Database) -> None:
    """Until the new rules have reached Ann, her past is told by those she is scored by."""
    async with tracking(database) as world:
        before = await world.publish(OLD)
        ann = world.browser()
        await ann.submit("demo", email="ann@brew.example")
        await ann.view("/pricing")
        await ann.send(*(ann.event("track", d={"name": "watched"}) for _ in range(3)))
        await world.project()
        ((person_id,),) = await world.rows("persons", "person_id")
        moment = world.now
        world.now += DAY
        await ann.view("/pricing/team")
        await world.project()
        after = await world.publish(NEW)
        published = Ruleset(after, "new", NEW.rules)
        past = await asked(world, person_id, moment, published)
        assert (past.ruleset, past.score) == (before, 10)
        assert [line.points for line in past.receipt] == [10]
        now = await asked(world, person_id, world.now, published)
        async with world.database.snapshot() as reader:
            stored = await person(reader, world.site, person_id)
        assert (now.ruleset, now.score, now.receipt) == (before, stored.score, stored.receipt)
        await world.project()
        past = await asked(world, person_id, moment + MIN, published)
        assert (past.ruleset, past.score) == (after, 3 * 1 + 7)
