"""The reading routes: parse, ask one report in one snapshot, answer."""

from collections.abc import AsyncIterator
from typing import NamedTuple

from msgspec import UNSET, structs
from starlette.responses import Response, StreamingResponse

from server.errors import BadRequest, Moved
from server.model import DAY_MS, Site
from server.project.rules import Ruleset
from server.reports import (
    everybody,
    log,
    overview,
    parts,
    people,
    refused,
    signals,
    spans,
    timeline,
    visitors,
)
from server.reports.curve import ScoreCurve, score_curve
from server.reports.delivery import Delivery, delivery
from server.reports.filters import Filters, check_group
from server.reports.moments import milli, read_since, read_time
from server.reports.overview_shapes import Compare, Overview, Parts, Today
from server.reports.paging import Paging
from server.reports.past import person_at
from server.reports.people_filters import PeopleFilter, plain
from server.reports.people_shapes import Everybody, People
from server.reports.refused import Refused
from server.reports.rulesets import rescoring_share
from server.reports.shapes import (
    EPOCH_DAY,
    LATEST_DAY,
    PersonDetail,
    Signals,
    Timeline,
    VisitorDetail,
    Visitors,
)
from server.reports.spans import DEFAULT_DAYS, MOST_DAYS, Span
from server.reports.timeline_items import PERSON, VISITOR, Subject
from server.reports.today import today_lists
from server.reports.touches import Touches, touches
from server.reports.visitors import VisitorFilter
from server.storage.database import Reader
from server.web.operations import NDJSON, Call
from server.web.queries import (
    EverybodyQuery,
    LogQuery,
    OverviewQuery,
    PartsQuery,
    PeopleQuery,
    PersonQuery,
    RefusedQuery,
    SignalsQuery,
    TimelineQuery,
    VisitorsQuery,
)
from server.web.state import State

REFUSED_DAYS = 28
SIGNALS_DAYS = 90


def ruleset_of(state: State, site: Site) -> Ruleset:
    """The rules by which this site is scored now."""
    return state.projector.projector_of(site).ruleset


def people_filter(query: PeopleFilter) -> PeopleFilter:
    """The filters of a query that asks for more, such as a page."""
    return plain(query)


async def list_people(call: Call) -> People:
    query: PeopleQuery = call.query
    page, now = Paging(query.limit, query.cursor), call.state.clock()
    async with call.state.database.snapshot() as reader:
        return await people.people(
            reader, call.site, query, query.sort, page, now, count=query.count
        )


async def list_everybody(call: Call) -> Everybody:
    query: EverybodyQuery = call.query
    page, now = Paging(query.limit, query.cursor), call.state.clock()
    async with call.state.database.snapshot() as reader:
        return await everybody.everybody(
            reader, call.site, query, query.who, query.sort, page, now, count=query.count
        )


async def get_person(call: Call) -> PersonDetail:
    query: PersonQuery = call.query
    person_id = call.path_id("person_id", "p")
    at = read_time("at", query.at) if query.at else None
    async with call.state.database.snapshot() as reader:
        await _stay(reader, call, person_id)
        if at is None:
            return await people.person(reader, call.site, person_id)
        ruleset = ruleset_of(call.state, call.site)
        return await person_at(reader, call.site, person_id, ruleset, at)


async def get_person_touches(call: Call) -> Touches:
    person_id = call.path_id("person_id", "p")
    async with call.state.database.snapshot() as reader:
        await _stay(reader, call, person_id)
        return await touches(reader, call.site, person_id)


async def get_person_scores(call: Call) -> ScoreCurve:
    person_id = call.path_id("person_id", "p")
    ruleset, now = ruleset_of(call.state, call.site), call.state.clock()
    async with call.state.database.snapshot() as reader:
        await _stay(reader, call, person_id)
    snapshots = call.state.database.snapshot
    return await score_curve(snapshots, call.site, person_id, ruleset, now)


async def get_person_timeline(call: Call) -> Timeline:
    query: TimelineQuery = call.query
    person_id = call.path_id("person_id", "p")
    async with call.state.database.snapshot() as reader:
        await _stay(reader, call, person_id)
        return await _timeline(reader, call, Subject(PERSON, person_id), query)


async def _stay(reader: Reader, call: Call, person_id: int) -> None:
    """Raises `Moved` for a person that was merged into another, `NotFound` for none."""
    other = await people.merged_into(reader, call.site, person_id)
    if other:
        path = call.request.url.path.replace(f"/people/p{person_id}", f"/people/p{other}")
        raise Moved(f"p{person_id} was merged into p{other}", location=path)


async def _timeline(reader: Reader, call: Call, subject: Subject, query: TimelineQuery) -> Timeline:
    kind = "" if query.kind is UNSET else query.kind
    page = Paging(query.limit, query.cursor)
    return await timeline.timeline(reader, call.site, subject, kind, page)


