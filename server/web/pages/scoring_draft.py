"""The draft: what differs and what becomes of it; its rules and bounds have forms of their own."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from server.errors import BadRequest, Conflict, NotFound
from server.project.document import RulesetRefused, write_document
from server.project.rules import Ruleset
from server.reports import rulesets as reports
from server.reports.shapes import iso
from server.storage.database import Reader
from server.web import drafts, rulesets
from server.web.drafts import Working, working
from server.web.page_queries import PageQuery
from server.web.pages.deeds import call_of
from server.web.pages.scoring import difference, in_force
from server.web.pages.scoring_words import sheet
from server.web.pages.view import View
from server.web.ruleset_bodies import Publishing

Revision = Annotated[str, Meta(pattern="^([0-9a-f]{16})?$")]
#: Writes what was typed as numbers as such.
encode = msgspec.json.Encoder(decimal_format="number").encode


class PageOfDraft(PageQuery, frozen=True, kw_only=True):
    """`clash`: somebody saved meanwhile."""

    clash: Literal["", "1"] = ""


class StartForm(Struct, frozen=True, kw_only=True):
    """`start` is a version's number, `published` or a preset; `revision` the draft it replaces."""

    start: Annotated[str, Meta(max_length=64)]
    revision: Revision = ""


class RevisionForm(Struct, frozen=True, kw_only=True):
    revision: Revision = ""


class PublishForm(Struct, frozen=True, kw_only=True):
    """`revision` is the draft that was looked at."""

    revision: Revision
    note: Annotated[str, Meta(max_length=1_000)] = ""
    notify: Literal["", "1"] = ""


class DocumentForm(Struct, frozen=True, kw_only=True):
    document: str
    revision: Revision = ""


async def draft(view: View) -> Response:
    query = view.query(PageOfDraft)
    return await draft_page(view, clash=bool(query.clash))


async def draft_page(
    view: View, *, clash: bool = False, wrong: str = "", status: int = 200
) -> Response:
    """The draft as it is now. `wrong` is why something could not be done."""
    async with view.state.database.snapshot() as reader:
        told = await in_force(reader, view)
        now = await working(reader, view.site)
        diff = await difference(reader, view, "published", "draft") if now.revision else None
        since = await _meanwhile(reader, view, now)
    return view.page(
        "scoring_draft.html",
        status,
        now=now,
        sheet=sheet(now.ruleset),
        diff=diff,
        since=since,
        presets=reports.presets().items,
        clash=clash,
        wrong=wrong,
        iso=iso,
        **told,
    )


async def _meanwhile(reader: Reader, view: View, now: Working) -> dict[str, Any] | None:
    """What was published since the draft was begun."""
    if not now.stale:
        return None
    return await difference(reader, view, str(now.base), "published")


async def start(view: View) -> Response:
    """A draft from what is in force, from an older version or from a preset."""
    form = await view.form(StartForm)
    try:
        await drafts.begin(call_of(view, None), form.start, form.revision)
    except Conflict:
        return view.go("/scoring/draft", clash="1")
    except RulesetRefused as error:
        return await draft_page(view, wrong=error.detail, status=400)
    return view.go("/scoring/draft", "draft")


async def drop(view: View) -> Response:
    form = await view.form(RevisionForm)
    try:
        await drafts.drop(call_of(view, None), form.revision)
    except NotFound:
        return view.go("/scoring/draft")
    except Conflict:
        return view.go("/scoring/draft", clash="1")
    return view.go("/scoring", "undrafted")


async def rebase(view: View) -> Response:
    """The same draft, begun from the version that is in force by now."""
    form = await view.form(RevisionForm)
    try:
        await drafts.begin(call_of(view, None), "draft", form.revision)
    except Conflict:
        return view.go("/scoring/draft", clash="1")
    except RulesetRefused as error:
        return await draft_page(view, wrong=error.detail, status=400)
    return view.go("/scoring/draft", "saved")


async def publish(view: View) -> Response:
    form = await view.form(PublishForm)
    if not form.revision:
        raise BadRequest("there is no draft to publish: change a rule first")
    body = Publishing(notify=form.notify == "1", note=form.note, draft=form.revision)
    try:
        await rulesets.publish(call_of(view, body))
    except (Conflict, BadRequest) as error:
        return await draft_page(view, wrong=error.detail, status=error.status)
    return view.go("/scoring", "published")


# ---------------------------------------------------------------- single rules


async def rule_deed(view: View) -> Response:
    """Move or remove a rule, as the path says."""
    form = await view.form(RevisionForm)
    key, deed = view.request.path_params["rule"], view.request.path_params["deed"]
    async with view.state.database.snapshot() as reader:
        now = await working(reader, view.site)
    if now.revision != form.revision:
        return view.go("/scoring/draft", clash="1")
    document = now.document
    document["rules"] = rearranged(now.ruleset, document["rules"], key, deed)
    try:
        await drafts.keep(call_of(view, None), encode(document), form.revision)
    except Conflict:
        return view.go("/scoring/draft", clash="1")
    except RulesetRefused as error:
        return await draft_page(view, wrong=error.detail, status=400)
    return view.go("/scoring/draft", "saved")


def rearranged(ruleset: Ruleset, rules: list[Any], key: str, deed: str) -> list[Any]:
    """The rules of a document after one was removed, or moved past its neighbour of the same axis.

    Raises `NotFound` for a rule or a deed that there is not.
    """
    place, rule = ruleset.by_key.get(key, (-1, None))
    if rule is None or deed not in {"remove", "up", "down"}:
        raise NotFound("there is no such rule in the draft: somebody may have removed it")
    if deed == "remove":
        return rules[:place] + rules[place + 1 :]
    step = -1 if deed == "up" else 1
    other = place + step
    while 0 <= other < len(rules) and ruleset.rules[other].axis != rule.axis:
        other += step
    if not 0 <= other < len(rules):
        return rules
    moved = rules[:place] + rules[place + 1 :]
    return [*moved[:other], rules[place], *moved[other:]]


# ---------------------------------------------------------------- the document itself


async def document(view: View) -> Response:
    """The draft as JSON, to be changed, taken along or brought."""
    view.query(PageQuery)
    return await _document_page(view)


async def save_document(view: View) -> Response:
    form = await view.form(DocumentForm)
    try:
        await drafts.keep(call_of(view, None), form.document.encode(), form.revision)
    except RulesetRefused as error:
        return await _document_page(view, form, problems=error.problems, status=400)
    except Conflict as error:
        return await _document_page(view, form, clash=error.detail, status=409)
    return view.go("/scoring/draft", "saved")


async def _document_page(
    view: View,
    form: DocumentForm | None = None,
    *,
    problems: Any = (),
    clash: str = "",
    status: int = 200,
) -> Response:
    async with view.state.database.snapshot() as reader:
        now = await working(reader, view.site)
    return view.page(
        "scoring_json.html",
        status,
        text=form.document if form else write_document(now.ruleset).decode(),
        now=now,
        revision=now.revision,
        problems=problems,
        clash=clash,
    )
