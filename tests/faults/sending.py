"""One connection on which requests follow each other: what every sender of these rows does.

What is sent and what becomes of the answers is an outbox's business. As the widget does, whoever
got no answer sends the same again.
"""

import asyncio
import time
from typing import NamedTuple, Protocol

from tests.faults.asking import Reply, read_reply

AGAIN_S = 0.05  # a sender rests so long before it tries again


class Letter(NamedTuple):
    """A request and the ids of the events in it; without a request there is nothing to send yet."""

    ids: list[bytes]
    request: bytes


class Outbox(Protocol):
    """What a sender takes from and writes down in."""

    def take(self) -> Letter | None:
        """The next to send; None once it is over."""

    def told(self, ids: list[bytes], reply: Reply, took_s: float, /) -> float:
        """Write down an answer; how many seconds to rest then."""

    def cut(self, ids: list[bytes], /) -> None:
        """The connection has ended without an answer to these."""


async def send(port: int, outbox: Outbox, patience_s: float | None = None) -> bool:
    """Send until it is over, the connection ends or an answer takes longer than `patience_s`;
    False where nobody listens."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    ids: list[bytes] = []
    try:
        while (letter := outbox.take()) is not None:
            if not letter.request:
                await asyncio.sleep(AGAIN_S)
                continue
            ids, began = letter.ids, time.monotonic()
            writer.write(letter.request)
            async with asyncio.timeout(patience_s):
                reply = await read_reply(reader)
            await asyncio.sleep(outbox.told(ids, reply, time.monotonic() - began))
            if reply.headers.get("connection") == "close":
                break
    except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
        outbox.cut(ids)
    finally:
        writer.close()
    return True
