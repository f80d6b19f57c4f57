"""The rules in force, in words, and every version there was."""

from typing import Any

from starlette.responses import Response

from server.errors import NotFound
from server.project.document import write_document
from server.project.rules import Ruleset
from server.reports import rulesets as reports
from server.reports.paging import Paging
from server.storage import users
from server.storage.database import Reader
from server.web.page_queries import PageQuery
from server.web.pages.person import names_of
from server.web.pages.scoring_words import changes, sheet
from server.web.pages.view import View
from server.web.queries import Cursor

SHOWN = 30


class PageOfHistory(PageQuery, frozen=True, kw_only=True):
    cursor: Cursor = ""


async def scoring(view: View) -> Response:
    view.query(PageQuery)
    async with view.state.database.snapshot() as reader:
        told = await in_force(reader, view)
        ruleset = await reports.named(reader, view.site, "published")
    return view.page("scoring.html", sheet=sheet(ruleset), **told)


async def status(view: View) -> Response:
    """The part of the pages that asks for itself while everybody is scored anew."""
    view.query(PageQuery)
    async with view.state.database.snapshot() as reader:
        told = await in_force(reader, view)
    return view.page("scoring_status.html", **told)


async def in_force(reader: Reader, view: View) -> dict[str, Any]:
    """Which version is in force, since when and by whom, and how far scoring by it is."""
    found = await reports.in_force(reader, view.site)
    return {"found": found, "by": names_of(await users.everybody(reader))}


async def history(view: View) -> Response:
    query = view.query(PageOfHistory)
    async with view.state.database.snapshot() as reader:
        told = await in_force(reader, view)
        page = Paging(SHOWN, query.cursor)
        listed = await reports.history(reader, view.site, page)
    return view.page("scoring_history.html", listed=listed, paged=bool(query.cursor), **told)


async def version(view: View) -> Response:
    """One version in words, and what differs from the one before."""
    view.query(PageQuery)
    number = _number(view)
    async with view.state.database.snapshot() as reader:
        told = await in_force(reader, view)
        one = await reports.version_of(reader, view.site, number)
        ruleset = await reports.named(reader, view.site, str(number))
        diff = await difference(reader, view, str(number - 1), str(number)) if number > 1 else None
        has_draft = told["found"].draft
    return view.page(
        "scoring_version.html", one=one, sheet=sheet(ruleset), diff=diff, drafted=has_draft, **told
    )


async def file(view: View) -> Response:
    """A version, the one in force or the draft as the document of its author."""
    view.query(PageQuery)
    word = view.request.path_params["version"]
    async with view.state.database.snapshot() as reader:
        ruleset = await reports.named(reader, view.site, word)
    name = f"rules-{word}.json"
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(write_document(ruleset), headers=headers, media_type="application/json")


def _number(view: View) -> int:
    text = view.request.path_params["version"]
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise NotFound("there is no such version")
    return int(text)


async def difference(reader: Reader, view: View, first: str, last: str) -> dict[str, Any]:
    """What differs from one ruleset to another, in words."""
    found = await reports.diff(reader, view.site, first, last)
    old: Ruleset = await reports.named(reader, view.site, first)
    new: Ruleset = await reports.named(reader, view.site, last)
    return {
        "changes": changes(found.changes, old, new),
        "rereads": found.rereads,
        "rescores": found.rescores,
    }
