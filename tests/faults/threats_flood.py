"""T6: a flood of junk under a thousand keys, beside one site whose visitors go on.

Unknown keys, scripts of sites that do not exist, events nobody can take, and agents that are never
the same. Whatever comes, the good visitors are stored and answered in time, and neither memory nor
the log nor the database grows with what strangers send.
"""

import asyncio
import json
import random
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from server.ingest.payload import write_id
from tests.faults.asking import Reply
from tests.faults.backups import command
from tests.faults.remains import look
from tests.faults.row import Fault, Outcome
from tests.faults.sending import Letter, send
from tests.faults.slow import resident_kb
from tests.faults.starts import shoot
from tests.faults.trial import Trial
from tests.faults.under_load import load

KEYS, STRANGERS = 1_000, 16
THOUSANDS = 40  # of requests
JUNK = 3_000  # bytes of a body that nobody needs
STEADY = 500
GROWTH_KB, LOG_BYTES = 12_000, 50_000
#: Of a database with next to nothing in it, and of an event with everything made of it.
EMPTY_BYTES, EVENT_BYTES = 2_000_000, 600
SLOWEST_S = 2.0
START_MS = 1_790_000_000_000


def junk(dice: random.Random, key: str) -> bytes:
    """One request of a stranger."""
    kind = dice.randrange(4)
    stranger = f"k{dice.randrange(KEYS):05d}{dice.getrandbits(64):016x}"
    agent = f"Agent/{dice.getrandbits(64):x} {'x' * dice.randrange(400)}"
    if kind == 0:
        path = f"/h/{stranger}.js?{dice.getrandbits(64):x}"
        return f"GET {path} HTTP/1.1\r\nHost: t\r\nUser-Agent: {agent}\r\n\r\n".encode()
    event = {
        "i": write_id(START_MS.to_bytes(6, "big") + dice.randbytes(10)),
        "y": "page_view" if kind == 1 else f"kind{dice.getrandbits(40):x}",
        "t": START_MS,
        "u": f"https://{dice.getrandbits(40):x}.example/{dice.getrandbits(64):x}",
        "d": {"note": "x" * JUNK},
    }
    sent = {"k": stranger if kind == 1 else key, "v": write_id(dice.randbytes(16)), "e": [event]}
    body = json.dumps(sent | {"t": START_MS}).encode() if kind < 3 else dice.randbytes(JUNK)
    head = f"POST /e HTTP/1.1\r\nHost: t\r\nUser-Agent: {agent}\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


@dataclass
class World(Trial):
    """A server, its good visitors, and what strangers were told."""

    port: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    left: int = 0

    async def flood(self, requests: int) -> None:
        self.left = requests
        await asyncio.gather(*(strange(Stranger(self, number)) for number in range(STRANGERS)))


class Stranger:
    """Sends junk until there is no more of it."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.dice = random.Random(number)

    def take(self) -> Letter | None:
        if self.world.left <= 0:
            return None
        self.world.left -= 1
        return Letter([], junk(self.dice, self.world.key))

    def told(self, _ids: list[bytes], reply: Reply, _took_s: float) -> float:
        self.world.statuses[reply.status] += 1
        return 0.0

    def cut(self, _ids: list[bytes]) -> None:
        self.world.statuses[0] += 1


async def strange(stranger: Stranger) -> None:
    """A connection that is closed is made anew."""
    world = stranger.world
    while world.left > 0 and await send(world.port, stranger):
        pass


async def run(world: World, requests: int) -> tuple[int, float]:
    """Memory that was taken for good (kB), and the slowest good answer (s)."""
    server = world.server(log=world.log)
    await server.start()
    world.port = server.port
    async with load(world.book, world.key, lambda: world.port, senders=2, pause_s=0.01):
        await world.book.more(STEADY)
        await world.flood(requests // 4)  # what is kept of some is kept once
        before, known = resident_kb(server), len(world.book.took)
        began, stored = time.monotonic(), len(world.book.acknowledged)
        await world.flood(requests - requests // 4)
        seconds = time.monotonic() - began
        if len(world.book.acknowledged) - stored < seconds * 10:
            world.bad.append("good events are hardly taken")
        await world.book.more(STEADY)
        grown = resident_kb(server) - before
    slowest = max((took for _, took in world.book.took[known:]), default=0.0)
    told = await command(world.data, "doctor")
    if told:
        world.bad.append(f"doctor: {told[-160:]}")
    await shoot(server)
    return grown, slowest


def bytes_of(database: Path) -> int:
    """How large a file is with what is still in its log of writes."""
    connection = sqlite3.connect(database)
    try:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        return int(pages * connection.execute("PRAGMA page_size").fetchone()[0])
    finally:
        connection.close()


def outcome(folder: Path, times: int, weakness: str = "") -> Outcome:
    """A flood of `times` thousand requests as one row of the table."""
    world, requests = World(folder, weakness), times * 1_000
    world.add_site()
    grown, slowest = asyncio.run(run(world, requests))
    database = world.data / "handraise.db"
    stored = look(database, ()).stored
    strange = stored - len(set(world.book.acknowledged) | set(world.book.again))
    size, logged = bytes_of(database), world.log.stat().st_size
    world.bad += [
        f"strangers: {status}" for status in world.statuses if status >= 500 and status != 503
    ]
    checks = (
        (grown > GROWTH_KB, f"memory grew by {grown:,} kB"),
        (logged > LOG_BYTES, f"{logged:,} bytes of log"),
        (size > EMPTY_BYTES + EVENT_BYTES * stored, f"{size:,} bytes of database"),
        (slowest > SLOWEST_S, f"a good visitor waited {slowest:.1f} s"),
        (strange > 0, f"{strange} events of strangers are stored"),
        (bool(world.book.odd), f"good visitors were told {world.book.odd}"),
    )
    world.bad += [words for is_wrong, words in checks if is_wrong]
    answers = ", ".join(f"{status}: {count:,}" for status, count in sorted(world.statuses.items()))
    note = (
        f"{requests:,} requests of {KEYS:,} keys ({answers}); memory {grown:+,} kB, log {logged:,}"
        f" bytes, database {size:,} bytes, slowest good answer {slowest:.2f} s"
    )
    return world.outcome(times, note, at_once=True)


FAULTS = (
    Fault(
        "T6",
        "a flood of junk under a thousand keys",
        THOUSANDS,
        outcome,
        lambda folder: outcome(folder, 12, "remembering"),
    ),
)
