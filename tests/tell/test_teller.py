"""Telling, from the log to the receiver, on both databases: at least once, in order, and again."""

import asyncio
import socket
from pathlib import Path

import pytest

from server.model import Kind
from server.storage import destinations
from server.tell import teller as tellers
from server.tell.courier import Courier, Elsewhere
from server.tell.news import Sources
from server.tell.outcomes import ATTEMPTS, WAITS_S
from tests.engines import Place
from tests.tell.desk import CROSSED, Desk, opened_desk
from tests.tell.receivers import Answer, receiving, until
from tests.tracking import HOUR

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ONE_ENGINE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)


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
