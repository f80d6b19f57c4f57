"""Decisions about people as scripts of one writer turn: checked against the tables, then appended.

What a decision does is found out by the projector. One about who is who is checked only once those
before it have been projected, so that two at a moment cannot contradict each other.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from server.errors import BadRequest, Conflict, DataError, Moved, NotFound, Overloaded
from server.model import Identifier, Kind, Level, Site
from server.project.rules import Value
from server.storage import entries
from server.storage.database import Query, Row, Script
from server.storage.names import Names
from server.web.commands import decision

MOST_TAGS = 50
MOST_TRAITS = 100
#: Whatever changes who is who: the next one waits for it.
WHO = (
    *(Kind.MERGE, Kind.SPLIT, Kind.VERIFY, Kind.RELEASE, Kind.REFUSE),
    *(Kind.CLASSIFY, Kind.ERASE),
)


class Act(NamedTuple):
    """Who decides, where, when (ms), and the path that was asked for it."""

    site: Site
    author: str
    now: int
    path: str

    @property
    def scope(self) -> tuple[int, int]:
        return self.site.site_id, self.site.generation


class Turn(NamedTuple):
    """What was appended last, and what else the script found out."""

    seq: int
    value: Any = None


class Behind(Overloaded):
    """A decision waits to be projected, the entry `seq`."""

    def __init__(self, seq: int) -> None:
        super().__init__("another decision is still being applied")
        self.seq = seq


def say(act: Act, said: Iterable[tuple[Kind, dict[str, Any]]]) -> Script[int]:
    """Append decisions with their author; the number of the last."""
    found = [decision(kind, words | {"author": act.author}, act.now) for kind, words in said]
    if any("\x00" in text for _, words in said for text in _texts(words)):
        raise BadRequest("a text holds a NUL character")
    appended = yield from entries.append(act.site.site_id, found, Names())
    if min(appended.seqs) <= 0:
        raise DataError("the database refused this decision")
    return max(appended.seqs)


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


def in_order(act: Act, others: Sequence[Kind] = ()) -> Script[None]:
    """Raises `Behind` while a decision about who is who, or one of `others`, is in no table yet."""
    kinds = ", ".join(str(int(kind)) for kind in (*WHO, *others))
    rows = yield Query(
        "SELECT max(e.seq) FROM entries e WHERE e.site_id = $1 AND e.seq > (SELECT c.seq"
        f" FROM cursors c WHERE c.site_id = $1 AND c.gen = $2) AND e.kind IN ({kinds})",
        act.scope,
    )
    if rows[0][0]:
        raise Behind(rows[0][0])


def stay(act: Act, person_id: int) -> Script[None]:
    """Raises `Moved` for a person that is part of another, `NotFound` for none."""
    owner = yield from owner_of(act, person_id)
    if not owner:
        raise NotFound("no such person")
    if owner != person_id:
        path = act.path.replace(f"/people/p{person_id}", f"/people/p{owner}", 1)
        raise Moved(f"p{person_id} was merged into p{owner}", location=path)


def owner_of(act: Act, person_id: int) -> Script[int]:
    """Whom an id leads to, 0 if to nobody."""
    rows = yield Query(
        "SELECT person_id FROM persons WHERE site_id = $1 AND gen = $2 AND person_id = $3",
        (*act.scope, person_id),
    )
    rows = rows or (
        yield Query(
            "SELECT max(person_id) FROM claims WHERE site_id = $1 AND gen = $2 AND seq = $3",
            (*act.scope, person_id),
        )
    )
    return rows[0][0] or 0


# ---------------------------------------------------------------- about one person


def plain(act: Act, person_id: int, kind: Kind, words: dict[str, Any]) -> Script[Turn]:
    """A decision that needs nothing but the person."""
    yield from stay(act, person_id)
    return Turn((yield from say(act, [(kind, {"claim": person_id} | words)])))


def verify(act: Act, person_id: int, known: Identifier) -> Script[Turn]:
    yield from in_order(act)
    words = {"type": known.type, "value": known.value}
    return (yield from plain(act, person_id, Kind.VERIFY, words))


def tag(act: Act, person_id: int, add: Sequence[str], remove: Sequence[str]) -> Script[Turn]:
    yield from stay(act, person_id)
    rows = yield Query(
        "SELECT tags FROM persons WHERE site_id = $1 AND gen = $2 AND person_id = $3",
        (*act.scope, person_id),
    )
    kept = (set(rows[0][0].split("\n")) - {""} | set(add)) - set(remove)
    if len(kept) > MOST_TAGS:
        raise Conflict(f"a person has at most {MOST_TAGS} tags; this would make {len(kept)}")
    return (yield from plain(act, person_id, Kind.TAG, {"add": [*add], "remove": [*remove]}))


def traits(act: Act, person_id: int, values: Mapping[str, Value | None]) -> Script[Turn]:
    """What somebody knows of a person; it outweighs whatever a form says. None takes back what was
    given by hand, and names the entries it means; where there is nothing, nothing is appended."""
    yield from in_order(act, (Kind.TRAIT,))
    yield from stay(act, person_id)
    rows = yield Query(
        "SELECT name, seq FROM traits WHERE site_id = $1 AND gen = $2 AND person_id = $3"
        " AND level = $4 ORDER BY name, seq",
        (*act.scope, person_id, int(Level.DECIDED)),
    )
    given = {name: value for name, value in values.items() if value is not None}
    back: dict[str, list[int]] = {}
    for name, seq in rows:
        if name in values and name not in given:
            back.setdefault(name, []).append(seq)
    count = len(({name for name, _ in rows} - back.keys()) | given.keys())
    if count > MOST_TRAITS:
        raise Conflict(
            f"a person has at most {MOST_TRAITS} traits given by hand; this would make {count}"
        )
    if not given and not back:
        return Turn(0)
    words = {"traits": given, "back": back}
    return (yield from plain(act, person_id, Kind.TRAIT, words))


def delete_note(act: Act, person_id: int, note: int) -> Script[Turn]:
    """The text stays in the log, which is only ever appended to, and is shown nowhere."""
    yield from stay(act, person_id)
    notes = yield from _told(act, person_id, (Kind.NOTE,))
    gone = {words.get("note") for words in notes.values()}
    if notes.get(note, {"note": note}).get("note") or note in gone:
        raise NotFound("no such note")
    return (yield from plain(act, person_id, Kind.NOTE, {"note": note, "text": ""}))


def _told(act: Act, person_id: int, kinds: Sequence[Kind]) -> Script[dict[int, dict[str, Any]]]:
    """What was said of a person, by entry."""
    marks = ", ".join(str(int(kind)) for kind in kinds)
    rows: list[Row] = yield Query(
        "SELECT e.seq, e.data FROM person_entries p CROSS JOIN entries e"
        f" WHERE p.site_id = $1 AND p.gen = $2 AND p.person_id = $3 AND p.kind IN ({marks})"
        " AND e.site_id = $1 AND e.seq = p.seq AND e.kind = p.kind",
        (*act.scope, person_id),
    )
    return {seq: msgspec.json.decode(data) for seq, data in rows if data}


# ---------------------------------------------------------------- merge and split


def merge(act: Act, person_id: int, other_id: int) -> Script[Turn]:
    """Two persons are one. An id that leads to another person means that one."""
    yield from in_order(act)
    yield from stay(act, person_id)
    other = yield from owner_of(act, other_id)
    if not other:
        raise NotFound(f"there is no person p{other_id}")
    if other_id == person_id:
        raise Conflict("a person cannot be merged with itself")
    if other == person_id:
        raise Conflict(f"p{other_id} and p{person_id} are one person already")
    return Turn((yield from say(act, [(Kind.MERGE, {"claims": [person_id, other]})])))


def split(act: Act, person_id: int, merge_seq: int) -> Script[Turn]:
    """A merge of this person, or the word that an identifier is theirs, never was."""
    yield from in_order(act)
    yield from stay(act, person_id)
    merges = yield from _told(act, person_id, (Kind.MERGE, Kind.VERIFY))
    splits = yield from _told(act, person_id, (Kind.SPLIT,))
    if merge_seq not in merges:
        raise Conflict(f"e{merge_seq} is no merge or verification of p{person_id}")
    if any(words.get("merge") == merge_seq for words in splits.values()):
        raise Conflict(f"e{merge_seq} was taken back before")
    said = merges[merge_seq]
    words = {"merge": merge_seq, "claims": said.get("claims") or [said["claim"]]}
    return Turn((yield from say(act, [(Kind.SPLIT, words)])))
