"""`POST /h/mark`: a mark for links to another domain of the same site; see `marks`.

A browser says from which page it asks, and only pages of the site are given one.
"""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.errors import BadRequest, Forbidden, HandraiseError
from server.ingest.channels import is_own
from server.ingest.payload import read_id
from server.model import SiteSettings
from server.web.arrivals import host_of
from server.web.batches import CORS
from server.web.collect import read_body
from server.web.problems import problem_body
from server.web.state import State

BODY_BYTES = 1_000
HEADERS = {name.decode(): value.decode() for name, value in CORS}


class Wanted(msgspec.Struct, frozen=True):
    """`k` site key, `v` visitor id."""

    k: str
    v: str


def own_host(origin: str, settings: SiteSettings) -> str:
    """The host of a page of the site. Raises `Forbidden` for any other page."""
    host = host_of(origin)
    if not host or not (is_own(host, "", settings.own_hosts) or origin.lower() in settings.origins):
        raise Forbidden(
            "this page is on none of the site's own hosts: add its host in the site's settings",
            code="other_host",
        )
    return host


def handover_route(state: State) -> Route:
    """A string body, so that no preflight is needed."""

    def mark(body: bytes, origin: str) -> str:
        try:
            wanted = msgspec.json.decode(body, type=Wanted)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequest("send the site's key and a visitor id", code="bad_body") from error
        site = state.sites.by_key.get(wanted.k)
        if site is None or not site.settings.widget.get("handover"):
            raise Forbidden("no site with this key hands visitors over", code="no_handover")
        if read_id(wanted.v) is None:
            raise BadRequest("a visitor id has 22 characters", code="bad_id")
        host = own_host(origin, site.settings)
        return state.marks.make(site.site_id, wanted.v, host, state.clock())

    async def answer(request: Request) -> Response:
        try:
            body = await read_body(request.receive, BODY_BYTES)
            text = mark(body, request.headers.get("origin", ""))
        except HandraiseError as error:
            problem = problem_body(error.status, error.code, error.detail)
            media = "application/problem+json"
            return Response(problem, error.status, headers=HEADERS, media_type=media)
        made = msgspec.json.encode({"m": text})
        return Response(made, headers=HEADERS, media_type="application/json")

    return Route("/h/mark", answer, methods=["POST"])
