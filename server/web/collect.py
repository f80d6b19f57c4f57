"""`POST /e`: in front of the router, because every visitor's browser calls it.

Connections give their batches to `Collect.take`; as an ASGI app it does the same for whoever serves
it otherwise, and for what connections leave to it.
"""

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from server.errors import BadRequest, HandraiseError, TooLarge
from server.ingest import limits
from server.web.batches import CORS, NO_ROOM, Taking, peer_of, refusal
from server.web.deadlines import Deadlines
from server.web.exchange import Answering, Headers, Reply, stays
from server.web.state import State

PREFLIGHT = [
    *CORS,
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (b"access-control-allow-headers", b"Content-Type, Content-Encoding, Authorization"),
    (b"access-control-max-age", b"86400"),
]
#: A batch of some events.
USUAL_BYTES = 2_000


async def read_body(receive: Receive, limit: int, deadlines: Deadlines | None = None) -> bytes:
    """The request's body. Raises `TooLarge` at the limit, `BadRequest` after the deadline."""
    parts = bytearray()  # not a list: two bytes each would take twenty times as much
    try:
        with deadlines or Deadlines(limits.BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise BadRequest("the client went away", code="gone")
                body: bytes = message.get("body", b"")
                _bounded(len(parts) + len(body), limit)
                if not message.get("more_body"):
                    return bytes(parts + body) if parts else body
                parts += body
    except TimeoutError as error:
        raise BadRequest("the body took too long to arrive", code="too_slow") from error


def _bounded(size: int, limit: int) -> None:
    if size > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"a batch is at most {limit} bytes")


class Collect:
    """The collect endpoint, in front of the rest of the app."""

    most_bytes = limits.BODY_BYTES
    too_large = refusal(_too_large(limits.BODY_BYTES))

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app = app
        self.state = state
        self.deadlines = Deadlines(limits.BODY_SECONDS)
        self.line = state.line

    def full(self, size: int) -> Reply | None:
        """The answer to a batch of `size` bytes (0: not said) for which there is no room; None
        while there is some. Asked for each batch before anything is made of it. A size that is only
        said keeps no more room than a usual batch: what is not sent would shut others out."""
        if not self.state.writer.full and self.line.lets_in(min(size or USUAL_BYTES, USUAL_BYTES)):
            return None
        self.state.metrics.overloaded.inc()
        return NO_ROOM

    def enter(self, headers: Headers, peer: str) -> Callable[[], None] | Reply:
        """Nobody counts them here: connections have been counted."""
        del headers, peer
        return stays

    def take(self, headers: Headers, peer: str, body: bytes, answer: Answering) -> None:
        """Read a batch and store it; `answer` is called once, after the commit."""
        Taking(self.state, headers, peer, body, answer).begin(self.line)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/e":
            await self.app(scope, receive, send)
            return
        method = scope["method"]
        if method == "OPTIONS":
            reply = Reply(204, PREFLIGHT, b"")
        elif method != "POST":
            reply = refusal(HandraiseError("send events by POST", code="method"), 405)
        else:
            reply = await self._collect(scope, receive)
        for message in reply.messages():
            await send(message)

    async def _collect(self, scope: Scope, receive: Receive) -> Reply:
        try:
            body = await read_body(receive, limits.BODY_BYTES, self.deadlines)
        except HandraiseError as error:
            return refusal(error)
        found: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def answer(reply: Reply) -> None:
            if not found.done():  # else whoever asked has gone
                found.set_result(reply)

        self.take(scope["headers"], peer_of(scope), body, answer)
        return await found
