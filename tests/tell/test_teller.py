"""Telling, from the log to the receiver, on both databases: at least once, in order, and again."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.model import Kind, Site
from server.storage import destinations
from server.storage.database import Reader
from server.tell import news
from server.tell import teller as tellers
from server.tell.courier import Courier, Elsewhere
from server.tell.news import Page, Sources
from server.tell.outcomes import ATTEMPTS, WAITS_S
from server.tell.wants import Consequence
from tests.engines import Place
from tests.tell.desk import Desk, opened_desk
from tests.tell.receivers import Answer, receiving, until
from tests.tracking import DAY, HOUR, MIN

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ONE_ENGINE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
CROSSED: dict[str, Any] = {"wants": {"kinds": ["crossed", "retracted"]}}


@pytest.fixture
async def desk(place: Place, tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened_desk(place, tmp_path) as ready:
        yield ready


async def decisions(desk: Desk) -> list[str]:
    """What was done about destinations, as the log has it."""
    rows = await desk.world.rows("entries", "seq, data", f"kind = {int(Kind.SETTINGS)}")
    return [data for _, data in rows if '"destination"' in data]


def metric(desk: Desk, outcome: str) -> float:
    found = desk.app.state.metrics.registry.get_sample_value(
        "handraise_deliveries_total", {"outcome": outcome}
    )
    return found or 0.0


# ---------------------------------------------------------------- failing and trying again


async def test_a_failure_is_tried_by_the_table_and_then_given_up(desk: Desk) -> None:
    """Ten attempts over 75 hours under one id, each signed anew; then it is a dead letter, which a
    replay delivers."""
    made = await desk.webhook(**CROSSED)
    desk.receiver.usual = Answer(500, body=b"Ann Example? Out of order, ann@brew.example")
    await desk.becomes_mql()
    for number, wait in enumerate(WAITS_S, 1):
        rows = await desk.settled(1)
        await until(lambda n=number: len(desk.receiver.got) == n)  # type: ignore[misc]
        async with asyncio.timeout(10):
            while rows[0][2] < number:
                rows = await desk.rows()
        assert rows[0][1:] == ("waiting", number, desk.world.now + wait * 1000)
        await desk.later(wait * 1000 - 1)
        assert len(desk.receiver.got) == number
        await desk.later(1)
    rows = await desk.settled(1, "dead")
    assert rows[0][1:] == ("dead", ATTEMPTS, 0)
    assert len(set(desk.receiver.ids)) == 1
    assert all(one.signed_by(made["secret"]) for one in desk.receiver.got)
    times = {one.headers["webhook-timestamp"] for one in desk.receiver.got}
    assert len(times) == ATTEMPTS
    await until(lambda: metric(desk, "dead"))  # counted once it is written
    assert (metric(desk, "failed"), metric(desk, "dead")) == (ATTEMPTS - 1, 1)

    found = await desk.ask("GET", "/destinations/d1/deliveries?state=dead")
    dead = found["items"][0]
    assert (dead["words"], len(dead["tries"])) == ("answered 500 Internal Server Error", ATTEMPTS)
    assert "answer" not in dead
    desk.receiver.usual = Answer()
    await desk.ask("POST", "/destinations/d1/replay", {"event": dead["event"]})
    await desk.settled(1, "delivered")
    assert len(set(desk.receiver.ids)) == 1
    listed = (await desk.ask("GET", "/destinations"))["items"][0]["deliveries"]
    assert listed == {"waiting": 0, "delivered": 1, "dead": 0, "dropped": 0}


async def test_a_receiver_that_was_down_hears_it_all(place: Place, tmp_path: Path) -> None:
    """Nobody listens for two hours; then all of it arrives, each once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with opened_desk(place, tmp_path, tell_exempt=(f"127.0.0.1:{port}",)) as desk:
        await desk.webhook(f"http://127.0.0.1:{port}/", **CROSSED)
        for number in range(1, 6):
            await desk.becomes_mql(f"person{number}", number)
        rows = await desk.settled(5, "waiting")
        found = await desk.ask("GET", "/destinations/d1/deliveries")
        assert {one["words"] for one in found["items"]} == {"no connection: nobody listens there"}
        async with receiving(port) as late:
            await desk.later(2 * HOUR)
            rows = await desk.settled(5, "delivered")
            assert len(rows) == len(late.got) == len(set(late.ids)) == 5
            who = {one.json["data"]["person"]["email"] for one in late.got}
            assert who == {f"person{number}@brew.example" for number in range(1, 6)}


