"""Another ruleset is published: everybody's past is scored by it, each subject whole, once."""

import random
from typing import Any

import pytest
from msgspec import json, structs

from server.model import STAGE_RANK, FormRule, Kind
from server.project.rules import (
    Axes,
    EventCondition,
    PropertyCondition,
    Rule,
    Ruleset,
    Threshold,
)
from server.project.ruleset import DEFAULT, SEED
from server.project.site_projector import SiteProjector
from server.storage import session_events
from server.storage.database import Database
from server.web import settling
from server.web.commands import decision
from tests.stories.deciding import ANN, decide, prove
from tests.stories.test_any_order import play, told
from tests.tracking import AGENTS, DAY, MIN, SETTINGS, World, tracking

pytestmark = pytest.mark.anyio

#: Says other things of the same visits than the default ruleset, and less.
OTHER = Ruleset(
    1,
    "other",
    (
        Rule("docs", "Read the docs", 7_000, EventCondition(("page_view",), page="/docs*")),
        Rule("pricing_page", "Pricing", 1_500, EventCondition(("page_view",), groups=("pricing",))),
        Rule("watched", "Watched", 3_000, EventCondition(("track",), name="watched"), cap=6_000),
        Rule("company", "At work", 5_000, PropertyCondition("email_class", "equals", "business")),
    ),
    (Threshold("keen", "mql", 20_000, hysteresis=5_000),),
)


async def receipts(world: World) -> dict[tuple[int, int], tuple[int, int, list[tuple[str, int]]]]:
    """By subject: the version, the score, and the lines."""
    lines: dict[tuple[int, int], list[tuple[str, int]]] = {}
    for kind, i, _, rule, points in await world.rows(
        "contributions", "kind, subject_id, line, rule, points"
    ):
        lines.setdefault((kind, i), []).append((rule, points))
    found = await world.rows("subjects", "kind, subject_id, ruleset, score")
    return {(k, i): (v, s, sorted(lines.get((k, i), []))) for k, i, v, s in found}


async def lived_in(world: World) -> None:
    """Ann asks for a demo, Bob reads and leaves, nobody knows Cat."""
    ann, bob, cat = (world.browser(number) for number in (1, 2, 3))
    await ann.view("/docs/start")
    await ann.view("/pricing")
    await ann.submit("demo", email="ann@brew.example")
    world.now += DAY
    await bob.view("/pricing")
    await bob.submit("newsletter", "/news", email="bob@gmail.com")
    await cat.view("/pricing")
    await cat.view("/docs/start")


async def test_everybody_has_the_new_score(database: Database) -> None:
    """Persons and visitors, with signals that nobody looked for before."""
    async with tracking(database) as world:
        await lived_in(world)
        projector = await world.project()
        assert await world.publish(OTHER) == 2
        await world.project(projector)
        found = await receipts(world)
        assert sorted(found.values()) == [
            (2, 1_500, [("pricing_page", 1_500)]),
            (2, 8_500, [("docs", 7_000), ("pricing_page", 1_500)]),
            (2, 13_500, [("company", 5_000), ("docs", 7_000), ("pricing_page", 1_500)]),
        ]
        assert await world.rows("cursors", "ruleset, walk_to, walk_done, walk_total") == [
            (2, 2, 3, 3)
        ]


