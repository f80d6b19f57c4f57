"""T9: thousands of sockets that say next to nothing, and what a normal visitor notices of them.

Five kinds, in turn: a byte of a header each second, a byte of a body, nothing at all, somebody who
asks for much and reads nothing, and a body of which only the last byte is missing, that is more in
all than may be arriving. They come from several addresses, as a hoard would that knows
of the cap on one. Run as `python -m tests.faults.threats_slow PORT KEY SECONDS` it is the normal
visitor, in a process of its own, and prints the milliseconds of each request.
"""

import argparse
import asyncio
import json
import math
import random
import socket
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from server.cli.open_files import raise_limit
from server.ingest.limits import BODY_BYTES
from server.web.allowances import Limits
from tests.faults import kill
from tests.faults.asking import ask
from tests.faults.row import CannotRun, Fault, Outcome
from tests.faults.wire import held, memory

ADDRESSES = 8  # 127.0.0.2 and on; the normal visitor is 127.0.0.1
SLACK_S = 2.5  # for the server's timer, for its accepting so many, and for this process's own delay
SLICES = 20  # of a second: strangers are not in step
WINDOW = 200  # requests, of each of which the 99th percentile is taken
#: What memory may grow by: the bodies, and what so many connections take for themselves.
GROWTH_MB = Limits().arriving_bytes / 1e6 * 2
KINDS = ("head", "body", "silent", "head", "full", "silent", "head", "reader")
FIRST = {
    "head": b"POST /e HTTP/1.1\r\nHost: t\r\nX-Slow: ",
    "body": b"POST /e HTTP/1.1\r\nHost: t\r\nContent-Length: 400000\r\n\r\n",
    "full": b"POST /e HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % BODY_BYTES
    + b"x" * (BODY_BYTES - 1),
    "silent": b"",
    "reader": b"GET /h.js HTTP/1.1\r\nHost: t\r\n\r\n" * 16,
}


def due_s(kind: str, limits: Limits) -> float:
    """After how long the server must have closed it."""
    if kind == "reader":
        return limits.write_s * 2 + limits.idle_s  # it takes a little to fill every buffer
    return limits.request_s if kind in {"body", "full"} else limits.head_s


class Slow(asyncio.Protocol):
    """One of them; knows when it was opened and closed."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.transport: asyncio.Transport | None = None
        self.began = self.ended = 0.0
        self.answer = b""
        self.name: tuple[str, int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.began = transport, time.monotonic()
        self.name = transport.get_extra_info("sockname")
        transport.write(FIRST[self.kind])
        if self.kind == "reader":
            transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        self.answer = data[:12]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.ended = self.ended or time.monotonic()

    def drip(self) -> None:
        if self.transport and not self.ended and self.kind in {"head", "body"}:
            self.transport.write(b"a")

    def settle(self, left: set[tuple[str, int]]) -> None:
        """At the end, by what the server still holds: who does not read learns of no end."""
        if self.transport is None or self.ended:
            return
        self.ended = math.inf if self.name in left else time.monotonic()
        self.transport.abort()

    def on_time(self, limits: Limits) -> bool:
        within_s = due_s(self.kind, limits) + SLACK_S
        return self.ended - self.began < within_s


@dataclass
class Seen:
    """What came of it."""

    slow: list[Slow]
    alone_ms: float
    beside_ms: float
    grown_mb: float

    def outcome(self, limits: Limits, *, judged: bool) -> Outcome:
        """`judged`: the normal visitor's times count as one more fault, beside the sockets, and
        what memory grew by as another."""
        closed = [one for one in self.slow if one.on_time(limits)]
        ratio = self.beside_ms / self.alone_ms if self.alone_ms else 0.0
        late = {kind: 0 for kind in KINDS}
        for one in self.slow:
            late[one.kind] += not one.on_time(limits)
        said = ", ".join(f"{kind} {count}" for kind, count in late.items() if count)
        return Outcome(
            len(self.slow) + 2 * judged,
            len(closed) + (judged and ratio < 2) + (judged and self.grown_mb < GROWTH_MB),
            note=f"{len(self.slow)} slow sockets, late: {said or 'none'}; normal p99"
            f" {self.alone_ms:.1f} ms alone, {self.beside_ms:.1f} ms beside ({ratio:.2f} ×);"
            f" memory +{self.grown_mb:.1f} MB",
        )


async def hoard(port: int, count: int) -> list[Slow]:
    """Open them all, a few at a time; one that is refused at once has ended."""
    loop = asyncio.get_running_loop()
    slow = [Slow(KINDS[number % len(KINDS)]) for number in range(count)]

    async def one(number: int) -> None:
        source = f"127.0.0.{2 + number // len(KINDS) % ADDRESSES}"
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        plain.setblocking(False)
        plain.bind((source, 0))
        await loop.sock_connect(plain, ("127.0.0.1", port))
        await loop.create_connection(lambda: slow[number], sock=plain)

    for start in range(0, count, 50):
        await asyncio.gather(*(one(n) for n in range(start, min(start + 50, count))))
    return slow


async def drip(slow: list[Slow], until: float) -> None:
    """A byte a second each, until all are closed or the time is up."""
    while time.monotonic() < until and not all(one.ended for one in slow):
        for part in range(SLICES):
            for one in slow[part::SLICES]:
                one.drip()
            await asyncio.sleep(1 / SLICES)


async def normal_p99(port: int, key: str, seconds: float) -> float:
    """Milliseconds: the median of each window's 99th percentile; 0 where there is no time."""
    if not seconds:
        return 0.0
    visitor = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.faults.threats_slow",
        str(port),
        key,
        str(seconds),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await visitor.communicate()
    times: list[float] = json.loads(out)
    assert times, "no request was answered"
    size = min(WINDOW, len(times))
    windows = [times[i : i + size] for i in range(0, len(times) - size + 1, size)]
    return statistics.median(sorted(window)[int(size * 0.99)] for window in windows)


