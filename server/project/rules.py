"""A ruleset as data: frozen, comparable, one JSON document. The engine knows no rule by name.

Points, caps and thresholds are integer milli-points (1 point = 1,000); the document that an author
writes holds them as decimals (see `document`). The bounds noted here are those of its schema.
"""

from functools import cached_property
from typing import Annotated, Literal, TypeAlias, get_args

import msgspec
from msgspec import Meta

from server.errors import BadRequest
from server.project.bounds import (
    MOST_CAP,
    MOST_CONDITIONS,
    MOST_COUNT,
    MOST_DAYS,
    MOST_GAP_MINUTES,
    MOST_GROUPS,
    MOST_LABEL,
    MOST_PATTERN,
    MOST_POINTS,
    MOST_READ_MS,
    MOST_RULES,
    MOST_STEPS,
    MOST_TEXT,
    MOST_THRESHOLD,
    MOST_THRESHOLDS,
    MOST_VALUES,
    MOST_WORDS,
    items,
    number,
    points,
    text,
)
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
Op: TypeAlias = Literal["exists", "equals", "in", "contains", "at_least", "at_most", "between"]
OPS: tuple[str, ...] = get_args(Op)

Key = Annotated[
    str,
    Meta(
        description="Names the part for good: what is stored and told names it.",
        extra_json_schema={"pattern": "^[a-z][a-z0-9_]{0,63}$"},
    ),
]
Label = Annotated[str, text(MOST_LABEL, "As people read it.")]
Word = Annotated[str, Meta(extra_json_schema={"maxLength": MOST_TEXT})]
Pattern = Annotated[str, text(MOST_PATTERN, "`*` stands for any run of characters.")]
Words = Annotated[tuple[Word, ...], items(0, MOST_WORDS, "Any of these.")]
Patterns = Annotated[
    tuple[Word, ...],
    items(0, MOST_WORDS, "Any of these, whatever the case; `*` for any run of characters."),
]
Points = Annotated[int, points(MOST_POINTS)]
Cap = Annotated[int, points(MOST_CAP)]


