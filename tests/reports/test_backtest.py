"""A backtest of people whose story is known by hand: nothing of the future, every figure exact."""

import asyncio
from fractions import Fraction
from functools import partial

import pytest
from msgspec import structs

from server.model import Kind
from server.project.backtest import EVEN, backtest
from server.project.rules import EventCondition, PropertyCondition, Rule, Ruleset, Threshold
from server.reports.backtest import Asked, Gathered, Gathering
from server.reports.backtest_shapes import result_of
from server.storage.database import Database
from server.web.commands import decision
from tests.tracking import AGENTS, DAY, MIN, NOON, World, tracking

pytestmark = pytest.mark.anyio

#: Asks for a form and nothing else.
OLD = Ruleset(
    1,
    "old",
    (Rule("form", "Sent a form", 50_000, EventCondition(("form_submit",))),),
    (Threshold("mql", "mql", 50_000),),
)
#: Asks for other things: pages, a video, and what is known of somebody.
NEW = Ruleset(
    1,
    "new",
    (
        Rule("pricing", "Pricing", 10_000, EventCondition(("page_view",), page="/pricing*")),
        Rule("watched", "Watched", 20_000, EventCondition(("track",), name="watched"), cap=20_000),
        Rule("known", "Known", 90_000, PropertyCondition("budget", "exists"), axis="fit"),
    ),
    (Threshold("mql", "mql", 30_000),),
)
BUYERS, READERS, WATCHERS, OTHERS, LATE = 40, 60, 20, 100, 10


async def acts(world: World, number: int, pages: int, *, watches: bool, asks: bool = True) -> None:
    """One browser in one batch."""
    browser = world.browser(number + 1)
    events = [browser.event("page_view", "/pricing") for _ in range(pages)]
    events += [browser.event("track", d={"name": "watched"})] * watches
    if asks:
        fields = {"email": f"p{number}@firm{number}.example"}
        events.append(browser.event("form_submit", "/", d={"form": "other", "fields": fields}))
    await browser.send(*events)


async def decided(world: World, kind: Kind, numbers: range, **words: object) -> None:
    ids: dict[str, int] = dict(await world.rows("persons", "email, person_id"))
    claims = [ids[f"p{number}@firm{number}.example"] for number in numbers]
    said = [decision(kind, words | {"claim": claim, "author": "a"}, world.now) for claim in claims]
    await world.writer.append(1, said)
    await world.project()


async def lived(world: World) -> None:
    """Day 0: buyers read pricing twice and watch, readers read it once and 20 of them watch, the
    others only send a form. Day 5: the buyers buy. Afterwards everybody does a lot."""
    buyers = range(BUYERS)
    readers = range(BUYERS, BUYERS + READERS)
    everybody = range(BUYERS + READERS + OTHERS)
    await world.publish(OLD)
    for number in everybody:
        watches = number in buyers or number in readers[:WATCHERS]
        pages = 2 if number in buyers else 1 if number in readers else 0
        await acts(world, number, pages, watches=watches)
    await world.project()
    world.now += 5 * DAY
    await decided(world, Kind.SET_STAGE, buyers, stage="customer")
    world.now += DAY
    for number in buyers:
        await acts(world, number, 5, watches=True, asks=False)
    world.now = NOON + 40 * DAY
    for number in everybody:
        await acts(world, number, 3, watches=True, asks=False)
    await decided(world, Kind.TRAIT, everybody, traits={"budget": "50k"})
    for number in range(1_000, 1_000 + LATE):
        await acts(world, number, 5, watches=True)
    await world.project()
    world.now = NOON + 50 * DAY


async def gathered(world: World, old: Ruleset, new: Ruleset, **asked: int) -> Gathered:
    told: list[tuple[int, int]] = []
    tell = lambda done, total: told.append((done, total))  # noqa: E731
    gathering = Gathering(world.database, world.site, AGENTS, (old, new), partial(asyncio.sleep, 0))
    found = await gathering.gather(Asked(**{"at": world.now - 30 * DAY} | asked), tell)
    assert told == sorted(told)
    assert told[-1] == (found.sampled, found.sampled)
    return found


