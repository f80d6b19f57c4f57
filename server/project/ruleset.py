"""Rulesets from outside: the types, the presets, and the sentences that say what contradicts."""

import re
from collections import Counter
from collections.abc import Iterator

from server.model import EVENT_KINDS, STAGE_RANK
from server.project.decay import MOST_DAYS, Decay
from server.project.presets import DEFAULT, PRESETS, SEED
from server.project.rules import (
    Condition,
    EventCondition,
    FormLeftCondition,
    PropertyCondition,
    Rule,
    Ruleset,
    SequenceCondition,
    SessionCondition,
    Threshold,
    decode,
    encode,
)

__all__ = [
    "DEFAULT",
    "PRESETS",
    "SEED",
    "Condition",
    "Decay",
    "EventCondition",
    "FormLeftCondition",
    "PropertyCondition",
    "Rule",
    "Ruleset",
    "SequenceCondition",
    "SessionCondition",
    "Threshold",
    "check",
    "decode",
    "encode",
]

MOST_RULES = 500
MOST_BYTES = 64_000
MOST_POINTS = 1_000_000
MOST_STEPS = 10
#: What moves a stage beside thresholds; see `stages`.
RESERVED = frozenset({"first_stage", "high_intent", "product_event"})
_KEY = re.compile(r"[a-z][a-z0-9_]{0,63}")
_FORM_KINDS = {"form_start", "form_submit", "form_confirm"}
_ONCE = {"first_only", "once_per_session", "count"}


def check(ruleset: Ruleset) -> list[str]:
    """What is wrong with a ruleset, as sentences for its author; empty if it can be published."""
    return [*_size(ruleset), *_keys(ruleset), *_rules(ruleset), *_thresholds(ruleset)]


def _size(ruleset: Ruleset) -> Iterator[str]:
    if len(ruleset.rules) > MOST_RULES:
        yield f"A ruleset has at most {MOST_RULES} rules, this one has {len(ruleset.rules)}."
    size = len(encode(ruleset))
    if size > MOST_BYTES:
        yield f"A ruleset is at most {MOST_BYTES} bytes long, this one is {size}."
    cap, floor = ruleset.axis_cap, ruleset.axis_floor
    if cap is not None and not 0 < cap <= 10 * MOST_POINTS:
        yield "The cap of an axis lies above 0 and is at most 10,000 points."
    if floor is not None and not -10 * MOST_POINTS <= floor <= 0:
        yield "The floor of an axis is at most 0 and not below −10,000 points."


def _keys(ruleset: Ruleset) -> Iterator[str]:
    for word, keys in (
        ("rule", [rule.key for rule in ruleset.rules]),
        ("threshold", [threshold.key for threshold in ruleset.thresholds]),
    ):
        for key, times in Counter(keys).items():
            if not _KEY.fullmatch(key):
                yield f"The {word} key “{key}” is not lower-case letters, digits and underscores."
            if times > 1:
                yield f"The {word} key “{key}” is used {times} times."


def _rules(ruleset: Ruleset) -> Iterator[str]:
    for rule in ruleset.rules:
        for problem in (*_worth(rule), *_counting(rule), *_fading(rule), *_condition(rule.when)):
            yield f"Rule “{rule.key}” {problem}."


def _worth(rule: Rule) -> Iterator[str]:
    if not 0 < abs(rule.points) <= MOST_POINTS:
        yield "gives no points, or more than 1,000 or less than −1,000"
    if rule.cap is not None and rule.cap < abs(rule.points):
        yield "is worth more at once than its cap allows in all"


def _counting(rule: Rule) -> Iterator[str]:
    windowed = rule.counted in {"count", "returns_within"}
    if windowed and not 1 <= rule.within_days <= MOST_DAYS:
        yield f"needs a number of days between 1 and {MOST_DAYS}"
    if rule.counted == "count" and not 2 <= rule.n <= 1_000:
        yield "needs a count between 2 and 1,000"
    if not windowed and (rule.within_days or rule.n):
        yield f"is counted {rule.counted}, which takes no count and no days"
    if isinstance(rule.when, PropertyCondition):
        if rule.counted != "each" or rule.decay.kind != "none":
            yield "is about a property, which counts while it holds and does not fade"
    elif isinstance(rule.when, FormLeftCondition) and rule.counted not in {"each", *_ONCE}:
        yield f"is about a form that was left, which cannot be counted {rule.counted}"
    elif isinstance(rule.when, SessionCondition) and rule.counted == "once_per_page":
        yield "is about a visit, which is not a page"


