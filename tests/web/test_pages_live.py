"""The live feed over a real server: nothing twice, nothing left out, one reader for everybody."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import httpx2
import pytest

from server.cli.serving import http_server
from server.reports.live import LiveEvent
from server.web import feed, listening
from server.web.pages.live import clock_of
from tests.office import Office

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ONE_ENGINE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
LIVE = "/api/v1/sites/1/live"
Heard = tuple[int, str, Any]


@asynccontextmanager
async def serving(office: Office) -> AsyncIterator[str]:
    """The office behind uvicorn; its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    server = http_server(office.app.asgi)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        await office.app.state.live.close()
        server.should_exit = True
        async with asyncio.timeout(10):
            await task


class Ear:
    """A client of the stream that remembers where it was, as a browser does."""

    def __init__(self, base: str, token: str) -> None:
        self.base = base
        self.headers = {"Authorization": f"Bearer {token}"}
        self.last = -1

    async def hear(self, happened: int, first: str = "") -> list[Heard]:
        """Come back, and listen until so many things have happened; then hang up."""
        return [one async for one in self.all(happened, first) if one[1] != "now"]

    async def all(self, happened: int, first: str = "") -> AsyncIterator[Heard]:
        """Also who is there; `first` is the query of the first time."""
        headers = dict(self.headers)
        if self.last >= 0:
            headers["Last-Event-ID"] = str(self.last)
        async with (
            asyncio.timeout(20),
            httpx2.AsyncClient(base_url=self.base, headers=headers, timeout=20) as client,
            client.stream("GET", LIVE + first) as answer,
        ):
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            found = {"event": ""}
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if line and name:
                    found[name] = value
                    continue
                if "data" in found:
                    self.last = int(found["id"])
                    yield self.last, found["event"], json.loads(found["data"])
                    happened -= found["event"] == ""
                found = {"event": ""}
                if not happened:
                    return
        assert not happened, "the stream ended before"


async def happen(office: Office, count: int, number: int = 50) -> None:
    """So many page views of one browser, projected."""
    browser = office.world.browser(number)
    browser.q = office.world.next_number()
    await browser.send(*(browser.event("page_view", f"/{i}", n=f"Page {i}") for i in range(count)))
    await office.world.project()


async def views(office: Office) -> list[int]:
    found = await office.world.rows("entries", "seq", "site_id = 1 AND kind = 1")
    return [seq for (seq,) in found]


def reached(one: feed.Feed, seq: int) -> bool:
    return one.seq >= seq


async def until(check: Any) -> None:
    async with asyncio.timeout(20):
        while not check():  # noqa: ASYNC110 - what is looked at has no event of its own
            await asyncio.sleep(0.01)


async def test_a_listener_that_comes_back_has_everything_once(office: Office) -> None:
    """Also what happened while it was away, and what lay in its queue when it hung up."""
    before = len(await views(office))
    async with serving(office) as base:
        ear = Ear(base, office.token)
        hearing = asyncio.create_task(ear.hear(3))
        await until(
            lambda: office.app.state.live.feeds and office.app.state.live.feeds[1].listeners
        )
        await happen(office, 5)
        heard = await hearing
        await happen(office, 4)
        heard += await ear.hear(5)
        hearing = asyncio.create_task(ear.hear(3))
        await happen(office, 4)
        heard += await hearing
        heard += await ear.hear(2)
    numbers = [seq for seq, _, _ in heard]
    assert numbers == (await views(office))[before:]
    assert [one["path"] for _, _, one in heard[:5]] == [f"/{i}" for i in range(5)]
    assert {event for _, event, _ in heard} == {""}


