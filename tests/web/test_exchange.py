"""Batches that connections take by themselves: answered as the app would, in order, once."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from msgspec.structs import replace

from server.app import Handraise
from server.ingest import limits
from server.model import SiteSettings
from server.storage import sites
from server.storage.writer import Writer
from server.web import batches
from server.web.crowd import CROWDED
from tests.web.gated import guarded
from tests.web.test_collect import CHROME, body, stored, view

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("place", ["sqlite"], indirect=True)]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def post(content: bytes, *more: str, length: bool = True) -> bytes:
    lines = ["POST /e HTTP/1.1", "Host: t", f"User-Agent: {CHROME}", *more]
    if length:
        lines.append(f"Content-Length: {len(content)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def chunked(content: bytes, size: int) -> bytes:
    parts = [content[at : at + size] for at in range(0, len(content), size)]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    head = post(b"", "Transfer-Encoding: chunked", length=False)
    return head + framed + b"0\r\n\r\n"


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bytes]:
    """Status, head and body of the next answer on a connection."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    found = re.search(rb"content-length: (\d+)", head)
    assert found
    return int(head.split()[1]), head, await reader.readexactly(int(found[1]))


@asynccontextmanager
async def connected(app: Handraise) -> AsyncIterator[Streams]:
    """One connection to the program, with a site of the key `k1`."""
    if "k1" not in app.state.sites.by_key:
        now = app.state.clock()
        await app.state.writer.run(lambda: sites.add("Acme", "k1", "s", SiteSettings(), now))
        await app.state.reload()
    async with guarded(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield reader, writer
        finally:
            writer.close()


async def test_framings_are_one_batch(app: Handraise) -> None:
    """Whole, in small chunks, byte by byte: on one connection, each stored once."""
    now = app.state.clock()
    async with connected(app) as (reader, writer):
        for number, sent in enumerate(
            (
                post(body(app, view(1, now))),
                chunked(body(app, view(2, now)), 7),
                post(body(app, view(3, now)), "Connection: keep-alive"),
            )
        ):
            for at in range(0, len(sent), 1 if number == 1 else len(sent)):
                writer.write(sent[at : at + (1 if number == 1 else len(sent))])
            status, head, said = await answer(reader)
            assert (status, said) == (202, b'{"accepted":1,"duplicates":0,"dropped":[]}')
            assert b"\r\ndate: " in head
            assert b"\r\nconnection: close" not in head
    assert await stored(app) == 3


async def test_answers_come_in_the_order_of_requests(app: Handraise) -> None:
    """A batch, a page and a batch, sent at once."""
    now = app.state.clock()
    async with connected(app) as (reader, writer):
        page = b"GET /livez HTTP/1.1\r\nHost: t\r\n\r\n"
        writer.write(post(body(app, view(1, now))) + page + post(body(app, view(2, now))))
        answers = [await answer(reader) for _ in range(3)]
        assert [status for status, _, _ in answers] == [202, 200, 202]
        assert b"accepted" in answers[0][2]
        assert b"accepted" not in answers[1][2]
    assert await stored(app) == 2


async def test_a_connection_ends_when_it_should(app: Handraise) -> None:
    """With HTTP 1.0, and where the client says so; what was sent before is stored."""
    now = app.state.clock()
    old = post(body(app, view(1, now))).replace(b"HTTP/1.1", b"HTTP/1.0")
    for sent in (old, post(body(app, view(2, now)), "Connection: close")):
        async with connected(app) as (reader, writer):
            writer.write(sent)
            status, head, _ = await answer(reader)
            assert (status, b"connection: close" in head) == (202, True)
            assert await asyncio.wait_for(reader.read(), 5) == b""
    assert await stored(app) == 2


async def test_a_body_over_the_limit_is_told_at_once(app: Handraise) -> None:
    """By what it says of its length before any of it came, or when so much has come; the
    connection is as good as ever afterwards."""
    long = b"x" * (limits.BODY_BYTES + 1)
    async with connected(app) as (reader, writer):
        for sent in (post(long), chunked(long, 65_536)):
            writer.write(sent)
            status, head, said = await answer(reader)
            assert (status, b"access-control-allow-origin: *" in head) == (413, True)
            assert b'"code":"too_large"' in said
        writer.write(post(body(app, view(1, app.state.clock()))))
        assert (await answer(reader))[0] == 202


async def test_whoever_leaves_is_stored_all_the_same(app: Handraise) -> None:
    """A browser that goes away before the commit has handed its batch over."""
    async with connected(app) as (_, writer):
        writer.write(post(body(app, view(1, app.state.clock()))))
        await writer.drain()
        writer.transport.abort()
        async with asyncio.timeout(5):
            while not await stored(app):
                await app.state.writer.moved.wait()


async def test_a_fault_of_ours_is_said(
    app: Handraise, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Reading that fails, and storing that fails: 500, a line in the log, and the next is taken."""

    def fails(*_: object) -> None:
        raise ZeroDivisionError

    async with connected(app) as (reader, writer):
        for module, name in ((batches, "read_batch"), (batches, "stored"), (Writer, "put")):
            with monkeypatch.context() as patched:
                patched.setattr(module, name, fails)
                writer.write(post(body(app, view(1, app.state.clock()))))
                status, _, said = await answer(reader)
            assert (status, b'"code":"internal"' in said) == (500, True)
            assert "ZeroDivisionError" in caplog.text
            caplog.clear()
        writer.write(post(body(app, view(2, app.state.clock()))))
        assert (await answer(reader))[0] == 202


async def test_behind_a_proxy_batches_of_one_visitor_are_counted(app: Handraise) -> None:
    """Of one address at most so many at once, whoever else is behind the proxy."""
    app.settings = replace(app.settings, trusted_proxies=("127.0.0.1",), connections_per_address=1)
    now = app.state.clock()
    await app.state.writer.run(lambda: sites.add("Acme", "k1", "s", SiteSettings(), now))
    await app.state.reload()
    held: list[list[object]] = []
    real = app.state.writer.put

    def holds(*given: object) -> None:
        held.append(list(given))

    app.state.writer.put = holds  # type: ignore[method-assign,assignment]
    async with guarded(app) as port:
        streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for number, (at, (_, writer)) in enumerate(zip("112", streams, strict=True)):
            sent = post(body(app, view(number, now)), f"X-Forwarded-For: 9.9.9.{at}")
            writer.write(sent)
            if number == 1:
                assert (await answer(streams[1][0]))[::2] == (503, CROWDED.body)
            async with asyncio.timeout(5):
                while len(held) < (1, 1, 2)[number]:  # noqa: ASYNC110 - over a socket
                    await asyncio.sleep(0.01)
        app.state.writer.put = real  # type: ignore[method-assign]
        for given in held:
            real(*given)  # type: ignore[arg-type]
        assert [(await answer(streams[at][0]))[0] for at in (0, 2)] == [202, 202]
        last = post(body(app, view(3, now)), "X-Forwarded-For: 9.9.9.1")
        streams[1][1].write(last)
        assert (await answer(streams[1][0]))[0] == 202  # it has left
        for _, writer in (streams[0], streams[2]):  # bodies that do not come are counted too
            writer.write(last[:-1].replace(b"9.9.9.1", b"9.9.9.3"))
        assert (await answer(streams[2][0]))[0] == 503
        streams[0][1].close()
        streams[2][1].write(b"}")  # the end of what was refused
        async with asyncio.timeout(5):
            while True:
                streams[2][1].write(last.replace(b"9.9.9.1", b"9.9.9.3"))
                if (await answer(streams[2][0]))[0] == 202:
                    break
        for _, writer in streams:
            writer.close()


async def test_it_answers_what_the_app_answers(app: Handraise) -> None:
    """Header for header, but for the date."""
    async with connected(app) as (reader, writer):
        transport = httpx2.ASGITransport(app=app.asgi)
        async with httpx2.AsyncClient(transport=transport, base_url="http://t") as other:
            for content in (b"", b"{}", b"\x1f\x8b", body(app), body(app, k="other"), b"[" * 99):
                by_app = await other.post("/e", content=content)
                writer.write(post(content))
                status, head, said = await answer(reader)
                lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
                del lines[b"date"]
                assert (status, said) == (by_app.status_code, by_app.content)
                assert lines == {
                    name.lower().encode(): value.encode() for name, value in by_app.headers.items()
                }
