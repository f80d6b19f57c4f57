"""One route of the API: what it takes and answers, and the steps every request goes through.

who asks → is the site theirs → the query → the body → the handler → the answer
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from server.errors import BadRequest, HandraiseError
from server.model import Site
from server.web.access import Caller, caller_of, only_site, site_of
from server.web.collect import read_body
from server.web.problems import of_error, problem
from server.web.queries import NoQuery, read_query
from server.web.state import State

JSON = "application/json"
NDJSON = "application/x-ndjson"
CSV = "text/csv"
EVENTS = "text/event-stream"
BODY_BYTES = 128_000


@dataclass(frozen=True)
class Call:
    """A request that may be answered: who asks, for which site, what for."""

    state: State
    request: Request
    caller: Caller
    any_site: Site | None
    query: Any
    body: Any

    @property
    def site(self) -> Site:
        return only_site(self.any_site)

    def path_id(self, name: str, letter: str) -> int:
        """The number of an id such as `p57`. Raises `BadRequest`."""
        text: str = self.request.path_params[name]
        number = text[1:]
        if text[:1] != letter or not number.isascii() or not number.isdigit():
            raise BadRequest(f"`{text[:40]}` is no id here: one looks like {letter}57")
        if len(number) > 18 or number.startswith("0"):
            raise BadRequest(f"`{text[:40]}` is no id here: one looks like {letter}57")
        return int(number)


Handler = Callable[[Call], Awaitable[Struct | Response]]


@dataclass(frozen=True)
class Operation:
    """A row of the route table. `scope` is that of a token; empty asks for any caller."""

    method: str
    path: str
    name: str
    summary: str
    scope: str
    handler: Handler
    answer: type[Struct] | None
    query: type[Struct] = NoQuery
    body: type[Struct] | None = None
    status: int = 200
    media: str = JSON
    free_body: str = ""  # what a body is that the handler reads itself
    free_schema: Mapping[str, Any] | None = None  # and its schema, if there is one
    erases: bool = False  # may answer 202 where it takes longer
    decides: bool = False  # may answer 202 where the projector takes longer to apply a decision


class Endpoint:
    """All methods of one path, as an ASGI app."""

    def __init__(self, state: State, operations: list[Operation]) -> None:
        self.state = state
        self.by_method = {operation.method: operation for operation in operations}
        if "GET" in self.by_method:
            self.by_method["HEAD"] = self.by_method["GET"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        operation = self.by_method.get(request.method)
        answer: ASGIApp
        if operation is None:
            answer = problem(405, "method", "another method is needed")
            answer.headers["Allow"] = ", ".join(sorted(self.by_method))
        else:
            try:
                answer = await run(self.state, operation, request)
            except HandraiseError as error:
                answer = of_error(error)
        await answer(scope, receive, send)


async def run(state: State, operation: Operation, request: Request) -> Response:
    """The answer to a request. Raises `HandraiseError`."""
    caller = await caller_of(state, request)
    site_id = request.path_params.get("site_id")
    site = site_of(state, caller, site_id, operation.scope) if site_id is not None else None
    query = read_query(request, operation.query)
    body = await _read_json(request, operation.body) if operation.body else None
    result = await operation.handler(Call(state, request, caller, site, query, body))
    if isinstance(result, Response):
        return result
    answer = Response(
        msgspec.json.encode(result),
        operation.status,
        headers={"Cache-Control": "no-store"},
        media_type=JSON,
    )
    following = getattr(result, "next", None)
    if following:
        kept = [one for one in request.query_params.multi_items() if one[0] != "cursor"]
        query_string = urlencode([*kept, ("cursor", following)])
        answer.headers["Link"] = f'<{request.url.path}?{query_string}>; rel="next"'
    return answer


async def _read_json(request: Request, shape: type[Struct]) -> Struct:
    text = await read_body(request.receive, BODY_BYTES)
    try:
        return msgspec.json.decode(text, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the body does not fit: {str(error)[:300]}", code="bad_body") from error
