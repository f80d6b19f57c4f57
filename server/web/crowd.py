"""Behind a proxy all connections have its address: there, requests in flight count instead."""

from collections import Counter
from collections.abc import Callable
from functools import partial

from starlette.types import ASGIApp, Receive, Scope, Send

from server.web.address import address_in, counted_as, is_trusted
from server.web.exchange import Batches, Headers, Reply
from server.web.problems import PROBLEM, TURNED_AWAY, problem_body

_TOLD = [(name.lower().encode(), value.encode()) for name, value in TURNED_AWAY.items()]
_WHY = "too many requests of this address at once: try again"
CROWDED = Reply(503, [PROBLEM, *_TOLD], problem_body(503, "crowded", _WHY))


class Crowd:
    """Pure ASGI in front of the app: of the requests that `proxies` pass on, at most `most` of one
    address are answered at a time; a further one gets 503 with Retry-After. As with connections,
    an IPv6 network of 64 bits is one address."""

    def __init__(
        self,
        app: ASGIApp,
        proxies: tuple[str, ...],
        header: str,
        most: int,
        cut: Callable[[str], object] = str,
    ) -> None:
        self.app = app
        self.proxies = proxies
        self.header = header
        self.most = most
        self.cut = cut
        self.in_flight: Counter[str] = Counter()

    def enter(self, headers: Headers, peer: str) -> str | None:
        """Count a request; the address to `leave` by, "" if none is counted, None if it may not
        come in."""
        if not peer or not is_trusted(peer, self.proxies):
            return ""
        address = counted_as(address_in(headers, peer, self.proxies, self.header), ())
        if self.in_flight[address] >= self.most:
            self.cut("visitor")
            return None
        self.in_flight[address] += 1
        return address

    def leave(self, address: str) -> None:
        self.in_flight[address] -= 1
        if self.in_flight[address] <= 0:
            del self.in_flight[address]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = self.enter(scope["headers"], (scope.get("client") or ("",))[0])
        if address is None:
            for message in CROWDED.messages():
                await send(message)
            return
        try:
            await self.app(scope, receive, send)
        finally:
            self.leave(address)


class CrowdedBatches:
    """The same for batches, which connections take without ASGI."""

    def __init__(self, batches: Batches, crowd: Crowd) -> None:
        self.most_bytes = batches.most_bytes
        self.too_large = batches.too_large
        self.full = batches.full
        self.take = batches.take
        self._crowd = crowd

    def enter(self, headers: Headers, peer: str) -> Callable[[], None] | Reply:
        address = self._crowd.enter(headers, peer)
        return CROWDED if address is None else partial(self._crowd.leave, address)
