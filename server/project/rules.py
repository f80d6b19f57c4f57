"""A ruleset as data: frozen, comparable, one JSON document. The engine knows no rule by name.

Points, caps and thresholds are integer milli-points (1 point = 1,000).
"""

from functools import cached_property
from typing import Literal, TypeAlias

import msgspec

from server.errors import BadRequest
from server.project.decay import Decay

Axis: TypeAlias = Literal["engagement", "fit"]
AXES: tuple[Axis, ...] = ("fit", "engagement")
Value: TypeAlias = str | int | float | bool

#: `count`: at least `n` within `within_days`, as one signal. `returns_within`: each visit that
#: begins after a break of at most `within_days`.
Counted: TypeAlias = Literal[
    "each",
    "first_only",
    "once_per_session",
    "once_per_day",
    "once_per_page",
    "count",
    "returns_within",
]


class _Data(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a document may hold: nothing unknown, nothing that is the default anyway."""


class EventCondition(_Data, frozen=True, tag="event", tag_field="type"):
    """One event. Empty fields ask nothing; several values in one field mean any of them.

    A form belongs to a page group by its page or by its key. Patterns hold `*`.
    """

    kinds: tuple[str, ...]
    groups: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    high_intent: bool | None = None
    name: str = ""
    href: str = ""
    page: str = ""
    min_ms: int = 0
    min_scroll: int = 0


class SequenceCondition(_Data, frozen=True, tag="sequence", tag_field="type"):
    """These events in this order within one session; one event is never two steps."""

    steps: tuple[EventCondition, ...]


class FormLeftCondition(_Data, frozen=True, tag="form_left", tag_field="type"):
    """A form that was started in a session and not submitted in it."""

    purposes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    high_intent: bool | None = None


class SessionCondition(_Data, frozen=True, tag="session", tag_field="type"):
    """A visit began."""


class PropertyCondition(_Data, frozen=True, tag="property", tag_field="type"):
    """A trait of the subject: a given one, or `email_domain` and `seniority`, which are derived.

    Words are compared without regard to case.
    """

    field: str
    op: Literal["exists", "equals", "in", "contains", "at_least", "at_most"] = "exists"
    value: Value | tuple[Value, ...] = ""


Condition: TypeAlias = (
    EventCondition | SequenceCondition | FormLeftCondition | SessionCondition | PropertyCondition
)


class Rule(_Data, frozen=True):
    """What counts, how often, how much, and how it fades.

    `cap` bounds what the whole rule adds or takes, after decay; None is no bound.
    """

    key: str
    label: str
    points: int
    when: Condition
    axis: Axis = "engagement"
    counted: Counted = "each"
    within_days: int = 0
    n: int = 0
    cap: int | None = None
    decay: Decay = Decay()


class Threshold(_Data, frozen=True):
    """Reaching `points` moves a person up to `stage` (empty: no stage) and fires once; it can fire
    again after the score was below `points − hysteresis`."""

    key: str
    stage: str
    points: int
    hysteresis: int = 0
    notify: bool = True


class Ruleset(_Data, frozen=True, dict=True):
    """`axis_cap` and `axis_floor` bound each axis; None is no bound."""

    version: int
    name: str
    rules: tuple[Rule, ...]
    thresholds: tuple[Threshold, ...] = ()
    axis_cap: int | None = None
    axis_floor: int | None = None

    @cached_property
    def by_key(self) -> dict[str, tuple[int, Rule]]:
        """Each rule and its place in the document."""
        return {rule.key: (place, rule) for place, rule in enumerate(self.rules)}

    @cached_property
    def session_rules(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if isinstance(rule.when, SessionCondition))

    @cached_property
    def property_rules(self) -> tuple[tuple[Rule, PropertyCondition], ...]:
        return tuple(
            (rule, rule.when) for rule in self.rules if isinstance(rule.when, PropertyCondition)
        )


def encode(ruleset: Ruleset) -> bytes:
    """The document, compact."""
    return msgspec.json.encode(ruleset)


def decode(document: bytes | str) -> Ruleset:
    """The ruleset of a document; whether it makes sense is for `check` to say."""
    try:
        return msgspec.json.decode(document, type=Ruleset)
    except msgspec.DecodeError as problem:
        raise BadRequest(f"This is not a ruleset: {problem}") from None
