"""Random histories in any order of arrival: the same people, visits, scores and figures."""

import random
from typing import Any

import pytest

from server.model import Identifier
from server.storage.database import Database
from tests.tracking import DAY, MIN, NOON, Browser, World, tracking

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PATHS = ("/", "/pricing", "/docs", "/careers", "/demo", "/plans/team")
GAPS = (1, 5, 29, 30, 31, 45, 600, 1_500)  # minutes
EMAILS = ("ann@brew.example", "bob@brew.example", "cat@mail.example")


def told(world: World, dice: random.Random, names: bool) -> list[tuple[Browser, dict[str, Any]]]:
    """Everything that some browsers did within a few days, in the order it happened."""
    found: list[tuple[Browser, dict[str, Any]]] = []
    for number in range(1, dice.randint(2, 4)):
        browser = world.browser(number)
        world.now = NOON + dice.randrange(DAY)
        for _ in range(dice.randint(3, 14)):
            world.now += dice.choice(GAPS) * MIN
            found += [(browser, event) for event in _deed(browser, dice, names and number != 1)]
    return found


def _deed(browser: Browser, dice: random.Random, names: bool) -> list[dict[str, Any]]:
    """One thing somebody does; engagement tells of a page view some time later."""
    what = dice.random()
    path = dice.choice(PATHS)
    if names and what < 0.12:
        fields = {"email": dice.choice(EMAILS), "name": "Some Body"}
        return [browser.event("form_submit", path, d={"form": "demo", "fields": fields})]
    if names and what < 0.2:
        ids = {"email": dice.choice(EMAILS), "user_id": dice.choice(("u1", "u2", ""))}
        return [browser.event("identify", path, d=ids)]
    if what < 0.25:
        return [browser.event("track", path, d={"name": "watched"})]
    more: dict[str, Any] = {"r": dice.choice(("", "https://www.google.com/", "https://x.example/"))}
    query = dice.choice(("", "", "?utm_source=news&utm_medium=email", "?utm_source=ads"))
    view = browser.event("page_view", path + query, **more)
    if dice.random() < 0.5:
        return [view]
    read = browser.event("engagement", path, p=view["i"], d={"ms": 70_000, "scroll": 90})
    read["t"] += dice.choice((1, 20, 40, 700)) * MIN
    return [view, read]


async def play(
    world: World, deeds: list[tuple[Browser, dict[str, Any]]], dice: random.Random, most: int
) -> None:
    """Send them in this order, in batches of any size, projected whenever."""
    end = max(event["t"] for _, event in deeds)
    projector = world.fresh_projector()
    world.now = end + MIN
    for browser, event in deeds:
        await browser.send(event)
        if dice.random() < 1 / most:
            if dice.random() < 0.3:
                projector = world.fresh_projector()
            await world.project(projector)
    await world.project(projector)


async def known(world: World) -> dict[str, list[Any]]:
    """What the tables say, in words that do not depend on the order of arrival."""
    who: dict[int, str] = {0: ""}
    for kind, value, person_id in await world.rows("identifiers", "type, value, person_id"):
        names = who.get(person_id, "").split()
        who[person_id] = " ".join(sorted([*names, str(Identifier(kind, value).value)]))
    keys = {
        number: bytes(key)[-1] for number, key in await world.rows("visitors", "visitor_id, key")
    }
    sessions = await world.rows(
        "sessions",
        "visitor_id, person_id, state, start_at, end_at, day, prev_day, page_views, events,"
        " engaged_ms, leads, landing, exit_page, source, campaign, channel",
    )
    subjects = await world.rows(
        "subjects",
        "kind, subject_id, score, fit, engagement, first_seen, last_seen, sessions, page_views,"
        " source, channel, lead_source, last_source, signals",
    )
    # A stage is reached when that was decided, which depends on what had arrived by then.
    visits = "value <> 0 AND name NOT IN ('stage', 'lead_after') AND substr(name, 1, 4) <> 'won_'"
    rollups = await world.rows("rollups", "name, day, key, value", visits)
    return {
        "sessions": sorted((keys.get(v, 0), who.get(p, "?"), *rest) for v, p, *rest in sessions),
        "subjects": sorted(
            (kind, who.get(i, "?") if kind else keys.get(i, 0), *rest)
            for kind, i, *rest in subjects
        ),
        "rollups": rollups,
    }


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("names", [False, True], ids=["anonymous", "named"])
async def test_any_order_gives_the_same(database: Database, seed: int, names: bool) -> None:
    """In the order it happened, and shuffled; each is also what its own log says."""
    dice = random.Random(seed)
    async with tracking(database) as world:
        deeds = told(world, dice, names)
        first, other = list(deeds), list(deeds)
        first.sort(key=lambda deed: (deed[1]["t"], deed[1]["q"]))
        dice.shuffle(other)
        await play(world, first, dice, dice.choice((1, 3, 100)))
        in_order = await known(world)
        await world.verify()
        await world.start_again()
        await play(world, other, dice, dice.choice((1, 3, 100)))
        shuffled = await known(world)
    for part, rows in in_order.items():
        assert shuffled[part] == rows, part