def _fading(rule: Rule) -> Iterator[str]:
    decay = rule.decay
    if decay.kind != "none" and not 1 <= decay.days <= MOST_DAYS:
        yield f"fades over a number of days that is not between 1 and {MOST_DAYS}"
    if decay.kind == "linear" and not (1 <= decay.percent <= 100 and decay.days <= 400):
        yield "fades linearly, which takes 1 to 100 percent every 1 to 400 days"


def _condition(when: Condition) -> Iterator[str]:
    if isinstance(when, SequenceCondition):
        if not 2 <= len(when.steps) <= MOST_STEPS:
            yield f"needs 2 to {MOST_STEPS} steps"
        for step in when.steps:
            yield from _event(step)
    elif isinstance(when, EventCondition):
        yield from _event(when)
    elif isinstance(when, PropertyCondition):
        yield from _property(when)


def _event(when: EventCondition) -> Iterator[str]:
    kinds = set(when.kinds)
    if not kinds:
        yield "names no event"
    for unknown in sorted(kinds - EVENT_KINDS.keys()):
        yield f"names the event “{unknown}”, which does not exist"
    if (when.min_ms or when.min_scroll) and kinds != {"engagement"}:
        yield "asks for reading time or scrolling, which only engagement events have"
    if when.min_ms < 0 or not 0 <= when.min_scroll <= 100:
        yield "asks for a reading time below 0 or scrolling outside 0 to 100 percent"
    if when.purposes and not kinds <= _FORM_KINDS:
        yield "asks for the purpose of a form, which only form events have"
    if when.high_intent and not kinds & {"page_view", "form_submit"}:
        yield "asks for high intent, which only page views and submitted forms have"
    if when.name and kinds != {"track"}:
        yield "asks for a name, which only track events have"


def _property(when: PropertyCondition) -> Iterator[str]:
    if not when.field:
        yield "names no property"
    if (when.op == "in") != isinstance(when.value, tuple):
        yield "needs a list of values for “in”, and one value for anything else"
    if when.op == "contains" and not str(when.value).strip():
        yield "asks whether nothing is contained, which is always so"
    ranged = when.op in {"at_least", "at_most"}
    if ranged and (isinstance(when.value, bool) or not isinstance(when.value, int | float)):
        yield f"compares with “{when.op}”, which needs a number"


def _thresholds(ruleset: Ruleset) -> Iterator[str]:
    reached, rank = 0, -1
    for threshold in ruleset.thresholds:
        stage = STAGE_RANK.get(threshold.stage, rank)
        for problem in (*_threshold(threshold), *_order(threshold, reached, stage < rank)):
            yield f"Threshold “{threshold.key}” {problem}."
        if ruleset.axis_cap is not None and threshold.points > 2 * ruleset.axis_cap:
            yield f"Threshold “{threshold.key}” lies above what both axes together can reach."
        reached, rank = max(reached, threshold.points), max(rank, stage)


def _threshold(threshold: Threshold) -> Iterator[str]:
    if threshold.stage and threshold.stage not in STAGE_RANK:
        yield f"names the stage “{threshold.stage}”, which does not exist"
    if threshold.key in RESERVED:
        yield "has a key that names an automatic move"
    if not 0 <= threshold.hysteresis < max(threshold.points, 1):
        yield "needs a hysteresis of at least 0 and below its points"


def _order(threshold: Threshold, reached: int, lower: bool) -> Iterator[str]:
    if threshold.points <= reached:
        yield "is not above 0 and the threshold before it"
    if lower:
        yield "leads to a lower stage than the one before it"
