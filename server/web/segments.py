"""The routes of segments, and of people as a file."""

from collections.abc import AsyncIterator

from msgspec import UNSET
from starlette.responses import Response, StreamingResponse

from server.errors import BadRequest, Moved
from server.reports import people, segments
from server.reports.filter_values import Frame, line
from server.reports.paging import Paging
from server.reports.people_csv import csv_pages
from server.reports.people_filters import PeopleFilter, canonical
from server.reports.people_shapes import People
from server.reports.segments import Membership, SegmentRow, Segments, check_keepable, stored_filter
from server.reports.shapes import iso
from server.storage import segments as rows
from server.web.operations import CSV, Call
from server.web.queries import FileQuery, ListQuery, SegmentFileQuery
from server.web.readings import ruleset_of
from server.web.segment_bodies import NewSegment, SegmentChange, SegmentsQuery

EMPTY = Response(status_code=204, headers={"Cache-Control": "no-store"})


def _labels(call: Call) -> dict[str, str]:
    return {rule.key: rule.label for rule in ruleset_of(call.state, call.site).rules}


def _frame(call: Call) -> Frame:
    return Frame(call.site, call.state.clock())


# ---------------------------------------------------------------- segments


async def list_segments(call: Call) -> Segments:
    query: SegmentsQuery = call.query
    frame = _frame(call)
    async with call.state.database.snapshot() as reader:
        return await segments.segments(
            reader, frame.site, _labels(call), frame.now, counts=query.count
        )


async def get_segment(call: Call) -> SegmentRow:
    return await _shown(call, call.path_id("segment_id", "g"))


async def _shown(call: Call, number: int) -> SegmentRow:
    frame = _frame(call)
    async with call.state.database.snapshot() as reader:
        return await segments.segment(reader, frame.site, number, _labels(call), frame.now)


async def add_segment(call: Call) -> SegmentRow:
    body: NewSegment = call.body
    frame, author = _frame(call), call.caller.author
    name, text = _name(body.name, frame), canonical(body.filter)
    check_keepable(name, body.filter, frame)
    site_id = frame.site.site_id
    number: int = await call.state.writer.run(
        lambda: rows.add(site_id, name, text, author, frame.now), moves=False
    )
    return await _shown(call, number)


async def change_segment(call: Call) -> SegmentRow:
    body: SegmentChange = call.body
    number = call.path_id("segment_id", "g")
    frame, author = _frame(call), call.caller.author
    if body.name is UNSET and body.filter is UNSET:
        raise BadRequest("name at least one thing to change: `name` or `filter`")
    name = "" if body.name is UNSET else _name(body.name, frame)
    async with call.state.database.snapshot() as reader:
        known = await stored_filter(reader, frame.site, number)
    asked = known if body.filter is UNSET else body.filter
    check_keepable(name, asked, frame)
    text = "" if body.filter is UNSET else canonical(asked)
    site_id = frame.site.site_id
    await call.state.writer.run(
        lambda: rows.change(site_id, number, name, text, author, frame.now), moves=False
    )
    return await _shown(call, number)


async def drop_segment(call: Call) -> Response:
    number, site_id = call.path_id("segment_id", "g"), call.site.site_id
    now, author = call.state.clock(), call.caller.author
    await call.state.writer.run(lambda: rows.drop(site_id, number, author, now), moves=False)
    return EMPTY


def _name(text: str, frame: Frame) -> str:
    name = line("name", text, frame)
    if not name:
        raise BadRequest("the name is blank")
    return name


async def list_segment_people(call: Call) -> People:
    query: ListQuery = call.query
    frame, page = _frame(call), Paging(query.limit, query.cursor)
    async with call.state.database.snapshot() as reader:
        asked = await stored_filter(reader, frame.site, call.path_id("segment_id", "g"))
        return await people.people(
            reader, frame.site, asked, query.sort, page, frame.now, count=query.count
        )


async def explain_member(call: Call) -> Membership:
    """Raises `Moved` for a person that was merged into another, `NotFound` for none."""
    frame = _frame(call)
    number, person_id = call.path_id("segment_id", "g"), call.path_id("person_id", "p")
    async with call.state.database.snapshot() as reader:
        other = await people.merged_into(reader, frame.site, person_id)
        if other:
            path = call.request.url.path.replace(f"/people/p{person_id}", f"/people/p{other}")
            raise Moved(f"p{person_id} was merged into p{other}", location=path)
        return await segments.membership(
            reader, frame.site, number, person_id, _labels(call), frame.now
        )


# ---------------------------------------------------------------- files


async def download_people(call: Call) -> Response:
    query: FileQuery = call.query
    return await people_file(call, query, query, "people")


async def download_segment(call: Call) -> Response:
    number = call.path_id("segment_id", "g")
    async with call.state.database.snapshot() as reader:
        asked = await stored_filter(reader, call.site, number)
    return await people_file(call, asked, call.query, f"segment-g{number}")


async def people_file(
    call: Call, asked: PeopleFilter, query: FileQuery | SegmentFileQuery, name: str
) -> Response:
    """People as a download. The first page is read before the answer begins, so a fault of the
    database is still an answer of its own."""
    state, site_id, now = call.state, call.site.site_id, call.state.clock()
    pages = csv_pages(
        state.database.snapshot,
        lambda: state.sites.by_id[site_id],
        asked,
        query.sort,
        query.column,
        now,
        bom=query.bom,
    )
    first = await anext(pages)

    async def parts() -> AsyncIterator[bytes]:
        yield first
        async for page in pages:
            yield page

    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{name}-{iso(now)[:10]}.csv"',
    }
    return StreamingResponse(parts(), media_type=CSV, headers=headers)
