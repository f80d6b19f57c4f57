"""What somebody says a visitor, an event, or everything of a person is: bot, internal, human …

A person whose visitors are all classified away is nobody; the id still finds them, so that it can
be taken back.
"""

from typing import Any, NamedTuple

from server.errors import Conflict, NotFound
from server.model import Kind
from server.storage.database import Query, Script
from server.web.deciding import Act, Turn, in_order, owner_of, say, stay

MOST_TARGETS = 500


class Targets(NamedTuple):
    visitors: list[int]
    events: list[int]


def classify_visitor(act: Act, visitor_id: int, class_: str, reason: str) -> Script[Turn]:
    """Every event of a browser."""
    rows = yield Query(
        "SELECT 1 FROM visitors WHERE site_id = $1 AND visitor_id = $2",
        (act.site.site_id, visitor_id),
    )
    if not rows:
        raise NotFound("no such visitor")
    return (yield from _classify(act, Targets([visitor_id], []), class_, reason))


def classify_event(act: Act, seq: int, class_: str, reason: str) -> Script[Turn]:
    """One event."""
    rows = yield Query(
        "SELECT kind FROM entries WHERE site_id = $1 AND seq = $2", (act.site.site_id, seq)
    )
    if not rows or not Kind(rows[0][0]).is_event:
        raise NotFound("no such event")
    return (yield from _classify(act, Targets([], [seq]), class_, reason))


def classify_person(act: Act, person_id: int, class_: str, reason: str) -> Script[Turn]:
    """Every visitor linked to a person, and every submission that no visit is known of."""
    yield from in_order(act)
    if (yield from owner_of(act, person_id)):
        yield from stay(act, person_id)
        found = yield from _of_person(act, person_id)
    else:
        found = yield from _of_nobody(act, person_id)
    count = len(found.visitors) + len(found.events)
    if count > MOST_TARGETS:
        raise Conflict(f"{count} visitors and events at once; classify the visitors one by one")
    if not count:
        raise NotFound("no such person")
    return (yield from _classify(act, found, class_, reason))


def _classify(act: Act, found: Targets, class_: str, reason: str) -> Script[Turn]:
    words: dict[str, Any] = {"class": class_, "reason": reason}
    said = [(Kind.CLASSIFY, {"visitor": visitor_id} | words) for visitor_id in found.visitors]
    said += [(Kind.CLASSIFY, {"event": seq} | words) for seq in found.events]
    return Turn((yield from say(act, said)), found)


def _of_person(act: Act, person_id: int) -> Script[Targets]:
    """A kiosk's visitor is not the person's: there only the submission is."""
    rows = yield Query(
        "SELECT DISTINCT visitor_id, CASE WHEN alone = 1 OR visitor_id = 0 THEN session_id ELSE 0"
        " END FROM sessions WHERE site_id = $1 AND gen = $2 AND person_id = $3",
        (*act.scope, person_id),
    )
    visitors = sorted({visitor_id for visitor_id, event in rows if not event})
    events = sorted({event for _, event in rows if event})
    if not rows:
        rows = yield Query(
            "SELECT DISTINCT seq FROM claims WHERE site_id = $1 AND gen = $2 AND person_id = $3",
            (*act.scope, person_id),
        )
        events = sorted(row[0] for row in rows)
    return Targets(visitors, events)


def _of_nobody(act: Act, claim: int) -> Script[Targets]:
    """What was classified of those who gave the same identifiers as a claim, which is nobody's."""
    rows = yield Query(
        "SELECT DISTINCT k.kind, k.target FROM claims mine CROSS JOIN claims c CROSS JOIN classes k"
        " WHERE mine.site_id = $1 AND mine.gen = $2 AND mine.seq = $3"
        " AND c.site_id = $1 AND c.gen = $2 AND c.type = mine.type AND c.value = mine.value"
        " AND c.person_id = 0 AND k.site_id = $1 AND k.gen = $2 AND ((k.kind = 0"
        " AND k.target = c.visitor_id) OR (k.kind = 1 AND k.target = c.seq))"
        " AND k.class >= 0 AND NOT EXISTS (SELECT 1 FROM classes l WHERE l.site_id = $1"
        " AND l.gen = $2 AND l.kind = k.kind AND l.target = k.target AND l.seq > k.seq)",
        (*act.scope, claim),
    )
    visitors = sorted(target for kind, target in rows if kind == 0)
    return Targets(visitors, sorted(target for kind, target in rows if kind == 1))
