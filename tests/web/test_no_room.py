"""Batches for which there is no room: the connection answers them, and the app is not asked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from starlette.types import Receive, Scope, Send

from server.app import Handraise
from server.cli.serving import http_server, listen
from server.web.allowances import Limits
from server.web.batches import NO_ROOM
from server.web.collect import read_body
from server.web.exchange import Answering, Headers, Reply, stays
from server.web.gate import Gate
from tests.web.gated import guarded

pytestmark = pytest.mark.anyio
BATCH = b"POST /e HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nbody"


class Counting:
    """An app that says how often it was asked, by path, and how often for a batch."""

    most_bytes = 1_000
    too_large = Reply(413, [], b"large")

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.room = False

    def full(self, size: int) -> Reply | None:
        assert size in {0, 4}
        return None if self.room else NO_ROOM

    def enter(self, headers: Headers, peer: str) -> Callable[[], None] | Reply:
        assert (dict(headers)[b"host"], peer) == (b"t", "127.0.0.1")
        return stays

    def take(self, headers: Headers, peer: str, body: bytes, answer: Answering) -> None:
        assert (dict(headers)[b"host"], peer, body) == (b"t", "127.0.0.1", b"body")
        self.asked.append("a batch")
        answer(Reply(202, [], b"ok"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        await read_body(receive, 1_000)
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 202, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def served(app: Counting, limits: Limits) -> AsyncIterator[int]:
    listener = listen("127.0.0.1", 0)
    server = http_server(app, Gate(limits, batches=app))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await asyncio.wait_for(running, 5)


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, headers and body of the next answer on a connection."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    first, *lines = head.rstrip().split(b"\r\n")
    headers = dict(line.lower().split(b": ", 1) for line in lines)
    body = await reader.readexactly(int(headers[b"content-length"]))
    return int(first.split()[1]), headers, body


async def test_a_batch_without_room_is_answered_at_once() -> None:
    """503 and when to come again, readable by pages elsewhere; the connection is as good as ever,
    and other requests are answered as ever."""
    app = Counting()
    async with served(app, Limits()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(BATCH)
            status, headers, body = await answer(reader)
            assert (status, headers[b"retry-after"]) == (503, b"2")
            assert headers[b"access-control-allow-origin"] == b"*"
            assert b"retry-after" in headers[b"access-control-expose-headers"]
            assert b'"code":"overloaded"' in body
        assert app.asked == []
        writer.write(BATCH.replace(b"/e ", b"/api "))
        assert (await answer(reader))[0] == 202
        app.room = True
        writer.write(BATCH)
        assert (await answer(reader))[0] == 202
        app.room = False
        writer.write(BATCH)
        assert (await answer(reader))[0] == 503
        assert app.asked == ["/api", "a batch"]
        writer.close()


async def test_behind_another_request_it_waits_its_turn() -> None:
    """Answers come in the order of requests: what was sent ahead is left to the app."""
    app = Counting()
    async with served(app, Limits()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(BATCH.replace(b"/e ", b"/slow ") + BATCH)
        assert [(await answer(reader))[0] for _ in range(2)] == [202, 202]
        assert app.asked == ["/slow", "/e"]
        writer.close()


async def test_its_connection_ends_as_others_do() -> None:
    """When nothing follows, when the client says so, and when the rest of the body stays out."""
    app = Counting()
    async with served(app, Limits(idle_s=0.2, request_s=0.4, exempt_loopback=False)) as port:
        for sent in (BATCH, BATCH.replace(b"Host: t", b"Host: t\r\nConnection: close")):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            assert (await answer(reader))[0] == 503
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(BATCH[:-2])
        assert (await answer(reader))[0] == 408
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
    assert app.asked == []


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_the_program_says_so_while_its_queue_is_full(app: Handraise) -> None:
    """Through the server that everybody is served by: refused and counted, and taken again as soon
    as there is room."""
    async with guarded(app) as port:
        room, app.state.writer.queue_events = app.state.writer.queue_events, 0
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(BATCH)
        assert (await answer(reader))[0] == 503
        counted = app.state.metrics.registry.get_sample_value("handraise_overloaded_total")
        assert counted == 1
        app.state.writer.queue_events = room
        writer.write(BATCH)
        assert (await answer(reader))[0] == 400
        writer.close()
