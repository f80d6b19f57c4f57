"""What identity doubts, with both sides next to each other, and what came in but does not count."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from server.errors import BadRequest
from server.model import DAY_MS
from server.reports import conflicts as report
from server.reports.arriving import newest_apart, ruled_apart
from server.reports.merges import merges
from server.reports.paging import Paging
from server.reports.refused import refused
from server.reports.shapes import iso
from server.storage import users
from server.web import decision_bodies as bodies
from server.web import decisions
from server.web import inbox as settle
from server.web.page_queries import PageQuery
from server.web.pages.deeds import call_of
from server.web.pages.person import names_of
from server.web.pages.view import View
from server.web.queries import Cursor

SHOWN = 20
#: The newest arrived are not always the newest: some came late.
LOOKED_AT = 200
DAYS = {"1": 1, "7": 7, "28": 28}


class PageOfConflicts(PageQuery, frozen=True, kw_only=True):
    state: Literal["open", "closed"] = "open"
    cursor: Cursor = ""


class PageOfMerges(PageQuery, frozen=True, kw_only=True):
    cursor: Cursor = ""


class PageOfTraffic(PageQuery, frozen=True, kw_only=True):
    days: Literal["1", "7", "28"] = "7"


class BackForm(Struct, frozen=True, kw_only=True):
    """The person whose page it was decided on."""

    person: Annotated[str, Meta(pattern="^(p[1-9][0-9]{0,17})?$")] = ""


class ClassForm(Struct, frozen=True, kw_only=True):
    """`what` is the visitor, or the event where no visitor is known."""

    what: Annotated[str, Meta(pattern="^[ev][1-9][0-9]{0,17}$")]
    class_: Literal["human", "bot", "internal", "test", "spam", ""] = msgspec.field(name="class")


async def conflicts(view: View) -> Response:
    query = view.query(PageOfConflicts)
    page = Paging(SHOWN, query.cursor)
    async with view.state.database.snapshot() as reader:
        found = await report.conflicts(reader, view.site, query.state, "", page)
    return view.page("conflicts.html", found=found, state=query.state, paged=bool(query.cursor))


async def merged(view: View) -> Response:
    query = view.query(PageOfMerges)
    async with view.state.database.snapshot() as reader:
        found = await merges(reader, view.site, Paging(SHOWN, query.cursor))
        by = names_of(await users.everybody(reader))
    return view.page("merges.html", found=found, by=by, state="merged", paged=bool(query.cursor))


async def decide(view: View) -> Response:
    """Accept, refuse, merge or dismiss, as the path says."""
    handler = {
        "accept": settle.accept,
        "refuse": settle.refuse,
        "merge": settle.merge_conflict,
        "dismiss": settle.dismiss,
    }.get(view.request.path_params["action"])
    if handler is None:
        raise BadRequest("accept, refuse, merge or dismiss")
    form = await view.form(BackForm)
    answer = await handler(call_of(view, None))
    back = f"/people/{form.person}" if form.person else "/conflicts"
    if isinstance(answer, Response):
        return view.go(back, "wait")
    if answer.decision != "merged" or answer.person is None:
        return view.go(back, "settled")
    if form.person:
        return view.go(back, "merged")
    return view.go(back, "joined", about=answer.person.id)


async def traffic(view: View) -> Response:
    """What was refused by name, and what was stored but is in no figure."""
    query = view.query(PageOfTraffic)
    since = view.now - DAYS[query.days] * DAY_MS
    async with view.state.database.snapshot() as reader:
        found = await refused(reader, view.site, since)
        newest = await newest_apart(reader, view.site, LOOKED_AT)
        ruled = await ruled_apart(reader, view.site, SHOWN)
        team = await users.everybody(reader)
    oldest = iso(since) or ""
    return view.page(
        "traffic.html",
        refused=[row for row in found.items if not row.stored],
        stored=[row for row in found.items if row.stored],
        apart=[one for one in newest if one.at and one.at >= oldest][:SHOWN],
        ruled=ruled,
        by=names_of(team),
        days=query.days,
    )


async def reclassify(view: View) -> Response:
    """A browser in one click; a single event where no browser is known."""
    form = await view.form(ClassForm)
    call = call_of(view, bodies.NewClass(class_=form.class_))
    named, handler = {
        "v": ("visitor_id", decisions.classify_visitor),
        "e": ("event_id", decisions.classify_event),
    }[form.what[0]]
    view.request.path_params[named] = form.what
    answer = await handler(call)
    later = isinstance(answer, Response) and answer.status_code == 202
    return view.go("/traffic", "wait" if later else "classified")
