"""All connections of one listening socket: how many, of whom, and what has arrived of them."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from server.web.allowances import CROWDED, FULL, Limits, Why
from server.web.exchange import Batches

log = logging.getLogger("handraise.connections")
LOOK_S = 0.5
WARN_S = 60.0
#: One address may have so much of what may arrive of all: bodies that stall would shut out others.
SHARES = 10


class Connection(Protocol):
    """What the gate knows of one. `address` is empty where it is not counted by it."""

    address: str
    loop: asyncio.AbstractEventLoop

    def look(self, now: float) -> None:
        """Close what is late."""


class Gate:
    """All connections of one listening socket, and the timer that looks at them."""

    def __init__(
        self,
        limits: Limits,
        cut: Callable[[str], object] = str,
        batches: Batches | None = None,
    ) -> None:
        self.limits = limits
        self.cut = cut
        self.batches = batches
        self.open: set[Connection] = set()
        self.by_address: Counter[str] = Counter()
        self.arriving = 0  # bytes
        self.arriving_of: Counter[str] = Counter()  # of these, by address
        self._timer: asyncio.TimerHandle | None = None
        self._warned = 0.0
        self._every_s = min(LOOK_S, limits.idle_s / 4)

    def enter(self, connection: Connection) -> Why | None:
        """Count a new connection, or say why it may not come in."""
        address = connection.address
        if len(self.open) >= self.limits.connections:
            self._warn("%d connections are open, which is the limit", len(self.open))
            return FULL
        if address and self.by_address[address] >= self.limits.per_address:
            self._warn(
                "one address holds %d connections, which is the limit; if it is your proxy,"
                " name it in HANDRAISE_TRUSTED_PROXIES",
                self.limits.per_address,
            )
            return CROWDED
        self.open.add(connection)
        if address:
            self.by_address[address] += 1
        if self._timer is None:
            self._timer = connection.loop.call_later(self._every_s, self._look, connection.loop)
        return None

    def leave(self, connection: Connection) -> None:
        if connection not in self.open:
            return
        self.open.remove(connection)
        address = connection.address
        if address:
            self.by_address[address] -= 1
            if not self.by_address[address]:
                del self.by_address[address]

    def hold(self, address: str, size: int) -> None:
        """So many more bytes have arrived of requests that are not whole (less, if negative)."""
        self.arriving += size
        if address:
            self.arriving_of[address] += size
            if not self.arriving_of[address]:
                del self.arriving_of[address]

    def holds_much(self, address: str) -> bool:
        """Whether more arrives than may, of all together or of one address."""
        most = self.limits.arriving_bytes
        return self.arriving > most or self.arriving_of.get(address, 0) > most // SHARES

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        for connection in list(self.open):
            connection.look(now)
        if self.open:
            self._timer = loop.call_later(self._every_s, self._look, loop)

    def _warn(self, text: str, *values: object) -> None:
        """Now and then: what a stranger can cause must not fill the log."""
        now = time.monotonic()
        if not self._warned or now - self._warned > WARN_S:
            self._warned = now
            log.warning(text, *values)
