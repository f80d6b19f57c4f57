"""Who asks, and for which site: an operator, the bearer of a token, or somebody signed in.

An operator came over the 0600 socket of the data folder. A token is good for one site and one
scope. A signed-in owner may do anything on every site, but only from our own pages.
"""

from typing import NamedTuple

from starlette.requests import Request

from server.errors import Forbidden, NotFound, Unauthorised
from server.model import Site
from server.storage import sign_ins
from server.storage.tokens import Token
from server.web.state import State

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
COOKIE = "handraise"
HOST_COOKIE = f"__Host-{COOKIE}"
MOST_COOKIE = 200  # characters


class Caller(NamedTuple):
    """Exactly one of these is set."""

    operator: bool = False
    token: Token | None = None
    user_id: int = 0

    @property
    def author(self) -> str:
        """As whom this caller is recorded."""
        if self.token is not None:
            return f"token t{self.token.token_id}"
        return "operator" if self.operator else f"user u{self.user_id}"


async def caller_of(state: State, request: Request) -> Caller:
    """Raises `Unauthorised`, and `Forbidden` for a request that another site's page sent."""
    if request.scope.get("handraise.operator") is True:
        return Caller(operator=True)
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return Caller(token=state.token_of(bearer.strip()))
    user_id = await user_of(state, request)
    if not user_id:
        raise Unauthorised("send a valid token: Authorization: Bearer hr_…")
    check_same_origin(request)
    return Caller(user_id=user_id)


def site_of(state: State, caller: Caller, site_id: str, scope: str) -> Site:
    """The site of a path. One that is another's is answered like one that does not exist."""
    if caller.token is not None:
        return state.site_for(caller.token, site_id, scope)
    return state.sites.get(site_id)


def sites_of(state: State, caller: Caller) -> list[Site]:
    """Every site this caller may see."""
    if caller.token is None:
        return state.sites.all
    return [site for site in state.sites.all if site.site_id == caller.token.site_id]


def need_operator(caller: Caller) -> None:
    """Raises `Forbidden`."""
    if not caller.operator and not caller.user_id:
        raise Forbidden("only an operator may do this: use the command line on the server")


async def user_of(state: State, request: Request) -> int:
    """The signed-in user, 0 if nobody is. Using a cookie keeps it good."""
    cookie = cookie_of(request)
    if not cookie:
        return 0
    now = state.clock()
    async with state.database.snapshot() as reader:
        found = await sign_ins.signed_in(reader, cookie, now)
    if found is None:
        return 0
    user_id, seen = found
    if now - seen > sign_ins.TOUCH_MS:
        await state.writer.run(lambda: sign_ins.touch(cookie, now))
    return user_id


def cookie_of(request: Request) -> str:
    """The sign-in cookie as it came; the one bound to https goes first."""
    found = request.cookies.get(HOST_COOKIE) or request.cookies.get(COOKIE) or ""
    return found if len(found) <= MOST_COOKIE else ""


def check_same_origin(request: Request) -> None:
    """Raises `Forbidden` where a page of another site makes a browser act with our cookie.

    The rule of Go's `CrossOriginProtection`: Sec-Fetch-Site where there is one, else Origin against
    Host; a request with neither comes from no browser.
    """
    if request.method in SAFE_METHODS:
        return
    fetched = request.headers.get("sec-fetch-site", "")
    if fetched:
        allowed = fetched in {"same-origin", "none"}
    else:
        origin = request.headers.get("origin", "")
        allowed = not origin or origin.partition("://")[2] == request.headers.get("host", "")
    if not allowed:
        raise Forbidden("this request came from another site's page", code="cross_origin")


def only_site(site: Site | None) -> Site:
    """The site of a route that has one in its path."""
    if site is None:
        raise NotFound("no such site")
    return site