@pytest.mark.slow
async def test_the_figures_are_those_of_the_story(database: Database) -> None:
    """Buyers as they were before they bought, the others 30 days ago; whoever came later is left
    out. The draft asks other things of events, which are read again."""
    async with tracking(database) as world:
        await lived(world)
        found = await gathered(world, OLD, NEW)
        people = BUYERS + READERS + OTHERS
        assert (found.people, found.sampled) == (people + LATE, people + LATE)
        assert (found.unknown, len(found.cases), found.thinned) == (LATE, people, 0)
        scores = sorted(case.new.score for case in found.cases)
        reached = BUYERS + WATCHERS
        assert scores == (
            [0] * OTHERS + [10_000] * (READERS - WATCHERS) + [30_000] * WATCHERS + [40_000] * BUYERS
        )
        figures = backtest(OLD, NEW, found.cases)
        (old,), (new,) = figures.old_quality, figures.new_quality
        assert (old.reached, old.precision.value) == (people, Fraction(BUYERS, people))
        assert (new.reached, new.customers) == (reached, BUYERS)
        assert new.precision.value == Fraction(40, 60)
        assert (new.recall.value, new.lift) == (Fraction(1), Fraction(40 * people, 60 * 40))
        assert len(figures.movers) == people - reached
        rules = {one.rule: (one.fired, one.customers, one.points) for one in figures.new_rules}
        assert rules == {
            "pricing": (100, 40, 40 * 20_000 + 60 * 10_000),
            "watched": (60, 40, 60 * 20_000),
            "known": (0, 0, 0),
        }
        await same_by_what_is_stored(world)
        await sampled_and_earlier(world)


async def same_by_what_is_stored(world: World) -> None:
    """Where only points differ, nothing is asked of events, and the answer is as exact; once the
    draft is in force, the stored signals say what the events said."""
    rules = tuple(structs.replace(rule, points=25_000) for rule in OLD.rules)
    half = structs.replace(OLD, rules=rules)
    found = await gathered(world, OLD, half)
    assert {case.new.score for case in found.cases} == {25_000}
    before = {case.person_id: case.new for case in (await gathered(world, OLD, NEW)).cases}
    await world.publish(NEW)
    await world.project()
    after = {case.person_id: case.new for case in (await gathered(world, OLD, NEW)).cases}
    assert after == before


async def sampled_and_earlier(world: World) -> None:
    """Customers are half of a sample, others are spread over all; what is found is that of
    everybody. Some days before buying, nobody was known."""
    few = await gathered(world, OLD, NEW, sample=70)
    people = BUYERS + READERS + OTHERS + LATE
    assert (few.people, few.sampled, few.customers, few.bought) == (people, 70, BUYERS, 35)
    assert sum(case.customer for case in few.cases) == 35
    assert few.weights == (Fraction(BUYERS, 35) / Fraction(people - BUYERS, 35)).as_integer_ratio()
    (new,) = backtest(OLD, NEW, few.cases, few.weights).new_quality
    assert (new.recall.value, new.customers) == (Fraction(1), 35)
    assert abs(float(new.precision.value or 0) - BUYERS / 60) < 0.06
    answer = result_of(backtest(OLD, NEW, few.cases, few.weights), few)
    assert answer.drawn.startswith("35 of 40 customers and 35 of 170 others were looked at")
    many = await gathered(world, OLD, NEW, sample=people - 1)
    assert (many.sampled, many.bought) == (people - 1, BUYERS)
    assert (await gathered(world, OLD, NEW, sample=people)).weights == EVEN
    await many.release(partial(asyncio.sleep, 0))
    assert many.cases == []
    early = await gathered(world, OLD, NEW, days_before=6)
    assert early.unknown == LATE + BUYERS
    sentence = backtest(OLD, NEW, early.cases).sentence
    assert sentence.startswith("There are 0 customers and 160 others")


async def test_what_was_known_then(database: Database) -> None:
    """Traits and addresses by their moments, on a small site."""
    async with tracking(database) as world:
        ann = world.browser()
        await ann.submit("other", "/", email="ann@gmail.com", title="Intern")
        world.now += 10 * DAY
        await ann.submit("newsletter", "/", email="ann@gmail.com", title="CEO")
        world.now += MIN
        await world.project()
        rules = (
            Rule("ceo", "CEO", 7_000, PropertyCondition("title", "equals", "CEO"), axis="fit"),
            Rule("intern", "Int", 1_000, PropertyCondition("title", "equals", "Intern")),
        )
        ruleset = structs.replace(NEW, rules=rules)
        for at, score in ((NOON + DAY, 1_000), (NOON + 11 * DAY, 7_000)):
            found = await gathered(world, ruleset, ruleset, at=at)
            assert [case.new.score for case in found.cases] == [score]
        assert (await gathered(world, ruleset, ruleset, at=NOON - 1)).unknown == 1