async def visit(port: int, key: str, seconds: float) -> list[float]:
    """One visitor after another, each event acknowledged before the next; milliseconds each."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    rng, times = random.Random(3), []
    end = time.monotonic() + seconds
    now = time.time_ns() // 1_000_000
    while time.monotonic() < end:
        body = kill.body_of(key, [now.to_bytes(6, "big") + rng.randbytes(10)])
        began = time.perf_counter()
        reply = await ask(reader, writer, "/e", body)
        assert reply.status == 202, reply
        times.append((time.perf_counter() - began) * 1_000)
    writer.close()
    return times


async def run(module: str, data: Path, count: int, limits: Limits, seconds: float) -> Seen:
    """A normal visitor alone, then beside the hoard; then wait for the hoard's end."""
    files = raise_limit()
    if files < count + 200:
        raise CannotRun(f"ulimit -n allows {files} open files, {count + 200} are needed")
    key = kill.key_of(data)
    server = kill.Server(module, data)
    await server.start()
    try:
        assert server.process is not None
        pid = server.process.pid
        if seconds:
            await normal_p99(server.port, key, seconds / 2)  # warm
        alone, before = await normal_p99(server.port, key, seconds), memory(pid)
        slow = await hoard(server.port, count)
        dripping = asyncio.create_task(drip(slow, time.monotonic() + limits.request_s + SLACK_S))
        await asyncio.sleep(0.5)  # all have come
        beside = await normal_p99(server.port, key, seconds)
        grown = memory(pid) - before
        await dripping
        last = max(due_s(kind, limits) for kind in KINDS)
        await asyncio.sleep(max(0.0, last + SLACK_S / 2 - (time.monotonic() - slow[-1].began)))
        left = held(pid, server.port)
        for one in slow:
            one.settle(left)
    finally:
        server.kill()
        await server.gone()
    return Seen(slow, alone, beside, grown / 1e6)


#: The control ends when heads and the silent should have been closed.
SOON = replace(Limits(), request_s=10, write_s=4, idle_s=2)


def outcome(data: Path, times: int) -> Outcome:
    """The real server with its real deadlines."""
    return asyncio.run(run("tests.faults.afar", data, times, Limits(), 8)).outcome(
        Limits(), judged=True
    )


def control(data: Path) -> Outcome:
    """uvicorn without our deadlines keeps all of them."""
    return asyncio.run(run("tests.faults.unguarded", data, 80, SOON, 2)).outcome(SOON, judged=False)


FAULTS = (Fault("T9", "sockets that drip, wait or do not read", 2_000, outcome, control),)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("key")
    parser.add_argument("seconds", type=float)
    given = parser.parse_args()
    found = asyncio.run(visit(given.port, given.key, given.seconds))
    print(json.dumps([round(one, 3) for one in found]))  # noqa: T201
