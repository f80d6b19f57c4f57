"""The pages of destinations: added by form, tried, looked at, told again, stopped."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from server.storage import sign_ins
from server.storage.deliveries import Delivery, Try
from server.web.access import COOKIE
from server.web.destination_bodies import WantsBody
from server.web.pages.destinations_words import Health, health, wants_words
from tests.engines import Place
from tests.office import _somebody
from tests.tell.desk import Desk, opened_desk
from tests.tell.receivers import Answer, until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ONE_ENGINE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
KINDS = {"kinds": ["crossed", "stage_moved", "retracted"], "stages": ["mql"]}


@pytest.fixture
async def desk(place: Place, tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened_desk(place, tmp_path) as ready:
        yield ready


@asynccontextmanager
async def browser(desk: Desk, role: str = "owner") -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody signed in with a role on site 1."""
    cookie, now = sign_ins.new_secret(), desk.world.now
    await desk.app.state.writer.run(lambda: _somebody(role, 1, cookie, now))
    transport = httpx2.ASGITransport(app=desk.app.asgi)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        client.cookies.set(COOKIE, cookie)
        client.headers.update({"Sec-Fetch-Site": "same-origin"})
        yield client


async def send(client: httpx2.AsyncClient, path: str, /, **fields: Any) -> httpx2.Response:
    return await client.post(path, data=fields)


def words(html: str) -> str:
    text = re.sub(r"<[^>]+>", " ", html.partition("<main")[2] or html)
    return " ".join(text.split())


async def test_a_webhook_from_beginning_to_end(desk: Desk) -> None:
    """Added with its secret shown, tried, told, failing, told again, disabled, removed."""
    async with browser(desk) as owner:
        assert "Nobody is told yet" in (await owner.get("/destinations")).text
        made = await send(
            owner, "/destinations", kind="webhook", url=desk.receiver.url, name="CRM", **KINDS
        )
        assert made.headers["location"] == "/destinations/d1/secret?said=told"
        secret = (await desk.ask("GET", "/destinations/d1/secret"))["secret"]
        page = await owner.get(made.headers["location"])
        assert secret in page.text
        assert secret not in (await owner.get("/destinations/d1")).text
        (listed,) = (await desk.ask("GET", "/destinations"))["items"]
        assert (listed["name"], listed["wants"]["stages"]) == ("CRM", ["mql"])

        tried = await owner.post("/destinations/d1/test")
        assert "The test arrived: answered 200 OK" in tried.text
        part = await owner.post("/destinations/d1/test", headers={"HX-Request": "true"})
        assert part.text.strip().startswith('<p class="said"')

        await desk.becomes_mql("ann", full_name="Ann <b>Example")
        await desk.settled(2, "delivered")
        page = await owner.get("/destinations/d1")
        assert "Ann &lt;b&gt;Example" in page.text
        assert "Ann &lt;b&gt;Example became MQL Answered 200 OK" in words(page.text)
        assert "working" in words((await owner.get("/destinations")).text)
        assert "None of these" in (await owner.get("/destinations/d1?state=dead")).text

        event = re.search(r'name="event" value="(e\d+)"', page.text)
        assert event
        before = len(desk.receiver.got)
        again = await send(owner, "/destinations/d1/replay", event=event[1])
        assert again.headers["location"] == "/destinations/d1?said=replayed"
        await until(lambda: len(desk.receiver.got) == before + 1)
        everything = await send(owner, "/destinations/d1/replay", since="2020-01-01T00:00")
        assert everything.status_code == 303
        await until(lambda: len(desk.receiver.got) >= before + 3)

        await owner.post("/destinations/d1/disable")
        assert "Disabled by hand" in words((await owner.get("/destinations")).text)
        enabled = await send(owner, "/destinations/d1/enable", catch_up="1")
        assert enabled.status_code == 303
        assert (await desk.ask("GET", "/destinations/d1"))["enabled"]
        gone = await owner.post("/destinations/d1/remove")
        assert gone.headers["location"] == "/destinations?said=untold"
        assert (await owner.get("/destinations/d1")).status_code == 404


@ONE_ENGINE
async def test_a_receiver_that_fails(desk: Desk) -> None:
    """Since when, what it answered, and when it is tried next; a test shows its answer once."""
    desk.receiver.usual = Answer(503, body=b"on <holiday>")
    await desk.webhook(name="Hub")
    await desk.becomes_mql()
    await desk.settled(2, "waiting")
    async with browser(desk) as owner:
        page = words((await owner.get("/destinations")).text)
        assert "failing since" in page
        assert "Answered 503 Service Unavailable" in page
        assert "0 delivered · 2 waiting" in page
        page = words((await owner.get("/destinations/d1?state=waiting")).text)
        assert "It is tried again by itself" in page
        assert "next" in page
        tried = await owner.post("/destinations/d1/test")
        assert "The test did not arrive: answered 503 Service Unavailable" in tried.text
        assert "on &lt;holiday&gt;" in tried.text
        assert "holiday" not in (await owner.get("/destinations/d1")).text


