"""What was decided about one person, by somebody or by the projector: in order, and in words."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from server.model import STAGES, Kind, Site
from server.project.registry import read_said
from server.project.standing import Told
from server.reports.paging import Key, Where
from server.reports.shapes import MergeRow, NoteRow, iso, points
from server.storage import people as rows
from server.storage.database import Reader, Row
from server.storage.entries import Entry

#: The decisions and consequences that name a person, by their words.
ABOUT_PERSONS: dict[str, Kind] = {
    kind.word: kind
    for kind in (
        *(Kind.MERGE, Kind.SPLIT, Kind.VERIFY, Kind.RELEASE, Kind.REFUSE, Kind.SET_STAGE),
        *(Kind.TAG, Kind.NOTE, Kind.OWNER, Kind.DO_NOT_CONTACT, Kind.DISMISS),
        Kind.TRAIT,
        *(Kind.STAGE_MOVED, Kind.CROSSED, Kind.REARMED, Kind.RETRACTED),
    )
}


async def decided_before(
    reader: Reader, site: Site, person_id: int, kind: Kind | None, key: Key | None, count: int
) -> list[tuple[int, int]]:
    """(at, seq) of the newest `count` decisions and consequences before `key` (at, q, seq)."""
    where = Where("p.site_id = $1 AND p.gen = $2 AND p.person_id = $3")
    where.args += [site.site_id, site.generation, person_id]
    if kind is not None:
        where.add(f"p.kind = {where.arg(int(kind))}")
    where.past(("p.at", "CAST(0 AS BIGINT)", "p.seq"), key, down=True)
    limit = where.arg(count)
    found = await reader.fetch(
        f"SELECT DISTINCT p.at, p.seq FROM person_entries p WHERE {where}"
        f" ORDER BY p.at DESC, p.seq DESC LIMIT {limit}",
        *where.args,
    )
    return [(row[0], row[1]) for row in found]


async def told(reader: Reader, site: Site, person_id: int, kinds: Iterable[Kind]) -> list[Told]:
    """Everything of some kinds that names a person, in the order of the log, each once."""
    marks = ", ".join(str(int(kind)) for kind in kinds)
    found: list[Row] = await reader.fetch(
        "SELECT min(claim), seq, kind, at, person_id FROM person_entries WHERE site_id = $1"
        f" AND gen = $2 AND person_id = $3 AND kind IN ({marks})"
        " GROUP BY seq, kind, at, person_id ORDER BY seq",
        site.site_id,
        site.generation,
        person_id,
    )
    return sorted(await read_said(reader, site.site_id, found), key=lambda one: one.seq)


async def notes_of(reader: Reader, site: Site, person_id: int) -> list[NoteRow]:
    """The notes that nobody deleted, the newest first."""
    notes = await told(reader, site, person_id, [Kind.NOTE])
    gone = {one.said.note for one in notes}
    return [
        NoteRow(id=f"e{one.seq}", at=iso(one.at), author=one.said.author, text=one.said.text)
        for one in reversed(notes)
        if not one.said.note and one.seq not in gone
    ]


async def merges_of(reader: Reader, site: Site, person_id: int) -> list[MergeRow]:
    """The merges that made this person and can be taken back, the newest first."""
    found = await told(reader, site, person_id, [Kind.MERGE, Kind.SPLIT])
    split = {one.said.merge for one in found if one.kind is Kind.SPLIT}
    return [
        MergeRow(
            id=f"e{one.seq}", at=iso(one.at), author=one.said.author, persons=_persons(one.said)
        )
        for one in reversed(found)
        if one.kind is Kind.MERGE and one.seq not in split
    ]


def _persons(said: Any) -> list[str]:
    return [f"p{claim}" for claim in said.claims]


# ---------------------------------------------------------------- in words


class Known(NamedTuple):
    """What the words of some decisions need beside the entries."""

    before: dict[int, str]  # by entry: the stage somebody left
    deleted: frozenset[int]  # notes


async def known_of(reader: Reader, site: Site, person_id: int, found: Sequence[Entry]) -> Known:
    """Read it, as far as these entries of a person's timeline need it."""
    kinds = {entry.kind for entry in found}
    before, deleted = {}, frozenset[int]()
    if Kind.SET_STAGE in kinds:
        moves = await rows.stages(reader, site.site_id, site.generation, person_id)
        before = {move[0]: STAGES[move[1]] for move in moves}
    if Kind.NOTE in kinds:
        notes = await told(reader, site, person_id, [Kind.NOTE])
        deleted = frozenset(one.said.note for one in notes)
    return Known(before, deleted)


def words_of(entry: Entry, known: Known) -> dict[str, Any]:
    """A decision or consequence as readers have it: ids with their letters, nothing internal."""
    data: dict[str, Any] = msgspec.json.decode(entry.data) if entry.data else {}
    kind = Kind(entry.kind)
    if kind >= Kind.STAGE_MOVED:
        return _consequence(kind, data)
    words: dict[str, Any] = {"author": data.get("author", "")}
    if kind in {Kind.MERGE, Kind.SPLIT}:
        words["persons"] = [f"p{claim}" for claim in data.get("claims", ())]
    if kind is Kind.SPLIT:
        words["merge"] = f"e{data.get('merge', 0)}"
    elif kind in {Kind.RELEASE, Kind.REFUSE}:
        words["event"] = f"e{data.get('claim', 0)}"
    elif kind is Kind.SET_STAGE:
        words |= {"from": known.before.get(entry.seq, ""), "to": data.get("stage", "")}
    elif kind is Kind.NOTE:
        words |= _note(entry, data, known)
    elif kind is Kind.DO_NOT_CONTACT:
        words |= {"on": data.get("on", True), "reason": data.get("text", "")}
    elif kind is Kind.TRAIT:
        words["traits"] = data.get("traits", {}) | dict.fromkeys(data.get("back", ()))
    elif kind is Kind.DISMISS:
        words["conflict"] = f"x{data.get('claim', 0)}-{data.get('kind', '')}"
    return words | {name: data[name] for name in _PLAIN.get(kind, ()) if name in data}


_PLAIN = {
    Kind.VERIFY: ("type", "value"),
    Kind.TAG: ("add", "remove"),
    Kind.OWNER: ("owner",),
}


_SAID = ("threshold", "number", "from", "to", "reason")


def _note(entry: Entry, data: dict[str, Any], known: Known) -> dict[str, Any]:
    if data.get("note"):
        return {"deletes": f"e{data['note']}"}
    return {"deleted": True} if entry.seq in known.deleted else {"text": data.get("text", "")}


def _consequence(kind: Kind, data: dict[str, Any]) -> dict[str, Any]:
    if kind is Kind.RETRACTED:
        return {"threshold": data.get("threshold", ""), "of": f"e{data.get('of', 0)}"}
    said = {name: data[name] for name in _SAID if data.get(name) is not None}
    cause, caused = data.get("cause"), data.get("cause_at")
    return said | {
        "score": points(data.get("score", 0)),
        "cause": f"e{cause}" if cause else None,
        "cause_at": iso(caused) if caused else None,
        "notified": not data.get("mute", False),
    }
