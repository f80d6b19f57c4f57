"""The score of a subject with its receipt: a pure function of sessions, traits, ruleset and day.

    axis = clamp(Σ groups clamp(Σ rules clamp(Σ moments points × factor(age in whole UTC days))))

Every clamp that changes something is a line of its own, so the lines of a receipt add up exactly.
All points are integer milli-points; what fades is rounded towards zero.

A receipt is bounded: of each rule the latest moments have a line of their own, which are also the
weightiest since points only fade; all earlier ones share a line with their sum.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from server.model import DAY_MS
from server.project.counting import NEVER, Moment, as_of, moments
from server.project.decay import FULL, curve
from server.project.properties import met, with_derived
from server.project.rules import AXES, Axis, Rule, Ruleset, Value
from server.project.signals import SessionHits
from server.project.titles import seniority

__all__ = [
    "Line",
    "Receipt",
    "SessionHits",
    "as_of",
    "first_reached",
    "score",
    "seniority",
    "signals_of",
]

#: Moments with a line of their own: of one rule, and of all rules together unless there are more
#: rules than that.
LINES_OF_RULE, LINES = 100, 500
#: What a grade is measured against where an axis has no cap.
_UNCAPPED = 100_000
#: Later than any entry.
_NO_EVENT = 1 << 62


class Line(msgspec.Struct, frozen=True, gc=False):
    """One contribution. `points` is `base × factor`, both milli; `factor` is parts per million.

    `rule` is its key, or what a bound takes back: `cap:` and a rule, `group_cap:` or `group_floor:`
    and a group, `axis_cap:` or `axis_floor:` and an axis. `at` (ms) and `seq` name the event that
    counts, for silence the day it began to count and the visit before; both are 0 for traits and
    bounds. From the UTC day `expires` on nothing of it is left; None is never.

    A line of more than one of `times` stands for as many earlier moments of its rule: its points
    and its base are their sums, its factor is what is left of them in all, its `at` and `seq` 0.
    """

    rule: str
    axis: Axis
    points: int
    base: int
    factor: int = FULL
    at: int = 0
    seq: int = 0
    expires: int | None = None
    times: int = 1


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """A score and all of its reasons. It is the same on every day before `next_change_day`."""

    lines: tuple[Line, ...]
    fit: int
    engagement: int
    score: int
    grade: str
    next_change_day: int | None


def score(
    ruleset: Ruleset,
    sessions: Sequence[SessionHits],
    traits: Mapping[str, Value],
    day: int,
) -> Receipt:
    """The receipt at the end of the UTC day `day` (days since 1970), knowing what is given here."""
    counted, later = moments(ruleset, sessions, (day + 1) * DAY_MS)
    change = later // DAY_MS
    lines: list[Line] = []
    totals = _Totals(ruleset)
    left = [_left(rule, dated, day) for rule, dated in counted]
    most = _most([len(dated) for dated in left])
    for (rule, _), dated in zip(counted, left, strict=True):
        total, changes = _faded(lines, rule, dated, day, most)
        totals.add(rule, _capped(lines, rule, total))
        change = min(change, changes)
    if ruleset.property_rules:
        known = with_derived(traits)
        for rule, when in ruleset.property_rules:
            if met(when, known):
                lines.append(Line(rule.key, rule.axis, rule.points, rule.points))
                totals.add(rule, _capped(lines, rule, rule.points))
    fit, engagement = totals.bounded(lines)
    return Receipt(
        tuple(lines),
        fit,
        engagement,
        fit + engagement,
        grade(ruleset, fit, engagement),
        None if change >= NEVER // DAY_MS else change,
    )


def basis_of(sessions: Sequence[SessionHits]) -> Iterator[object]:
    """What a receipt without traits is made of, but for the day: of the last session, unless a form
    was left in it, only the day on which it ended matters."""
    last = len(sessions) - 1
    for number, one in enumerate(sessions):
        end = one.end if number < last or one.pending else one.end // DAY_MS
        yield one.session_id, one.start, end, one.hits, one.pending, one.visit


def first_reached(
    ruleset: Ruleset,
    sessions: Sequence[SessionHits],
    traits: Mapping[str, Value],
    points: int,
    until: int | None = None,
) -> tuple[int, int] | None:
    """The event (at, seq) at which the score first reached `points`, in the order of events and not
    of their arrival; a midnight (UTC) at which it rose by itself has the seq 0. `until` (ms) is the
    last moment asked for, that of the last event if it is None.

    Scores once per event: ask only when somebody has crossed a threshold.
    """
    events = {(hit.at, hit.seq) for session in sessions for hit in session.hits}
    events |= {(session.start, session.first_seq) for session in sessions}
    ends = {(session.end, _NO_EVENT) for session in sessions}  # silence begins there
    ordered = sorted(events | ends)
    end = until if until is not None else (ordered[-1][0] if ordered else 0)
    alone = _rises_alone(ruleset)
    for (at, seq), following in zip(ordered, [*ordered[1:], (end + 1, 0)], strict=True):
        if at > end:
            return None
        known = as_of(sessions, at, seq)
        if seq < _NO_EVENT and score(ruleset, known, traits, at // DAY_MS).score >= points:
            return at, seq
        left = [session.end for session in sessions if session.pending and session.start <= at]
        before = following[0] if alone else min(following[0], max(left, default=at) + 2 * DAY_MS)
        if alone or left:
            midnight = _risen(ruleset, sessions, traits, points, at, before)
            if midnight is not None:
                return midnight, 0
    return None


def _risen(
    ruleset: Ruleset,
    sessions: Sequence[SessionHits],
    traits: Mapping[str, Value],
    points: int,
    after: int,
    before: int,
) -> int | None:
    """The first 00:00 UTC (ms) between two events at which the score had reached `points`."""
    known = as_of(sessions, after + 1, 0)
    change = score(ruleset, known, traits, after // DAY_MS).next_change_day
    while change is not None and change * DAY_MS < before:
        receipt = score(ruleset, as_of(sessions, change * DAY_MS, 0), traits, change)
        if receipt.score >= points:
            return change * DAY_MS
        change = receipt.next_change_day
    return None


def _rises_alone(ruleset: Ruleset) -> bool:
    """Whether a score can rise although nothing happens: what it loses by fades or silence pays."""
    return any(rule.points < 0 and rule.decay.kind != "none" for rule in ruleset.rules) or any(
        rule.points > 0 for rule, _ in ruleset.inactivity_rules
    )


def grade(ruleset: Ruleset, fit: int, engagement: int) -> str:
    """`A1` to `C3`: a letter for fit, a number for engagement; from 67 % of the cap, from 34 %."""
    axes = ruleset.axes
    letter = _third(fit, axes.fit.cap or _UNCAPPED)
    return "CBA"[letter] + "321"[_third(engagement, axes.engagement.cap or _UNCAPPED)]


def signals_of(receipt: Receipt) -> tuple[str, ...]:
    """The rules in force, those with the most points first."""
    sums: dict[str, int] = {}
    for line in receipt.lines:
        if ":" not in line.rule:
            sums[line.rule] = sums.get(line.rule, 0) + line.points
        elif line.rule.startswith("cap:"):
            sums[line.rule[4:]] += line.points
    return tuple(
        sorted((rule for rule in sums if sums[rule]), key=lambda rule: (-sums[rule], rule))
    )


def _left(rule: Rule, dated: list[Moment], day: int) -> list[Moment]:
    """The moments of which something is left; `dated` are in order."""
    ends = curve(rule.decay).ends
    if ends is None:
        return dated
    return dated[bisect_left(dated, ((day - ends + 1) * DAY_MS,)) :]


def _most(counts: Sequence[int]) -> int:
    """How many moments of each rule have a line of their own, so that all together are few."""
    of_rule = range(1, LINES_OF_RULE + 1)
    fitting = bisect_right(of_rule, LINES, key=lambda most: sum(min(n, most) for n in counts))
    return max(fitting, 1)


def _faded(
    lines: list[Line], rule: Rule, dated: list[Moment], day: int, most: int
) -> tuple[int, int]:
    """Adds the lines of a rule, one for all but its `most` latest moments; returns the sum and the
    first day on which something of it changes."""
    earlier = len(dated) - most
    if earlier < 2:
        return _each(lines, rule, dated, day)
    unshown: list[Line] = []
    before, sooner = _each(unshown, rule, dated[:earlier], day)
    base = rule.points * earlier
    factor = before * FULL // base if base else FULL
    expires = unshown[-1].expires
    lines.append(Line(rule.key, rule.axis, before, base, factor, 0, 0, expires, earlier))
    total, change = _each(lines, rule, dated[earlier:], day)
    return before + total, min(sooner, change)


def _each(lines: list[Line], rule: Rule, dated: Sequence[Moment], day: int) -> tuple[int, int]:
    """Adds a line for each moment; returns their sum and the first day on which one changes."""
    fades = curve(rule.decay)
    points, ends = rule.points, fades.ends
    total, change = 0, NEVER
    for at, seq, _ in dated:
        if ends is None:
            total += points
            lines.append(Line(rule.key, rule.axis, points, points, FULL, at, seq))
            continue
        began = at // DAY_MS
        factor, changes = fades.at(day - began)
        now = points * factor // FULL if points > 0 else -(-points * factor // FULL)
        total += now
        change = min(change, began + changes)
        lines.append(Line(rule.key, rule.axis, now, points, factor, at, seq, began + ends))
    return total, change


def _capped(lines: list[Line], rule: Rule, total: int) -> int:
    if rule.cap is None or -rule.cap <= total <= rule.cap:
        return total
    bound = rule.cap if total > 0 else -rule.cap
    lines.append(_correction(f"cap:{rule.key}", rule.axis, bound - total))
    return bound


class _Totals:
    """The sums of groups and axes while a receipt is put together."""

    __slots__ = ("axes", "groups", "ruleset")

    def __init__(self, ruleset: Ruleset) -> None:
        self.ruleset = ruleset
        self.axes: dict[Axis, int] = dict.fromkeys(AXES, 0)
        self.groups: dict[tuple[str, Axis], int] = {}

    def add(self, rule: Rule, points: int) -> None:
        """What a rule is worth, to its group or else to its axis."""
        if rule.group:
            key = (rule.group, rule.axis)
            self.groups[key] = self.groups.get(key, 0) + points
        else:
            self.axes[rule.axis] += points

    def bounded(self, lines: list[Line]) -> tuple[int, int]:
        """Fit and engagement; adds a line for every bound that changes something."""
        named = self.ruleset.by_group
        for (key, axis), total in sorted(self.groups.items()):
            group = named.get(key)
            if group is not None:
                name = f"group_{{}}:{key}"
                self.axes[axis] += _bounded(lines, name, axis, total, group.cap, group.floor)
            else:
                self.axes[axis] += total
        return self._axis(lines, "fit"), self._axis(lines, "engagement")

    def _axis(self, lines: list[Line], axis: Axis) -> int:
        bounds = self.ruleset.axes.of(axis)
        name = f"axis_{{}}:{axis}"
        return _bounded(lines, name, axis, self.axes[axis], bounds.cap, bounds.floor)


def _bounded(
    lines: list[Line], name: str, axis: Axis, total: int, cap: int | None, floor: int | None
) -> int:
    if cap is not None and total > cap:
        lines.append(_correction(name.format("cap"), axis, cap - total))
        return cap
    if floor is not None and total < floor:
        lines.append(_correction(name.format("floor"), axis, floor - total))
        return floor
    return total


def _correction(name: str, axis: Axis, points: int) -> Line:
    return Line(name, axis, points, points)


def _third(points: int, cap: int) -> int:
    return (points * 100 >= 34 * cap) + (points * 100 >= 67 * cap)
