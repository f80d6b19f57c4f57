"""Making two people one: found by e-mail, name or number, and looked at side by side before."""

from typing import Annotated

from msgspec import Meta, Struct
from starlette.responses import Response

from server.errors import BadRequest, Conflict, NotFound
from server.reports import people
from server.reports.paging import Paging
from server.reports.people_filters import PeopleFilter
from server.reports.shapes import PersonDetail, PersonRow
from server.storage.database import Reader
from server.web import decision_bodies as bodies
from server.web import decisions
from server.web.page_queries import PageQuery, read_id
from server.web.pages.deeds import body_of, call_of, done
from server.web.pages.view import View

#: How many are offered where several fit.
OFFERED = 10

Other = Annotated[str, Meta(max_length=400)]


class PageOfMerge(PageQuery, frozen=True, kw_only=True):
    """`other` is what somebody typed: an e-mail, a name, a number or the address of a page."""

    other: Other = ""


class OtherForm(Struct, frozen=True, kw_only=True):
    other: Other


async def preview(view: View) -> Response:
    """Both side by side; whom it may be, where that is not clear."""
    asked = view.query(PageOfMerge).other
    person_id = read_id(view.request.path_params["person_id"], "p")
    async with view.state.database.snapshot() as reader:
        moved = await people.merged_into(reader, view.site, person_id)
        if moved:
            return view.go(f"/people/p{moved}", "moved")
        found = await _found(reader, view, asked)
        others = [row for row in found if row.id != f"p{person_id}"]
        return view.page(
            "person_merge.html",
            person=await people.person(reader, view.site, person_id),
            asked=asked,
            itself=bool(found) and not others,
            others=others[:OFFERED],
            more=len(others) > OFFERED,
        )


async def merge(view: View) -> Response:
    asked = (await view.form(OtherForm)).other
    async with view.state.database.snapshot() as reader:
        others = await _found(reader, view, asked)
    if not others:
        raise NotFound(f"nobody here is known as {asked.strip()[:100]}")
    if len(others) > 1:
        raise Conflict(f"several people are known as {asked.strip()[:100]}: choose one of them")
    body = body_of(bodies.OtherPerson, other=others[0].id)
    return await done(view, await decisions.merge(call_of(view, body)), "merged")


async def _found(reader: Reader, view: View, asked: str) -> list[PersonRow | PersonDetail]:
    """Whom a text means: one person by number, address of the page or whole e-mail, else all whose
    name or e-mail begins so, the best known first."""
    text = asked.strip()
    last = text.rpartition("/")[2].partition("?")[0].removeprefix("p")
    if last.isascii() and last.isdigit() and len(last) < 19 and not text.startswith("+"):
        try:
            owner = await people.merged_into(reader, view.site, int(last)) or int(last)
            return [await people.person(reader, view.site, owner)]
        except NotFound:
            return []
    if not text:
        return []
    page = Paging(OFFERED + 2, "")
    try:
        known = await people.people(
            reader, view.site, PeopleFilter(q=text[:200]), "-score", page, view.now
        )
    except BadRequest:  # nothing in it to search by
        return []
    whole = [row for row in known.items if row.email == text.lower()]
    return [*(whole or known.items)]
