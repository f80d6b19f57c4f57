"""Signing in without a password: a one-time link from the terminal becomes a cookie."""

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from server.errors import Forbidden
from server.storage import sign_ins
from server.web.access import COOKIE, HOST_COOKIE, check_same_origin, cookie_of
from server.web.state import State

MAX_AGE_S = sign_ins.IDLE_MS // 1000
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


async def new_link(state: State) -> str:
    """A link that signs the owner in; good once and for a day."""
    secret, now = sign_ins.new_secret(), state.clock()
    await state.writer.run(lambda: sign_ins.new_link(secret, now))
    return f"{state.base_url}/open/{secret}"


def secure(state: State, request: Request) -> bool:
    """Whether the browser speaks https, also where a proxy in front of us ends it."""
    public = urlsplit(state.base_url)
    behind = public.scheme == "https" and public.netloc == request.headers.get("host", "")
    return request.url.scheme == "https" or behind


def check_transport(state: State, request: Request) -> None:
    """A cookie never travels in the clear, except on this machine. Raises `Forbidden`."""
    host = request.url.hostname or ""
    if secure(state, request) or host in LOOPBACK or host.endswith(".localhost"):
        return
    raise Forbidden(
        "signing in needs https: put a TLS proxy in front and set HANDRAISE_PUBLIC_URL to its"
        " https:// address, or open the link on the server itself",
        code="needs_https",
    )


async def open_link(state: State, request: Request) -> Response | None:
    """Use the link of a path up: the way to the pages with the cookie, or None if it is no good.

    A link seen by a preview or a prefetch stays good.
    """
    if request.method == "HEAD" or "prefetch" in request.headers.get("sec-purpose", ""):
        return Response(status_code=204)
    check_transport(state, request)
    link, cookie, now = request.path_params["token"], sign_ins.new_secret(), state.clock()
    if not await state.writer.run(lambda: sign_ins.open_link(link, cookie, now)):
        return None
    answer = RedirectResponse("/", 303)
    https = secure(state, request)
    answer.set_cookie(
        HOST_COOKIE if https else COOKIE,
        cookie,
        max_age=MAX_AGE_S,
        path="/",
        secure=https,
        httponly=True,
        samesite="lax",
    )
    return answer


async def sign_out(state: State, request: Request) -> Response:
    """Forget the cookie on both sides. Raises `Forbidden` for another site's page."""
    check_same_origin(request)
    cookie = cookie_of(request)
    if cookie:
        await state.writer.run(lambda: sign_ins.close(cookie))
    answer = RedirectResponse("/", 303)
    https = secure(state, request)
    answer.delete_cookie(HOST_COOKIE if https else COOKIE, path="/", secure=https, httponly=True)
    return answer