@ONE_ENGINE
async def test_what_makes_no_sense_is_said_beside_the_form(desk: Desk) -> None:
    """What was typed is kept, and nothing is added."""
    async with browser(desk) as owner:
        for fields, said in (
            ({"kind": "webhook", "url": "http://crm.example.com/x"}, "must begin with https://"),
            ({"kind": "webhook", "url": ""}, "needs a `url`"),
            ({"kind": "mail", "to": "olga"}, "`olga` is no e-mail address"),
            ({"kind": "mail", "to": ""}, "needs addresses"),
            ({"kind": "webhook", "url": "https://a.example/x", "stages": "hot"}, "does not fit"),
        ):
            answer = await send(owner, "/destinations", name="Keep me", **(KINDS | fields))
            assert answer.status_code == 400
            assert said in plain(answer.text), fields
            assert 'value="Keep me"' in answer.text
        none = await send(owner, "/destinations", kind="webhook", url="https://a.example/x")
        assert "choose at least one thing" in none.text.lower()
        assert (await send(owner, "/destinations", kind="pager")).status_code == 400
        assert (await desk.ask("GET", "/destinations"))["items"] == []
        for missing in ("/destinations/d9", "/destinations/d9/edit", "/destinations/d9/secret"):
            assert (await owner.get(missing)).status_code == 404
        made = await send(
            owner, "/destinations", kind="mail", to="olga@acme.example, otto@acme.example", **KINDS
        )
        assert made.headers["location"] == "/destinations/d1?said=told"
        for fields in ({}, {"since": "soon"}, {"event": "e999999"}):
            answer = await send(owner, "/destinations/d1/replay", **fields)
            assert answer.status_code in {400, 404}, fields
            assert "What was told" in answer.text


@ONE_ENGINE
async def test_editing_keeps_what_is_not_on_the_form(desk: Desk) -> None:
    """The form shows what is told; saving changes that, and no secret."""
    made = await desk.webhook(name="CRM")
    async with browser(desk) as owner:
        page = (await owner.get("/destinations/d1/edit")).text
        assert desk.receiver.url in page
        saved = await send(
            owner,
            "/destinations/d1",
            kind="webhook",
            name="Hub",
            url=desk.receiver.url,
            kinds=["crossed"],
            which="chosen",
            thresholds=["mql"],
        )
        assert saved.status_code == 303, words(saved.text)
        found = await desk.ask("GET", "/destinations/d1")
        assert (found["name"], found["wants"]["thresholds"]) == ("Hub", ["mql"])
        assert (await desk.ask("GET", "/destinations/d1/secret"))["secret"] == made["secret"]
        rotated = await owner.post("/destinations/d1/secret")
        page = (await owner.get(rotated.headers["location"])).text
        assert made["secret"] not in page
        assert "second signature" in page


@ONE_ENGINE
async def test_mail_needs_a_mail_server(place: Place, tmp_path: Path) -> None:
    """The form names the settings before anybody types."""
    async with opened_desk(place, tmp_path, smtp_host="") as desk, browser(desk) as owner:
        page = (await owner.get("/destinations/new?kind=mail")).text
        assert "HANDRAISE_SMTP_HOST" in page
        assert "HANDRAISE_SMTP" not in (await owner.get("/destinations/new")).text
        answer = await send(owner, "/destinations", kind="mail", to="olga@acme.example", **KINDS)
        assert answer.status_code == 400
        assert "set HANDRAISE_SMTP_HOST" in answer.text


@ONE_ENGINE
async def test_only_owners_see_destinations(desk: Desk) -> None:
    async with browser(desk, "marketer") as marketer:
        for path in ("/destinations", "/destinations/new", "/destinations/d1"):
            assert (await marketer.get(path)).status_code == 403
        assert "Destinations" not in (await marketer.get("/scoring")).text


def plain(text: str) -> str:
    return text.replace("&#34;", '"').replace("&#39;", "'")


def told(seq: int, state: str, *at: int, words: str = "") -> Delivery:
    tries = tuple(Try(one, 200, 5) for one in at)
    return Delivery(seq=seq, state=state, attempts=len(at), next_at=0, words=words, tries=tries)


@pytest.mark.parametrize(
    ("newest", "found"),
    [
        ([], Health("new")),
        ([told(1, "waiting")], Health("new")),
        ([told(1, "delivered", 10)], Health("working", 10)),
        ([told(2, "waiting", 20, 30, words="no")], Health("failing", 20, "no")),
        ([told(2, "waiting", 20), told(1, "delivered", 40)], Health("working", 40)),
        (
            [told(3, "dead", 50, words="b"), told(2, "waiting", 45, words="a"),
             told(1, "delivered", 10, 40)],
            Health("failing", 45, "b"),
        ),
        ([told(1, "delivered", 10, 40)], Health("working", 40)),
    ],
)  # fmt: skip
def test_how_a_destination_is_doing(newest: list[Delivery], found: Health) -> None:
    assert health(newest, enabled=True) == found
    assert health(newest, enabled=False, reason="by hand") == Health("disabled", 0, "by hand")


def test_what_is_told_in_words() -> None:
    assert wants_words(WantsBody()) == (
        "Told when somebody reaches every threshold that notifies;"
        " when somebody becomes MQL, PQL, SQL or Customer; when what was told turns out wrong."
    )
    chosen = WantsBody(kinds=("crossed", "rearmed"), thresholds=("mql",))
    assert wants_words(chosen).startswith("Told when somebody reaches the threshold MQL; when a")
