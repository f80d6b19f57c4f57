"""What is told and to whom, on both databases; and that nothing a receiver answers is kept."""

import pytest

from server.model import Kind, Site
from server.storage.database import Reader
from server.tell import news
from server.tell.news import Page
from server.tell.wants import Consequence
from tests.tell.desk import CROSSED, Desk
from tests.tell.receivers import Answer, until
from tests.tracking import DAY, HOUR, MIN

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ONE_ENGINE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)


async def test_a_new_destination_begins_at_the_head(desk: Desk) -> None:
    """What was decided before is told by a replay: from an entry, or from a moment."""
    await desk.becomes_mql("ann", 1)
    desk.world.now += HOUR
    moment = desk.world.now
    await desk.becomes_mql("bob", 2)
    await desk.webhook(**CROSSED)
    await desk.becomes_mql("cleo", 3)
    await desk.settled(1, "delivered")
    assert who(desk) == ["cleo"]
    since = f"{iso(moment)}"
    assert (await desk.ask("POST", "/destinations/d1/replay", {"since": since}))["since"]
    await desk.settled(2, "delivered")
    await until(lambda: len(desk.receiver.got) == 3)
    assert who(desk) == ["cleo", "bob", "cleo"]
    await desk.ask("POST", "/destinations/d1/replay", {"since": "e1"})
    await until(lambda: len(desk.receiver.got) == 6)
    assert who(desk)[3:] == ["ann", "bob", "cleo"]
    assert desk.receiver.ids[0] == desk.receiver.ids[2] == desk.receiver.ids[5]
    assert len(await desk.rows()) == 3
    late = iso(desk.world.now + HOUR)
    await desk.ask("POST", "/destinations/d1/replay", {"since": late}, 409)


def who(desk: Desk) -> list[str]:
    return [one.json["data"]["person"]["email"].split("@")[0] for one in desk.receiver.got]


def iso(at: int) -> str:
    from server.reports.shapes import iso as text

    return text(at)


async def test_what_was_not_told_is_not_taken_back(desk: Desk) -> None:
    """And what waits when it is taken back is told no more, but that it was taken back is: the
    receiver may have understood it though its answer was an error."""
    await desk.webhook(**CROSSED)
    desk.receiver.usual = Answer(500)
    await desk.becomes_mql("ann", 1)
    await desk.settled(1, "waiting")
    person = desk.receiver.got[0].json["data"]["person"]["id"]
    desk.receiver.usual = Answer()
    await desk.webhook(f"{desk.receiver.url}/late", **CROSSED)  # it has heard nothing of Ann
    await desk.ask("POST", f"/people/{person}/classify", {"class": "bot"})
    await desk.world.project()
    await desk.settled(1, "delivered")
    await desk.later(MIN)
    rows = await desk.settled(1, "dropped")
    assert [row[1] for row in rows] == ["dropped", "delivered"]
    assert [one.json["type"] for one in desk.receiver.got[1:]] == ["person.retracted"]
    found = await desk.ask("GET", "/destinations/d1/deliveries?state=dropped")
    assert found["items"][0]["words"] == "taken back before it was told"
    await desk.quiet()
    assert await desk.rows(2) == []


async def test_of_somebody_erased_nothing_is_told(desk: Desk) -> None:
    """What waits is dropped, and no row holds a word of hers, though the receiver sends back what
    it gets."""
    await desk.webhook()
    desk.receiver.usual = Answer(500, body=b"cannot store Zelda Quixotic zelda@brew.example")
    await desk.becomes_mql("zelda", full_name="Zelda Quixotic", company="Windmill Works")
    await desk.settled(2, "waiting")
    person = desk.receiver.got[0].json["data"]["person"]["id"]
    before = len(desk.receiver.got)
    await desk.ask("DELETE", f"/people/{person}")
    desk.receiver.usual = Answer()
    await desk.later(DAY)
    await desk.settled(2, "dropped")
    assert len(desk.receiver.got) == before
    for table in ("deliveries", "destinations", "audit"):
        rows = await desk.app.database.fetch(f"SELECT * FROM {table} WHERE site_id = 1")
        assert not any(word in repr(rows).lower() for word in ("zelda", "quixotic", "windmill"))


async def test_a_merged_person_is_told_as_the_person_of_now(desk: Desk) -> None:
    """At whatever time it arrives."""
    await desk.webhook(**CROSSED)
    desk.receiver.usual = Answer(500)
    await desk.becomes_mql("ann", 1)
    await desk.becomes_mql("annie", 2)
    await desk.settled(2, "waiting")
    ann, annie = (one.json["data"]["person"]["id"] for one in desk.receiver.got)
    await desk.ask("POST", f"/people/{ann}/merge", {"other": annie})
    desk.receiver.usual = Answer()
    await desk.later(MIN)
    await desk.settled(2, "delivered")
    after = [one.json["data"]["person"]["id"] for one in desk.receiver.got[2:]]
    assert after == [ann, ann]


