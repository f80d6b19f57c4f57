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
#: What moves a stage beside thresholds.
AUTOMATIC = frozenset({"first_stage", "high_intent", "product_event"})


class Arming(msgspec.Struct, frozen=True, gc=False):
    """The state of one threshold for one person. A new one is armed, for the first time."""

    threshold: str
    armed: bool = True
    number: int = 1


class Standing(msgspec.Struct, frozen=True):
    """`mql_key` is the sort key of the event that made the person an MQL, if an event did.

    `moved` counts the automatic moves beside thresholds, `reason>stage` each: the next one of its
    kind has the next number.
    """

    stage: str = "other"
    arming: tuple[Arming, ...] = ()
    mql_key: Key | None = None
    moved: dict[str, int] = {}

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
    reason: str = ""  # what else is to be told of it: `released`

    @property
    def key(self) -> Key:
        return (self.at, self.q, self.event_id or self.seq.to_bytes(16, "big"))


class Move(msgspec.Struct, frozen=True, gc=False):
    """One consequence. `threshold` is a threshold's key with the `number` of its arming, or the
    automatic move `first_stage`, `high_intent`, `product_event`, counted by `number` from 0 on.
    `mql` says that it was this event that made the person an MQL."""

    kind: Literal["stage_moved", "crossed", "rearmed"]
    threshold: str
    number: int
    stage_from: str
    stage_to: str
    score: int
    cause: Cause
    mql: bool = False


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


def lifted(standing: Standing, reason: str, number: int, stage: str) -> Standing:
    """The standing after an automatic move: up only, and counted where it has no threshold."""
    moved = standing.moved
    if reason in AUTOMATIC:
        name = f"{reason}>{stage}"
        moved = moved | {name: max(number + 1, moved.get(name, 0))}
    if STAGE_RANK[stage] <= STAGE_RANK[standing.stage]:
        stage = standing.stage
    return replace(standing, stage=stage, moved=moved)


def armed(standing: Standing, arming: Arming) -> Standing:
    """The standing with a threshold in another state, if that is a later one."""
    if _phase(standing.of(arming.threshold)) >= _phase(arming):
        return standing
    others = [one for one in standing.arming if one.threshold != arming.threshold]
    kept = sorted((*others, arming), key=lambda one: one.threshold)
    return replace(standing, arming=tuple(kept))


def _phase(arming: Arming) -> tuple[int, bool]:
    return (arming.number, not arming.armed)


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
            if reason in AUTOMATIC:
                number = self.standing.moved.get(f"{reason}>{stage}", 0)
            move = Move("stage_moved", reason, number, now, stage, self.score, self.cause)
            self.moves.append(move)
            self.standing = lifted(self.standing, reason, number, stage)

    def compare(self, threshold: Threshold) -> None:
        """Fires the threshold on the way up, arms it again far enough below."""
        arming = self.standing.of(threshold.key)
        if arming.armed and self.score >= threshold.points:
            mql = threshold.stage == _MQL and self.standing.mql_key is None
            self._arm("crossed", Arming(threshold.key, armed=False, number=arming.number), mql)
            if mql:
                self.standing = replace(self.standing, mql_key=self.cause.key)
            self.lift(threshold.stage, threshold.key, arming.number)
        elif not arming.armed and self.score < threshold.points - threshold.hysteresis:
            self._arm("rearmed", Arming(threshold.key, armed=True, number=arming.number + 1))

    def _arm(self, kind: Literal["crossed", "rearmed"], arming: Arming, mql: bool = False) -> None:
        now = self.standing.stage
        move = Move(kind, arming.threshold, arming.number, now, now, self.score, self.cause, mql)
        self.moves.append(move)
        self.standing = armed(self.standing, arming)