@ONE_ENGINE
async def test_a_receiver_says_when(desk: Desk) -> None:
    """Retry-After of 429 and 503 counts from now."""
    await desk.webhook(**CROSSED)
    desk.receiver.answers = [Answer(429, {"Retry-After": "3600"})]
    await desk.becomes_mql()
    rows = await desk.settled(1, "waiting")
    assert rows[0][3] == desk.world.now + HOUR
    await desk.later(HOUR)
    await desk.settled(1, "delivered")


@ONE_ENGINE
async def test_a_clock_that_is_put_back_keeps_nothing_waiting(desk: Desk) -> None:
    """Nobody knows then how long ago the last attempt was."""
    await desk.webhook(**CROSSED)
    desk.receiver.answers = [Answer(500)]
    await desk.becomes_mql()
    await desk.settled(1, "waiting")
    await desk.later(-HOUR)
    await desk.settled(1, "delivered")
    assert len(set(desk.receiver.ids)) == 1


async def test_410_ends_it_until_somebody_enables_it_again(desk: Desk) -> None:
    """The log says who has ended it; what was decided meanwhile is told on enabling."""
    await desk.webhook(**CROSSED)
    desk.receiver.answers = [Answer(410)]
    await desk.becomes_mql("ann", 1)
    await desk.settled(1, "dead")
    await until(lambda: not desk.app.state.teller._running)
    await desk.becomes_mql("bob", 2)
    found = await desk.ask("GET", "/destinations/d1")
    assert (found["enabled"], found["reason"]) == (False, "the receiver has answered 410 Gone")
    assert '"author":"receiver"' in (await decisions(desk))[-1]
    assert len(desk.receiver.got) == 1
    await desk.ask("POST", "/destinations/d1/enable", {})
    rows = await desk.settled(1, "delivered")
    assert [row[1] for row in rows] == ["dead", "delivered"]
    assert desk.receiver.got[1].json["data"]["person"]["email"] == "bob@brew.example"
    await desk.ask("POST", "/destinations/d1/enable", {}, 409)


@ONE_ENGINE
async def test_enabling_from_now_on_passes_over_the_rest(desk: Desk) -> None:
    """What waits is dropped, what was decided meanwhile is not told."""
    await desk.webhook(**CROSSED)
    desk.receiver.answers = [Answer(500)]
    await desk.becomes_mql("ann", 1)
    await desk.settled(1, "waiting")
    await desk.ask("POST", "/destinations/d1/disable")
    await desk.becomes_mql("bob", 2)
    await desk.ask("POST", "/destinations/d1/enable", {"catch_up": False})
    await desk.becomes_mql("cleo", 3)
    rows = await desk.settled(1, "delivered")
    assert [row[1] for row in rows] == ["dropped", "delivered"]
    assert desk.receiver.got[-1].json["data"]["person"]["email"] == "cleo@brew.example"
    assert len(desk.receiver.got) == 2


# ---------------------------------------------------------------- order and neighbours


async def test_one_that_hangs_delays_no_other(desk: Desk) -> None:
    """And what it was told goes on once it answers."""
    hanging = asyncio.Event()
    async with receiving() as slow:
        exempt = desk.app.state.teller.exempt | {("127.0.0.1", slow.port)}
        desk.app.state.teller.exempt = exempt
        desk.app.state.teller.post.webhooks._guarded.exempt = exempt
        slow.usual = Answer(hangs=hanging)
        await desk.webhook(slow.url, **CROSSED)
        await desk.webhook(**CROSSED)
        for number in range(1, 9):
            await desk.becomes_mql(f"person{number}", number)
        rows = await desk.settled(8, "delivered", 2)
        assert len(slow.got) == 1
        assert await desk.rows(1) == []
        told = [one.json["data"]["id"] for one in desk.receiver.got]
        assert told == [f"e{row[0]}" for row in rows]  # in the order of the log
        hanging.set()
        await desk.settled(8, "delivered", 1)
        assert [one.json["data"]["id"] for one in slow.got] == told
        assert not set(slow.ids) & set(desk.receiver.ids)


