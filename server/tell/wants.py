"""Which consequences a destination is told of. Pure.

What is said of a consequence stands in its entry; whether a threshold notifies says the ruleset.
"""

from typing import Any

import msgspec

from server.model import Kind
from server.project.rules import Ruleset, Threshold
from server.project.stages import AUTOMATIC
from server.storage.database import Row
from server.storage.destinations import MAIL, Destination


class Consequence(msgspec.Struct, frozen=True, kw_only=True):
    """What the projector decided once, as its entry has it. Points are milli-points, times ms;
    `person` is the number of a claim, `cause` and `of` are those of entries."""

    seq: int
    kind: Kind
    at: int
    event_id: bytes
    person: int = 0
    threshold: str = ""
    number: int = 0
    stage_from: str = msgspec.field(default="", name="from")
    stage_to: str = msgspec.field(default="", name="to")
    score: int = 0
    cause: int = 0
    cause_at: int = 0
    reason: str = ""
    mute: bool = False
    receipt: list[tuple[str, str, int, int, int, int, int]] = []
    of: int = 0

    @property
    def word(self) -> str:
        return self.kind.word


def read_consequence(row: Row) -> Consequence:
    """The consequence in (seq, kind, at, event_id, data); unknown words are what others need."""
    seq, kind, at, event_id, data = row
    said: dict[str, Any] = msgspec.json.decode(data or "{}")
    entry = {"seq": seq, "kind": kind, "at": at, "event_id": bytes(event_id)}
    return msgspec.convert(said | entry, Consequence)


def threshold_of(ruleset: Ruleset, key: str) -> Threshold | None:
    """The threshold with a key, as the rules are now."""
    return next((one for one in ruleset.thresholds if one.key == key), None)


def wanted(destination: Destination, told: Consequence, ruleset: Ruleset) -> bool:
    """Whether a destination is told of it; for `retracted`, whether of any retraction at all.

    A retraction is then told to whom the consequence was told, which the deliveries say.
    """
    wants = destination.settings.wants
    if told.mute or told.word not in wants.kinds:
        return False
    if told.kind in {Kind.CROSSED, Kind.REARMED}:
        return _notifies(destination, told.threshold, ruleset)
    if told.kind is Kind.STAGE_MOVED:
        if told.stage_to not in wants.stages:
            return False
        return not _told_by_crossing(destination, told, ruleset)
    return told.kind is Kind.RETRACTED


def _notifies(destination: Destination, key: str, ruleset: Ruleset) -> bool:
    chosen = destination.settings.wants.thresholds
    if chosen is not None:
        return key in chosen
    threshold = threshold_of(ruleset, key)
    return threshold is not None and threshold.notify


def _told_by_crossing(destination: Destination, told: Consequence, ruleset: Ruleset) -> bool:
    """Whether a mail about a threshold has said this already: one event, one mail."""
    return (
        destination.kind == MAIL
        and told.threshold not in AUTOMATIC
        and Kind.CROSSED.word in destination.settings.wants.kinds
        and _notifies(destination, told.threshold, ruleset)
    )
