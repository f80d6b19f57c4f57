"""What the benchmark reads and draws, and what it sends to other trackers."""

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import click
import h11
import pytest

from server.project import site_projector
from tests.bench import flame, lengths, listening, load, rivals
from tests.bench.late import World
from tests.bench.load import Result
from tests.bench.place import NAME, now_ms
from tests.bench.reading_fill import APPENDED, Site, filled_with
from tests.bench.serving import Plan
from tests.bench.table import Row, medians
from tests.bench.workload import SHAPES, Workload

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "url",
    [
        "http://umami.example:3000",
        "http://10.0.0.5:3000",
        "http://192.168.1.1",
        "http://127.0.0.1.evil.example/",
        "http://[2001:db8::1]:3000",
        "https://127.0.0.1:3000",
        "127.0.0.1:3000",
    ],
)
def test_load_is_never_sent_to_another_machine(url: str) -> None:
    with pytest.raises(click.BadParameter):
        rivals.place_of(url)


def test_this_machine_is_known_by_its_names() -> None:
    assert rivals.place_of("http://localhost:3000") == ("127.0.0.1", 3000)
    assert rivals.place_of("http://127.0.0.1") == ("127.0.0.1", 80)
    assert rivals.place_of("http://[::1]:8000/") == ("::1", 8000)


def test_an_answer_is_whole_or_waited_for() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
    assert rivals.answer_of(head[:-2], False) is None
    assert rivals.answer_of(head + b"bod", False) is None
    whole = rivals.answer_of(head + b"body", False)
    assert whole is not None
    assert (whole.status, whole.closes) == (b"200", False)
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"
    assert rivals.answer_of(chunked, False) is None
    assert rivals.answer_of(chunked + b"0\r\n\r\n", False) is not None
    bare = rivals.answer_of(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", False)
    assert bare is not None
    assert bare.closes


# ---------------------------------------------------------------- other trackers


@dataclass
class Tracker:
    """Reads requests with a strict parser; answers as told, and ends a connection now and then."""

    answer: Callable[[int], tuple[int, list[tuple[str, str]], bytes]]
    closes_every: int = 0
    requests: list[tuple[h11.Request, bytes]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        request, body = None, b""
        while not writer.is_closing():
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65_536))
            elif isinstance(event, h11.Request):
                request, body = event, b""
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                assert request is not None
                self.requests.append((request, body))
                self.say(connection, writer)
            else:
                break
        writer.close()

    def say(self, connection: h11.Connection, writer: asyncio.StreamWriter) -> None:
        count = len(self.requests)
        status, headers, body = self.answer(count)
        last = bool(self.closes_every) and count % self.closes_every == 0
        headers = [*headers, *([("connection", "close")] if last else [])]
        for part in (
            h11.Response(status_code=status, headers=headers),
            *([h11.Data(data=body)] if body else []),
            h11.EndOfMessage(),
        ):
            writer.write(connection.send(part) or b"")
        if last:
            writer.close()
        else:
            connection.start_next_cycle()