async def test_after_a_long_absence_it_begins_anew(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`reset`, then the newest, the oldest of them first; who is there comes behind."""
    monkeypatch.setattr(feed, "GAP", 10)
    monkeypatch.setattr("server.reports.live.NEWEST", 6)
    await happen(office, 8)
    newest = (await views(office))[-6:]
    async with serving(office) as base:
        ear = Ear(base, office.token)
        heard = await ear.hear(6, "?after=1")
        assert [(event, seq) for seq, event, _ in heard] == [
            ("reset", newest[0] - 1),
            *(("", seq) for seq in newest),
        ]
        await happen(office, 2)
        assert [seq for seq, _, _ in await ear.hear(2)] == (await views(office))[-2:]
        hearing = asyncio.create_task(ear.hear(6))
        await until(lambda: office.app.state.live.feeds[1].listeners)
        await happen(office, 30)  # too much at once for those who listen, too
        heard = await hearing
        assert [event for _, event, _ in heard] == ["reset", *[""] * 6]
        assert [seq for seq, _, _ in heard[1:]] == (await views(office))[-6:]
        assert heard[0][2] == {"why": "gap"}


@ONE_ENGINE
async def test_many_listeners_cost_one_read_a_tick(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty hear the same, and only the site's reader has asked the database."""
    state, asked = office.app.state, dict[str, int]()
    snapshot = state.database.snapshot

    def counted() -> Any:
        task = asyncio.current_task()
        name = task.get_name() if task else ""
        asked[name] = asked.get(name, 0) + 1
        return snapshot()

    async with serving(office) as base:
        ears = [Ear(base, office.token) for _ in range(20)]
        hearing = [asyncio.create_task(ear.hear(9)) for ear in ears]
        await until(lambda: state.live.feeds and len(state.live.feeds[1].listeners) == 20)
        await until(lambda: all(one.first == [] for one in state.live.feeds[1].listeners))
        monkeypatch.setattr(state.database, "snapshot", counted)
        reads = state.live.feeds[1].reads
        for _ in range(3):
            await happen(office, 3)
        heard = await asyncio.gather(*hearing)
        reads = state.live.feeds[1].reads - reads
    assert all(one == heard[0] for one in heard)
    assert len(heard[0]) == 9
    assert 1 <= asked["handraise-feed-1"] <= reads + 1
    readers = {name for name in asked if name.startswith("handraise-")}
    assert readers <= {"handraise-feed-1", "handraise-projector", "handraise-teller"}
    assert not any(name.startswith("Task-") for name in asked)


@ONE_ENGINE
async def test_whoever_takes_nothing_is_let_go(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that does not read fills its queue and is closed; the others notice nothing."""
    monkeypatch.setattr(feed, "QUEUE", 60)
    monkeypatch.setattr(listening, "STUCK_S", 0.5)
    state = office.app.state
    async with serving(office) as base:
        port = int(base.rpartition(":")[2])
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        slow.connect(("127.0.0.1", port))
        head = f"GET {LIVE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {office.token}\r\n\r\n"
        slow.sendall(head.encode())
        await until(lambda: state.live.feeds and len(state.live.feeds[1].listeners) == 1)
        ear = Ear(base, office.token)
        hearing = asyncio.create_task(ear.hear(400))
        await until(lambda: len(state.live.feeds[1].listeners) == 2)
        for _ in range(20):
            await happen(office, 20)
            sent = state.live.feeds[1]
            head_seq = (await views(office))[-1]
            await until(partial(reached, sent, head_seq))
        assert len(await hearing) == 400
        await until(lambda: not state.live.feeds[1].listeners)
        slow.close()


async def test_nobody_erased_is_shown_from_a_queue(office: Office) -> None:
    """What waits for a listener goes when somebody is erased: it begins anew without them."""
    state, world = office.app.state, office.world
    listener = await state.live.join(state.sites.by_id[1], None)
    zoe, ben = world.browser(71), world.browser(72)
    await zoe.view("/pricing", minutes=0)
    await zoe.submit("demo", email="zoe@x.example", name="Zoe Erased")
    await ben.view("/blog", minutes=0)
    await world.project()
    await until(lambda: listener.queue.qsize() >= 3)
    rows = await world.rows("persons", "person_id", "site_id = 1 AND email = 'zoe@x.example'")
    async with office.client(office.token) as client:
        gone = await client.delete(f"/api/v1/sites/1/people/p{rows[0][0]}")
    assert gone.status_code == 200
    feed_of = state.live.feeds[1]
    async with world.database.snapshot() as reader:
        head = (await reader.fetch("SELECT seq FROM heads WHERE site_id = 1"))[0][0]
    await world.project()
    await until(lambda: feed_of.seq >= head)
    heard = []
    async with asyncio.timeout(10):
        async for one in listener.messages():
            heard.append(one)
            if listener.queue.empty() and not listener.first:
                break
    assert "reset" in [one.event for one in heard]
    wire = b"".join(one.wire for one in heard)
    assert b"Zoe" not in wire
    assert b"/blog" in wire
    assert b'{"why":"erased"}' in wire
    # Whoever was away meanwhile may still show them, and is told so as well.
    back = await state.live.join(state.sites.by_id[1], head - 1)
    assert back.first[0].event == "reset"
    assert b'{"why":"erased"}' in back.first[0].wire
    state.live.leave(1, back)
    state.live.leave(1, listener)
    await state.live.close()


async def test_rights_that_end_end_the_stream(office: Office) -> None:
    """A token that is revoked, and a server that stops: the stream is over at once."""
    state = office.app.state
    async with serving(office) as base, office.client(office.token) as client:
        made = (await client.post("/api/v1/sites/1/tokens", json={"scope": "read"})).json()
        ear = Ear(base, made["token"])
        hearing = asyncio.create_task(ear.hear(1))
        await until(lambda: state.live.feeds and state.live.feeds[1].listeners)
        await client.delete(f"/api/v1/sites/1/tokens/{made['id']}")
        with pytest.raises(AssertionError, match="the stream ended before"):
            await hearing
        headers = {"Authorization": f"Bearer {made['token']}"}
        async with httpx2.AsyncClient(base_url=base, headers=headers) as refused:
            assert (await refused.get(LIVE)).status_code == 401
        other = asyncio.create_task(Ear(base, office.token).hear(1))
        await until(lambda: state.live.feeds[1].listeners)
        state.ready = False
        async with asyncio.timeout(2):
            await state.live.close()
            await asyncio.wait([other])
        async with httpx2.AsyncClient(base_url=base, headers=Ear(base, office.token).headers) as c:
            assert (await c.get(LIVE)).status_code == 503
        state.ready = True


async def test_the_page_shows_who_is_there(office: Office) -> None:
    """Without a script too; the stream goes on exactly where the page ends."""
    world = office.world
    await world.browser(1).view("/docs", minutes=0)
    eve = world.browser(90)
    await eve.send(eve.event("page_view", "/%3Cb%3Ex", n="<img src=x onerror=alert(9)>"))
    await world.project()
    async with await office.browser("viewer") as client:
        page = (await client.get("/live")).text
        ada = (
            f'<a href="/people/{office.known.ada}" title="Ada Lovelace"><bdi>Ada Lovelace</bdi></a>'
        )
        assert ada in page
        sifted = (await client.get("/live?kind=forms&page=%2Fdocs&known=1")).text
        assert '<option value="forms" selected>' in sifted
        assert 'value="/docs"' in sifted
        assert 'name="known" value="1" checked' in sifted
        assert "read <b>&lt;img src=x" in page
        assert 'id="count">2</span>' in page
        after = int(re.findall(r"/live/stream\?after=(\d+)", page)[0])
        head = await world.rows("heads", "seq")
        assert after == head[0][0]
        told = await office.json("/live/now")
        assert told["seq"] == after
        assert told["events"][-1]["title"] == "<img src=x onerror=alert(9)>"
        assert LiveEvent.__struct_fields__ == tuple(told["events"][-1])
        head_only = await client.head(f"/live/stream?after={after}")
        assert head_only.headers["content-type"].startswith("text/event-stream")
        assert (await client.get("/live/stream?after=x")).status_code == 400
    async with await office.browser("owner", 2) as other:
        empty = (await other.get("/live")).text
        assert "Quiet so far" in empty
        assert "Nobody in the last five minutes" in empty
        assert (await other.head("/live/stream?site=1")).status_code == 404


def test_a_moment_of_another_day_says_which() -> None:
    at = datetime(2026, 11, 20, 12, 55, 2, tzinfo=UTC)
    assert clock_of(at, date(2026, 11, 20)) == "12:55:02"
    assert clock_of(at, date(2026, 11, 22)) == "20 Nov, 12:55:02"
