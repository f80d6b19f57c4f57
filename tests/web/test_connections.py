"""Connections of strangers: late ones are closed, heads have a size, hoards are turned away."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace
from starlette.types import ASGIApp, Receive, Scope, Send

from server.cli.open_files import connections_for, too_few
from server.cli.serving import http_server, listen
from server.web.address import address_in
from server.web.collect import read_body
from server.web.connections import Gate, Limits, counted_as
from server.web.crowd import Crowd

pytestmark = pytest.mark.anyio
QUICK = Limits(head_s=0.3, request_s=0.6, idle_s=0.3, write_s=0.3, head_bytes=4_096)
BIG = 30_000_000  # more than the system's buffers hold


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    """`/stream` sends for a while, `/big` much at once, `/trailers` what headers it saw at the
    end; anything else reads the body and says how long it was."""
    headers = [(b"content-type", b"text/plain")]
    if scope["path"] == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for _ in range(8):
            await send({"type": "http.response.body", "body": b"tick", "more_body": True})
            await asyncio.sleep(0.1)
        await send({"type": "http.response.body", "body": b"end"})
        return
    length = len(await read_body(receive, 1_000_000))
    body = b"x" * BIG if scope["path"] == "/big" else b"%d" % length
    if scope["path"] == "/headers":
        body = b",".join(name for name, _ in scope["headers"])
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Place:
    """A server, and what its gate has counted."""

    port: int
    cut: Counter[str] = field(default_factory=Counter)

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def say(self, *parts: bytes, pause_s: float = 0.0) -> bytes:
        """Send the parts, then read until the server closes."""
        reader, writer = await self.open()
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause_s)
        except ConnectionError:
            pass
        return await self.end(reader, writer)

    async def end(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        try:
            async with asyncio.timeout(5):
                return await reader.read()
        except ConnectionError:
            return b"reset"
        finally:
            writer.close()


@asynccontextmanager
async def served(limits: Limits = QUICK, app: ASGIApp = answering) -> AsyncIterator[Place]:
    listener = listen("127.0.0.1", 0)
    place = Place(listener.getsockname()[1])

    def count(reason: str) -> None:
        place.cut[reason] += 1

    server = http_server(app, Gate(limits, count))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield place
    finally:
        server.should_exit = True
        async with asyncio.timeout(5):
            await running


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with served() as ready:
        yield ready


HEAD = b"POST /e HTTP/1.1\r\nHost: t\r\n"
SLOW = [
    ("says nothing", [b""], 0.1),
    ("stops in its line", [b"POST /e HT"], 0.1),
    ("drips headers", [HEAD, *[b"x-%d: 1\r\n" % n for n in range(40)]], 0.02),
    ("drips its body", [HEAD + b"Content-Length: 999\r\n\r\n", *[b"x"] * 40], 0.04),
    ("drips chunks", [HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * 40], 0.04),
]


@pytest.mark.parametrize(("parts", "pause_s"), [s[1:] for s in SLOW], ids=[s[0] for s in SLOW])
async def test_one_who_is_slow_is_told_and_closed(
    place: Place, parts: list[bytes], pause_s: float
) -> None:
    """However often something comes: the time counts from the start."""
    began = time.monotonic()
    answer = await place.say(*parts, pause_s=pause_s)
    assert time.monotonic() - began < 2.5
    assert not answer or answer == b"reset" or answer.startswith(b"HTTP/1.1 408 "), answer
    assert bool(answer) is any(parts)  # a browser that connects ahead of need would show a 408
    assert sum(place.cut.values()) == 1


async def test_blank_lines_keep_nothing_open(place: Place) -> None:
    """Between two requests they are no request, and stop uvicorn's own timer."""
    reader, writer = await place.open()
    writer.write(HEAD + b"\r\n")
    began = time.monotonic()
    while not reader.at_eof() and time.monotonic() - began < 3:
        writer.write(b"\r\n")
        await asyncio.sleep(0.05)
        reader._buffer.clear()  # type: ignore[attr-defined]  # the answer does not matter here
    assert reader.at_eof()
    assert place.cut["idle"] == 1
    writer.close()


