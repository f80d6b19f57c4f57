"""A small server behind a gate, and what a client says to it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from server.app import Handraise
from server.cli.serving import guarded_server, http_server, listen
from server.web.allowances import Limits
from server.web.collect import read_body
from server.web.gate import Gate

QUICK = Limits(
    head_s=0.3,
    request_s=0.6,
    idle_s=0.3,
    write_s=0.3,
    head_bytes=4_096,
    exempt_loopback=False,
)
BIG = 30_000_000  # more than the system's buffers hold


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    """`/stream` sends for a while, `/ticks` for less, `/big` much at once, `/headers` what headers
    it saw at the end; anything else reads the body and says how long it was."""
    headers = [(b"content-type", b"text/plain")]
    ticks = {"/stream": 8, "/ticks": 3}.get(scope["path"], 0)
    if ticks:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for _ in range(ticks):
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
    gate: Gate = field(default_factory=lambda: Gate(Limits()))

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def arrived(self, size: int) -> None:
        """Until the gate counts so many bytes as arriving."""
        async with asyncio.timeout(5):
            while self.gate.arriving != size:  # noqa: ASYNC110 - over a socket
                await asyncio.sleep(0.01)

    async def say(self, *parts: bytes, pause_s: float = 0.0) -> bytes:
        """Send the parts, then read until the server closes."""
        reader, writer = await self.open()
        try:
            for part in parts:
                if reader.at_eof() or writer.is_closing():
                    break
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

    place.gate = Gate(limits, count)
    server = http_server(app, place.gate)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield place
    finally:
        server.should_exit = True
        async with asyncio.timeout(5):
            await running


@asynccontextmanager
async def guarded(app: Handraise) -> AsyncIterator[int]:
    """The whole program as everybody is served by it; its port."""
    listener = listen("127.0.0.1", 0)
    server = guarded_server(app, 4_096)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        async with asyncio.timeout(5):
            await running


HEAD = b"POST /e HTTP/1.1\r\nHost: t\r\n"
