"""The routes of the API and of the pages, ready to be mounted by the app."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from server.web.openapi import document
from server.web.operations import Endpoint, Operation
from server.web.pages.table import page_routes
from server.web.routes import PREFIX, PostEvents, operations
from server.web.state import State

__all__ = ["api_routes", "page_routes"]


def api_routes(state: State, post_events: PostEvents) -> list[BaseRoute]:
    """`/api/v1/…`. Access is checked before `post_events` is called."""
    table = operations(post_events)
    by_path: dict[str, list[Operation]] = {}
    for operation in table:
        by_path.setdefault(operation.path, []).append(operation)

    async def openapi(request: Request) -> Response:
        del request
        described = msgspec.json.encode(document(table, state.base_url))
        return Response(described, media_type="application/json")

    return [
        Route(f"{PREFIX}/openapi.json", openapi, methods=["GET"]),
        *(Route(path, Endpoint(state, found)) for path, found in by_path.items()),
    ]
