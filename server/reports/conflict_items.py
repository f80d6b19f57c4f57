"""One conflict: what may be done about it, and how it is told."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from server.model import Kind
from server.reports.conflict_shapes import (
    ConflictEvent,
    ConflictPerson,
    ConflictRow,
    ConflictSession,
    GivenRow,
)
from server.reports.shapes import iso
from server.storage.database import Row
from server.storage.entries import Entry

OPEN, CLOSED = 0, 1
COLUMNS = "seq, kind, other_id, person_id, state, at, evidence"


class Item(NamedTuple):
    """A row of the conflicts with its evidence read."""

    seq: int
    kind: str
    other_id: int
    person_id: int
    state: int
    at: int
    evidence: dict[str, Any]

    @property
    def decided(self) -> str:
        """How it was closed."""
        if self.state == OPEN:
            return ""
        return str(self.evidence.get("decided", "dismissed"))


def item_of(row: Row) -> Item:
    return Item._make((*row[:6], msgspec.json.decode(row[6])))


#: Claims wait for proof or for somebody's word.
WAITING = frozenset({"quarantined", "too_many_devices"})
#: Two persons who may be one.
TWO = frozenset({"two_persons", "taken", "second_address", "typo"})


def actions_of(item: Item) -> list[str]:
    """What may be done about a conflict as it is now."""
    found: list[str] = []
    if item.kind in WAITING:
        found += [] if item.decided == "accepted" else ["accept"]
        found += [] if item.decided == "refused" else ["refuse"]
    elif item.kind in TWO and item.other_id:
        found.append("merge")
    return found if item.state == CLOSED else [*found, "dismiss"]


_WHAT = {
    "quarantined": "{who}? {ids} was given on a device that is not known to be theirs",
    "too_many_devices": "{who} was claimed on more devices within a week than one person has",
    "two_persons": "One event names {who} and {other}",
    "taken": "{value} was {other}'s and is {who}'s now, by stronger evidence",
    "second_address": "{value} was not added to {who}, who has proven another address",
    "second_user_id": "{value} was not added to {who}, who has another user id",
    "too_many_addresses": "{value} was not added to {who}, who has too many addresses",
    "typo": "{who} and {other} may be one person who mistyped: {ids} after {before}",
}


def told(
    item: Item,
    known: dict[int, ConflictPerson],
    entry: Entry | None,
    texts: dict[int, str],
    visits: dict[int, list[ConflictSession]],
) -> ConflictRow:
    evidence = item.evidence
    named = (
        GivenRow(type=evidence["type"], value=evidence["value"]) if "value" in evidence else None
    )
    person, other = known.get(item.person_id), known.get(item.other_id)
    ids, before = _given(evidence.get("ids", ())), _given(evidence.get("other_ids", ()))
    return ConflictRow(
        id=f"x{item.seq}-{item.kind}",
        kind=item.kind,
        state="closed" if item.state else "open",
        at=iso(item.at),
        what=_WHAT.get(item.kind, item.kind).format(
            who=_name(person),
            other=_name(other),
            value=named.value if named else "",
            ids=" and ".join(one.value for one in ids),
            before=" and ".join(one.value for one in before),
        ),
        decision=item.decided,
        person=person,
        other=other,
        identifier=named,
        other_ids=before,
        event=_event(entry, ids, texts, visits) if entry is not None and entry.kind else None,
        actions=actions_of(item),
    )


def _given(pairs: Iterable[Sequence[str]]) -> list[GivenRow]:
    return [GivenRow(type=pair[0], value=pair[1]) for pair in pairs]


def _name(person: ConflictPerson | None) -> str:
    return (person.name or person.email or person.id) if person is not None else "Nobody"


def _event(
    entry: Entry,
    ids: list[GivenRow],
    texts: dict[int, str],
    visits: dict[int, list[ConflictSession]],
) -> ConflictEvent:
    data: dict[str, Any] = msgspec.json.decode(entry.data) if entry.data else {}
    url, visitor_id = texts.get(entry.url_id or 0, ""), entry.visitor_id or 0
    return ConflictEvent(
        id=f"e{entry.seq}",
        at=iso(entry.at),
        kind=Kind(entry.kind).word,
        url=url,
        path=(urlsplit(url).path or "/") if url else "",
        title=texts.get(entry.title_id or 0, ""),
        form=data.get("form", ""),
        fields=data.get("fields") or data.get("traits") or {},
        ids=ids,
        visitor=f"v{visitor_id}" if visitor_id else None,
        sessions=visits.get(visitor_id, []),
    )
