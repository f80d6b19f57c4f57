"""The pages for people, rendered here and plain: no script, everything escaped by default."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from server.errors import HandraiseError, NotFound, Overloaded, Unauthorised
from server.model import STAGES, Site
from server.reports import overview, people, timeline, visitors
from server.reports.overview import DEFAULT_DAYS, Span
from server.reports.paging import Paging
from server.reports.timeline_items import PERSON, VISITOR, Subject
from server.reports.visitors import VisitorFilter
from server.reports.visits import visit_facts
from server.storage.database import Reader
from server.web import sign_in
from server.web.access import Caller, caller_of, sites_of
from server.web.administration import snippet
from server.web.page_queries import PageOfPeople, PageOfTimeline, PageOfVisitors, read_id
from server.web.queries import read_query
from server.web.readings import people_filter, ruleset_of
from server.web.state import State
from server.web.visits import ago, span, stage_word, visits_of

TIMELINE_ITEMS = 200
Page = Callable[[Request, Site, dict[str, Any]], Awaitable[Response]]


class Pages:
    """The routes, on one state."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.environment = Environment(
            loader=PackageLoader("server", "templates"),
            autoescape=True,
            auto_reload=False,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.filters |= {"stage": stage_word, "whole": whole, "signed": signed}
        self.environment.globals |= {"span": span}

    def routes(self) -> list[Route]:
        return [
            Route("/", self._page(self.people), methods=["GET"]),
            Route("/people/{person_id}", self._page(self.person), methods=["GET"]),
            Route("/visitors", self._page(self.visitors), methods=["GET"]),
            Route("/visitors/{visitor_id}", self._page(self.visitor), methods=["GET"]),
            Route("/open/{token}", self.open, methods=["GET"]),
            Route("/sign-out", self.sign_out, methods=["POST"]),
        ]

    # ------------------------------------------------------------ every page

    def _page(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """Sign-in, site and zone for a page; every error is a page too."""

        async def answer(request: Request) -> Response:
            try:
                caller = await caller_of(self.state, request)
                return await page(request, *self._frame(request, caller))
            except HandraiseError as error:
                return self._problem(error)

        return answer

    def _frame(self, request: Request, caller: Caller) -> tuple[Site, dict[str, Any]]:
        """The site of a page, and what every template uses."""
        sites = sites_of(self.state, caller)
        wanted = request.query_params.get("site")
        site = next((s for s in sites if wanted is None or str(s.site_id) == wanted), None)
        if site is None:
            raise NotFound("no such site")
        zone = ZoneInfo(site.settings.zone)
        now = datetime.fromtimestamp(self.state.clock() / 1000, UTC)
        several, rules = len(sites) > 1, ruleset_of(self.state, site)

        def path(to: str, **query: Any) -> str:
            asked = {name: value for name, value in query.items() if value not in (None, "")}
            if several:
                asked["site"] = site.site_id
            return f"{to}?{urlencode(asked)}" if asked else to

        def local(text: str) -> datetime:
            return datetime.fromisoformat(text).astimezone(zone)

        frame = {
            "site": site,
            "sites": sites,
            "path": path,
            "local": local,
            "day": lambda text: datetime.fromisoformat(text).strftime("%-d %b %Y"),
            "ago": lambda text: ago(local(text), now),
            "snippet": snippet(self.state, site),
            "labels": {rule.key: rule.label for rule in rules.rules},
            "rules": rules,
            "insecure": not sign_in.secure(self.state, request),
        }
        return site, frame

    def _render(self, name: str, status: int = 200, **values: Any) -> Response:
        html = self.environment.get_template(name).render(**values)
        return HTMLResponse(html, status, headers={"Cache-Control": "no-store"})

    def _problem(self, error: HandraiseError) -> Response:
        if isinstance(error, Unauthorised):
            return self._render("signed_out.html", 401, used=False)
        detail = error.detail if error.status < 500 or error.status == 503 else "an error of ours"
        answer = self._render("problem.html", error.status, number=error.status, detail=detail)
        if isinstance(error, Overloaded):
            answer.headers["Retry-After"] = str(error.retry_after)
        return answer

    # ------------------------------------------------------------ people

    async def people(self, request: Request, site: Site, frame: dict[str, Any]) -> Response:
        query = read_query(request, PageOfPeople)
        chosen, page = people_filter(query), Paging(query.limit, query.cursor)
        today = overview.today(site.settings.zone, self.state.clock())
        async with self.state.database.snapshot() as reader:
            found = await people.people(reader, site, chosen, query.sort, page)
            last_weeks = Span(today - DEFAULT_DAYS + 1, today)
            figures = await overview.figures(reader, site, last_weeks)
            before = await overview.figures(reader, site, last_weeks.before)
        stage = "" if query.stage is UNSET else query.stage
        asked = {"q": query.q, "stage": stage, "sort": query.sort, "signal": query.signal}
        return self._render(
            "people.html",
            **frame,
            found=found,
            figures=figures,
            before=before,
            asked=asked,
            filtered=bool(query.q or stage or query.signal or query.cursor),
            stages=STAGES,
        )

    async def person(self, request: Request, site: Site, frame: dict[str, Any]) -> Response:
        query = read_query(request, PageOfTimeline)
        person_id = read_id(request.path_params["person_id"], "p")
        async with self.state.database.snapshot() as reader:
            other = await people.merged_into(reader, site, person_id)
            if other:
                return RedirectResponse(frame["path"](f"/people/p{other}"), 308)
            found = await people.person(reader, site, person_id)
            story = await self._story(reader, site, Subject(PERSON, person_id), query.cursor)
        return self._render("person.html", **frame, person=found, **story)

    # ------------------------------------------------------------ visitors

    async def visitors(self, request: Request, site: Site, frame: dict[str, Any]) -> Response:
        query = read_query(request, PageOfVisitors)
        page = Paging(query.limit, query.cursor)
        async with self.state.database.snapshot() as reader:
            found = await visitors.visitors(reader, site, VisitorFilter(), query.sort, page)
        return self._render(
            "visitors.html", **frame, found=found, sort=query.sort, filtered=bool(query.cursor)
        )

    async def visitor(self, request: Request, site: Site, frame: dict[str, Any]) -> Response:
        query = read_query(request, PageOfTimeline)
        visitor_id = read_id(request.path_params["visitor_id"], "v")
        async with self.state.database.snapshot() as reader:
            found = await visitors.visitor(reader, site, visitor_id)
            story = await self._story(reader, site, Subject(VISITOR, visitor_id), query.cursor)
        return self._render("visitor.html", **frame, visitor=found, **story)

    async def _story(
        self, reader: Reader, site: Site, subject: Subject, cursor: str
    ) -> dict[str, Any]:
        """The timeline folded into visits."""
        page = Paging(TIMELINE_ITEMS, cursor)
        found = await timeline.timeline(reader, site, subject, "all", page)
        sessions = sorted({int(item.session[1:]) for item in found.items if item.session})
        facts = await visit_facts(reader, site, sessions)
        zone = ZoneInfo(site.settings.zone)
        return {"visits": visits_of(found.items, facts, zone), "next": found.next}

    # ------------------------------------------------------------ signing in

    async def open(self, request: Request) -> Response:
        """A one-time link."""
        try:
            answer = await sign_in.open_link(self.state, request)
        except HandraiseError as error:
            return self._problem(error)
        return answer or self._render("signed_out.html", 401, used=True)

    async def sign_out(self, request: Request) -> Response:
        try:
            return await sign_in.sign_out(self.state, request)
        except HandraiseError as error:
            return self._problem(error)


def whole(score: float) -> str:
    """A total as pages show it: rounded once, halves up."""
    return str(Decimal(str(score)).quantize(Decimal(1), ROUND_HALF_UP)).replace("-", "−")


def signed(score: float) -> str:
    """Points of one line, exact, with their sign; a typographic minus."""
    return f"{Decimal(str(score)):+f}".replace("-", "−")
