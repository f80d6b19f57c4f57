"""The list of people: filters, segments, columns, decisions about many, and the anonymous."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from server.model import STAGES
from server.reports import people as report
from server.reports import segments
from server.reports.everybody import everybody
from server.reports.filter_values import Frame
from server.reports.paging import Paging
from server.reports.people_csv import COLUMNS
from server.reports.people_filters import (
    FILTERS,
    PeopleFilter,
    choices,
    describe,
    parameters,
    plain,
    read_filter,
    tidy,
)
from server.reports.people_shapes import Everybody, People
from server.storage import users
from server.storage.database import Reader
from server.web import segment_bodies as bodies
from server.web import segments as keep
from server.web.page_queries import PageOfPeople
from server.web.pages.deeds import body_of, call_of
from server.web.pages.people_words import done_words
from server.web.pages.view import View
from server.words import stage_word

DEFAULT_COLUMNS = ("stage", "score", "last_seen", "signals")
#: Stages that have a tab of their own.
TABS = ("lead", "mql", "pql", "sql", "opportunity", "customer")
#: Orders that anonymous visitors know too.
SHARED_ORDERS = frozenset({"-score", "score", "-last_seen", "last_seen"})
GRADES = tuple(f"{fit}{engagement}" for fit in "ABC" for engagement in "123")


async def people(view: View) -> Response:
    return await listed(view, view.query(PageOfPeople))


async def listed(view: View, query: PageOfPeople, wrong: str = "", status: int = 200) -> Response:
    """The list; `wrong` is what stood against a decision about some of it."""
    site = view.site
    async with view.state.database.snapshot() as reader:
        asked = await _asked(reader, view, query)
        found = await _found(reader, view, query, asked)
        kept = await segments.segments(reader, site, view.labels, view.now)
        team = await users.everybody(reader)
    chosen = choices(asked, Frame(site, view.now))
    return view.page(
        "people.html",
        status,
        wrong=wrong,
        done=done_words(query.did, query.to),
        query=query,
        asked=asked,
        found=found,
        kept=kept.items,
        segment=next((one for one in kept.items if one.id == query.segment), None),
        sentence=describe(chosen, view.labels) if chosen else "",
        columns=query.column or DEFAULT_COLUMNS,
        every_column=COLUMNS,
        stages=STAGES,
        tabs=TABS,
        stage_options=[(name, stage_word(name)) for name in STAGES],
        grade_options=[(name, name) for name in GRADES],
        team=[user for user in team if not user.disabled and user.scope(site.site_id)],
        parameters=parameters(asked),
        count=len(chosen),
        filter_text=msgspec.json.encode(asked).decode(),
        back_text=_back_text(query),
        link=lambda **changes: _link(view, query, changes),
        whose=lambda who: _whose(view, query, who),
        file=_file(view, query, asked),
    )


async def visitors(view: View) -> Response:
    """The anonymous have no page of their own: they stand beside the known."""
    return view.go("/people", who="visitors")


async def _asked(reader: Reader, view: View, query: PageOfPeople) -> PeopleFilter:
    """What the address asks; a segment stands for its filter."""
    if not query.segment:
        return plain(query)
    return await segments.stored_filter(reader, view.site, int(query.segment[1:]))


async def _found(
    reader: Reader, view: View, query: PageOfPeople, asked: PeopleFilter
) -> People | Everybody:
    page = Paging(query.limit, query.cursor)
    if query.who == "people":
        return await report.people(
            reader, view.site, asked, query.sort, page, view.now, count=not query.cursor
        )
    sort = query.sort if query.sort in SHARED_ORDERS else "-score"
    return await everybody(
        reader, view.site, asked, query.who, sort, page, view.now, count=not query.cursor
    )


def _link(view: View, query: PageOfPeople, changes: dict[str, Any]) -> str:
    """This list with some things changed; another filter leaves the segment and begins anew."""
    kept: dict[str, Any] = {}
    for name, value in parameters(query):
        kept.setdefault(name, []).append(value)
    kept |= {"sort": query.sort if query.sort != "-score" else "", "column": list(query.column)}
    kept |= {"who": query.who if query.who != "people" else "", "segment": query.segment}
    return view.path("/people", **(kept | changes))


def _whose(view: View, query: PageOfPeople, who: str) -> str:
    """The same list of others: without the filters and the order that they cannot have."""
    dropped = {"cursor": "", "who": who if who != "people" else ""}
    if who != "people" and query.sort not in SHARED_ORDERS:
        dropped["sort"] = ""
    if who == "visitors":
        dropped |= {"segment": ""} | {one.name: "" for one in FILTERS.values() if not one.visitors}
    return _link(view, query, dropped)


def _file(view: View, query: PageOfPeople, asked: PeopleFilter) -> str:
    """The same people as CSV."""
    sort: list[tuple[str, str]] = [("sort", query.sort)] if query.sort != "-score" else []
    sort += [*(("column", name) for name in query.column), ("bom", "true")]
    site = f"/api/v1/sites/{view.site.site_id}/people.csv"
    return view.templates.address(site, [*parameters(asked), *sort])


# ---------------------------------------------------------------- segments


class SegmentForm(Struct, frozen=True, kw_only=True):
    name: Annotated[str, Meta(max_length=200)] = ""
    filter: Annotated[str, Meta(max_length=20_000)] = ""


async def save_segment(view: View) -> Response:
    form = await view.form(SegmentForm)
    body = body_of(bodies.NewSegment, name=form.name.strip(), filter=tidy(read_filter(form.filter)))
    made = await keep.add_segment(call_of(view, body))
    return view.go("/people", "segment", segment=made.id)


async def rename_segment(view: View) -> Response:
    form = await view.form(SegmentForm)
    body = body_of(bodies.SegmentChange, name=form.name.strip())
    changed = await keep.change_segment(call_of(view, body))
    return view.go("/people", "segment", segment=changed.id)


async def drop_segment(view: View) -> Response:
    await keep.drop_segment(call_of(view, None))
    return view.go("/people", "dropped")


# ---------------------------------------------------------------- the way back


def _back_text(query: PageOfPeople) -> str:
    """Where the list was, for the way back from a form."""
    kept: dict[str, list[str]] = {"segment": [query.segment], "sort": [query.sort]}
    kept |= {"who": [query.who], "column": list(query.column)}
    if not query.segment:
        for name, value in parameters(query):
            kept.setdefault(name, []).append(value)
    return msgspec.json.encode(kept).decode()
