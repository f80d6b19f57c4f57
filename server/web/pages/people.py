"""People and visitors: the lists, and one of them with the whole story."""

from typing import Any

from msgspec import UNSET
from starlette.responses import RedirectResponse, Response

from server.model import STAGES
from server.reports import overview, timeline, visitors
from server.reports import people as report
from server.reports.overview import DEFAULT_DAYS, Span
from server.reports.paging import Paging
from server.reports.timeline_items import PERSON, VISITOR, Subject
from server.reports.visitors import VisitorFilter
from server.reports.visits import visit_facts
from server.storage.database import Reader
from server.web.administration import snippet
from server.web.page_queries import PageOfPeople, PageOfTimeline, PageOfVisitors, read_id
from server.web.pages.view import View
from server.web.readings import people_filter
from server.web.visits import visits_of

TIMELINE_ITEMS = 200


async def people(view: View) -> Response:
    query = view.query(PageOfPeople)
    chosen, page = people_filter(query), Paging(query.limit, query.cursor)
    today = overview.today(view.site.settings.zone, view.now)
    async with view.state.database.snapshot() as reader:
        found = await report.people(reader, view.site, chosen, query.sort, page)
        last_weeks = Span(today - DEFAULT_DAYS + 1, today)
        figures = await overview.figures(reader, view.site, last_weeks)
        before = await overview.figures(reader, view.site, last_weeks.before)
    stage = "" if query.stage is UNSET else query.stage
    asked = {"q": query.q, "stage": stage, "sort": query.sort, "signal": query.signal}
    return view.page(
        "people.html",
        found=found,
        figures=figures,
        before=before,
        asked=asked,
        filtered=bool(query.q or stage or query.signal or query.cursor),
        stages=STAGES,
        snippet=snippet(view.state, view.site),
    )


async def person(view: View) -> Response:
    query = view.query(PageOfTimeline)
    person_id = read_id(view.request.path_params["person_id"], "p")
    async with view.state.database.snapshot() as reader:
        other = await report.merged_into(reader, view.site, person_id)
        if other:
            return RedirectResponse(view.path(f"/people/p{other}"), 308)
        found = await report.person(reader, view.site, person_id)
        told = await story(view, reader, Subject(PERSON, person_id), query.cursor)
    return view.page("person.html", person=found, **told)


async def visitors_list(view: View) -> Response:
    query = view.query(PageOfVisitors)
    page = Paging(query.limit, query.cursor)
    async with view.state.database.snapshot() as reader:
        found = await visitors.visitors(reader, view.site, VisitorFilter(), query.sort, page)
    return view.page("visitors.html", found=found, sort=query.sort, filtered=bool(query.cursor))


async def visitor(view: View) -> Response:
    query = view.query(PageOfTimeline)
    visitor_id = read_id(view.request.path_params["visitor_id"], "v")
    async with view.state.database.snapshot() as reader:
        found = await visitors.visitor(reader, view.site, visitor_id)
        told = await story(view, reader, Subject(VISITOR, visitor_id), query.cursor)
    return view.page("visitor.html", visitor=found, **told)


async def story(view: View, reader: Reader, subject: Subject, cursor: str) -> dict[str, Any]:
    """The timeline folded into visits."""
    page = Paging(TIMELINE_ITEMS, cursor)
    found = await timeline.timeline(reader, view.site, subject, "all", page)
    sessions = sorted({int(item.session[1:]) for item in found.items if item.session})
    facts = await visit_facts(reader, view.site, sessions)
    return {"visits": visits_of(found.items, facts, view.zone), "next": found.next}
