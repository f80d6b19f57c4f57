"""What contradicts itself in a ruleset, and what could never count: sentences for its author.

Each says what to do and where: a JSON pointer into the document, and the key of the rule.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from server.model import STAGE_RANK
from server.project.bounds import (
    MOST_CAP,
    MOST_COUNT,
    MOST_DAYS,
    MOST_POINTS,
    MOST_RULES,
    MOST_THRESHOLD,
)
from server.project.conditions import Found, condition
from server.project.rules import (
    AXES,
    Axes,
    FormLeftCondition,
    Group,
    InactivityCondition,
    PropertyCondition,
    Rule,
    Ruleset,
    SessionCondition,
    Threshold,
)

#: What moves a stage beside thresholds; see `stages`.
RESERVED = frozenset({"first_stage", "high_intent", "product_event"})
_KEY = re.compile(r"[a-z][a-z0-9_]{0,63}")
_ONCE = {"first_only", "once_per_session", "count"}


class Problem(msgspec.Struct, frozen=True):
    """`pointer` is a JSON pointer (RFC 6901) into the document, `rule` the key of the rule it is
    in, or empty. `sentence` names both the place and what to do."""

    pointer: str
    rule: str
    sentence: str


def pointer(*path: str | int) -> str:
    """A JSON pointer, cut where a document's own names are absurdly long."""
    parts = (str(part)[:100].replace("~", "~0").replace("/", "~1") for part in path)
    text = "".join(f"/{part}" for part in parts)
    return text.encode("utf-8", "replace").decode()


class Placed(msgspec.Struct, frozen=True):
    """Parts of a document with their places in it: what could be read of them."""

    rules: Sequence[tuple[int, Rule]]
    thresholds: Sequence[tuple[int, Threshold]]
    groups: Sequence[tuple[int, Group]]
    axes: Axes

    @classmethod
    def of(cls, ruleset: Ruleset) -> "Placed":
        """All parts of a whole ruleset."""
        rules, thresholds = enumerate(ruleset.rules), enumerate(ruleset.thresholds)
        return cls(list(rules), list(thresholds), list(enumerate(ruleset.groups)), ruleset.axes)


def problems(placed: Placed, page_groups: frozenset[str] | None = None) -> Iterator[Problem]:
    """Everything that is wrong. `page_groups` are those of the site, if it is known."""
    if len(placed.rules) > MOST_RULES:
        count = len(placed.rules)
        told = f"A ruleset has at most {MOST_RULES} rules, this one has {count}: leave some out."
        yield Problem("/rules", "", told)
    yield from _keys(placed)
    yield from _rules(placed, page_groups)
    yield from _groups(placed)
    for axis in AXES:
        bounds = placed.axes.of(axis)
        for place, told in _bounds(bounds.cap, bounds.floor):
            yield Problem(pointer("axes", axis, *place), "", f"The axis {axis} {told}.")
    yield from _thresholds(placed)


def _keys(placed: Placed) -> Iterator[Problem]:
    named: tuple[tuple[str, Sequence[tuple[int, Rule | Threshold | Group]]], ...] = (
        ("rule", placed.rules),
        ("threshold", placed.thresholds),
        ("group", placed.groups),
    )
    for word, parts in named:
        times = Counter(part.key for _, part in parts)
        told: set[str] = set()
        for place, part in parts:
            key, at = part.key, pointer(f"{word}s", place, "key")
            rule = key if word == "rule" else ""
            if not _KEY.fullmatch(key):
                yield Problem(
                    at,
                    rule,
                    f"The {word} key “{key[:64]}” must be at most 64 lower-case letters, digits and"
                    " underscores, and begin with a letter.",
                )
            if times[key] > 1 and key in told:
                yield Problem(
                    at, rule, f"The {word} key “{key[:64]}” is used {times[key]} times: rename one."
                )
            told.add(key)


# ------------------------------------------------------------ rules


def _rules(placed: Placed, page_groups: frozenset[str] | None) -> Iterator[Problem]:
    groups = {group.key for _, group in placed.groups}
    for number, rule in placed.rules:
        found = (
            *_worth(rule),
            *_counting(rule),
            *_fading(rule),
            *condition(rule.when, page_groups),
            *_grouped(rule, groups),
        )
        for place, told in found:
            at = pointer("rules", number, *place)
            yield Problem(at, rule.key, f"Rule “{rule.key[:64]}” {told}.")


def _worth(rule: Rule) -> Iterator[Found]:
    if not rule.points:
        yield ("points",), "gives no points: choose a number other than 0"
    elif abs(rule.points) > MOST_POINTS:
        yield ("points",), "gives more than 1,000 or less than −1,000 points: choose fewer"
    if rule.cap is None:
        return
    if not 0 < rule.cap <= MOST_CAP:
        yield ("cap",), "needs a cap above 0 and of at most 10,000 points; it bounds both ways"
    elif rule.cap < abs(rule.points):
        yield ("cap",), "is worth more at once than its cap allows in all: raise the cap"


