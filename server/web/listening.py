"""The live feed over HTTP: server-sent events, the same for the page and for the API."""

import asyncio
from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse
from sse_starlette.sse import SendTimeoutError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server.model import Site
from server.reports import live as report
from server.reports.live import LiveNow
from server.web.feed import RETRY_MS, Listener, Live
from server.web.operations import Call
from server.web.queries import LiveQuery
from server.web.state import State

PING_S = 15  # keeps proxies from closing a quiet stream
STUCK_S = 10.0  # a client that takes nothing for so long is let go
#: No stream lasts longer: whoever comes back is asked again who they are.
LONGEST_S = 300.0


class Stream(EventSourceResponse):
    """The answer to one listener."""

    def __init__(self, live: Live, site_id: int, listener: Listener) -> None:
        super().__init__(
            self._wires(), headers={"Cache-Control": "no-store"}, ping=PING_S, send_timeout=STUCK_S
        )
        self.live = live
        self.site_id = site_id
        self.listener = listener

    async def _wires(self) -> AsyncIterator[bytes]:
        yield b"retry: %d\n\n" % RETRY_MS
        async for one in self.listener.messages():
            yield one.wire

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        end = asyncio.get_running_loop().call_later(LONGEST_S, self.listener.close)
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            pass  # it comes back by itself once it reads again
        finally:
            end.cancel()
            self.live.leave(self.site_id, self.listener)


async def stream(state: State, request: Request, site: Site, after: int | None) -> Response:
    """A stream from where the client says it was: `Last-Event-ID`, else `after`."""
    given = request.headers.get("last-event-id", "")
    if given.isascii() and given.isdigit() and len(given) <= 18:
        after = int(given)
    return Stream(state.live, site.site_id, await state.live.join(site, after))


async def listen(call: Call) -> Response:
    query: LiveQuery = call.query
    after = None if query.after < 0 else query.after
    return await stream(call.state, call.request, call.site, after)


async def look(call: Call) -> LiveNow:
    """What the stream begins from."""
    async with call.state.database.snapshot() as reader:
        upto = await report.position(reader, call.site)
        return LiveNow(
            seq=upto,
            now=await report.on_site(reader, call.site, call.state.clock()),
            events=await report.newest(reader, call.site, upto),
        )
