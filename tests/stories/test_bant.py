"""What somebody knows of a lead, by hand or from a form: BANT and MEDDIC, on both databases."""

import random
from typing import Any

import pytest
from msgspec import structs

from server.model import STAGE_RANK, FormRule, Kind
from server.project.rules import PropertyCondition, Rule, Ruleset, Threshold
from server.reports.paging import Paging
from server.reports.past import person_at
from server.reports.people import person
from server.reports.timeline import timeline
from server.reports.timeline_items import PERSON, Subject
from server.storage.database import Database
from server.web import deciding
from tests.stories.deciding import decide, persons, told, two_people, without
from tests.tracking import DAY, MIN, SETTINGS, World, tracking

pytestmark = pytest.mark.anyio
ANN = "ann@brew.example"
SALES = structs.replace(SETTINGS, forms=(*SETTINGS.forms, FormRule("quote")))

#: A budget and somebody who decides make a lead an MQL.
BANT = Ruleset(
    1,
    "bant",
    (
        Rule("budget", "Has a budget", 20_000, PropertyCondition("budget", "exists"), axis="fit"),
        Rule(
            "authority",
            "Decides",
            30_000,
            PropertyCondition("authority", "equals", True),
            axis="fit",
        ),
        Rule("seats", "Many", 5_000, PropertyCondition("seats", "at_least", 50), axis="fit"),
    ),
    (Threshold("mql", "mql", 50_000, hysteresis=10_000),),
)


async def traits(world: World, **where: int) -> list[tuple[str, str, int]]:
    """(name, JSON, level), every value there is."""
    asked = "site_id = 1" + "".join(f" AND {name} = {value}" for name, value in where.items())
    return [tuple(row) for row in await world.rows("traits", "name, value, level", asked)]


async def detail(world: World, person_id: int) -> Any:
    async with world.database.snapshot() as reader:
        return await person(reader, world.site, person_id)


async def score(world: World, person_id: int) -> tuple[int, int]:
    where = f"site_id = 1 AND kind = 1 AND subject_id = {person_id}"
    ((points, stage),) = await world.rows("subjects", "score, stage", where)
    return points, stage


async def ann_asks(world: World) -> int:
    await world.browser().submit(
        "quote", "/quote", email=ANN, Budget="10k", decision_maker="no", comment="Soon, please"
    )
    world.now += MIN
    await world.project()
    return (await persons(world))[ANN]


async def test_forms_give_bant_by_the_names_of_their_fields(database: Database) -> None:
    """Only a form that the owner allowed; free text is no trait."""
    async with tracking(database, SALES) as world:
        await ann_asks(world)
        await world.browser(2).submit("other", email="bob@brew.example", budget="1m")
        await world.project()
        assert await traits(world) == [("authority", '"no"', 1), ("budget", '"10k"', 1)]


async def test_what_is_known_by_hand_outweighs_forms(database: Database) -> None:
    """Whatever a form says later; null takes it back, and the form's word is there again."""
    async with tracking(database, SALES) as world:
        ann = await ann_asks(world)
        await decide(world, deciding.traits, ann, {"budget": "50k", "seats": 60})
        first = await detail(world, ann)
        assert first.traits == {"authority": "no", "budget": "50k", "seats": 60}
        (source,) = [one for one in first.trait_sources if one.name == "budget"]
        assert (source.level, source.author) == ("decided", "token t1")
        world.now += DAY
        await world.browser().submit("quote", email=ANN, budget="5k")
        await decide(world, deciding.traits, ann, {"budget": "70k"})
        assert (await detail(world, ann)).traits["budget"] == "70k"
        await decide(world, deciding.traits, ann, {"budget": None, "need": None})
        after = await detail(world, ann)
        assert after.traits["budget"] == "5k"
        (source,) = [one for one in after.trait_sources if one.name == "budget"]
        assert (source.level, source.author) == ("claimed", "")
        before = await world.rows("heads", "seq")
        await decide(world, deciding.traits, ann, {"budget": None})  # nothing is left to take back
        assert await world.rows("heads", "seq") == before


async def test_rules_ask_for_it_at_once(database: Database) -> None:
    """A trait given by hand lifts somebody over a threshold; taking it back arms it again."""
    async with tracking(database, SALES) as world:
        ann = await ann_asks(world)
        await world.publish(BANT)
        await world.project()
        assert await score(world, ann) == (20_000, STAGE_RANK["lead"])
        seq = await decide(world, deciding.traits, ann, {"authority": True})
        assert await score(world, ann) == (50_000, STAGE_RANK["mql"])
        moved = await world.rows("stages", "stage_to, at, cause")
        assert moved[-1] == (STAGE_RANK["mql"], world.now, "mql")
        await decide(world, deciding.traits, ann, {"authority": None})
        assert await score(world, ann) == (20_000, STAGE_RANK["mql"])
        assert (await told(world))[-3:] == ["crossed", "stage_moved", "rearmed"]
        async with world.database.snapshot() as reader:
            page = Paging(50, "")
            items = (await timeline(reader, world.site, Subject(PERSON, ann), "trait", page)).items
        assert [one.data for one in items] == [
            {"author": "token t1", "traits": {"authority": None}},
            {"author": "token t1", "traits": {"authority": True}},
        ]
        assert items[1].id == f"e{seq}"


