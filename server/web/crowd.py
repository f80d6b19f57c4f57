"""Behind a proxy all connections have its address: there, requests in flight count instead."""

from collections import Counter
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from server.web.address import address_in, counted_as, is_trusted
from server.web.problems import TURNED_AWAY, problem


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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = (scope.get("client") or ("",))[0]
        if not peer or not is_trusted(peer, self.proxies):
            await self.app(scope, receive, send)
            return
        address = counted_as(address_in(scope["headers"], peer, self.proxies, self.header), ())
        if self.in_flight[address] >= self.most:
            self.cut("visitor")
            answer = problem(503, "crowded", "too many requests of this address at once: try again")
            answer.headers.update(TURNED_AWAY)
            await answer(scope, receive, send)
            return
        self.in_flight[address] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.in_flight[address] -= 1
            if not self.in_flight[address]:
                del self.in_flight[address]
