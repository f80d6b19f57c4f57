"""Connections of strangers: late ones are closed, heads and requests have a size."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from msgspec.structs import replace

from server.web.connections import SMALL_BYTES
from tests.web.gated import BIG, HEAD, QUICK, Place, served

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with served() as ready:
        yield ready


SLOW = [
    ("says nothing", [b""], 0.1),
    ("stops in its line", [b"POST /e HT"], 0.1),
    ("drips headers", [HEAD, *[b"x-%d: 1\r\n" % n for n in range(800)]], 0.02),
    ("drips its body", [HEAD + b"Content-Length: 999\r\n\r\n", *[b"x"] * 400], 0.04),
    ("drips chunks", [HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * 400], 0.04),
]
AS_LONG = {"drips chunks": pytest.mark.slow}  # as long as the one before it


@pytest.mark.parametrize(
    ("parts", "pause_s"),
    [pytest.param(*s[1:], id=s[0], marks=AS_LONG.get(s[0], ())) for s in SLOW],
)
async def test_one_who_is_slow_is_told_and_closed(
    place: Place, parts: list[bytes], pause_s: float
) -> None:
    """However often something comes: the time counts from the start."""
    began = time.monotonic()
    answer = await place.say(*parts, pause_s=pause_s)
    assert time.monotonic() - began < 8  # a drip alone takes twice as long
    told = answer.startswith(b"HTTP/1.1 408 ")
    if not any(parts):  # a browser that connects ahead of need would show a 408
        assert answer == b""
    elif len(parts) == 1:
        assert told, answer
    else:  # what is sent to a closed connection resets it, and may take the answer along
        assert told or answer in {b"", b"reset"}, answer
    assert sum(place.cut.values()) == 1


def over(reader: asyncio.StreamReader) -> bool:
    """Closed; what is sent to a closed connection resets it, which then is told instead."""
    return reader.at_eof() or isinstance(reader.exception(), ConnectionResetError)


async def test_blank_lines_keep_nothing_open(place: Place) -> None:
    """Between two requests they are no request, and stop uvicorn's own timer."""
    reader, writer = await place.open()
    writer.write(HEAD + b"\r\n")
    began = time.monotonic()
    while not over(reader) and time.monotonic() - began < 3:
        with suppress(RuntimeError):  # uvloop's word for a transport that has been closed
            writer.write(b"\r\n")
        await asyncio.sleep(0.05)
        reader._buffer.clear()  # type: ignore[attr-defined]  # the answer does not matter here
    assert over(reader)
    assert place.cut["idle"] == 1
    writer.close()


async def test_a_proxy_keeps_its_connections_for_longer() -> None:
    """It asks again on an open one; a POST on one that we close at that moment would be lost."""
    quick = replace(QUICK, idle_s=0.05, proxy_idle_s=30)
    for limits in (replace(quick, proxies=("127.0.0.1",)), replace(quick, exempt_loopback=True)):
        async with served(limits) as place:
            reader, writer = await place.open()
            for _ in range(2):
                writer.write(HEAD + b"\r\n")
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200")
                await reader.readexactly(1)
                await asyncio.sleep(quick.idle_s * 2)  # as long as a stranger is closed in
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


@pytest.mark.parametrize("least", [True, False], ids=["as fast as the least", "slower"])
async def test_a_slow_reader_is_told_from_one_who_has_stopped(*, least: bool) -> None:
    """The system's buffer takes megabytes at once, and tells of room long after there is some."""
    write_s = 0.16
    async with served(replace(QUICK, write_s=write_s, idle_s=0.1)) as place:
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        plain.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(plain, ("127.0.0.1", place.port))
        await loop.sock_sendall(plain, b"GET /big HTTP/1.1\r\nHost: t\r\n\r\n")
        began = time.monotonic()
        while time.monotonic() - began < write_s * 3 and not place.cut:
            for _ in range(8 if least else 1):
                with suppress(ConnectionError):
                    await loop.sock_recv(plain, 8_192 if least else 100)
            await asyncio.sleep(write_s / 10)
        assert dict(place.cut) == ({} if least else {"slow_reader": 1})
        plain.close()


@pytest.mark.slow
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
    answer = await place.say(b"GET /ticks HTTP/1.1\r\nHost: t\r\n\r\n\x00\x00")
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