async def test_a_proxy_keeps_its_connections_for_longer() -> None:
    """It asks again on an open one; a POST on one that we close at that moment would be lost."""
    limits = replace(QUICK, proxies=("127.0.0.1",), proxy_idle_s=30)
    async with served(limits) as place:
        reader, writer = await place.open()
        for _ in range(2):
            writer.write(HEAD + b"\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            await reader.readexactly(1)
            await asyncio.sleep(QUICK.idle_s * 3)  # as long as a stranger is closed in
        assert not place.cut
        writer.close()


async def test_one_who_does_not_read_is_cut(place: Place) -> None:
    reader, writer = await place.open()
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(b"GET /big HTTP/1.1\r\nHost: t\r\n\r\n")
    async with asyncio.timeout(5):
        while not place.cut["slow_reader"]:  # noqa: ASYNC110 - counted by the server's timer
            await asyncio.sleep(0.02)
    writer.close()


async def test_long_answers_that_are_read_are_not_cut(place: Place) -> None:
    """A stream longer than every deadline, and a large file read in a leisurely way."""
    ask = b" HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
    streamed = await place.say(b"GET /stream" + ask)
    assert streamed.endswith(b"end\r\n0\r\n\r\n")
    reader, writer = await place.open()
    writer.write(b"GET /big" + ask)
    size = 0
    while part := await reader.read(2_000_000):
        size += len(part)
        await asyncio.sleep(0.003)
    writer.close()
    assert size > BIG
    assert not place.cut


async def test_a_head_has_a_size(place: Place) -> None:
    """In one piece, in many, in one endless header, and in trailers."""
    long = HEAD + b"x-long: " + b"a" * 5_000 + b"\r\n\r\n"
    assert (await place.say(long)).startswith(b"HTTP/1.1 431 ")
    many = [b"x-%d: %b\r\n" % (n, b"a" * 200) for n in range(60)]
    for parts in ([HEAD, *many], [HEAD, b"x-endless: ", *[b"a" * 500] * 40]):
        answer = await place.say(*parts, pause_s=0.001)
        assert answer == b"reset" or answer.startswith(b"HTTP/1.1 431 ")
    assert place.cut["head"] == 3
    fits = HEAD + b"Connection: close\r\nx-long: " + b"a" * 3_000 + b"\r\n\r\n"
    assert (await place.say(fits)).endswith(b"\r\n\r\n0")


async def test_a_request_has_a_size_and_trailers_are_no_headers() -> None:
    chunked = b"POST /headers HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n"
    async with served(replace(QUICK, request_bytes=50_000)) as place:
        said = chunked + b"Connection: close\r\n\r\n1\r\nx\r\n0\r\nAuthorization: a\r\n\r\n"
        assert (await place.say(said)).endswith(b"\r\n\r\nhost,transfer-encoding,connection")
        trailers = [b"x-%d: %b\r\n" % (n, b"a" * 1_000) for n in range(80)]
        answer = await place.say(chunked + b"\r\n0\r\n", *trailers, pause_s=0.001)
        assert answer == b"reset" or answer.startswith(b"HTTP/1.1 413 ")
        assert place.cut["size"] == 1


REFUSED = [
    ("two lengths", HEAD + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
    (
        "length and chunks",
        HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunks and length",
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
    ),
    ("chunks twice", HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n"),
    ("no host", b"GET / HTTP/1.1\r\n\r\n"),
    ("two hosts", HEAD + b"Host: u\r\n\r\n"),
    ("garbage", b"\x00\x01\x02\r\n\r\n"),
    ("no method", b"/ HTTP/1.1\r\n\r\n"),
]


@pytest.mark.parametrize("said", [r[1] for r in REFUSED], ids=[r[0] for r in REFUSED])
async def test_what_two_could_read_in_two_ways_is_refused(
    place: Place, said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """And closed, so that nothing behind it is read as a request of its own."""
    with caplog.at_level(logging.ERROR):
        answer = await place.say(said + b"GET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n"), answer
    assert answer.count(b"HTTP/1.1 ") == 1
    assert not caplog.records


async def test_an_answer_is_never_mixed_with_a_refusal(place: Place) -> None:
    """A good request and rubbish behind it: the good one's answer, whole, and the end."""
    answer = await place.say(b"GET /stream HTTP/1.1\r\nHost: t\r\n\r\n\x00\x00")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"end\r\n0\r\n\r\n")
    assert answer.count(b"HTTP/1.1 ") == 1


async def test_requests_are_not_piled_up(place: Place) -> None:
    """A browser waits for answers; a thousand requests at once get a few, whole, and the end."""
    answer = await place.say((HEAD + b"\r\n") * 1_000)
    assert answer.count(b"HTTP/1.1 200 ") == 17
    assert answer.count(b"HTTP/1.1 ") == 17
    assert answer.endswith(b"\r\n\r\n0")
    assert place.cut["pipelined"] == 1


async def test_a_hoard_is_turned_away() -> None:
    """By address and in all; who leaves makes room, and a proxy may hold more."""
    for limits, status in (
        (replace(QUICK, head_s=5, per_address=3), b"address"),
        (replace(QUICK, head_s=5, connections=3), b"total"),
    ):
        async with served(limits) as place:
            held = [await place.open() for _ in range(3)]
            refused = await place.say(b"")
            assert refused.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            assert b"\r\nretry-after: 5\r\n" in refused
            assert status in refused
            held.pop()[1].close()
            good = HEAD + b"Connection: close\r\n\r\n"
            async with asyncio.timeout(5):
                while b" 200 " not in await place.say(good):  # noqa: ASYNC110 - over a socket
                    await asyncio.sleep(0.02)
            for _, writer in held:
                writer.close()
    async with served(replace(QUICK, per_address=1, proxies=("127.0.0.0/8",))) as place:
        held = [await place.open() for _ in range(3)]
        assert (await place.say(HEAD + b"Connection: close\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        for _, writer in held:
            writer.close()


async def test_behind_a_proxy_requests_of_one_visitor_are_counted() -> None:
    """By the address that the proxy adds, whatever the visitor claims before it."""
    app = Crowd(answering, ("127.0.0.1",), "X-Forwarded-For", 2)
    async with served(QUICK, app) as place:
        ask = b"GET /stream HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
        claimed = [
            ask + b"X-Forwarded-For: 1.1.1.%d\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n" % n
            for n in range(4)
        ]
        other = ask + b"X-Forwarded-For: 9.9.9.9, 8.8.8.8\r\n\r\n"
        answers = await asyncio.gather(*(place.say(one) for one in [*claimed, other]))
        statuses = Counter(answer.split()[1] for answer in answers[:4])
        assert statuses == {b"200": 2, b"503": 2}
        assert answers[4].split()[1] == b"200"
    assert not app.in_flight


def test_who_is_counted_as_whom() -> None:
    assert counted_as("192.0.2.7", ()) == "192.0.2.7"
    assert counted_as("2001:db8:1:2::5", ()) == counted_as("2001:db8:1:2:ffff::9", ())
    assert counted_as("2001:db8:1:2::5", ()) != counted_as("2001:db8:1:3::5", ())
    assert counted_as("10.0.0.3", ("10.0.0.0/24",)) == ""
    assert counted_as("", ()) == ""


def test_too_few_open_files_are_named() -> None:
    assert "ulimit -n" in too_few(1_024)
    assert too_few(65_536) == ""
    assert connections_for(256, 10_000) == 64
    assert connections_for(1_024, 10_000) == 824
    assert connections_for(65_536, 10_000) == 10_000


FORWARDED = [
    ([b"9.9.9.9"], "9.9.9.9"),
    ([b"1.1.1.1, 9.9.9.9"], "9.9.9.9"),
    ([b"1.1.1.1", b"9.9.9.9"], "9.9.9.9"),  # a line of its own below the client's
    ([b"1.1.1.1, 9.9.9.9, 10.0.0.2"], "9.9.9.9"),
    ([b"10.0.0.2"], "10.0.0.1"),
    ([b"1.1.1.1, nonsense"], ""),
    ([], "10.0.0.1"),
]


@pytest.mark.parametrize(("lines", "address"), FORWARDED)
def test_the_address_is_the_one_that_the_proxy_added(lines: list[bytes], address: str) -> None:
    headers = [(b"x-forwarded-for", line) for line in lines]
    proxies = ("10.0.0.0/24",)
    assert address_in(headers, "10.0.0.1", proxies, "X-Forwarded-For") == address
    assert address_in(headers, "10.0.0.1", (), "X-Forwarded-For") == "10.0.0.1"
    assert address_in(headers, "192.0.2.1", proxies, "X-Forwarded-For") == "192.0.2.1"
