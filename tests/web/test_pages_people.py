"""Lists and decisions on pages: what a form sends ends as the same entries the API makes."""

import asyncio
import re
from typing import Any

import httpx2
import pytest

from tests.acme import crowd, mistyped
from tests.office import Office

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def sent(client: httpx2.AsyncClient, path: str, **fields: Any) -> str:
    """A form that is taken: where it leads."""
    answer = await client.post(f"{path}?site=1", data=fields)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def test_what_is_decided_on_a_person(office: Office) -> None:
    """Every deed of the page, then undone where it can be."""
    ada = office.known.ada
    async with await office.browser("marketer") as client:
        await sent(client, f"/people/{ada}/stage", stage="customer")
        await sent(client, f"/people/{ada}/tags", add="vip, board ")
        await sent(client, f"/people/{ada}/tags", remove="board")
        await sent(client, f"/people/{ada}/notes", text="Called.\r\nTwice.")
        await sent(client, f"/people/{ada}/owner", owner="grace@office.example")
        await sent(client, f"/people/{ada}/bant", budget="50k", need="soon")
        await sent(client, f"/people/{ada}/trait", name="title", value="CTO")
        await sent(client, f"/people/{ada}/contact", on="1", reason="asked by mail")
        await sent(client, f"/people/{ada}/verify", type="phone", value="+49 30 901820")
        person = await office.json(f"/people/{ada}")
        assert person["stage"] == "customer"
        assert person["tags"] == ["vip"]
        assert person["notes"][0]["text"] == "Called.\nTwice."
        assert person["owner"] == "grace@office.example"
        assert person["do_not_contact"] is True
        traits = person["traits"]
        assert (traits["budget"], traits["need"], traits["title"]) == ("50k", "soon", "CTO")
        assert {"phone"} <= {one["type"] for one in person["identifiers"]}
        page = (await client.get(f"/people/{ada}?site=1")).text
        assert "asked to be left alone" in page
        assert "marketer-1-" in page  # the note's author by name, not by number
        note = person["notes"][0]["id"]
        await sent(client, f"/people/{ada}/notes/{note}/delete")
        await sent(client, f"/people/{ada}/bant", budget="", need="", authority="", timeframe="")
        person = await office.json(f"/people/{ada}")
        assert person["notes"] == []
        assert "budget" not in person["traits"]
        for word, fields in (("stage", {"stage": "king"}), ("tags", {"add": " "})):
            wrong = await client.post(f"/people/{ada}/{word}?site=1", data=fields)
            assert wrong.status_code == 400


async def test_a_person_shows_where_they_came_from_and_what_was_told(office: Office) -> None:
    """First, lead and last touch apart; a consequence says where it is told, and how that went."""
    known = office.known
    found = await office.json(f"/people/{known.ada}/touches")
    assert found["first"]["source"] == "google"
    assert found["lead"]["landing"] == "/pricing"
    assert found["last"]["source"] == "google"
    assert [one["landing"] for one in found["all"]] == ["/pricing", "/pricing", "/"]
    async with office.client(office.token) as api:
        body = {"kind": "webhook", "name": "CRM", "url": "https://hooks.nowhere.example/in"}
        assert (await api.post("/api/v1/sites/1/destinations", json=body)).status_code == 201
    gil = office.world.browser(90)
    await gil.view("/pricing")
    await gil.submit("demo", email="gil@mill.example", name="Gil")
    await office.world.project()
    gil_id = (await office.json("/people", q="gil@mill"))["items"][0]["id"]
    async with await office.browser() as client, asyncio.timeout(10):
        while "is being told: <bdi>CRM</bdi>" not in (  # noqa: ASYNC110 - the page is what counts
            page := (await client.get(f"/people/{gil_id}?site=1")).text
        ):
            await asyncio.sleep(0.02)
        assert "Became Lead" in page
        assert "Became a lead · " in page


