"""What identity is asked and what it answers, as frozen types."""

from enum import IntEnum
from typing import Any, NamedTuple, TypeAlias

from server.model import Identifier, Level


class State(IntEnum):
    """What a claim does for its visitor. Stored: never renumber."""

    ACTIVE = 0
    QUARANTINED = 1
    VOID = 2  # refused by a decision, or a forwarded or scanned mail
    GHOST = 3  # late, or no human's: keeps names alive and nothing else


class Ruling(NamedTuple):
    """What becomes of one claim. `person_id` 0: nobody's."""

    person_id: int
    state: State
    level: Level


class Owned(NamedTuple):
    """Whose an identifier is (0: of nobody who is left), how well that is known, since when (ms),
    and the claim that first said so, or by which somebody decided it."""

    person_id: int
    level: Level
    at: int
    seq: int


class Conflict(NamedTuple):
    """Something refused or doubtful, for somebody to look at. `seq` is the claim's."""

    seq: int
    kind: str
    person_id: int
    other_id: int
    at: int
    evidence: dict[str, Any]


class Merge(NamedTuple):
    """Two persons, named by claims, are one."""

    seq: int
    one: int
    other: int


class Split(NamedTuple):
    """A merge never was."""

    seq: int
    merge: int


class Verify(NamedTuple):
    """Somebody knows that an identifier is this person's."""

    seq: int
    claim: int
    identifier: Identifier


class Release(NamedTuple):
    """A visitor of a claim is (`accept`), or is not, who it said."""

    seq: int
    claim: int
    accept: bool


Decision: TypeAlias = Merge | Split | Verify | Release


class Identity(NamedTuple):
    """The answer. `bases` are the persons as the claims alone make them, by claim."""

    rulings: dict[int, Ruling]
    owners: dict[Identifier, Owned]
    conflicts: list[Conflict]
    bases: dict[int, int]
