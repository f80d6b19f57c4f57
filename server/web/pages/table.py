"""The route table of the pages: what each needs, and the steps every request goes through.

who is signed in → which site, and what the role there allows → the handler → a page
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote

from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from server.errors import HandraiseError, Moved, Overloaded, Unauthorised
from server.web.access import caller_of
from server.web.pages import install, people, signing
from server.web.pages.templates import Templates
from server.web.pages.view import View, problem_values, site_asked
from server.web.state import State

Handler = Callable[[View], Awaitable[Response]]


@dataclass(frozen=True)
class PageRoute:
    """A row of the table. `scope` is what the role on the site must allow."""

    method: str
    path: str
    scope: str
    handler: Handler


# fmt: off
PAGES = (
    PageRoute("GET",  "/",                       "read",  people.people),
    PageRoute("GET",  "/people/{person_id}",     "read",  people.person),
    PageRoute("GET",  "/visitors",               "read",  people.visitors_list),
    PageRoute("GET",  "/visitors/{visitor_id}",  "read",  people.visitor),
    PageRoute("GET",  "/install",                "read",  install.install),
    PageRoute("GET",  "/install/status",         "read",  install.status),
)
# fmt: on


def page_routes(state: State) -> list[BaseRoute]:
    """The pages of the table, and those for signing in."""
    templates = Templates()
    squeezed = [Middleware(GZipMiddleware, minimum_size=1_000, compresslevel=5)]
    return [
        *signing.routes(state, templates),
        *(
            Route(row.path, _endpoint(state, templates, row), methods=[row.method])
            if row.path.endswith("/stream")
            else Route(
                row.path,
                _endpoint(state, templates, row),
                methods=[row.method],
                middleware=squeezed,
            )
            for row in PAGES
        ),
    ]


def _endpoint(
    state: State, templates: Templates, row: PageRoute
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            caller = await caller_of(state, request)
            if caller.user is None:
                raise Unauthorised("pages are for people: sign in with a browser")
            site, several = site_asked(state, caller, request, row.scope)
            scope = caller.scope(site.site_id)
            view = View(state, templates, request, caller, site, scope, several)
            return await row.handler(view)
        except HandraiseError as error:
            return problem_page(templates, request, error)

    return answer


def problem_page(templates: Templates, request: Request, error: HandraiseError) -> Response:
    """An error as a page: the way to the sign-in, or what is wrong and where to go on."""
    if isinstance(error, Moved):
        return RedirectResponse(error.location, 308)
    if isinstance(error, Unauthorised):
        return _to_sign_in(request)
    answer = templates.answer("problem.html", error.status, **problem_values(error))
    if isinstance(error, Overloaded):
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def _to_sign_in(request: Request) -> Response:
    if request.headers.get("hx-request") == "true":  # a piece of a page: the whole page goes
        return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = f"?next={quote(here, safe='')}" if request.method == "GET" and here != "/" else ""
    return RedirectResponse(f"/sign-in{back}", 303)
