"""The routes of rulesets: read, drafted, checked, compared, published.

A draft is always one that could be published: what is wrong with a document is answered at once,
all of it, each problem with its place. Publishing answers when the decision has been projected;
scoring everybody goes on after that.
"""

import asyncio
from functools import partial
from typing import Any

import msgspec
from starlette.responses import Response

from server.errors import BadRequest
from server.project.bounds import MOST_BODY
from server.project.document import (
    RulesetRefused,
    json_schema,
    read_document,
    write_document,
)
from server.project.rules import Ruleset, decode, encode
from server.project.ruleset import check
from server.reports import rulesets as reports
from server.reports.paging import Paging
from server.reports.rulesets import (
    Diff,
    DraftDetail,
    PresetDetail,
    Presets,
    RulesetDetail,
    Rulesets,
    RulesInForce,
    page_groups_of,
)
from server.storage import rulesets
from server.web import publishing
from server.web.bodies import RuleProblem
from server.web.collect import read_body
from server.web.decisions import WAIT_S, later, passed
from server.web.operations import JSON, Call
from server.web.problems import problem
from server.web.queries import DiffQuery, DraftQuery, PagedQuery
from server.web.ruleset_bodies import Checked, Publishing

NO_STORE = {"Cache-Control": "no-store"}


# ---------------------------------------------------------------- reading


async def get_rules(call: Call) -> RulesInForce:
    async with call.state.database.snapshot() as reader:
        return await reports.in_force(reader, call.site)


async def list_versions(call: Call) -> Rulesets:
    query: PagedQuery = call.query
    async with call.state.database.snapshot() as reader:
        return await reports.history(reader, call.site, Paging(query.limit, query.cursor))


async def get_version(call: Call) -> RulesetDetail:
    text: str = call.request.path_params["version"]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadRequest(f"`{text[:40]}` is no version: one is a number such as 3")
    async with call.state.database.snapshot() as reader:
        return await reports.version_of(reader, call.site, int(text))


async def list_presets(call: Call) -> Presets:
    del call
    return reports.presets()


async def get_preset(call: Call) -> PresetDetail:
    return reports.preset(call.request.path_params["preset"])


async def get_schema(call: Call) -> Response:
    del call
    return Response(msgspec.json.encode(json_schema()), headers=NO_STORE, media_type=JSON)


async def get_diff(call: Call) -> Diff:
    query: DiffQuery = call.query
    async with call.state.database.snapshot() as reader:
        return await reports.diff(reader, call.site, query.first, query.last)


# ---------------------------------------------------------------- drafts


async def get_draft(call: Call) -> DraftDetail:
    async with call.state.database.snapshot() as reader:
        return await reports.draft(reader, call.site)


async def save_draft(call: Call) -> DraftDetail | Response:
    """The draft in place of whatever draft there was, or everything that is wrong with it."""
    query: DraftQuery = call.query
    state, site, now, author = call.state, call.site, call.state.clock(), call.caller.author
    base = site.published.version if query.base == 0 else query.base
    if base > site.published.version:
        raise BadRequest(
            f"parameter `base`: there is no version {base}; {site.published.version} is in force"
        )
    try:
        ruleset = await _given(call)
    except RulesetRefused as error:
        return refused(error)
    document, note = encode(ruleset).decode(), query.note.strip()
    await state.writer.run(
        lambda: rulesets.save_draft(site.site_id, document, base, author, note, now)
    )
    return await get_draft(call)


async def drop_draft(call: Call) -> Response:
    await call.state.writer.run(lambda: rulesets.drop_draft(call.site.site_id))
    return Response(status_code=204, headers=NO_STORE)


async def check_rules(call: Call) -> Checked:
    try:
        await _given(call)
    except RulesetRefused as error:
        return Checked(valid=False, errors=_errors(error))
    return Checked(valid=True, errors=[])


async def _given(call: Call) -> Ruleset:
    """The ruleset of a body: a document, or the name of a preset. Raises `RulesetRefused`."""
    body = await read_body(call.request.receive, 2 * MOST_BODY)  # what is longer is no mistake
    # A large document takes longer than anybody should wait for their turn.
    return await asyncio.to_thread(read_given, body, page_groups_of(call.site))


def read_given(body: bytes, page_groups: frozenset[str]) -> Ruleset:
    """As a draft is kept, with version 0."""
    name = _preset_named(body)
    if name is not None:
        body = write_document(reports.preset_ruleset(name))
    return read_document(body, page_groups=page_groups)


def _preset_named(body: bytes) -> str | None:
    """The preset of `{"preset": name}`."""
    try:
        given: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None  # the document's own reader says what is wrong
    if not isinstance(given, dict) or set(given) != {"preset"}:
        return None
    name = given["preset"]
    if not isinstance(name, str):
        raise BadRequest('name the preset as a text: {"preset": "seed"}')
    return name


def _errors(error: RulesetRefused) -> list[RuleProblem]:
    return [
        RuleProblem(pointer=one.pointer, rule=one.rule, detail=one.sentence)
        for one in error.problems
    ]


def refused(error: RulesetRefused) -> Response:
    """Everything that is wrong with a document, as one problem."""
    found = msgspec.to_builtins(_errors(error))
    answer = problem(error.status, error.code, error.detail, errors=found)
    answer.headers.update(NO_STORE)
    return answer


# ---------------------------------------------------------------- publishing


async def publish(call: Call) -> RulesInForce | Response:
    """Put the draft in force; what was checked is what is published."""
    body: Publishing = call.body
    state, site_id, now, author = call.state, call.site.site_id, call.state.clock(), call.caller
    until = asyncio.get_running_loop().time() + WAIT_S
    checked = await _checked(call)
    revision = body.draft or checked
    note = body.note.replace("\x00", "").strip()
    script = partial(publishing.publish, site_id, author.author, now, notify=body.notify)
    async with state.projector.turns[site_id]:  # else it computes by rules of before, in vain
        await state.writer.run(partial(script, note=note, revision=revision))
        await state.reload()
    site = state.sites.by_id[site_id]
    if not await passed(call, site.published.seq, until):
        return later(site.published.seq)
    async with state.database.snapshot() as reader:
        return await reports.in_force(reader, site)


async def _checked(call: Call) -> str:
    """The revision of the draft, which must still fit the site: its page groups may be others
    since. Raises `BadRequest`; empty where there is no draft."""
    async with call.state.database.snapshot() as reader:
        stored = await rulesets.read(reader, call.site.site_id, rulesets.DRAFT)
    if stored is None:
        return ""
    wrong = await asyncio.to_thread(check, decode(stored.document), page_groups_of(call.site))
    if wrong:
        raise BadRequest(f"the draft fits the site no more: {wrong[0]}")
    return stored.revision
