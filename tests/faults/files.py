"""Somebody takes a file of everybody so slowly that it lasts a minute, several times over.

The server must not hold a state of the database for them: the log of writes stays short under load,
events and figures are answered meanwhile, and in the end each file is whole, everybody in it once.
"""

import asyncio
import csv
import io
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from server.reports.people_csv import COLUMNS
from tests.bench.download import people_events
from tests.bench.reading_fill import filled_with
from tests.bench.workload import KEY
from tests.faults.asking import get, request_of
from tests.faults.disk import BEFORE, Found, row
from tests.faults.kill import Server
from tests.faults.load import Met, acknowledged, end, fresh, visitors
from tests.faults.readers import BATCH, CLIENTS, EVENTS, LONG_BYTES, log_bytes, not_stored
from tests.faults.row import CannotRun, Fault, Outcome
from tests.faults.soak import new_token
from tests.faults.weak import MODULE

#: As a file they are more than the system takes off the server at once (4 MB on Linux).
PEOPLE = 20_000
#: A reader takes so many bytes, then rests: faster than one that would be cut off.
TAKES_BYTES, RESTS_S = 4_096, 0.5
LASTS_S = 60.0
BUFFER_BYTES = 4_096  # of the client's socket, so that the server's side fills up
FILE = f"/api/v1/sites/1/people.csv?column={'&column='.join(COLUMNS)}"
FIGURES = "/api/v1/sites/1/overview"
ANSWERED_S = 3.0


@dataclass
class Reader:
    """One file on its way."""

    content: bytearray = field(default_factory=bytearray)
    ended: bool = False
    hurry: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, port: int, token: str) -> None:
        """Slowly until `hurry`, then as it comes."""
        plug = socket.socket()
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        plug.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(plug, ("127.0.0.1", port))
            asked = request_of(FILE, Authorization=f"Bearer {token}", Connection="close")
            await loop.sock_sendall(plug, asked)
            while part := await loop.sock_recv(plug, TAKES_BYTES):
                self.content += part
                if not self.hurry.is_set():
                    await asyncio.sleep(RESTS_S)
            self.ended = True
        finally:
            plug.close()

    def people(self) -> list[str]:
        """The ids in the file, empty where it is not whole."""
        head, _, body = bytes(self.content).partition(b"\r\n\r\n")
        if not self.ended or not head.startswith(b"HTTP/1.1 200"):
            return []
        text = joined(body) if b"transfer-encoding: chunked" in head.lower() else body
        return [line[0] for line in csv.reader(io.StringIO(text.decode("utf-8-sig")))][1:]


def joined(body: bytes) -> bytes:
    """A body that came in chunks; empty where the last one is missing."""
    found = bytearray()
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return bytes(found)
        found += body[:length]
        body = body[length + 2 :]
    return b""


@asynccontextmanager
async def reading(port: int, token: str, count: int) -> AsyncIterator[list[Reader]]:
    """So many slow readers; in the end they read the rest at once."""
    readers = [Reader() for _ in range(count)]
    tasks = [asyncio.create_task(one.read(port, token)) for one in readers]
    try:
        yield readers
    finally:
        for one in readers:
            one.hurry.set()
        await asyncio.gather(*tasks, return_exceptions=True)


async def life(server: Server, times: int) -> tuple[Met, Found, list[int]]:
    """One life with so many slow readers at once."""
    met, found, curve = fresh(EVENTS // 10), Found(), list[int]()
    token = await new_token(server.data)
    await server.start()
    try:
        async with visitors(server.port, KEY, met, count=CLIENTS, batch=BATCH):
            await acknowledged(met, BEFORE)
            met.since()
            async with reading(server.port, token, times) as readers:
                wrong = await beside(server, met, curve, token)
            refused = not_stored(met)
            for one in readers:
                mine = judged(one)
                found.add([*wrong, *([refused] if refused else []), *mine])
    finally:
        await end(server)
    return met, found, curve


async def beside(server: Server, met: Met, curve: list[int], token: str) -> list[str]:
    """What is wrong while the files are read; the lengths of the log go to `curve`."""
    wrong: list[str] = []
    began = time.monotonic()
    while time.monotonic() < began + LASTS_S and not wrong:
        curve.append(log_bytes(server.data))
        if curve[-1] > LONG_BYTES:
            wrong.append(f"the log has {curve[-1]:,} bytes")
        status = await get(server.port, FIGURES, ANSWERED_S, token)
        if status != 200:
            wrong.append(f"figures were answered {status}")
        if len(met.todo) < EVENTS // 20:
            met.more(EVENTS // 20)
        await asyncio.sleep(0.25)
    return wrong


def judged(one: Reader) -> list[str]:
    """What is wrong with a file."""
    people = one.people()
    if len(people) != PEOPLE or len(set(people)) != PEOPLE:
        return [f"a file of {len(people):,} lines, {len(set(people)):,} people, of {PEOPLE:,}"]
    return []


def outcome(folder: Path, times: int, weakness: str = "") -> Outcome:
    """Slow readers of files as one row of the table."""
    data = filled_with(folder / "data", people_events(PEOPLE), 2 * PEOPLE)
    server = Server(MODULE, data, FAULTS_WEAKNESS=weakness) if weakness else Server("server", data)
    met, found, curve = asyncio.run(life(server, times))
    if not curve:
        raise CannotRun("nothing was read")
    found.figures.append(f"log of writes at most {max(curve) / 1e6:.1f} MB in {LASTS_S:.0f} s")
    return row(server, met, found, times)


FAULTS = (
    Fault(
        "R19",
        "files read slowly under load",
        20,
        outcome,
        lambda folder: outcome(folder, 2, "clinging"),
    ),
)
