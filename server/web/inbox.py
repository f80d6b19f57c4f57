"""The routes of the conflict inbox: what is in it, and what may be done about it."""

import re

import msgspec
from starlette.responses import Response

from server.errors import BadRequest, NotFound
from server.reports import conflicts, merges
from server.reports.conflict_items import Item
from server.reports.conflict_shapes import ConflictRow, Conflicts, Merges
from server.reports.paging import Paging
from server.web import settling
from server.web.decisions import decide, later
from server.web.operations import Call
from server.web.queries import ConflictsQuery, PagedQuery


async def list_conflicts(call: Call) -> Conflicts:
    query: ConflictsQuery = call.query
    kind = query.kind if isinstance(query.kind, str) else ""
    page = Paging(query.limit, query.cursor)
    async with call.state.database.snapshot() as reader:
        return await conflicts.conflicts(reader, call.site, query.state, kind, page)


async def list_merges(call: Call) -> Merges:
    query: PagedQuery = call.query
    async with call.state.database.snapshot() as reader:
        return await merges.merges(reader, call.site, Paging(query.limit, query.cursor))


async def get_conflict(call: Call) -> ConflictRow:
    seq, kind = _conflict(call)
    async with call.state.database.snapshot() as reader:
        return await conflicts.conflict(reader, call.site, seq, kind)


def _conflict(call: Call) -> tuple[int, str]:
    """The number and kind in an id such as `x57-typo`. Raises `BadRequest`."""
    text: str = call.request.path_params["conflict_id"]
    found = re.fullmatch(r"x([1-9][0-9]{0,17})-([a-z_]{1,40})", text)
    if found is None:
        raise BadRequest(f"`{text[:40]}` is no id here: one looks like x57-quarantined")
    return int(found[1]), found[2]


async def _settle(call: Call, action: str) -> ConflictRow | Response:
    """Decide about a conflict; what a merge has settled is answered as it was, and closed."""
    seq, kind = _conflict(call)
    before = await get_conflict(call)
    turn, passed = await decide(call, lambda act: settling.settle(act, seq, kind, action))
    if not passed:
        return later(turn.seq)
    item: Item = turn.value
    site = call.state.sites.by_id[call.site.site_id]
    async with call.state.database.snapshot() as reader:
        try:
            return await conflicts.conflict(reader, site, item.seq, item.kind)
        except NotFound:
            done = {"merge": "merged", "accept": "accepted", "refuse": "refused"}
            decision = done.get(action, "dismissed")
            return msgspec.structs.replace(before, state="closed", decision=decision, actions=[])


async def accept(call: Call) -> ConflictRow | Response:
    return await _settle(call, "accept")


async def refuse(call: Call) -> ConflictRow | Response:
    return await _settle(call, "refuse")


async def merge_conflict(call: Call) -> ConflictRow | Response:
    return await _settle(call, "merge")


async def dismiss(call: Call) -> ConflictRow | Response:
    return await _settle(call, "dismiss")