async def visited(kind: str, site: str, tracker: Tracker) -> Result:
    """400 requests of the benchmark to a tracker of ours."""
    server = await asyncio.start_server(tracker.serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        return await asyncio.to_thread(rivals.run, kind, url, site, 20.0, 4, 400)


def header(request: h11.Request, name: str) -> str:
    return dict(request.headers)[name.encode()].decode()


async def test_umami_is_sent_events_and_its_jokes_are_refusals() -> None:
    joke = b'{"beep":"boop"}'
    tracker = Tracker(lambda n: (200, [("x-n", str(n))], joke if n % 10 == 0 else b'{"cache":""}'))
    result = await visited("umami", "b59e9c65-ae32-47f1-8400-119fcf4861c4", tracker)
    assert len(result.latencies) == 360
    assert result.refused == 40
    names = Counter[str]()
    for request, body in tracker.requests:
        assert (request.method, request.target) == (b"POST", b"/api/send")
        assert header(request, "content-type") == "application/json"
        assert header(request, "user-agent").startswith("Mozilla/5.0")
        told = json.loads(body)
        assert told["type"] == "event"
        assert told["payload"]["website"] == "b59e9c65-ae32-47f1-8400-119fcf4861c4"
        assert told["payload"]["url"].startswith("/")
        names[told["payload"].get("name", "")] += 1
    assert names[""] > names["reading"] > names["click"]


async def test_plausible_is_sent_events_and_drops_are_counted() -> None:
    def answer(count: int) -> tuple[int, list[tuple[str, str]], bytes]:
        dropped = [("x-plausible-dropped", "1")] if count % 4 == 0 else []
        return 202, [("content-length", "2"), *dropped], b"ok"

    tracker = Tracker(answer)
    result = await visited("plausible", "acme.example", tracker)
    assert (len(result.latencies), result.refused) == (300, 100)
    request, body = tracker.requests[0]
    assert (request.method, request.target) == (b"POST", b"/api/event")
    told = json.loads(body)
    assert told.pop("url").startswith("https://www.acme.example/")
    told.pop("referrer", "")
    assert told == {"name": "pageview", "domain": "acme.example"}
    addresses = {header(request, "x-forwarded-for") for request, _ in tracker.requests}
    assert len(addresses) == 40


async def test_matomo_is_asked_for_no_picture_over_connections_that_it_ends() -> None:
    tracker = Tracker(lambda _: (204, [], b""), closes_every=7)
    result = await visited("matomo", "3", tracker)
    assert (len(result.latencies), result.refused) == (400, 0)
    for request, body in tracker.requests:
        parts = urlsplit(request.target.decode())
        assert (request.method, parts.path, body) == (b"GET", "/matomo.php", b"")
        fields = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert (fields["idsite"], fields["rec"], fields["send_image"]) == ("3", "1", "0")
        assert len(bytes.fromhex(fields["_id"])) == 8


async def test_goatcounter_is_asked_at_the_name_of_its_site() -> None:
    picture = b"GIF89a" + bytes(30)
    tracker = Tracker(lambda _: (200, [("content-length", str(len(picture)))], picture))
    result = await visited("goatcounter", "stats.acme.example", tracker)
    assert (len(result.latencies), result.refused) == (400, 0)
    request, _ = tracker.requests[0]
    assert header(request, "host") == "stats.acme.example"
    fields = parse_qs(urlsplit(request.target.decode()).query)
    assert fields["p"][0].startswith("/")
    assert fields["s"] == ["1440,900,1"]


async def test_what_a_tracker_refuses_is_no_rate() -> None:
    tracker = Tracker(lambda _: (429, [("content-length", "0")], b""))
    result = await visited("goatcounter", "stats.acme.example", tracker)
    assert (len(result.latencies), result.refused) == (0, 400)


async def test_what_we_drop_ourselves_is_refused_too() -> None:
    body = b'{"accepted":0,"duplicates":0}'
    exposed = ("access-control-expose-headers", "Handraise-Dropped, Retry-After")

    def answer(count: int) -> tuple[int, list[tuple[str, str]], bytes]:
        dropped = [("Handraise-Dropped", "bad_url")] if count % 4 == 0 else []
        return 202, [("content-length", str(len(body))), exposed, *dropped], body

    result = await visited("handraise", "k1", Tracker(answer))
    assert (len(result.latencies), result.refused) == (300, 100)


async def test_who_is_refused_comes_again_with_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that is full ends no run: every request is answered in the end, and none is lost."""
    monkeypatch.setattr(load, "AGAIN_S", 0.001)
    empty = [("content-length", "0")]
    tracker = Tracker(lambda n: (503 if n % 3 else 202, empty, b""))
    sent = [f"POST /{n} HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n" for n in range(60)]
    server = await asyncio.start_server(tracker.serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]

        def run() -> Result:
            streams = [[one.encode() for one in sent[start::4]] for start in range(4)]
            connections = [load.Connection(port, iter(one)) for one in streams]
            try:
                return load.saturate(connections, 20.0)
            finally:
                for connection in connections:
                    connection.socket.close()

        result = await asyncio.to_thread(run)
    assert (len(result.latencies), result.refused) == (60, 120)
    assert {request.target for request, _ in tracker.requests} == {
        f"/{n}".encode() for n in range(60)
    }


def test_listeners_that_miss_and_listeners_that_see_twice_do_not_make_up_for_each_other() -> None:
    streams = listening.Listeners(0, "", 2, 3)
    for seen, numbers in zip(streams.seen, ((0, 1, 1, 2), (0, 1)), strict=True):
        for number in numbers:
            streams.note(seen, number)
    assert (streams.missed, streams.doubled) == (1, 1)
    assert not streams.all_seen.is_set()
    streams.note(streams.seen[1], 2)
    assert streams.all_seen.is_set()


# ---------------------------------------------------------------- pictures and tables


def test_stacks_become_a_picture() -> None:
    stacks = flame.folded("a;server.app.b 3\na;server.app.b;<c> 1\nnonsense\n")
    assert stacks == {"a;server.app.b": 3, "a;server.app.b;<c>": 1}
    drawn = flame.svg(stacks, "title & more")
    assert "&lt;c&gt;: 1 samples, 25.0%" in drawn
    assert "server.app.b: 4 samples, 100.0%" in drawn
    assert "title &amp; more" in drawn


def test_what_perf_prints_is_read() -> None:
    text = "python \n\t  ffffffff81 inner;one\n\t  90c0 py::outer:/a.py\n\npython \n\t 90c0 alone\n"
    assert flame.of_perf(text) == {"py::outer:/a.py;inner:one": 1, "alone": 1}


def test_repeated_rows_become_their_median() -> None:
    runs = [[Row("a", value, 2, note="of it")] for value in (1.0, 9.0, 3.0)]
    assert medians(runs) == [Row("a", 3.0, 2, note="of it; 1–9")]


def test_what_is_kept_takes_no_time_to_fill(tmp_path: Path) -> None:
    size = lengths.Size(1_000_000, 10_000_000, Plan(3, 6, 12), tmp_path, False)
    before = lengths.seconds(["disk"], size)
    (tmp_path / "site-10000000").mkdir()
    (tmp_path / "site-10000000" / "done").touch()
    assert before - lengths.seconds(["disk"], size) == pytest.approx(10_000_000 / 15_000)


@pytest.mark.slow
def test_a_fill_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    """The log is whole, nothing is projected: what is left is done, and nothing appended twice."""
    place, events = tmp_path / "site", 2_000

    async def interrupted() -> None:
        world = World(place / NAME, "OFF")
        await world.open()
        for part in Site(11, now_ms(), events).events():
            await world.append(part)
        await world.close()
        (place / APPENDED).touch()

    place.mkdir()
    asyncio.run(interrupted())
    before = site_projector.BATCH
    assert filled_with(place, iter(()), events) == place
    assert before == site_projector.BATCH
    with closing(sqlite3.connect(place / NAME)) as connection:
        (cursor,) = connection.execute("SELECT seq FROM cursors").fetchone()
        (head,) = connection.execute("SELECT seq FROM heads").fetchone()
        (sent,) = connection.execute("SELECT count(*) FROM entries WHERE kind < 64").fetchone()
        (visits,) = connection.execute("SELECT count(*) FROM sessions").fetchone()
    assert (cursor, sent) == (head, events)
    assert visits > 150


def sent(shape: str, batch: int) -> list[list[dict[str, Any]]]:
    """The events of each request of one stream."""
    stream = next(Workload(1, now_ms(), shape=SHAPES[shape]).requests(10, batch))
    return [json.loads(request.partition(b"\r\n\r\n")[2])["e"] for request in stream]


def test_busy_visitors_have_many_page_views_and_nothing_else() -> None:
    requests = sent("busy", 50)
    assert [len(events) for events in requests] == [50] * 100  # ten visitors, ten requests each
    assert {event["y"] for events in requests for event in events} == {"page_view"}


def test_long_addresses_never_come_again() -> None:
    addresses = [event["u"] for events in sent("long", 10) for event in events]
    assert [len(address) for address in addresses] == [1_900] * 100
    assert len({address[:100] for address in addresses}) == 100
