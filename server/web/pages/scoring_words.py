"""A ruleset as pages say it: every rule a line, every bound a sentence, every difference too."""

from collections.abc import Sequence
from typing import NamedTuple

from server.project.rule_words import details, points
from server.project.rules import (
    AXES,
    Axis,
    Bounds,
    Group,
    Rule,
    Ruleset,
    Threshold,
)
from server.reports.rulesets import ChangeRow
from server.words import stage_word

AXIS_WORDS: dict[Axis, str] = {"engagement": "What somebody does", "fit": "Who somebody is"}
_FIELDS = {
    "axis": "counts for",
    "n": "times",
    "within_days": "days",
    "cap": "at most",
    "floor": "at least",
    "when": "counts",
    "counted": "counts",
    "decay": "fades",
    "hysteresis": "again when lower by",
    "notify": "tells destinations",
}


class Line(NamedTuple):
    """One rule. `points` have their sign."""

    key: str
    label: str
    points: str
    minus: bool
    details: list[str]
    group: str
    first: bool  # of its axis
    last: bool


class Sheet(NamedTuple):
    """A whole ruleset."""

    name: str
    axes: list[tuple[Axis, str, str, list[Line]]]  # key, heading, bound, rules
    thresholds: list[tuple[str, str, str, str]]  # key, stage, points, what follows
    groups: list[tuple[str, str]]  # label, bound


class Told(NamedTuple):
    """One difference: what it is about, and what differs."""

    kind: str
    about: str
    what: str


def sheet(ruleset: Ruleset) -> Sheet:
    """The ruleset, engagement first."""
    groups = {group.key: group.label or group.key for group in ruleset.groups}
    axes = []
    for axis in reversed(AXES):
        rules = [rule for rule in ruleset.rules if rule.axis == axis]
        lines = [
            _line(rule, groups, first=n == 0, last=n == len(rules) - 1)
            for n, rule in enumerate(rules)
        ]
        axes.append((axis, AXIS_WORDS[axis], bound(ruleset.axes.of(axis)), lines))
    thresholds = [
        (one.key, one.stage, points(one.points), _follows(one)) for one in ruleset.thresholds
    ]
    return Sheet(
        ruleset.name, axes, thresholds, [(groups[one.key], bound(one)) for one in ruleset.groups]
    )


def _line(rule: Rule, groups: dict[str, str], *, first: bool, last: bool) -> Line:
    sign = "" if rule.points < 0 else "+"
    group = groups.get(rule.group, rule.group)
    worth = f"{sign}{points(rule.points)}"
    said = details(rule)
    said[0] = said[0][:1].upper() + said[0][1:]
    return Line(rule.key, rule.label, worth, rule.points < 0, said, group, first, last)


def bound(one: Bounds | Group) -> str:
    """What bounds a sum: `at most 100 points`."""
    parts = []
    if one.cap is not None:
        parts.append(f"at most {points(one.cap)}")
    if one.floor is not None:
        parts.append(f"at least {points(one.floor)}")
    return f"{' and '.join(parts)} points" if parts else "no bound"


def _follows(one: Threshold) -> str:
    moves = f"becomes {stage_word(one.stage)}" if one.stage else "moves nobody"
    told = "your destinations are told" if one.notify else "nobody is told"
    again = f"again after the score was below {points(one.points - one.hysteresis)}"
    return f"{moves}; {told}; {again}"


def changes(rows: Sequence[ChangeRow], old: Ruleset, new: Ruleset) -> list[Told]:
    """The differences, by the labels that people know."""
    labels = {rule.key: rule.label for one in (old, new) for rule in one.rules}
    return [_told(row, labels, old, new) for row in rows]


def _told(row: ChangeRow, labels: dict[str, str], old: Ruleset, new: Ruleset) -> Told:
    if row.part == "rule" and row.kind in {"added", "removed"}:
        _, rule = (new if row.kind == "added" else old).by_key[row.key]
        sign = "" if rule.points < 0 else "+"
        said = f"{sign}{points(rule.points)} points: {', '.join(details(rule))}"
        return Told(row.kind, rule.label, said)
    if row.kind != "changed":
        return Told(row.kind, "", row.sentence)
    about, _, what = row.sentence.partition(": ")
    if row.part == "rule":
        about = labels.get(row.key, row.key)
    if row.field and (row.part, row.field) != ("threshold", "points"):
        field, _, rest = what.partition(" ")
        what = f"{_FIELDS.get(field, field)} {rest}"
    return Told(row.kind, about[:1].upper() + about[1:], what)