async def test_busy_visitors_are_read_a_few_at_a_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More events than one read may take: fewer subjects at a time, and one alone page by page."""
    monkeypatch.setattr(session_events, "MOST_ROWS", 6)
    async with tracking(database) as world:
        await lived_in(world)
        dot = world.browser(4)
        for number in range(20):
            await dot.view(f"/docs/{number}")
        projector = await world.project()
        await world.publish(OTHER)
        await world.project(projector)
        found = await receipts(world)
        assert {version for version, *_ in found.values()} == {2}
        assert sorted(score for _, score, _ in found.values())[-1] == 20 * 7_000


async def test_only_points_change(database: Database) -> None:
    """Then nothing is asked of the events, and the result is the same."""
    async with tracking(database) as world:
        await lived_in(world)
        projector = await world.project()
        before = await world.rows("signals", "session_id, rule, seq, key, at, pending")
        rules = tuple(structs.replace(r, points=2 * r.points, cap=None) for r in DEFAULT.rules)
        await world.publish(structs.replace(DEFAULT, rules=rules, axes=Axes()))
        await world.project(projector)
        assert await world.rows("signals", "session_id, rule, seq, key, at, pending") == before
        scores = {row[1] for row in (await receipts(world)).values()}
        assert 20_000 in scores  # Cat read the pricing page


async def test_whoever_is_touched_comes_first(database: Database) -> None:
    """Before the walk has come by, an event of Bob finds him scored by the new ruleset."""
    async with tracking(database) as world:
        await lived_in(world)
        await world.project()
        await world.publish(OTHER)
        bob = world.browser(2)
        await bob.view("/docs/more")
        one = SiteProjector(world.site, world.database, world.writer, AGENTS, lambda: world.now)
        while await one.advance(_no_pause):
            continue
        found = await receipts(world)
        assert sorted(row[0] for row in found.values()) == [1, 1, 2]
        assert (2, 8_500, [("docs", 7_000), ("pricing_page", 1_500)]) in found.values()


async def _no_pause() -> None:
    return None


async def consequences(world: World) -> list[dict[str, Any]]:
    rows = await world.rows("entries", "seq, kind, data", f"kind >= {int(Kind.STAGE_MOVED)}")
    return [json.decode(data) | {"is": Kind(kind).word} for _, kind, data in rows]


@pytest.mark.parametrize("notify", [False, True])
async def test_crossings_are_decided_once_and_told_only_if_asked(
    database: Database, notify: bool
) -> None:
    """The cause is the publication; a second walk, or a restart, decides nothing again."""
    low = structs.replace(OTHER, thresholds=(Threshold("keen", "mql", 13_000, hysteresis=5_000),))
    async with tracking(database) as world:
        await lived_in(world)
        await world.project()
        before = len(await consequences(world))
        await world.publish(low, notify=notify)
        await world.project()
        await world.project()
        (crossed,) = (await consequences(world))[before:]  # Ann was an MQL before: no move
        (seq,) = await world.rows("entries", "seq", f"kind = {int(Kind.RULESET)}")
        assert crossed["is"] == "crossed"
        assert (crossed["threshold"], crossed["ruleset"]) == ("keen", 2)
        assert (crossed["mute"], crossed["reason"]) == (not notify, "published")
        assert crossed["cause"] == seq[0]
        assert sum(line[2] for line in crossed["receipt"]) == crossed["score"] == 13_500


async def test_a_stage_is_never_taken_away(database: Database) -> None:
    """Ann stays an MQL; her threshold is armed again where she is far below it now."""
    async with tracking(database) as world:
        await lived_in(world)
        await world.project()
        high = structs.replace(DEFAULT, thresholds=(Threshold("mql", "mql", 99_000),))
        await world.publish(high)
        await world.project()
        stages = await world.rows("subjects", "stage", "kind = 1")
        assert (STAGE_RANK["mql"],) in stages
        assert (await consequences(world))[-1]["is"] == "rearmed"


async def test_a_walk_goes_on_where_it_was_stopped(database: Database) -> None:
    """Each step is whole: whoever looks sees old receipts and new ones, and none in between."""
    async with tracking(database) as world:
        for number in range(1, 31):
            await world.browser(number).view("/pricing")
            if number % 3 == 0:
                await world.browser(number).submit("demo", email=f"p{number}@brew.example")
        await world.project()
        await world.publish(OTHER)
        done = [0]
        while True:
            one = SiteProjector(world.site, world.database, world.writer, AGENTS, lambda: world.now)
            while await one.advance(_no_pause):
                continue
            if not await one.walk(_no_pause):
                break
            ((_, _, walked),) = await world.rows("cursors", "walk_to, walk_id, walk_done")
            done.append(walked)
            for version, score, lines in (await receipts(world)).values():
                assert score == sum(points for _, points in lines)
                assert {rule for rule, _ in lines} <= {
                    rule.key for rule in (OTHER if version == 2 else DEFAULT).rules
                }
        assert done == sorted(done)
        assert done[-1] == 30
        assert len(done) > 4


async def test_a_newer_ruleset_overtakes_an_older(database: Database) -> None:
    """The walk begins anew; nobody ends with the one in between."""
    async with tracking(database) as world:
        await lived_in(world)
        await world.project()
        await world.publish(OTHER)
        one = SiteProjector(world.site, world.database, world.writer, AGENTS, lambda: world.now)
        assert await one.walk(_no_pause)
        assert await world.publish(SEED) == 3
        await world.project()
        assert {row[0] for row in (await receipts(world)).values()} == {3}


async def test_what_was_told_by_other_rules_is_not_taken_back(database: Database) -> None:
    """Ann crossed 50 once; by the rules of now she never did. That one of her browsers turns out
    to be a robot says nothing about then."""
    async with tracking(database) as world:
        await lived_in(world)
        again = world.browser(4)
        await again.submit("newsletter", "/news", email="ann@brew.example")
        await world.project()
        await world.publish(OTHER)
        await world.project()
        robot = await world.rows("visitors", "max(visitor_id)")
        said = {"visitor": robot[0][0], "class": "bot", "author": "ann"}
        await world.writer.append(1, [decision(Kind.CLASSIFY, said, world.now)])
        await world.project()
        assert "retracted" not in {one["is"] for one in await consequences(world)}


async def test_what_was_refused_at_a_kiosk_counts_for_nobody(database: Database) -> None:
    """Neither by the old rules nor by the new, nor for the visitor who stood there."""
    settings = structs.replace(SETTINGS, forms=(*SETTINGS.forms, FormRule("fair", kiosk=True)))
    async with tracking(database, settings) as world:
        laptop, kiosk = world.browser(1), world.browser(2)
        await laptop.view("/")
        await laptop.submit("newsletter", "/", email=ANN, name="Ann")
        await prove(world, laptop, ANN)
        await kiosk.view("/pricing")
        await kiosk.submit("fair", "/fair", email=ANN)
        await world.project()
        ((claim,),) = await world.rows("conflicts", "seq", "kind = 'quarantined'")
        await decide(world, settling.settle, claim, "quarantined", "refuse")
        before = await world.rows("subjects", "kind, score, sessions")
        await world.publish(structs.replace(DEFAULT, name="the same"))
        await world.project()
        assert await world.rows("subjects", "kind, score, sessions") == before
        world.now += 8 * DAY
        await world.project()
        assert (0, 8_310, 1) in await world.rows("subjects", "kind, score, sessions")


async def test_a_visit_that_was_cut_keeps_where_it_came_from(database: Database) -> None:
    """Bob takes over from Ann in a visit from one search engine, and comes again from another."""
    rules = tuple(
        Rule(name, name, 1_000, EventCondition(("page_view",), sources=(f"*{name}*",)))
        for name in ("bing", "google")
    )
    async with tracking(database) as world:
        browser = world.browser()
        await browser.view("/a", r="https://www.google.com/")
        await browser.submit("demo", email="ann@brew.example")
        world.now += MIN
        await browser.submit("demo", email="bob@other.example")
        await browser.view("/b", r="https://www.bing.com/")
        await world.project()
        await world.publish(Ruleset(1, "sources", rules))
        await world.project()
        assert {row[0] for row in await world.rows("signals", "rule")} == {"google"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
async def test_any_history_is_scored_as_if_it_always_had_been(
    database: Database, seed: int
) -> None:
    """Published at any moment, among late and shuffled events; `tracking` reads the log again."""
    dice = random.Random(seed)
    async with tracking(database) as world:
        deeds = told(world, dice, names=True)
        dice.shuffle(deeds)
        cut = max(1, len(deeds) - dice.choice((0, 1, 2, 3, 10)))
        await play(world, deeds[:cut], dice, 3)
        world.now = max(event["t"] for _, event in deeds) + MIN
        ruleset = dice.choice([OTHER, SEED])
        await world.publish(ruleset, notify=dice.random() < 0.5)
        one = SiteProjector(world.site, world.database, world.writer, AGENTS, lambda: world.now)
        for _ in range(dice.randint(0, 4)):
            await one.walk(_no_pause)
        projector = world.fresh_projector()
        for browser, event in deeds[cut:]:
            await browser.send(event)
            await projector.round()
        await world.project(projector)
        assert {row[0] for row in (await receipts(world)).values()} == {2}