def _counting(rule: Rule) -> Iterator[Found]:
    when, counted = rule.when, rule.counted
    windowed = counted in {"count", "returns_within"}
    if windowed and not 1 <= rule.within_days <= MOST_DAYS:
        yield ("within_days",), f"needs a number of days between 1 and {MOST_DAYS}"
    if counted == "count" and not 2 <= rule.n <= MOST_COUNT:
        yield ("n",), f"needs a count between 2 and {MOST_COUNT:,}"
    if (not windowed and rule.within_days) or (counted != "count" and rule.n):
        yield ("counted",), f"is counted {counted}, which takes no such number: leave it out"
    if isinstance(when, PropertyCondition | InactivityCondition):
        if counted != "each" or rule.decay.kind != "none":
            what = "a property" if isinstance(when, PropertyCondition) else "silence"
            told = f"is about {what}, which counts while it holds and does not fade"
            yield ("counted",), f"{told}: leave out `counted` and `decay`"
    elif isinstance(when, FormLeftCondition) and counted not in {"each", *_ONCE}:
        yield ("counted",), f"is about a form that was left, which cannot be counted {counted}"
    elif isinstance(when, SessionCondition) and counted == "once_per_page":
        yield ("counted",), "is about a visit, which is not a page: choose another `counted`"


def _fading(rule: Rule) -> Iterator[Found]:
    decay = rule.decay
    if decay.kind == "none":
        if decay.days or decay.percent:
            yield ("decay",), "does not fade, which takes no days: name the kind of decay"
        return
    if not 1 <= decay.days <= MOST_DAYS:
        yield ("decay", "days"), f"must fade over a number of days between 1 and {MOST_DAYS}"
    if decay.kind == "linear" and not (1 <= decay.percent <= 100 and decay.days <= 400):
        yield ("decay",), "fades linearly, which takes 1 to 100 percent every 1 to 400 days"
    if decay.kind != "linear" and decay.percent:
        yield ("decay", "percent"), "has a percentage, which only linear decay takes: leave it out"


def _grouped(rule: Rule, groups: set[str]) -> Iterator[Found]:
    if rule.group and rule.group not in groups:
        told = f"is in the group “{rule.group[:64]}”, which is not defined: add it to `groups`"
        yield ("group",), told


# ------------------------------------------------------------ bounds


def _bounds(cap: int | None, floor: int | None) -> Iterator[Found]:
    if cap is not None and not 0 < cap <= MOST_CAP:
        yield ("cap",), "needs a cap above 0 and of at most 10,000 points"
    if floor is not None and not -MOST_CAP <= floor <= 0:
        yield ("floor",), "needs a floor of at most 0 and not below −10,000 points"


def _groups(placed: Placed) -> Iterator[Problem]:
    for number, group in placed.groups:
        name = f"Group “{group.key[:64]}”"
        axes = {rule.axis for _, rule in placed.rules if rule.group == group.key}
        for place, told in _bounds(group.cap, group.floor):
            yield Problem(pointer("groups", number, *place), "", f"{name} {told}.")
        if group.cap is None and group.floor is None:
            told = "bounds nothing: give it a cap or a floor, or leave it out"
            yield Problem(pointer("groups", number), "", f"{name} {told}.")
        if len(axes) > 1:
            told = "has rules of both axes: make it two groups"
            yield Problem(pointer("groups", number), "", f"{name} {told}.")


def _thresholds(placed: Placed) -> Iterator[Problem]:
    reached, rank = 0, -1
    caps = [placed.axes.of(axis).cap for axis in AXES]
    most = None if None in caps else sum(cap or 0 for cap in caps)
    for number, threshold in placed.thresholds:
        stage = STAGE_RANK.get(threshold.stage, rank)
        found = (
            *_threshold(threshold, most),
            *_order(threshold, reached, stage < rank),
        )
        for place, told in found:
            at = pointer("thresholds", number, *place)
            yield Problem(at, "", f"Threshold “{threshold.key[:64]}” {told}.")
        reached, rank = max(reached, threshold.points), max(rank, stage)


def _threshold(threshold: Threshold, most: int | None) -> Iterator[Found]:
    if threshold.stage and threshold.stage not in STAGE_RANK:
        words = ", ".join(STAGE_RANK)
        told = f"names the stage “{threshold.stage[:60]}”, which does not exist: choose of {words}"
        yield ("stage",), told
    if threshold.key in RESERVED:
        yield ("key",), "has a key that names an automatic move: rename it"
    if threshold.points > MOST_THRESHOLD:
        yield ("points",), f"lies above {MOST_THRESHOLD // 1_000:,} points: lower it"
    elif most is not None and threshold.points > most:
        yield ("points",), "lies above what both axes together can reach: lower it or raise a cap"
    if not 0 <= threshold.hysteresis < max(threshold.points, 1):
        yield ("hysteresis",), "needs a hysteresis of at least 0 and below its points"


def _order(threshold: Threshold, reached: int, lower: bool) -> Iterator[Found]:
    if threshold.points <= reached:
        yield ("points",), "is not above 0 and the threshold before it: order them by their points"
    if lower:
        yield ("stage",), "leads to a lower stage than the one before it: order them by their stage"
