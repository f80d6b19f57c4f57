"""The worked example to its end: 75 points, an MQL, a webhook and a mail; pricing again, an SQL."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.engines import Place
from tests.stories.test_seed_story import EBOOK
from tests.tell.desk import Desk, opened_desk
from tests.tell.receivers import until
from tests.tracking import DAY, HOUR, MIN, Browser

pytestmark = pytest.mark.anyio
SEVENTY_FIVE = sorted(
    [("pricing_page", 10)] * 4
    + [("ebook", 5), ("vp_of_marketing", 15), ("gmail", -5), ("five_opens", 20)]
)


def lines(told: Any) -> list[tuple[str, float]]:
    """The receipt that was told; it adds up."""
    found = sorted((line["rule"], line["points"]) for line in told["receipt"])
    assert sum(points for _, points in found) == told["score"]
    return found


async def publish_seed(desk: Desk) -> None:
    await desk.ask("PUT", "/rules/draft", {"preset": "seed"})
    published = await desk.ask("POST", "/rules/publish", {"notify": False})
    assert published["version"] == 2
    async with asyncio.timeout(10):
        while (await desk.ask("GET", "/rules"))["rescoring"] is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def opens(desk: Desk, browser: Browser, number: int) -> None:
    event = browser.event("email_open", "/", d={"message": f"mail-{number}"})
    body = {"k": "k1", "v": browser.visitor, "t": desk.world.now, "e": [event]}
    assert (await desk.ask("POST", "/events", body, 202))["accepted"] == 1


async def test_a_rep_is_told_of_the_worked_example(place: Place, tmp_path: Path) -> None:
    """Nobody is told before 75; then the CRM and the rep are, with the receipt as it stood."""
    async with opened_desk(place, tmp_path) as desk:
        await publish_seed(desk)
        made = await desk.webhook(name="CRM")
        await desk.mail("olga@acme.example")
        world, gina = desk.world, desk.world.browser(77)
        for _ in range(4):
            await gina.view("/pricing")
        await gina.send(gina.event("download", "/pricing", d=EBOOK))
        world.now += MIN
        await gina.submit("demo", "/", email="gina@gmail.com", name="Gina", title="VP of Marketing")
        for number in range(4):
            world.now += DAY
            await opens(desk, gina, number)
        await world.project()
        assert (desk.receiver.got, desk.post.got) == ([], [])

        await opens(desk, gina, 4)
        await world.project()
        await until(lambda: len(desk.receiver.got) == 2 and len(desk.post.got) == 1)
        crossed, moved = (one.json for one in desk.receiver.got)
        assert all(one.signed_by(made["secret"]) for one in desk.receiver.got)
        assert crossed["type"] == "person.threshold_crossed"
        assert (moved["data"]["from"], moved["data"]["to"]) == ("lead", "mql")
        assert lines(crossed["data"]) == SEVENTY_FIVE
        assert desk.post.got[0].message["Subject"] == "Gina is an MQL: 75 points"
        for kind in ("plain", "html"):
            assert "5 mails opened within 7 days" in desk.post.got[0].part(kind)

        world.now += HOUR
        await gina.view("/pricing")
        await world.project()
        await until(lambda: len(desk.receiver.got) == 3 and len(desk.post.got) == 2)
        again = desk.receiver.got[2].json["data"]
        assert (again["from"], again["to"]) == ("mql", "sql")
        assert lines(again) == sorted([*SEVENTY_FIVE, ("pricing_page", 10)])
        assert desk.post.got[1].message["Subject"] == "Gina is an SQL: 85 points"