async def test_a_past_score_knows_what_was_known(database: Database) -> None:
    """Traits with their moment: before it was said, the rule was not met."""
    async with tracking(database, SALES) as world:
        ann = await ann_asks(world)
        await world.publish(BANT)
        before = world.now
        world.now += DAY
        await decide(world, deciding.traits, ann, {"authority": True})
        async with world.database.snapshot() as reader:
            past = await person_at(reader, world.site, ann, BANT, before)
            now = await person_at(reader, world.site, ann, BANT, world.now)
        assert (past.score, now.score) == (20, 50)
        assert past.traits["authority"] == "no"
        assert {one.level for one in past.trait_sources} == {"claimed"}


async def test_merged_and_split(database: Database) -> None:
    """One person has what was said of both, the newer word of each; a split gives each their own
    again, exactly, also what was taken back meanwhile of the other."""
    async with tracking(database) as world:
        ann, private = await two_people(world)
        await decide(world, deciding.traits, ann, {"budget": "50k", "need": "speed"})
        await decide(world, deciding.traits, private, {"budget": "9k", "champion": "Bo"})
        before = await world.derived()
        merged = await decide(world, deciding.merge, ann, private)
        both = (await detail(world, ann)).traits
        assert (both["budget"], both["need"], both["champion"]) == ("9k", "speed", "Bo")
        await decide(world, deciding.split, ann, merged)
        after = await world.derived()
        assert without(after, "person_entries") == without(before, "person_entries")
        merged = await decide(world, deciding.merge, ann, private)
        await decide(world, deciding.traits, ann, {"budget": None})
        assert "budget" not in (await detail(world, ann)).traits
        await decide(world, deciding.split, ann, merged)
        assert "budget" not in (await detail(world, ann)).traits
        assert (await detail(world, private)).traits["budget"] == "9k"


async def test_null_of_one_is_no_word_about_the_other(database: Database) -> None:
    """Taken back of one person before they were merged: the other's value stays."""
    async with tracking(database) as world:
        ann, private = await two_people(world)
        await decide(world, deciding.traits, private, {"budget": "9k"})
        await decide(world, deciding.traits, private, {"budget": None})
        await decide(world, deciding.traits, ann, {"budget": "50k"})
        await decide(world, deciding.traits, private, {"budget": None})
        await decide(world, deciding.merge, private, ann)
        assert (await detail(world, ann)).traits["budget"] == "50k"
        kinds = await world.rows("entries", "seq, kind", f"kind = {int(Kind.TRAIT)}")
        assert len(kinds) == 3


class Model:
    """Who is one with whom, and what was said of each: a few lines to compare with."""

    def __init__(self, ids: list[int]) -> None:
        self.ids = ids
        self.words: list[tuple[int, str, int, int]] = []  # person, name, value, entry
        self.back: set[tuple[int, int, str]] = set()  # said of whom, of which entry, which name
        self.merges: dict[int, tuple[int, int]] = {}

    def group(self, one: int) -> set[int]:
        found = {one}
        for _ in self.ids:
            found |= {two for pair in self.merges.values() if found & set(pair) for two in pair}
        return found

    def known(self, one: int, name: str) -> dict[int, int]:
        """The values of a name by their entries."""
        mine = self.group(one)
        gone = {seq for by, seq, what in self.back if by in mine and what == name}
        return {
            seq: value
            for who, what, value, seq in self.words
            if who in mine and what == name and seq not in gone
        }

    async def step(self, world: World, dice: random.Random, number: int) -> None:
        """Somebody says something, takes it back, merges or splits."""
        one, name, roll = dice.choice(self.ids), dice.choice(["budget", "need"]), dice.random()
        lead = min(self.group(one))
        others = sorted(set(self.ids) - self.group(one))
        if roll < 0.5:
            seq = await decide(world, deciding.traits, lead, {name: number})
            self.words.append((lead, name, number, seq))
        elif roll < 0.7:
            held = self.known(lead, name)
            await decide(world, deciding.traits, lead, {name: None})
            self.back |= {(lead, seq, name) for seq in held}
        elif roll < 0.85 and self.merges:
            seq = dice.choice(sorted(self.merges))
            await decide(world, deciding.split, min(self.group(self.merges[seq][0])), seq)
            del self.merges[seq]
        elif others:
            two = min(self.group(others[0]))
            self.merges[await decide(world, deciding.merge, lead, two)] = (lead, two)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
async def test_any_order_of_words_merges_and_splits(database: Database, seed: int) -> None:
    """As the model says; and `tracking` reads the log again."""
    dice = random.Random(seed)
    async with tracking(database) as world:
        for number in range(1, 4):
            await world.browser(number).submit("demo", email=f"p{number}@x.example", name="P")
            world.now += MIN
        await world.project()
        model = Model(sorted((await persons(world)).values()))
        for number in range(14):
            await model.step(world, dice, number)
        for one in model.ids:
            for name in ("budget", "need"):
                held = model.known(one, name)
                found = (await detail(world, min(model.group(one)))).traits.get(name)
                assert found == (held[max(held)] if held else None), (one, name)