async def test_a_request_behind_an_answer_has_time() -> None:
    """It is not read before that answer is over: the wait is ours, and its clock begins then."""
    async with served(replace(QUICK, request_s=0.1, idle_s=0.1)) as place:
        reader, writer = await place.open()
        writer.write(b"GET /ticks HTTP/1.1\r\nHost: t\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"Content-Length: 5\r\n\r\n")
        await asyncio.sleep(0.02)  # the server has stopped reading
        writer.write(b"hello")
        answers = await place.end(reader, writer)
        assert b"end\r\n0\r\n\r\nHTTP/1.1 200 " in answers
        assert answers.endswith(b"\r\n\r\n5")
        assert dict(place.cut) == {"idle": 1}


async def test_a_head_that_is_late_does_not_cut_the_answer_before_it() -> None:
    async with served(replace(QUICK, head_s=0.1, idle_s=0.1)) as place:
        answer = await place.say(b"GET /ticks HTTP/1.1\r\nHost: t\r\n\r\n" + HEAD)
        assert answer.endswith(b"end\r\n0\r\n\r\n")
        assert answer.count(b"HTTP/1.1 ") == 1
        assert dict(place.cut) == {"slow_head": 1}


async def test_bodies_that_do_not_end_have_a_size_in_all() -> None:
    """Counted as they arrive, whoever sends them; what a visitor sends still fits."""
    first = HEAD + b"Content-Length: 50000\r\n\r\n" + b"x" * 40_000
    limits = replace(QUICK, request_s=5, arriving_bytes=100_000, exempt_loopback=True)
    async with served(limits) as place:
        held = [await place.open() for _ in range(2)]
        for _, writer in held:
            writer.write(first)
        await place.arrived(2 * len(first))
        refused = await place.say(first)
        assert refused == b"reset" or refused.startswith(b"HTTP/1.1 503 "), refused
        assert dict(place.cut) == {"arriving": 1}
        await place.arrived(2 * len(first))
        small = HEAD + b"Connection: close\r\nContent-Length: 3000\r\n\r\n"
        more = replace(place.gate.limits, arriving_bytes=2 * len(first))
        place.gate.limits = more  # full to the last byte
        for parts in ((small, b"x" * 3_000), (small + b"x" * 3_000,)):
            assert (await place.say(*parts, pause_s=0.02)).endswith(b"\r\n\r\n3000")
        assert len(small) + 3_000 < SMALL_BYTES
        held[0][1].write(b"x" * 10_000)  # the last of it: what is whole is taken
        await held[0][0].readuntil(b"\r\n\r\n50000")
        await place.arrived(len(first))
        for _, writer in held:
            writer.close()
        await place.arrived(0)


async def test_one_address_has_a_share_of_what_may_arrive() -> None:
    """Bodies that stall shut out nobody else."""
    first = HEAD + b"Content-Length: 50000\r\n\r\n" + b"x" * 40_000
    async with served(replace(QUICK, request_s=5, arriving_bytes=900_000)) as place:
        held = [await place.open() for _ in range(2)]
        for _, writer in held:
            writer.write(first)
        await place.arrived(2 * len(first))
        refused = await place.say(first)
        assert refused == b"reset" or refused.startswith(b"HTTP/1.1 503 "), refused
        assert dict(place.cut) == {"arriving": 1}
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", place.port, local_addr=("127.0.0.2", 0)
        )
        writer.write(first)
        await place.arrived(3 * len(first))
        writer.write(b"x" * 10_000)
        await reader.readuntil(b"\r\n\r\n50000")
        for one in (writer, *(other for _, other in held)):
            one.close()
        await place.arrived(0)
        assert not place.gate.arriving_of


async def test_what_has_been_taken_is_arriving_no_more() -> None:
    """A whole body is given back, one behind another request with it, and a connection's at its
    end."""
    async with served(replace(QUICK, request_s=5)) as place:
        reader, writer = await place.open()
        writer.write(HEAD + b"Content-Length: 50000\r\n\r\n" + b"x" * 40_000)
        await place.arrived(40_000 + len(HEAD) + 25)
        writer.write(b"x" * 10_000)
        await reader.readuntil(b"\r\n\r\n50000")
        assert not place.gate.arriving
        long = HEAD.replace(b"/e", b"/ticks") + b"Content-Length: 9000\r\n\r\n"
        writer.write(long + b"x" * 8_000)
        await place.arrived(8_000 + len(long))
        writer.write(b"x" * 1_000)
        await place.arrived(0)  # the answer takes longer
        behind = HEAD + b"\r\n"
        writer.write(behind)
        await place.arrived(len(behind))
        await reader.readuntil(b"end\r\n0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n0")
        assert not place.gate.arriving
        writer.write(HEAD)
        await place.arrived(len(HEAD))
        writer.close()
        await place.arrived(0)
