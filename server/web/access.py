"""Who asks, and for which site: an operator, the bearer of a token, or somebody signed in.

An operator came over the 0600 socket of the data folder. A token is good for one site and one
scope. A signed-in user may do what the role on a site allows, but only from our own pages.
"""

from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.requests import Request

from server.errors import Forbidden, NotFound, Overloaded, Unauthorised
from server.model import Site
from server.storage import sign_ins
from server.storage.tokens import SCOPES, Token
from server.storage.users import User
from server.web.state import State

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
COOKIE = "handraise"
HOST_COOKIE = f"__Host-{COOKIE}"
MOST_COOKIE = 200  # characters


class Caller(NamedTuple):
    """Exactly one of these is set."""

    operator: bool = False
    token: Token | None = None
    user: User | None = None

    @property
    def author(self) -> str:
        """As whom this caller is recorded."""
        if self.token is not None:
            return f"token t{self.token.token_id}"
        return "operator" if self.user is None else f"user u{self.user.user_id}"

    def scope(self, site_id: int) -> str:
        """The most this caller may do on a site; empty: it is not theirs."""
        if self.token is not None:
            return self.token.scope if self.token.site_id == site_id else ""
        return "admin" if self.user is None else self.user.scope(site_id)

    def may(self, site_id: int, scope: str) -> bool:
        """Whether that much is allowed; an empty scope asks for nothing but the site."""
        mine = self.scope(site_id)
        return bool(mine) and (not scope or SCOPES.index(mine) >= SCOPES.index(scope))


async def caller_of(state: State, request: Request) -> Caller:
    """Raises `Unauthorised`, and `Forbidden` for a request that another site's page sent."""
    if request.scope.get("handraise.operator") is True:
        return Caller(operator=True)
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        token = state.token_of(bearer.strip())
        await state.used(token)
        return Caller(token=token)
    user = await user_of(state, request)
    if user is None:
        raise Unauthorised("send a valid token: Authorization: Bearer hr_…")
    check_same_origin(request)
    return Caller(user=user)


def site_of(state: State, caller: Caller, site_id: str, scope: str) -> Site:
    """The site of a path. One that is another's is answered like one that does not exist."""
    site = state.sites.get(site_id)
    if not caller.may(site.site_id, ""):
        raise NotFound("no such site")
    if not caller.may(site.site_id, scope):
        who = "this token has the scope" if caller.token else "your role here has the scope"
        raise Forbidden(f"{who} {caller.scope(site.site_id)}; {scope} is needed")
    return site


def sites_of(state: State, caller: Caller) -> list[Site]:
    """Every site this caller may see."""
    return [site for site in state.sites.all if caller.may(site.site_id, "")]


def need_operator(caller: Caller) -> None:
    """Raises `Forbidden` for everybody but operators and owners of the whole server."""
    if not caller.operator and not (caller.user and caller.user.owner):
        raise Forbidden("only an operator may do this: use the command line on the server")


async def user_of(state: State, request: Request) -> User | None:
    """Who is signed in. Using a cookie keeps it good."""
    cookie = cookie_of(state, request)
    if not cookie:
        return None
    now = state.clock()
    async with state.database.snapshot() as reader:
        found = await sign_ins.signed_in(reader, cookie, now)
    if found is None:
        return None
    if now - found.seen > sign_ins.TOUCH_MS:
        with suppress(Overloaded):  # whoever may look may go on where nothing can be written
            await state.writer.run(lambda: sign_ins.touch(cookie, now), moves=False)
    return found.user


def secure(state: State, request: Request) -> bool:
    """Whether the browser speaks https, also where a proxy in front of us ends it."""
    public = urlsplit(state.base_url)
    behind = public.scheme == "https" and public.netloc == request.headers.get("host", "")
    return request.url.scheme == "https" or behind


def cookie_of(state: State, request: Request) -> str:
    """The sign-in cookie as it came. Over https only the one bound to it counts: the other can be
    planted by whoever has a neighbouring host name."""
    found = request.cookies.get(HOST_COOKIE if secure(state, request) else COOKIE) or ""
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
