"""What somebody decides about a conflict, as scripts of one writer turn."""

from typing import Any

from server.errors import Conflict, NotFound
from server.model import Kind, Level
from server.reports.conflict_items import COLUMNS, Item, actions_of, item_of
from server.storage.database import Query, Script
from server.web.deciding import Act, Turn, in_order, say

KINDS = {
    "accept": Kind.RELEASE,
    "refuse": Kind.REFUSE,
    "merge": Kind.MERGE,
    "dismiss": Kind.DISMISS,
}


def settle(act: Act, seq: int, kind: str, action: str) -> Script[Turn]:
    """Accept, refuse, merge or dismiss, if that may be done now; the conflict as it was."""
    yield from in_order(act)
    item = yield from _conflict(act, seq, kind)
    if action not in actions_of(item):
        raise Conflict(_sentence(item, action))
    if action == "refuse":
        yield from _unproven(act, seq)
    words: dict[str, Any] = {"claim": seq, "kind": kind}
    if action == "merge":
        words = {"claims": [item.person_id, item.other_id]}
    return Turn((yield from say(act, [(KINDS[action], words)])), item)


def _conflict(act: Act, seq: int, kind: str) -> Script[Item]:
    rows = yield Query(
        f"SELECT {COLUMNS} FROM conflicts WHERE site_id = $1 AND gen = $2 AND seq = $3"
        " AND kind = $4 ORDER BY state, other_id LIMIT 1",
        (*act.scope, seq, kind),
    )
    if not rows:
        raise NotFound("no such conflict")
    return item_of(rows[0])


def _sentence(item: Item, action: str) -> str:
    valid = ", ".join(actions_of(item)) or "nothing"
    state = f"it was {item.decided}" if item.decided else "it is open"
    return f"`{action}` cannot be done about this conflict, {state}; what can: {valid}"


def _unproven(act: Act, seq: int) -> Script[None]:
    """What was proven on this visitor is theirs, whatever anybody thinks. Raises `Conflict`."""
    rows = yield Query(
        "SELECT 1 FROM claims c CROSS JOIN claims p WHERE c.site_id = $1 AND c.gen = $2"
        " AND c.seq = $3 AND p.site_id = $1 AND p.gen = $2 AND p.type = c.type"
        " AND p.value = c.value AND p.visitor_id = c.visitor_id AND p.level = $4"
        " AND (p.visitor_id > 0 OR p.seq = c.seq) LIMIT 1",
        (*act.scope, seq, int(Level.PROVEN)),
    )
    if rows:
        raise Conflict("it has been proven on this device that this is them")
