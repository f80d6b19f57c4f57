"""The score of a subject with its receipt: a pure function of sessions, traits, ruleset and day.

    axis = clamp(Σ rules clamp(Σ moments points × factor(age in whole UTC days)))

Every clamp that changes something is a line of its own, so the lines of a receipt add up exactly.
All points are integer milli-points; what fades is rounded towards zero.
"""

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

#: What a grade is measured against where an axis has no cap.
_UNCAPPED = 100_000


class Line(msgspec.Struct, frozen=True, gc=False):
    """One contribution. `points` is `base × factor`, both milli; `factor` is parts per million.

    `at` (ms) and `seq` name the event that counts; both are 0 for traits, caps and floors. From
    the UTC day `expires` on nothing of it is left; None is never.
    """

    rule: str
    axis: Axis
    points: int
    base: int
    factor: int = FULL
    at: int = 0
    seq: int = 0
    expires: int | None = None


class Receipt(msgspec.Struct, frozen=True):
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
    totals: dict[str, int] = dict.fromkeys(AXES, 0)
    for rule, dated in counted:
        total, changes = _faded(lines, rule, dated, day)
        totals[rule.axis] += _capped(lines, rule, total)
        change = min(change, changes)
    if ruleset.property_rules:
        known = with_derived(traits)
        for rule, when in ruleset.property_rules:
            if met(when, known):
                lines.append(Line(rule.key, rule.axis, rule.points, rule.points))
                totals[rule.axis] += _capped(lines, rule, rule.points)
    fit = _bounded(lines, ruleset, "fit", totals["fit"])
    engagement = _bounded(lines, ruleset, "engagement", totals["engagement"])
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
    ruleset: Ruleset, sessions: Sequence[SessionHits], traits: Mapping[str, Value], points: int
) -> tuple[int, int] | None:
    """The event (at, seq) at which the score first reached `points`, in the order of events and not
    of their arrival. Scores once per event: ask only when somebody has crossed a threshold."""
    events = {(hit.at, hit.seq) for session in sessions for hit in session.hits}
    events |= {(session.start, session.first_seq) for session in sessions}
    for at, seq in sorted(events):
        if score(ruleset, as_of(sessions, at, seq), traits, at // DAY_MS).score >= points:
            return at, seq
    return None


def grade(ruleset: Ruleset, fit: int, engagement: int) -> str:
    """`A1` to `C3`: a letter for fit, a number for engagement; from 67 % of the cap, from 34 %."""
    cap = ruleset.axis_cap or _UNCAPPED
    return "CBA"[_third(fit, cap)] + "321"[_third(engagement, cap)]


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


def _faded(lines: list[Line], rule: Rule, dated: list[Moment], day: int) -> tuple[int, int]:
    """Adds the lines of a rule; returns their sum and the first day on which one changes."""
    fades = curve(rule.decay)
    factors, changes, points, ends = fades.factors, fades.changes, rule.points, fades.ends
    total, change = 0, NEVER
    for at, seq, _ in dated:
        if ends is None:
            total += points
            lines.append(Line(rule.key, rule.axis, points, points, FULL, at, seq))
            continue
        began = at // DAY_MS
        age = day - began
        if age >= ends:
            continue
        factor = factors[age]
        now = points * factor // FULL if points > 0 else -(-points * factor // FULL)
        total += now
        change = min(change, began + changes[age])
        lines.append(Line(rule.key, rule.axis, now, points, factor, at, seq, began + ends))
    return total, change


def _capped(lines: list[Line], rule: Rule, total: int) -> int:
    if rule.cap is None or -rule.cap <= total <= rule.cap:
        return total
    bound = rule.cap if total > 0 else -rule.cap
    lines.append(_correction(f"cap:{rule.key}", rule.axis, bound - total))
    return bound


def _bounded(lines: list[Line], ruleset: Ruleset, axis: Axis, total: int) -> int:
    cap, floor = ruleset.axis_cap, ruleset.axis_floor
    if cap is not None and total > cap:
        lines.append(_correction(f"axis_cap:{axis}", axis, cap - total))
        return cap
    if floor is not None and total < floor:
        lines.append(_correction(f"axis_floor:{axis}", axis, floor - total))
        return floor
    return total


def _correction(name: str, axis: Axis, points: int) -> Line:
    return Line(name, axis, points, points)


def _third(points: int, cap: int) -> int:
    return (points * 100 >= 34 * cap) + (points * 100 >= 67 * cap)
