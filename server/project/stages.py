"""Where a person stands, and what moves them: thresholds, high intent, product use. Pure.

Automatic moves go up only. A threshold fires once on the way up and is armed again below
`points − hysteresis`; each arming has a number, so a consequence can be told exactly once.
"""

import hashlib
from typing import Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from server.model import RESERVED_IDS, STAGE_RANK
from server.project.rules import Ruleset, Threshold
from server.project.scoring import Receipt

#: The order of events: (at in ms, q, event id).
Key: TypeAlias = tuple[int, int, bytes]

_MQL, _PQL, _SQL = "mql", "pql", "sql"


class Arming(msgspec.Struct, frozen=True, gc=False):
    """The state of one threshold for one person. A new one is armed, for the first time."""

    threshold: str
    armed: bool = True
    number: int = 1


class Standing(msgspec.Struct, frozen=True):
    """`mql_key` is the sort key of the event that made the person an MQL, if an event did."""

    stage: str = "other"
    arming: tuple[Arming, ...] = ()
    mql_key: Key | None = None

    def of(self, threshold: str) -> Arming:
        for arming in self.arming:
            if arming.threshold == threshold:
                return arming
        return Arming(threshold)


class Cause(msgspec.Struct, frozen=True, gc=False):
    """The entry that made somebody judge again; a passing midnight has the seq 0.

    `first_stage` is what a form, an import or an identify gives, or empty. `high_intent` and
    `product_event` say what the event was.
    """

    seq: int
    at: int
    high_intent: bool = False
    first_stage: str = ""
    product_event: bool = False
    q: int = 0
    event_id: bytes = b""

    @property
    def key(self) -> Key:
        return (self.at, self.q, self.event_id or self.seq.to_bytes(16, "big"))


class Move(msgspec.Struct, frozen=True, gc=False):
    """One consequence. `threshold` is a threshold's key with the `number` of its arming, or the
    automatic move `first_stage`, `high_intent`, `product_event` with the number 0."""

    kind: Literal["stage_moved", "crossed", "rearmed"]
    threshold: str
    number: int
    stage_from: str
    stage_to: str
    score: int
    cause: Cause


def consequence_id(person_id: int, kind: str, threshold: str, number: int, stage: str) -> bytes:
    """The event id of a consequence: the same one is appended once. Its first two bytes are the
    program's own, so that no client can take the id before."""
    name = f"{person_id}|{kind}|{threshold}|{number}|{stage}"
    return RESERVED_IDS + hashlib.blake2b(name.encode(), digest_size=14).digest()


def first_stage(purpose: str) -> str:
    """What a form of this purpose makes of a person; an empty purpose is no form at all, but an
    import or an identify."""
    return {"": "other", "newsletter": "subscriber"}.get(purpose, "lead")


def judge(
    ruleset: Ruleset, standing: Standing, receipt: Receipt, cause: Cause
) -> tuple[Standing, tuple[Move, ...]]:
    """The new standing, and the consequences in the order in which they are told."""
    case = _Case(standing, receipt.score, cause)
    was_mql = standing.stage == _MQL or standing.mql_key is not None
    after = standing.mql_key is None or cause.key > standing.mql_key
    if cause.first_stage:
        case.lift(cause.first_stage, "first_stage")
    for threshold in ruleset.thresholds:
        case.compare(threshold)
    if cause.product_event:
        case.lift(_PQL, "product_event")
    if cause.high_intent and was_mql and after:
        case.lift(_SQL, "high_intent")
    return case.standing, tuple(case.moves)


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
    names = sorted({arming.threshold for each in (one, other) for arming in each.arming})
    arming = tuple(
        max(one.of(name), other.of(name), key=lambda each: (each.number, not each.armed))
        for name in names
    )
    keys = [key for key in (high.mql_key, low.mql_key) if key is not None]
    return Standing(high.stage, arming, min(keys, default=None))


class _Case:
    """One judgement in the making: the standing so far, and what is to be told of it."""

    __slots__ = ("cause", "moves", "score", "standing")

    def __init__(self, standing: Standing, score: int, cause: Cause) -> None:
        self.standing = standing
        self.score = score
        self.cause = cause
        self.moves: list[Move] = []

    def lift(self, stage: str, reason: str, number: int = 0) -> None:
        """Moves the stage up, if it is up."""
        now = self.standing.stage
        if stage and STAGE_RANK[stage] > STAGE_RANK[now]:
            move = Move("stage_moved", reason, number, now, stage, self.score, self.cause)
            self.moves.append(move)
            self.standing = replace(self.standing, stage=stage)

    def compare(self, threshold: Threshold) -> None:
        """Fires the threshold on the way up, arms it again far enough below."""
        arming = self.standing.of(threshold.key)
        if arming.armed and self.score >= threshold.points:
            self._arm("crossed", Arming(threshold.key, armed=False, number=arming.number))
            if threshold.stage == _MQL and self.standing.mql_key is None:
                self.standing = replace(self.standing, mql_key=self.cause.key)
            self.lift(threshold.stage, threshold.key, arming.number)
        elif not arming.armed and self.score < threshold.points - threshold.hysteresis:
            self._arm("rearmed", Arming(threshold.key, armed=True, number=arming.number + 1))

    def _arm(self, kind: Literal["crossed", "rearmed"], arming: Arming) -> None:
        now = self.standing.stage
        move = Move(kind, arming.threshold, arming.number, now, now, self.score, self.cause)
        self.moves.append(move)
        others = [one for one in self.standing.arming if one.threshold != arming.threshold]
        self.standing = replace(self.standing, arming=(*others, arming))