async def test_what_is_not_recorded_is_told_again(place: Place, tmp_path: Path) -> None:
    """The program ends between the request and its record: after the next start the receiver hears
    it again, under the same id."""
    async with opened_desk(place, tmp_path) as desk:
        await desk.webhook(**CROSSED)
        teller = desk.app.state.teller
        desk.receiver.usual = Answer(hangs=asyncio.Event())
        await desk.becomes_mql()
        await until(lambda: desk.receiver.got)
        await teller._stop_all()
        assert await desk.rows() == []
        desk.receiver.usual = Answer()
        teller.look()
        await desk.settled(1, "delivered")
        assert len(desk.receiver.got) == 2
        assert len(set(desk.receiver.ids)) == 1


async def test_two_that_tell_one_destination_record_it_once(desk: Desk) -> None:
    """Should two nodes tell at one moment, the cursor refuses the second."""
    await desk.webhook(**CROSSED)
    state = desk.app.state
    await state.teller._stop_all()
    async with state.database.snapshot() as reader:
        known = (await destinations.live(reader))[0].destination
    couriers = [
        Courier(
            known,
            state.database,
            state.writer,
            state.metrics,
            state.teller.post,
            Sources(state.teller.ruleset, state.teller.link),
            lambda: 0.0,
        )
        for _ in range(2)
    ]
    state.teller._failed[1, 1] = float("inf")  # the program's own rests
    both = asyncio.Event()
    desk.receiver.usual = Answer(hangs=both)
    await desk.becomes_mql()
    tasks = [asyncio.create_task(courier.run()) for courier in couriers]
    head = (await desk.world.rows("heads", "seq"))[0][0]
    for courier in couriers:
        courier.learn(head)
    await until(lambda: len(desk.receiver.got) == 2)
    both.set()
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    failed = [task for task in tasks if task.done()]
    assert [type(task.exception()) for task in failed] == [Elsewhere]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    rows = await desk.rows()
    assert [row[1:3] for row in rows] == [("delivered", 1)]
    assert len(set(desk.receiver.ids)) == 1


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
async def test_of_two_nodes_one_tells(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other watches, and takes over once the first is gone."""
    monkeypatch.setattr(tellers, "BEAT_S", 0.02)
    monkeypatch.setattr(tellers, "IDLE_S", 0.3)
    monkeypatch.setattr(tellers, "TICK_S", 0.02)
    async with opened_desk(place, tmp_path) as desk:
        await desk.webhook(**CROSSED)
        first = desk.app.state.teller
        await until(lambda: first._running)
        state = desk.app.state
        second = tellers.Teller(
            state.database,
            state.writer,
            state.projector,
            state.metrics,
            state.settings,
            state.clock,
            lambda: state.sites.all,
            lambda: state.base_url,
        )
        second.exempt = first.exempt
        watching = asyncio.create_task(second.serve())
        await until(lambda: second._seen.beat)
        begun = second._seen.beat
        await until(lambda: second._seen.beat > begun + 30)  # longer than a lease lives
        assert first._running
        assert not second._running
        first._may_lead = nobody  # type: ignore[method-assign]  # it sleeps, and beats no more
        await until(lambda: second._running)
        await until(lambda: not first._running)
        await desk.becomes_mql()
        await desk.settled(1, "delivered")
        assert len(desk.receiver.got) == 1
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        assert await desk.app.database.fetch("SELECT holder FROM leases") == []


async def nobody() -> bool:
    return False


# ---------------------------------------------------------------- what is told, and to whom


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