async def test_doubt_shows_on_the_person_and_is_decided_there(office: Office) -> None:
    """A visit in quarantine is marked, and accepting it leads back to the person."""
    known = office.known
    async with office.client(office.token) as api:
        proven = {"type": "email", "value": "ada@lovelace.example"}
        await api.post(f"/api/v1/sites/1/people/{known.ada}/verify", json=proven)
    conflict = await mistyped(office.world)
    listed = await office.json("/conflicts")
    person = next(one["person"]["id"] for one in listed["items"] if one["id"] == conflict)
    async with await office.browser("marketer") as client:
        page = (await client.get(f"/people/{person}?site=1")).text
        assert "may be one person who mistyped" in page
        back = await sent(client, f"/conflicts/{conflict}/dismiss", person=person)
        assert back.startswith(f"/people/{person}")
        assert "may be one person who mistyped" not in (await client.get(back)).text


async def test_erasing_shows_first_what_goes(office: Office) -> None:
    """The preview is for owners, says who it is, and only the typed number erases."""
    eve = office.known.eve
    async with await office.browser("owner") as client:
        page = (await client.get(f"/people/{eve}/erase?site=1")).text
        assert "eve@evil.example" in page
        assert "Visitor" in page
        assert "whole" in page
        unsure = await client.post(f"/people/{eve}/erase?site=1", data={"sure": "yes"})
        assert unsure.status_code == 400
        assert f"type {eve}" in unsure.text
        assert (await client.get(f"/people/{eve}?site=1")).status_code == 200
        await sent(client, f"/people/{eve}/erase", sure=eve)
        assert (await client.get(f"/people/{eve}?site=1")).status_code == 404


async def test_a_list_is_filtered_kept_and_shared(office: Office) -> None:
    """A filter from the form with its empty fields, a segment of it, and why somebody is in."""
    blank = "min_score=&max_score=&tag=&owner=&source=&lead_from=&do_not_contact=&q="
    async with await office.browser("marketer") as client:
        page = (await client.get(f"/people?site=1&{blank}&stage=sql&signal=pricing_page")).text
        assert "Ada Lovelace" in page
        assert "Ben" not in page
        sentence = re.search(r"In because ([^<]+)\.", page)
        assert sentence
        assert "stage is SQL" in sentence[1]
        text = re.search(r'name="filter" value="([^"]+)"', page)
        assert text
        saved = await sent(client, "/segments", name="Hot", filter=text[1].replace("&#34;", '"'))
        assert "segment=g1" in saved
        listed = (await client.get(saved)).text
        assert "Ada Lovelace" in listed
        assert "Ben" not in listed
        why = (await client.get(f"/people/{office.known.ada}/segments?site=1")).text
        assert "in because stage is SQL" in why
        await sent(client, "/segments/g1", name="Hotter")
        assert "Hotter" in (await client.get("/people?site=1")).text
        await sent(client, "/segments/g1/delete")
        assert "Hotter" not in (await client.get("/people?site=1")).text
        assert "Nobody fits" in (await client.get("/people?site=1&q=zzz")).text
        assert "Visitor" in (await client.get("/people?site=1&who=everybody")).text