class _Data(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a document may hold: nothing unknown, nothing that is the default anyway."""


class FieldTest(_Data, frozen=True):
    """What is asked of one value. Words are compared without regard to case.

    `between` takes the least and the most, `in` a list, `exists` nothing. A value that is missing
    or empty meets no test, except `exists` with `not`.
    """

    field: Annotated[str, text(MOST_TEXT, "The name of the trait, property or form field.")]
    op: Op = "exists"
    value: Value | Annotated[tuple[Value, ...], items(0, MOST_VALUES)] = ""
    negate: bool = msgspec.field(default=False, name="not")


Tests = Annotated[tuple[FieldTest, ...], items(0, MOST_CONDITIONS, "All must be met.")]


class EventCondition(_Data, frozen=True, tag="event", tag_field="type"):
    """One event. Empty fields ask nothing; several values in one field mean any of them.

    A form belongs to a page group by its page or by its key. Patterns hold `*`. `where` asks about
    the properties of a track event or the fields of a submitted form: all tests must be met.
    `channels`, `sources`, `mediums` and `campaigns` ask how the visit came about.
    """

    kinds: Annotated[tuple[Word, ...], items(1, MOST_WORDS, "Kinds of events, any of these.")]
    groups: Words = ()
    purposes: Words = ()
    high_intent: bool | None = None
    name: Pattern = ""
    href: Pattern = ""
    page: Pattern = ""
    min_ms: Annotated[int, number(0, MOST_READ_MS, "Reading time in milliseconds.")] = 0
    min_scroll: Annotated[int, number(0, 100, "Scrolled so far, per cent.")] = 0
    form: Pattern = ""
    where: Tests = ()
    channels: Patterns = ()
    sources: Patterns = ()
    mediums: Patterns = ()
    campaigns: Patterns = ()

    @property
    def asks_touch(self) -> bool:
        """Whether it matters how the visit came about."""
        return bool(self.channels or self.sources or self.mediums or self.campaigns)


class SequenceCondition(_Data, frozen=True, tag="sequence", tag_field="type"):
    """These events in this order within one session; one event is never two steps.

    `gap_minutes` is the longest time between two steps, 0 is any.
    """

    steps: Annotated[tuple[EventCondition, ...], items(2, MOST_STEPS, "In this order.")]
    gap_minutes: Annotated[
        int, number(0, MOST_GAP_MINUTES, "The longest time between two steps; 0 is any.")
    ] = 0


class FormLeftCondition(_Data, frozen=True, tag="form_left", tag_field="type"):
    """A form that was started in a session and not submitted in it."""

    purposes: Words = ()
    groups: Words = ()
    high_intent: bool | None = None
    form: Pattern = ""


class SessionCondition(_Data, frozen=True, tag="session", tag_field="type"):
    """A visit began."""


class InactivityCondition(_Data, frozen=True, tag="inactivity", tag_field="type"):
    """`days` whole UTC days have passed without a visit, and again every further `repeat_days`,
    unless that is 0. All of it is gone with the next visit; without any visit nothing counts."""

    days: Annotated[int, number(1, MOST_DAYS, "Whole days (UTC) without a visit.")]
    repeat_days: Annotated[
        int, number(0, MOST_DAYS, "Counts again every so many days; 0 is once.")
    ] = 0


class PropertyCondition(FieldTest, frozen=True, tag="property", tag_field="type"):
    """A trait of the subject: a given one, or `email_class`, `email_domain` and `seniority`, which
    are derived."""


Condition: TypeAlias = (
    EventCondition
    | SequenceCondition
    | FormLeftCondition
    | SessionCondition
    | InactivityCondition
    | PropertyCondition
)


class Rule(_Data, frozen=True):
    """What counts, how often, how much, and how it fades.

    `cap` bounds what the whole rule adds or, with negative points, takes, after decay; none is no
    bound. `group` names a group that bounds several rules together.
    """

    key: Key
    label: Label
    points: Points
    when: Condition
    axis: Axis = "engagement"
    counted: Counted = "each"
    within_days: Annotated[
        int, number(0, MOST_DAYS, "For `count` and `returns_within`: days of 24 hours.")
    ] = 0
    n: Annotated[int, number(0, MOST_COUNT, "For `count`: how often it must happen.")] = 0
    cap: Annotated[int, points(MOST_CAP, "The most that the rule adds or takes in all")] | None = (
        None
    )
    decay: Decay = Decay()
    group: Annotated[str, text(MOST_TEXT, "The key of one of the `groups`.")] = ""


class Group(_Data, frozen=True):
    """A bound for the sum of several rules of one axis."""

    key: Key
    label: Label = ""
    cap: Cap | None = None
    floor: Cap | None = None


class Bounds(_Data, frozen=True):
    """The most and the least of an axis; none is no bound."""

    cap: Cap | None = None
    floor: Cap | None = None


class Axes(_Data, frozen=True):
    """The bounds of both axes."""

    fit: Bounds = Bounds()
    engagement: Bounds = Bounds()

    def of(self, axis: Axis) -> Bounds:
        """The bounds of one axis."""
        return self.fit if axis == "fit" else self.engagement


class Threshold(_Data, frozen=True):
    """Reaching `points` moves a person up to `stage` (empty: no stage) and fires once; it can fire
    again after the score was below `points − hysteresis`."""

    key: Key
    stage: Annotated[str, text(MOST_TEXT, "Where it moves people up to; empty is nowhere.")]
    points: Annotated[int, points(MOST_THRESHOLD)]
    hysteresis: Annotated[
        int, points(MOST_THRESHOLD, "How far below `points` a score must have been to fire again")
    ] = 0
    notify: bool = True


Rules = Annotated[tuple[Rule, ...], items(0, MOST_RULES)]
Thresholds = Annotated[tuple[Threshold, ...], items(0, MOST_THRESHOLDS, "The lowest first.")]
Groups = Annotated[tuple[Group, ...], items(0, MOST_GROUPS)]


class Ruleset(_Data, frozen=True, dict=True):
    """A version of a site's rules."""

    version: int
    name: str
    rules: tuple[Rule, ...]
    thresholds: tuple[Threshold, ...] = ()
    groups: tuple[Group, ...] = ()
    axes: Axes = Axes()

    @cached_property
    def by_key(self) -> dict[str, tuple[int, Rule]]:
        """Each rule and its place in the document."""
        return {rule.key: (place, rule) for place, rule in enumerate(self.rules)}

    @cached_property
    def by_group(self) -> dict[str, Group]:
        return {group.key: group for group in self.groups}

    @cached_property
    def session_rules(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if isinstance(rule.when, SessionCondition))

    @cached_property
    def inactivity_rules(self) -> tuple[tuple[Rule, InactivityCondition], ...]:
        return tuple(
            (rule, rule.when) for rule in self.rules if isinstance(rule.when, InactivityCondition)
        )

    @cached_property
    def property_rules(self) -> tuple[tuple[Rule, PropertyCondition], ...]:
        return tuple(
            (rule, rule.when) for rule in self.rules if isinstance(rule.when, PropertyCondition)
        )


def encode(ruleset: Ruleset) -> bytes:
    """The ruleset as it is stored: compact, with its version, points in milli-points."""
    return msgspec.json.encode(ruleset)


def decode(document: bytes | str) -> Ruleset:
    """The ruleset of a stored document; whether it makes sense is for `check` to say."""
    try:
        return msgspec.json.decode(document, type=Ruleset)
    except msgspec.DecodeError as problem:
        raise BadRequest(f"This is not a ruleset: {problem}") from None
