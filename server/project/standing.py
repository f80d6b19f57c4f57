"""Where a person stands by what the log says: decisions and consequences, in the order of the log.

The live projector is ahead of this by the moves it has just decided; reading them later changes
nothing. A rebuild decides nothing, and comes to the same standing from the entries alone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from server.model import STAGE_RANK, Kind
from server.project.seen import Key
from server.project.stages import Arming, Standing, armed, lifted
from server.project.unions import Unions

_MQL = "mql"


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision or consequence about a person says; each kind uses some of it.

    `person` and `claim` are numbers of claims; `of` is the entry that is taken back. `key` is the
    order (at, q, event id in hex) of the event that caused a consequence, `cause` its number.
    """

    person: int = 0
    claim: int = 0
    claims: tuple[int, ...] = ()
    merge: int = 0
    type: str = ""
    value: str = ""
    stage: str = ""
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    text: str = ""
    note: int = 0
    owner: str = ""
    on: bool = True
    kind: str = ""
    threshold: str = ""
    number: int = 0
    to: str = ""
    of: int = 0
    cause: int = 0
    cause_at: int = 0
    key: tuple[int, int, str] | None = None
    mql: bool = False
    ruleset: int = 0  # by which version a consequence was decided
    traits: dict[str, Any] = {}  # what somebody knows of the person
    back: dict[str, tuple[int, ...]] = {}  # by name: the entries whose word is taken back
    author: str = ""

    @property
    def named(self) -> tuple[int, ...]:
        """The claims by which an entry names persons."""
        return self.claims or ((self.claim or self.person,) if self.claim or self.person else ())


class Told(msgspec.Struct, frozen=True):
    """One decision or consequence about a person. `at` is ms."""

    seq: int
    kind: Kind
    at: int
    claim: int
    said: Said


class Moved(msgspec.Struct, frozen=True):
    """A row of the stages: where a person went, when, by which entry, and why."""

    seq: int
    stage_from: int
    stage_to: int
    at: int
    cause: str


def read(data: str | None) -> Said:
    """The words of an entry. Unknown fields are what other readers need."""
    return msgspec.json.decode(data, type=Said) if data else Said()


def told(standing: Standing, one: Told, retracted: bool = False) -> Standing:
    """The standing after one entry of the log."""
    said = one.said
    if one.kind is Kind.CROSSED:
        if retracted:  # as if it had been armed again: the next one has another number
            return armed(standing, Arming(said.threshold, armed=True, number=said.number + 1))
        if said.mql and standing.mql_key is None:
            standing = replace(standing, mql_key=_key(said, one))
        standing = armed(standing, Arming(said.threshold, armed=False, number=said.number))
    elif one.kind is Kind.REARMED:
        standing = armed(standing, Arming(said.threshold, armed=True, number=said.number))
    elif one.kind is Kind.STAGE_MOVED:
        moved = lifted(standing, said.threshold, said.number, said.to)
        standing = replace(moved, stage=standing.stage) if retracted else moved
    elif one.kind is Kind.SET_STAGE and said.stage in STAGE_RANK:
        standing = decided(standing, said.stage, _key(said, one))
    return standing


def _key(said: Said, one: Told) -> Key:
    if said.key is None:
        return (one.at, 0, one.seq.to_bytes(16, "big"))
    at, q, event_id = said.key
    return (at, q, bytes.fromhex(event_id))


def decided(standing: Standing, stage: str, key: Key) -> Standing:
    """The standing after somebody set the stage by hand: any way, and never undone by arming."""
    if stage == _MQL:
        return replace(standing, stage=stage, mql_key=key)
    higher = STAGE_RANK[stage] > STAGE_RANK[_MQL]
    return replace(standing, stage=stage, mql_key=standing.mql_key if higher else None)


def united(one: Standing, other: Standing) -> Standing:
    """The standing of two persons who are one: the highest stage, the higher arming numbers, and of
    equal ones that which has fired, so that nothing is told twice."""
    high, low = sorted((one, other), key=lambda each: -STAGE_RANK[each.stage])
    for arming in low.arming:
        high = armed(high, arming)
    keys = [key for key in (high.mql_key, low.mql_key) if key is not None]
    names = high.moved.keys() | low.moved.keys()
    moved = {name: max(high.moved.get(name, 0), low.moved.get(name, 0)) for name in sorted(names)}
    return replace(high, mql_key=min(keys, default=None), moved=moved)


def traits_told(entries: Iterable[Told]) -> Iterator[tuple[Told, str, Any]]:
    """The traits that somebody gave by hand and nobody took back, each with its entry.

    An entry that takes back names those it means, so the order of entries does not matter, and a
    person who is split from another has what was said of them alone.
    """
    said = [one for one in entries if one.kind is Kind.TRAIT]
    gone = {(seq, name) for one in said for name, seqs in one.said.back.items() for seq in seqs}
    for one in said:
        for name, value in one.said.traits.items():
            if (one.seq, name) not in gone:
                yield one, name, value


def taken_back(entries: Iterable[Told]) -> set[int]:
    """The consequences that were retracted, by number."""
    return {one.said.of for one in entries if one.kind is Kind.RETRACTED}


def standing_of(entries: Sequence[Told], bases: Mapping[int, int]) -> Standing:
    """Where one person stands, from all entries that name the person, in the order of the log.

    `bases` says to which person, before merges, each claim belongs: those are united where the log
    merges them.
    """
    back, groups = taken_back(entries), Unions()
    dropped = {one.said.merge for one in entries if one.kind is Kind.SPLIT}
    standings: dict[int, Standing] = {}
    for one in sorted(entries, key=lambda each: (each.seq, each.claim)):
        if one.kind is Kind.MERGE:
            ends = [bases[claim] for claim in one.said.claims if claim in bases]
            if one.seq in dropped or len(ends) < 2:
                continue
            both = [standings.pop(groups.find(end), Standing()) for end in dict.fromkeys(ends)]
            root = groups.join(ends[0], ends[1])
            standings[root] = united(*both) if len(both) == 2 else both[0]
        elif one.claim in bases:
            root = groups.find(bases[one.claim])
            standings[root] = told(standings.get(root, Standing()), one, one.seq in back)
    result = Standing()
    for root in sorted(standings):
        result = united(result, standings[root]) if result != Standing() else standings[root]
    return result


def moves_of(entries: Sequence[Told]) -> list[Moved]:
    """The rows of the stages, one from another in the order of the log."""
    back = taken_back(entries)
    found: list[Moved] = []
    for one in sorted(entries, key=lambda each: each.seq):
        if one.seq not in back:
            found = with_move(found, one)
    return found


def with_move(moves: list[Moved], one: Told) -> list[Moved]:
    """The moves after one more entry of the log."""
    stage = {Kind.STAGE_MOVED: one.said.to, Kind.SET_STAGE: one.said.stage}.get(one.kind, "")
    if stage not in STAGE_RANK or (moves and moves[-1].seq >= one.seq):
        return moves
    before = moves[-1].stage_to if moves else 0
    at = one.said.cause_at if one.kind is Kind.STAGE_MOVED else one.at
    cause = one.said.threshold if one.kind is Kind.STAGE_MOVED else one.said.author
    return [*moves, Moved(one.seq, before, STAGE_RANK[stage], at or one.at, cause)]


def reached(moves: Iterable[Moved]) -> dict[int, int]:
    """The moment (ms) at which each stage was first reached."""
    first: dict[int, int] = {}
    for move in moves:
        first[move.stage_to] = min(move.at, first.get(move.stage_to, move.at))
    return first
