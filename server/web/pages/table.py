"""The route table of the pages: what each needs, and the steps every request goes through.

who is signed in → which site, and what the role there allows → the handler → a page
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from server.errors import HandraiseError, Moved, Overloaded, Unauthorised
from server.model import Site
from server.reports import conflicts
from server.web.access import caller_of
from server.web.pages import (
    deeds,
    destinations,
    destinations_deeds,
    forms,
    inbox,
    install,
    live,
    members,
    merging,
    people,
    people_many,
    person,
    scoring,
    scoring_backtest,
    scoring_bounds,
    scoring_draft,
    scoring_rule,
    settings,
    settings_access,
    signing,
    today,
)
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
    PageRoute("GET",  "/",                       "read",  today.today),
    PageRoute("GET",  "/people",                 "read",  people.people),
    PageRoute("GET",  "/people/{person_id}",     "read",  person.person),
    PageRoute("POST", "/people/bulk",            "write", people_many.bulk),
    PageRoute("GET",  "/people/{person_id}/segments", "read", person.in_segments),
    PageRoute("GET",  "/people/{person_id}/curve", "read",  person.curve),
    PageRoute("POST", "/segments",               "write", people.save_segment),
    PageRoute("POST", "/segments/{segment_id}",  "write", people.rename_segment),
    PageRoute("POST", "/segments/{segment_id}/delete", "write", people.drop_segment),
    PageRoute("GET",  "/people/{person_id}/erase", "admin", deeds.erase_preview),
    PageRoute("GET",  "/people/{person_id}/merge", "write", merging.preview),
    PageRoute("POST", "/people/{person_id}/merge", "write", merging.merge),
    *(PageRoute("POST", f"/people/{{person_id}}/{word}", scope, deed)
      for word, scope, deed in deeds.DEEDS),
    PageRoute("GET",  "/visitors",               "read",  people.visitors),
    PageRoute("GET",  "/visitors/{visitor_id}",  "read",  person.visitor),
    PageRoute("GET",  "/conflicts",              "read",  inbox.conflicts),
    PageRoute("GET",  "/conflicts/merged",       "read",  inbox.merged),
    PageRoute("POST", "/conflicts/{conflict_id}/{action}", "write", inbox.decide),
    PageRoute("GET",  "/traffic",                "read",  inbox.traffic),
    PageRoute("POST", "/traffic/classify",       "write", inbox.reclassify),
    PageRoute("GET",  "/scoring",                "read",  scoring.scoring),
    PageRoute("GET",  "/scoring/status",         "read",  scoring.status),
    PageRoute("GET",  "/scoring/history",        "read",  scoring.history),
    PageRoute("GET",  "/scoring/versions/{version}", "read", scoring.version),
    PageRoute("GET",  "/scoring/versions/{version}/file", "read", scoring.file),
    PageRoute("GET",  "/scoring/backtest",       "read",  scoring_backtest.backtest),
    PageRoute("GET",  "/scoring/backtest/status", "read", scoring_backtest.status),
    PageRoute("POST", "/scoring/backtest",       "write", scoring_backtest.start),
    PageRoute("GET",  "/scoring/draft",          "write", scoring_draft.draft),
    PageRoute("POST", "/scoring/draft",          "write", scoring_draft.start),
    PageRoute("POST", "/scoring/draft/base",     "write", scoring_draft.rebase),
    PageRoute("POST", "/scoring/draft/drop",     "write", scoring_draft.drop),
    PageRoute("POST", "/scoring/rules/{rule}/{deed}", "write", scoring_draft.rule_deed),
    PageRoute("GET",  "/scoring/rule",           "write", scoring_rule.rule),
    PageRoute("POST", "/scoring/rule",           "write", scoring_rule.save),
    PageRoute("GET",  "/scoring/bounds",         "write", scoring_bounds.bounds),
    PageRoute("POST", "/scoring/bounds",         "write", scoring_bounds.save),
    PageRoute("GET",  "/scoring/json",           "write", scoring_draft.document),
    PageRoute("POST", "/scoring/json",           "write", scoring_draft.save_document),
    PageRoute("POST", "/scoring/publish",        "admin", scoring_draft.publish),
    PageRoute("GET",  "/destinations",           "admin", destinations.destinations),
    PageRoute("POST", "/destinations",           "admin", destinations_deeds.add),
    PageRoute("GET",  "/destinations/new",       "admin", destinations.new),
    PageRoute("GET",  "/destinations/{destination_id}", "admin", destinations.destination),
    PageRoute("POST", "/destinations/{destination_id}", "admin", destinations_deeds.change),
    PageRoute("GET",  "/destinations/{destination_id}/edit", "admin", destinations.edit),
    PageRoute("GET",  "/destinations/{destination_id}/secret", "admin", destinations.secret),
    *(PageRoute("POST", f"/destinations/{{destination_id}}/{word}", "admin", deed)
      for word, deed in destinations_deeds.DEEDS),
    PageRoute("GET",  "/install",                "read",  install.install),
    PageRoute("GET",  "/install/status",         "read",  install.status),
    *(PageRoute(*row) for row in live.ROUTES),
    *(PageRoute(*row) for row in settings.ROUTES),
    *(PageRoute(*row) for row in forms.ROUTES),
    *(PageRoute(*row) for row in members.ROUTES),
    *(PageRoute(*row) for row in settings_access.ROUTES),
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
        view = None
        try:
            caller = await caller_of(state, request)
            if caller.user is None:
                raise Unauthorised("pages are for people: sign in with a browser")
            site, several = site_asked(state, caller, request, row.scope)
            scope = caller.scope(site.site_id)
            waiting = await _waiting(state, site, request)
            view = View(state, templates, request, caller, site, scope, several, waiting)
            return await row.handler(view)
        except HandraiseError as error:
            return problem_page(templates, request, error, view)

    return answer


async def _waiting(state: State, site: Site, request: Request) -> int:
    """The open conflicts that the navigation counts; 0 for what is no whole page."""
    if request.method != "GET" or request.headers.get("hx-request") == "true":
        return 0
    async with state.database.snapshot() as reader:
        return await conflicts.waiting(reader, site)


def problem_page(
    templates: Templates, request: Request, error: HandraiseError, view: View | None = None
) -> Response:
    """An error as a page: the way to the sign-in, or what is wrong and where to go on; in the
    frame of every page where one is known."""
    if isinstance(error, Moved):
        return _to_whom_they_are(request, error)
    if isinstance(error, Unauthorised):
        return _to_sign_in(request)
    values = problem_values(error)
    if view is None:
        answer = templates.answer("problem.html", error.status, **values)
    else:
        back = came_from(request)
        answer = view.page("problem_within.html", error.status, here="", back=back, **values)
    if isinstance(error, Overloaded):
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def came_from(request: Request) -> str:
    """The page of ours that led here, without what it said on arrival; empty for none."""
    led = urlsplit(request.headers.get("referer", ""))
    if not led.netloc or led.netloc != request.headers.get("host"):
        return ""
    if (led.path, led.query) == (request.url.path, request.url.query):
        return ""
    asked = urlencode([one for one in parse_qsl(led.query) if one[0] != "said"])
    path = "/" + led.path.lstrip("/")  # two slashes would name another host
    return f"{path}?{asked}" if asked else path


def page_or(
    fallback: Callable[[Request, Exception], Awaitable[Response]], status: int, detail: str
) -> Callable[[Request, Exception], Awaitable[Response]]:
    """For what Starlette hands over: a page where a browser asks for one, else `fallback`."""
    templates = Templates()

    async def answer(request: Request, error: Exception) -> Response:
        wants_page = "text/html" in request.headers.get("accept", "")
        if not wants_page or request.url.path.startswith("/api/"):
            return await fallback(request, error)
        return templates.answer("problem.html", status, number=status, detail=detail)

    return answer


def _to_whom_they_are(request: Request, error: Moved) -> Response:
    """To the page of the person somebody became part of. What was decided on the page of before is
    not done there unseen: whoever decided it looks first."""
    to, asked = error.location, list(request.query_params.multi_items())
    if request.method != "GET":
        to = "/".join(to.split("/")[:3])
        asked = [one for one in asked if one[0] == "site"] + [("said", "moved")]
    headers = {"Cache-Control": "no-store"}  # a split takes it back
    return RedirectResponse(f"{to}?{urlencode(asked)}" if asked else to, 303, headers)


def _to_sign_in(request: Request) -> Response:
    if request.headers.get("hx-request") == "true":  # a piece of a page: the whole page goes
        return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = f"?next={quote(here, safe='')}" if request.method == "GET" and here != "/" else ""
    return RedirectResponse(f"/sign-in{back}", 303)