async def test_many_at_once(office: Office) -> None:
    """Those ticked, then all that a filter finds; counted, and back where one was."""
    await crowd(office.world, 30)
    known = office.known
    async with await office.browser("marketer") as client:
        some = [known.ada, known.ben]
        answer = await client.post(
            "/people/bulk?site=1",
            data={"do": "tag", "value": "fair, met", "people": some, "back": '{"sort":["email"]}'},
        )
        assert "done=2" in answer.headers["location"]
        assert "sort=email" in answer.headers["location"]
        assert "2 people got the tags" in (await client.get(answer.headers["location"])).text
        assert (await office.json(f"/people/{known.ben}"))["tags"] == ["fair", "met"]
        text = '{"stage":["subscriber"]}'
        fields = {"do": "stage", "stage": "lead", "everybody": "1", "filter": text}
        for sure in ("", "30"):  # as many as they were a moment ago is not as many as they are
            more = {"sure": sure} if sure else {}
            asked = await client.post("/people/bulk?site=1", data=fields | more)
            assert (asked.status_code, "Move 31 people to Lead?" in asked.text) == (200, True)
            assert "of whom it holds that stage is subscriber" in asked.text
        assert (await office.json("/people", stage="subscriber", count="true"))["total"][
            "count"
        ] == 31
        moved = await sent(client, "/people/bulk", **fields, sure="31")
        assert "done=31" in moved
        assert "31 people moved to Lead" in (await client.get(moved)).text
        for back, status in (('{"said":["x"]}', 303), ("{", 400), ('{"people":["p1"]}', 303)):
            odd = {"do": "tag", "value": "odd", "people": some, "back": back}
            answer = await client.post("/people/bulk?site=1", data=odd)
            assert answer.status_code == status
        blank = {"do": "leave", "everybody": "1", "filter": '{"q":" "}'}
        assert (await client.post("/people/bulk?site=1", data=blank)).status_code == 400
        where = {"back": '{"q":["love"],"sort":["email"]}'}
        nobody = await client.post("/people/bulk?site=1", data={"do": "leave"} | where)
        assert nobody.status_code == 400
        assert "tick the boxes" in nobody.text
        assert "Ada Lovelace" in nobody.text  # the list one was at, with what is wrong above it
        assert "Ben" not in nobody.text
        for wrong, said in (
            ({"do": "tag", "value": " ,"}, "tag was named"),
            ({"do": "stage", "stage": "king"}, "one of the stages"),
            ({"do": "owner", "value": "x" * 300}, "at most 200 characters"),
        ):
            answer = await client.post("/people/bulk?site=1", data=wrong | {"people": some} | where)
            assert (answer.status_code, said in answer.text) == (400, True), wrong


async def test_from_people_to_visitors_without_a_dead_end(office: Office) -> None:
    """What no visitor can have is left out of the way to them, and is not offered there."""
    async with await office.browser("marketer") as client:
        asked = "stage=sql&q=ada&grade=A1&sort=email"
        page = (await client.get(f"/people?site=1&{asked}")).text
        switch = re.findall(r'<a href="([^"]+)"[^>]*>(Anonymous|Both)</a>', page)
        assert len(switch) == 2
        for link, word in switch:
            answer = await client.get(link.replace("&amp;", "&"))
            assert answer.status_code == 200, link
            assert "grade=A1" in link
            assert ("stage=" in link, "q=" in link) == ((word == "Both"),) * 2
            assert ('type="search"' in answer.text) == (word == "Both")


async def test_conflicts_are_decided(office: Office) -> None:
    conflict = await mistyped(office.world)
    async with await office.browser("marketer") as client:
        page = (await client.get("/conflicts?site=1")).text
        assert "may be one person who mistyped" in page
        await sent(client, f"/conflicts/{conflict}/merge")
        page = (await client.get("/conflicts?site=1")).text
        assert "Nothing to decide" in page
        wrong = await client.post(f"/conflicts/{conflict}/praise?site=1")
        assert wrong.status_code == 400
    async with await office.browser("viewer") as client:
        page = (await client.get("/conflicts?site=1&state=closed")).text
        assert "<button class=" not in page.partition("<main")[2]


async def test_a_robot_that_is_none_is_put_right(office: Office) -> None:
    """What was kept apart is listed with its reason; one click, and the browser counts."""
    robot = office.world.browser(77)
    await robot.send(robot.event("page_view", "/pricing", n="Pricing"), f=2)  # webdriver
    await office.world.project()
    async with await office.browser("marketer") as client:
        page = (await client.get("/traffic?site=1")).text
        what = re.search(r'name="what" value="([ev]\d+)"', page)
        assert what
        assert "webdriver" in page
        await sent(client, "/traffic/classify", what=what[1], **{"class": "human"})
        await office.world.project()
        visitors = await office.json("/visitors")
        assert what[1] in {one["id"] for one in visitors["items"]}