async def test_what_notifies_nobody_is_not_told(desk: Desk) -> None:
    """An import of old events counts, and is told to nobody; the next person is."""
    await desk.webhook()
    world = desk.world
    old = world.now - 8 * DAY
    browser = world.browser(7)
    fields = {"email": "old@brew.example"}
    events = [
        browser.event("page_view", "/pricing") | {"t": old},
        browser.event("form_submit", "/demo", d={"form": "demo", "fields": fields}) | {"t": old},
    ]
    await world.send({"v": browser.visitor, "e": events}, secret=True)
    await world.project()
    rows = await world.rows("entries", "seq, kind, data", f"kind = {int(Kind.CROSSED)}")
    assert len(rows) == 1
    assert '"mute":true' in rows[0][2]
    await desk.becomes_mql("ann", 1)
    await desk.settled(2, "delivered")
    assert set(who(desk)) == {"ann"}


async def test_a_rotated_secret_signs_beside_the_one_before(desk: Desk) -> None:
    """For a day; then the newer alone."""
    made = await desk.webhook(**CROSSED)
    first = made["secret"]
    rotated = await desk.ask("POST", "/destinations/d1/secret/rotate")
    second = rotated["secret"]
    assert (rotated["before"], second != first) == (first, True)
    await desk.becomes_mql("ann", 1)
    await desk.settled(1, "delivered")
    assert desk.receiver.got[0].signed_by(first)
    assert desk.receiver.got[0].signed_by(second)
    desk.world.now += DAY
    await desk.becomes_mql("bob", 2)
    await desk.settled(2, "delivered")
    assert desk.receiver.got[1].signed_by(second)
    assert not desk.receiver.got[1].signed_by(first)
    found = await desk.ask("GET", "/destinations/d1/secret")
    assert found == {"secret": second, "before": None, "before_until": None}


async def test_nothing_that_a_receiver_writes_is_kept(desk: Desk) -> None:
    """Some send back what they got, as JSON, in a URL or as HTML: no list of words finds it all."""
    echo = b'{"name":"J\\u00fcrgen M\\u00fcller"} /hook?email=ann%40brew.example S&ouml;hne &#64;'
    desk.receiver.usual = Answer(500, body=echo)
    desk.post.answers = {"RCPT": ["550 nobody here for J=FCrgen"]}
    await desk.webhook(**CROSSED)
    await desk.mail(**CROSSED)
    await desk.becomes_mql(full_name="Jürgen Müller", company="Brew & Söhne")
    await desk.settled(1, "waiting", 1)
    await desk.settled(1, "dead", 2)
    kept = repr(await desk.app.database.fetch("SELECT * FROM deliveries ORDER BY destination_id"))
    for one in (1, 2):
        kept += repr(await desk.ask("GET", f"/destinations/d{one}/deliveries"))
    assert "answered 500 Internal Server Error" in kept
    assert "550 mailbox unavailable" in kept
    for trace in ("rgen", "u00fc", "%40", "ouml", "&#64", "hook", "nobody"):
        assert trace not in kept


@ONE_ENGINE
async def test_a_mail_that_fails_is_tried_again_under_its_id(desk: Desk) -> None:
    """A server that is down for a while loses no mail; an address that is nobody's ends it."""
    await desk.mail()
    desk.post.answers = {"MAIL": ["451 later"]}
    await desk.becomes_mql("ann", 1)
    rows = await desk.settled(1, "waiting")
    await desk.later(5_000)
    rows = await desk.settled(1, "delivered")
    assert len(rows) == len(desk.post.got) == 1  # one mail for the threshold and the move
    assert str(desk.post.got[0].message["Message-ID"]).startswith("<msg_")
    desk.post.answers = {"RCPT": ["550 no such user"]}
    await desk.becomes_mql("bob", 2)
    await desk.settled(1, "dead")


@ONE_ENGINE
async def test_a_long_log_is_passed_without_telling(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cursor goes on by itself, so that a restart does not read it all again."""
    monkeypatch.setattr("server.tell.courier.SLICE", 20)
    monkeypatch.setattr("server.tell.courier.KEEP", 40)
    made = await desk.webhook()
    browser = desk.world.browser()
    for _ in range(100):
        await browser.view("/")
    await desk.world.project()
    await desk.quiet()
    rows = await desk.world.rows("destinations", "cursor")
    assert rows[0][0] >= made["cursor"] + 80
    await desk.becomes_mql("ann", 9)
    await desk.settled(2, "delivered")


@ONE_ENGINE
async def test_what_cannot_be_read_stops_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again as what fails, and what comes after it is told."""
    await desk.webhook(**CROSSED)
    fine = news._cause
    unreadable: set[int] = set()

    async def breaks(reader: Reader, site: Site, told: Consequence) -> Page | None:
        if not unreadable or told.seq in unreadable:
            unreadable.add(told.seq)
            raise RuntimeError("ann@brew.example")
        return await fine(reader, site, told)

    with monkeypatch.context() as patch:
        patch.setattr(news, "_cause", breaks)
        await desk.becomes_mql("ann", 1)
        await desk.settled(1, "waiting")
        await desk.becomes_mql("bob", 2)
        await desk.settled(1, "delivered")
        assert who(desk) == ["bob"]
    await desk.later(HOUR)  # in the meantime hers may have failed more than once
    await desk.settled(2, "delivered")
    assert who(desk) == ["bob", "ann"]