async def list_visitors(call: Call) -> Visitors:
    query: VisitorsQuery = call.query
    chosen = VisitorFilter(
        signal=query.signal,
        min_score=milli(query.min_score),
        source=query.source,
        company=query.company,
        since=read_since(query.since),
    )
    page = Paging(query.limit, query.cursor)
    async with call.state.database.snapshot() as reader:
        return await visitors.visitors(reader, call.site, chosen, query.sort, page)


async def get_visitor(call: Call) -> VisitorDetail:
    visitor_id = call.path_id("visitor_id", "v")
    async with call.state.database.snapshot() as reader:
        return await visitors.visitor(reader, call.site, visitor_id)


async def get_visitor_timeline(call: Call) -> Timeline:
    query: TimelineQuery = call.query
    visitor_id = call.path_id("visitor_id", "v")
    async with call.state.database.snapshot() as reader:
        await timeline.known_visitor(reader, call.site, visitor_id)
        return await _timeline(reader, call, Subject(VISITOR, visitor_id), query)


async def list_signals(call: Call) -> Signals:
    query: SignalsQuery = call.query
    now = call.state.clock()
    since = read_since(query.since)
    labels = {rule.key: rule.label for rule in ruleset_of(call.state, call.site).rules}
    start = now - SIGNALS_DAYS * DAY_MS if since is None else since
    page = Paging(query.limit, query.cursor)
    async with call.state.database.snapshot() as reader:
        return await signals.signals(reader, call.site, labels, start, now, page)


async def list_refused(call: Call) -> Refused:
    query: RefusedQuery = call.query
    since = read_since(query.since)
    start = call.state.clock() - REFUSED_DAYS * DAY_MS if since is None else since
    async with call.state.database.snapshot() as reader:
        return await refused.refused(reader, call.site, start)


async def get_delivery(call: Call) -> Delivery:
    async with call.state.database.snapshot() as reader:
        return await delivery(reader, call.site, call.state.tools.agents)


async def get_overview(call: Call) -> Overview:
    asked = _asked(call)
    async with call.state.database.snapshot() as reader:
        found = await overview.overview(reader, call.site, asked.span, asked.compare, asked.filters)
        return structs.replace(found, rescoring=await rescoring_share(reader, call.site))


async def get_overview_parts(call: Call) -> Parts:
    query: PartsQuery = call.query
    asked, page = _asked(call), Paging(query.limit, query.cursor)
    async with call.state.database.snapshot() as reader:
        return await parts.parts(reader, call.site, asked.span, asked.filters, query.by, page)


async def get_today(call: Call) -> Today:
    asked = _asked(call)
    labels = {rule.key: rule.label for rule in ruleset_of(call.state, call.site).rules}
    async with call.state.database.snapshot() as reader:
        return await today_lists(reader, call.site, asked.span, asked.filters, labels)


class Asked(NamedTuple):
    """Which days, compared with which, and which visits."""

    span: Span
    compare: Compare
    filters: Filters


def _asked(call: Call) -> Asked:
    return asked_of(call.query, call.site, spans.today(call.site.settings.zone, call.state.clock()))


def asked_of(query: OverviewQuery, site: Site, today: int) -> Asked:
    """What a query of figures asks for; `today` is the day in the site's zone. Raises `BadRequest`,
    also for a page group that the site has not."""
    filters = Filters(*(getattr(query, name) for name in Filters._fields))
    check_group(site, filters)
    return Asked(_span(query, today), query.compare, filters)


def _span(query: OverviewQuery, today: int) -> Span:
    """The days asked for, the last four weeks by default. Raises `BadRequest`."""
    last = today if query.last is UNSET else (query.last - EPOCH_DAY).days
    if query.first is not UNSET:
        first = (query.first - EPOCH_DAY).days
    else:
        first = max(0, last - DEFAULT_DAYS + 1)
    if not (0 <= first <= LATEST_DAY and 0 <= last <= LATEST_DAY):
        raise BadRequest("parameters `from` and `to`: only days from 1970 to 2099")
    if first > last:
        raise BadRequest("parameter `from` lies after `to`")
    if last - first >= MOST_DAYS:
        raise BadRequest(f"parameters `from` and `to`: at most {MOST_DAYS} days")
    return Span(first, last)


async def get_log(call: Call) -> Response:
    """The log as it is now. The first chunk is read before the answer begins, so a fault of the
    database is still an answer of its own."""
    query: LogQuery = call.query
    lines = log.log_lines(call.state.database.snapshot, call.site, query.after)
    first = await anext(lines, b"")

    async def chunks() -> AsyncIterator[bytes]:
        yield first
        async for chunk in lines:
            yield chunk

    return StreamingResponse(chunks(), media_type=NDJSON, headers={"Cache-Control": "no-store"})
