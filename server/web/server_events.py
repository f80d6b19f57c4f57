"""`POST /api/v1/sites/{site_id}/events`: the `/e` form from the owner's own server.

The token says whose site it is, so the envelope's key is not asked. Identifiers count as asserted
and old times are believed; consent, limits and refusals are the same as at the public door.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from server.ingest import limits
from server.ingest.pipeline import read_batch
from server.model import Door
from server.web.batches import arrival_of, header_map, store, unpacked
from server.web.collect import read_body
from server.web.state import State


def post_events(state: State) -> Callable[[Request], Awaitable[Response]]:
    """The handler; whoever mounts it has checked the token against the path's site."""

    async def handler(request: Request) -> Response:
        site = state.sites.get(request.path_params["site_id"])
        body = await read_body(request.receive, limits.BODY_BYTES)
        wire, unread = unpacked(body, request.scope["headers"])
        arrival = arrival_of(state, request.scope, header_map(request.scope), Door.API)
        reading = read_batch(site, arrival, wire, state.tools)
        reading.refused.extend(unread)
        answer = await store(state, site, arrival, reading)
        return Response(answer.body(), 202, media_type="application/json")

    return handler
