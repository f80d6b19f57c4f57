"""`POST /h/mark`: a mark for links to another domain of the same site; see `marks`."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.errors import BadRequest, Forbidden, HandraiseError
from server.ingest.payload import read_id
from server.web.collect import CORS, read_body
from server.web.problems import problem_body
from server.web.state import State

BODY_BYTES = 1_000
HEADERS = {name.decode(): value.decode() for name, value in CORS}


class Wanted(msgspec.Struct, frozen=True):
    """`k` site key, `v` visitor id."""

    k: str
    v: str


def handover_route(state: State) -> Route:
    """A string body, so that no preflight is needed."""

    def mark(body: bytes) -> str:
        try:
            wanted = msgspec.json.decode(body, type=Wanted)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequest("send the site's key and a visitor id", code="bad_body") from error
        site = state.sites.by_key.get(wanted.k)
        if site is None or not site.settings.widget.get("handover"):
            raise Forbidden("no site with this key hands visitors over", code="no_handover")
        if read_id(wanted.v) is None:
            raise BadRequest("a visitor id has 22 characters", code="bad_id")
        return state.marks.make(site.site_id, wanted.v, state.clock())

    async def answer(request: Request) -> Response:
        try:
            text = mark(await read_body(request.receive, BODY_BYTES))
        except HandraiseError as error:
            problem = problem_body(error.status, error.code, error.detail)
            media = "application/problem+json"
            return Response(problem, error.status, headers=HEADERS, media_type=media)
        body = msgspec.json.encode({"m": text})
        return Response(body, headers=HEADERS, media_type="application/json")

    return Route("/h/mark", answer, methods=["POST"])
