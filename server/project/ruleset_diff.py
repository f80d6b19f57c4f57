"""What differs between two rulesets: as data, as sentences, and what that means for what is stored.

Publishing a ruleset costs what its difference asks for: nothing but new words (`same_scores`), the
scores worked out again from the hits that are stored (`same_matching`), or the events of the site
matched again.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from server.project.decay import Decay
from server.project.rule_words import COUNTED_WORDS, condition, fading, points
from server.project.rules import (
    Axes,
    Condition,
    EventCondition,
    FormLeftCondition,
    Group,
    Rule,
    Ruleset,
    SequenceCondition,
    Threshold,
)
from server.words import stage_word

Part: TypeAlias = Literal["ruleset", "rule", "threshold", "group", "axis"]
_POINTS = frozenset({"points", "cap", "floor", "hysteresis"})
_STORING = (EventCondition, SequenceCondition, FormLeftCondition)
#: Lists in which order and repetition mean nothing.
_SETS = (
    "kinds",
    "groups",
    "purposes",
    "where",
    "channels",
    "sources",
    "mediums",
    "campaigns",
)


class Change(msgspec.Struct, frozen=True):
    """One difference. `field` is empty where a whole part was `added` or `removed`; points are
    milli-points. `sentence` says it to people."""

    part: Part
    key: str
    kind: Literal["added", "removed", "changed", "moved"]
    field: str
    before: Any
    after: Any
    sentence: str


def differences(old: Ruleset, new: Ruleset) -> tuple[Change, ...]:
    """What somebody changed, in the order of the new document; removed parts come last."""
    return (
        *_fields("ruleset", "name", _named(old), _named(new)),
        *_parts("rule", old.rules, new.rules),
        *_parts("group", old.groups, new.groups),
        *_parts("threshold", old.thresholds, new.thresholds),
        *_axes(old.axes, new.axes),
    )


def same_matching(old: Ruleset, new: Ruleset) -> bool:
    """Whether the hits that sessions store are the same under both rulesets.

    A hit is stored for rules about events, sequences and forms left. Of those matter: that the rule
    is there, its `key`, its `when`, and of `counted` what a session decides by itself: each and
    count are one, so are first_only, once_per_session and returns_within; once_per_day and
    once_per_page stand alone. Everything else may differ: points, caps, decay, labels, axes,
    groups, thresholds, `within_days`, `n`, the order of rules, and rules about visits, silence and
    properties, which are read from sessions and traits.
    """
    return _matching(old) == _matching(new)


def same_scores(old: Ruleset, new: Ruleset) -> bool:
    """Whether every receipt is the same line by line, whatever the history: only names, labels and
    thresholds may differ."""
    return _scoring(old) == _scoring(new)


def _matching(ruleset: Ruleset) -> dict[str, object]:
    return {
        rule.key: (_canonical(rule.when), _within_session(rule))
        for rule in ruleset.rules
        if isinstance(rule.when, _STORING)
    }


def _within_session(rule: Rule) -> str:
    """How a rule is counted as far as one session decides it; see `signals`."""
    if isinstance(rule.when, FormLeftCondition):
        return {"each": "each", "once_per_page": "page"}.get(rule.counted, "once")
    words = {"each": "each", "count": "each", "once_per_page": "page", "once_per_day": "day"}
    return words.get(rule.counted, "once")


def _canonical(when: Condition) -> object:
    if isinstance(when, SequenceCondition):
        return ("sequence", when.gap_minutes, tuple(map(_canonical, when.steps)))
    found = {name: getattr(when, name) for name in when.__struct_fields__}
    for name in _SETS:
        if isinstance(found.get(name), tuple):
            found[name] = sorted({msgspec.json.encode(one) for one in found[name]})
    return (type(when).__name__, found)


def _scoring(ruleset: Ruleset) -> object:
    rules = [msgspec.structs.replace(rule, label="") for rule in ruleset.rules]
    groups = {group.key: (group.cap, group.floor) for group in ruleset.groups}
    return msgspec.json.encode((rules, groups, ruleset.axes), order="deterministic")


# ------------------------------------------------------------ what changed


def _named(ruleset: Ruleset) -> dict[str, Any]:
    return {"name": ruleset.name}


def _parts(
    part: Part,
    old: Sequence[Rule | Threshold | Group],
    new: Sequence[Rule | Threshold | Group],
) -> Iterator[Change]:
    before = {one.key: one for one in old}
    after = {one.key: one for one in new}
    for key, one in after.items():
        if key not in before:
            yield Change(part, key, "added", "", None, one, f"{_named_part(part, key)} added")
        elif before[key] != one or type(before[key]) is not type(one):
            yield from _fields(part, key, _all(before[key]), _all(one))
    for key, one in before.items():
        if key not in after:
            yield Change(part, key, "removed", "", one, None, f"{_named_part(part, key)} removed")
    if part == "rule":
        stayed = [key for key in before if key in after]
        if stayed != [key for key in after if key in before]:
            yield Change(
                part, "", "moved", "", stayed, list(after), "the rules are in another order"
            )


def _axes(old: Axes, new: Axes) -> Iterator[Change]:
    for name in ("fit", "engagement"):
        yield from _fields("axis", name, _all(getattr(old, name)), _all(getattr(new, name)))


def _all(part: Any) -> dict[str, Any]:
    return {name: getattr(part, name) for name in part.__struct_fields__}


def _fields(
    part: Part, key: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Change]:
    for field, after in new.items():
        before = old[field]
        if _same(before, after):
            continue
        name = {"rule": key, "ruleset": "the ruleset"}.get(part, _named_part(part, key))
        what = "" if (part, field) == ("threshold", "points") else f"{field} "
        told = f"{name}: {what}{_shown(field, before)} → {_shown(field, after)}"
        yield Change(part, key, "changed", field, before, after, told)


def _named_part(part: Part, key: str) -> str:
    return f"{part} {stage_word(key) if part == 'threshold' else key}"


def _same(before: Any, after: Any) -> bool:
    """Equal as JSON: 1 and true are not."""
    return bool(before == after) and msgspec.json.encode(before) == msgspec.json.encode(after)


def _shown(field: str, value: Any) -> str:
    if value is None or value == "":
        return "none"
    if field in _POINTS:
        return points(value)
    if isinstance(value, Decay):
        return fading(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | int):
        text = str(value)
        return {"stage": stage_word(text), "counted": COUNTED_WORDS.get(text, text)}.get(
            field, text
        )
    return condition(value)
