"""Who else is there during a flood: somebody reads a page, and another site has its own visitors.

Both must still be served: a read is answered in time, or is told when to come again; the other site
stores at least the share of its events that the flooded one does.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.faults.asking import Reply, once
from tests.faults.kill import body_of
from tests.faults.under_load import Book, Program

EVERY_S = 0.5
READ_S = 1.0
PAGE = "/api/v1/sites/1/overview"


@dataclass
class Beside:
    """What came of the reads and of the other site's requests."""

    key: str
    token: str
    book: Book
    reads: list[tuple[int, float]] = field(default_factory=list)  # status and seconds
    bare: int = 0  # refused reads that do not say when to come again
    posted: int = 0
    stored: int = 0

    async def read(self, port: int) -> None:
        """One page."""
        began = time.monotonic()
        try:
            reply = await once(port, PAGE, Authorization=f"Bearer {self.token}", Connection="close")
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            reply = Reply(0, {}, b"")
        self.reads.append((reply.status, time.monotonic() - began))
        self.bare += reply.status == 503 and "retry-after" not in reply.headers

    async def post(self, port: int) -> None:
        """One event of the other site, by somebody who does not come again."""
        ids = self.book.take(1)
        self.posted += 1
        try:
            reply = await once(port, "/e", body_of(self.key, ids), Connection="close")
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return
        if reply.status == 202:
            self.stored += 1
            self.book.acknowledged.extend(ids)

    def since(self) -> None:
        """From now on, anew."""
        self.reads.clear()
        self.bare = self.posted = self.stored = 0

    def wrong(self, share: float) -> dict[str, bool]:
        """What is wrong, in words, and whether it is; `share` is what the flooded site stores of
        its own. So few requests may miss it by chance, by two deviations."""
        chance = 2 * math.sqrt(self.posted * share * (1 - share))
        odd = sum(status == 0 or (status >= 500 and status != 503) for status, _ in self.reads)
        slow = sum(took > READ_S for _, took in self.reads)
        return {
            f"{odd} of {len(self.reads)} reads failed": odd > 0 or not self.reads,
            f"{self.bare} reads refused without Retry-After": self.bare > 0,
            f"{slow} of {len(self.reads)} reads took more than a second": slow > 0,
            f"another site stored {self.stored} of {self.posted}, beside {share:.0%}": self.stored
            < self.posted * share - chance,
        }

    def __str__(self) -> str:
        read = sum(status == 200 for status, _ in self.reads)
        slowest = max((took for _, took in self.reads), default=0.0)
        return (
            f"{read} of {len(self.reads)} reads answered, slowest {slowest:.2f} s;"
            f" another site stored {self.stored} of {self.posted}"
        )


@asynccontextmanager
async def going_on(beside: Beside, server: Program) -> AsyncIterator[None]:
    """A read and a request every half second, whatever became of those before."""

    async def begin() -> None:
        while True:
            for work in (beside.read(server.port), beside.post(server.port)):
                tasks.add(asyncio.create_task(work))
            await asyncio.sleep(EVERY_S)

    tasks: set[asyncio.Task[None]] = set()
    beside.since()
    pace = asyncio.create_task(begin())
    try:
        yield
    finally:
        pace.cancel()
        await asyncio.gather(pace, *tasks, return_exceptions=True)
