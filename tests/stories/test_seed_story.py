"""The worked example, over the API: five rules, one threshold, and exactly 75 points."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from server.ingest.payload import write_id
from server.model import Kind
from tests.engines import Place
from tests.office import Office, opened_office
from tests.tracking import DAY, HOUR, MIN, Browser

pytestmark = pytest.mark.anyio
API = "/api/v1/sites/1"
EBOOK = {"href": "https://acme.example/ebook.pdf", "text": "The ebook"}


async def publish_seed(office: Office) -> None:
    async with office.client(office.token) as client:
        saved = await client.put(f"{API}/rules/draft", json={"preset": "seed"})
        assert saved.status_code == 200, saved.text
        published = await client.post(f"{API}/rules/publish", json={"notify": False})
        assert published.json()["version"] == 2
    async with asyncio.timeout(10):
        while (await office.json("/rules"))["rescoring"] is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def opens(office: Office, browser: Browser, message: str) -> None:
    """A mail is opened: the mail service tells us with a secret token."""
    number = office.world.next_number().to_bytes(16, "big")
    event = {"i": write_id(number), "y": "email_open", "t": office.world.now}
    event["d"] = {"message": message}
    body = {"k": "k1", "v": browser.visitor, "t": office.world.now, "e": [event]}
    async with office.client(office.token) as client:
        answer = await client.post(f"{API}/events", json=body)
    assert answer.json() == {"accepted": 1, "duplicates": 0, "dropped": []}, answer.text


async def person(office: Office, email: str) -> Any:
    await office.world.project()
    (found,) = (await office.json("/people", email=email))["items"]
    return await office.json(f"/people/{found['id']}")


def lines(person: Any) -> list[tuple[str, float]]:
    """The receipt without its moments; it adds up."""
    found = [(line["rule"], line["points"]) for line in person["receipt"]]
    assert sum(points for _, points in found) == person["score"]
    return found


async def decided(office: Office) -> list[Any]:
    """What the newest two consequences say, from the exported log."""
    rows = await office.world.rows("entries", "seq", f"kind >= {int(Kind.STAGE_MOVED)}")
    answer = await office.get(f"{API}/log", after=rows[-2][0] - 1)
    assert answer.status_code == 200
    return [row["data"] for row in map(json.loads, answer.text.splitlines())]


async def test_the_seed_example(place: Place, tmp_path: Path) -> None:
    """Pricing four times 10, the ebook 5, the title 15, five mails 20, gmail −5: 75, an MQL; once
    more on the pricing page, an SQL."""
    async with opened_office(place, tmp_path) as office:
        await publish_seed(office)
        world, gina = office.world, office.world.browser(77)
        for _ in range(3):
            await gina.view("/pricing")
        world.now += DAY
        await gina.view("/pricing")
        await gina.send(gina.event("download", "/pricing", d=EBOOK))
        world.now += MIN
        email = "gina@gmail.com"
        await gina.submit("demo", "/", email=email, name="Gina", title="VP of Marketing")
        before = [("pricing_page", 10)] * 4 + [("ebook", 5), ("vp_of_marketing", 15), ("gmail", -5)]
        found = await person(office, email)
        assert (lines(found), found["score"], found["stage"]) == (before, 55, "lead")

        for number in range(5):
            world.now += DAY
            assert (await person(office, email))["score"] == 55
            await opens(office, gina, f"mail-{number}")
        found = await person(office, email)
        opened = [*before, ("five_opens", 20)]
        assert (sorted(lines(found)), found["score"]) == (sorted(opened), 75)
        assert (found["stage"], found["fit"], found["engagement"]) == ("mql", 10, 65)
        crossed, moved = await decided(office)
        assert (moved["from"], moved["to"]) == ("lead", "mql")
        assert (crossed["threshold"], crossed["score"], crossed["ruleset"]) == ("mql", 75_000, 2)
        said = [(rule, points) for rule, _axis, points, *_ in crossed["receipt"]]
        assert sorted(said) == sorted((rule, points * 1_000) for rule, points in opened)

        world.now += HOUR
        await gina.view("/pricing")
        found = await person(office, email)
        assert (found["stage"], found["score"]) == ("sql", 85)
        assert sorted(lines(found)) == sorted([*opened, ("pricing_page", 10)])


async def test_five_mails_in_more_than_a_week(place: Place, tmp_path: Path) -> None:
    """No 20 points; another address is no gmail."""
    async with opened_office(place, tmp_path) as office:
        await publish_seed(office)
        world, hal = office.world, office.world.browser(78)
        await hal.submit("demo", "/", email="hal@brew.example", title="VP of Sales")
        for number in range(5):
            await opens(office, hal, f"mail-{number}")
            world.now += 2 * DAY
        found = await person(office, "hal@brew.example")
        assert (lines(found), found["stage"]) == ([], "lead")
