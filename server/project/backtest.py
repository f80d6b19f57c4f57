"""What a draft would have said of people whose story is known: two rulesets against who became a
customer.

Every person is scored at one moment, by what was known then: links and rules are today's, events
and traits are those of the past, and the moment of a customer lies before they became one. All
figures are counts; shares are fractions of them, exact until somebody shows them.

Where only some people are looked at, customers and others are drawn apart, since customers are few.
Counts are then of the people looked at; shares are those of everybody: each counts by their weight.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import msgspec

from server.model import DAY_MS, STAGE_RANK
from server.project.counting import as_of
from server.project.rules import Ruleset, Threshold, Value
from server.project.scoring import Receipt, score
from server.project.signals import SessionHits

#: Fewer customers, or fewer others, say nothing.
LEAST = 30
MOST_BUCKETS = 20
#: Later than any entry.
_LAST = 1 << 62
#: Widths of a bucket in milli-points.
_WIDTHS = tuple(step * 10**power for power in range(3, 12) for step in (1, 2, 5))


class Case(msgspec.Struct, frozen=True, gc=False):
    """One person at `moment` (ms), scored by what was known then. `customer_at` (ms) is when they
    became a customer, None if they have not."""

    person_id: int
    moment: int
    old: Receipt
    new: Receipt
    customer_at: int | None = None

    @property
    def customer(self) -> bool:
        return self.customer_at is not None


class Mover(msgspec.Struct, frozen=True):
    """Somebody who reaches another threshold under the draft. Scores are milli-points; keys and
    stages are empty where none is reached."""

    person_id: int
    customer: bool
    old_score: int
    new_score: int
    old_threshold: str
    new_threshold: str
    old_stage: str
    new_stage: str


class Bucket(msgspec.Struct, frozen=True):
    """People with a score from `low` to below `high` (milli-points), and how many of them became
    customers."""

    low: int
    high: int
    old: int
    old_customers: int
    new: int
    new_customers: int


class Share(NamedTuple):
    """A part of a whole; no value where there is no whole."""

    part: int
    whole: int

    @property
    def value(self) -> Fraction | None:
        return Fraction(self.part, self.whole) if self.whole else None

    def shown(self) -> str:
        """Per cent with one decimal place, half a tenth upwards; `–` where there is no whole."""
        if not self.whole:
            return "–"
        tenths = (2_000 * self.part + self.whole) // (2 * self.whole)
        return f"{tenths // 10}.{tenths % 10} %"


class Weights(NamedTuple):
    """For how many of everybody one customer and one other stand, as a ratio."""

    customer: int = 1
    other: int = 1

    def share(self, customers: int, people: int) -> Share:
        """The part of customers in some people who were looked at, as it is in everybody."""
        part = self.customer * customers
        return Share(part, part + self.other * (people - customers))


EVEN = Weights()


class Quality(msgspec.Struct, frozen=True):
    """How well a threshold tells customers from others: `reached` by so many people, of whom
    `customers` became one; of `all_customers` among `people`."""

    threshold: str
    points: int
    reached: int
    customers: int
    all_customers: int
    people: int
    weights: Weights = EVEN

    @property
    def precision(self) -> Share:
        """How many of those who reached it became customers."""
        return self.weights.share(self.customers, self.reached)

    @property
    def recall(self) -> Share:
        """How many of the customers reached it."""
        return Share(self.customers, self.all_customers)

    @property
    def lift(self) -> Fraction | None:
        """How much more often those who reached it became customers than people at large."""
        return _lift(self.precision, self.weights.share(self.all_customers, self.people))


class RuleShare(msgspec.Struct, frozen=True):
    """What one rule does: `points` in all (milli-points, after its own cap), the `fired` people it
    gave a line, and how many `customers` are among those."""

    rule: str
    points: int
    fired: int
    customers: int
    all_customers: int
    people: int
    weights: Weights = EVEN

    @property
    def rate(self) -> Share:
        """How many of those people became customers."""
        return self.weights.share(self.customers, self.fired)

    @property
    def lift(self) -> Fraction | None:
        """How much more often they did than people at large; None if it fires for nobody."""
        return _lift(self.rate, self.weights.share(self.all_customers, self.people))


class Backtest(msgspec.Struct, frozen=True):
    """`sentence` says why there are no figures; then everything else is empty."""

    sentence: str = ""
    people: int = 0
    customers: int = 0
    movers: tuple[Mover, ...] = ()
    buckets: tuple[Bucket, ...] = ()
    old_quality: tuple[Quality, ...] = ()
    new_quality: tuple[Quality, ...] = ()
    old_rules: tuple[RuleShare, ...] = ()
    new_rules: tuple[RuleShare, ...] = ()


def moment_of(chosen: int, customer_at: int | None, days_before: int = 0) -> int:
    """The moment (ms) at which somebody is looked at: the chosen one, for a customer at least a
    millisecond, and as many days as wanted, before they became one."""
    if customer_at is None:
        return chosen
    return min(chosen, customer_at - max(1, days_before * DAY_MS))


def case_of(
    rulesets: tuple[Ruleset, Ruleset],
    person_id: int,
    sessions: tuple[Sequence[SessionHits], Sequence[SessionHits]],
    traits: Callable[[int], Mapping[str, Value]],
    moment: int,
    customer_at: int | None = None,
) -> Case:
    """One person at a moment (ms). `rulesets` and `sessions` are those of now and of the draft:
    each matched by its own rules. `traits` gives what was known of the person at a moment.

    Whatever the sessions hold of later events is not looked at. Raises `ValueError` like `backtest`
    if the moment lies after the person became a customer.
    """
    day, known = moment // DAY_MS, traits(moment)
    old, new = (
        score(ruleset, as_of(hits, moment, _LAST), known, day)
        for ruleset, hits in zip(rulesets, sessions, strict=True)
    )
    case = Case(person_id, moment, old, new, customer_at)
    _refuse_leaks(case)
    return case


def backtest(
    old: Ruleset, new: Ruleset, cases: Sequence[Case], weights: Weights = EVEN
) -> Backtest:
    """What the draft `new` changes, and how well either tells customers from others. `weights` are
    those of the people of `cases` among everybody.

    Raises `ValueError` if a case knows of something after its moment, or its moment lies after the
    person became a customer: such figures would be too good.
    """
    for case in cases:
        _refuse_leaks(case)
    customers = sum(case.customer for case in cases)
    others = len(cases) - customers
    if customers < LEAST or others < LEAST:
        return Backtest(_too_few(customers, others))
    return Backtest(
        "",
        len(cases),
        customers,
        movers(old, new, cases),
        buckets(cases),
        _qualities(old.thresholds, [(case.customer, case.old.score) for case in cases], weights),
        _qualities(new.thresholds, [(case.customer, case.new.score) for case in cases], weights),
        _rules(old, [(case.customer, case.old) for case in cases], weights),
        _rules(new, [(case.customer, case.new) for case in cases], weights),
    )


def _too_few(customers: int, others: int) -> str:
    return (
        f"There are {customers} customers and {others} others to compare; below {LEAST} of each"
        " the figures would mean nothing. Wait until more people have become customers, or choose"
        " a longer time."
    )


def _refuse_leaks(case: Case) -> None:
    if case.customer_at is not None and case.moment >= case.customer_at:
        raise ValueError(f"person {case.person_id} is looked at after they became a customer")
    for receipt in (case.old, case.new):
        if any(line.at > case.moment for line in receipt.lines):
            raise ValueError(f"person {case.person_id} is scored by what happened later")


# ------------------------------------------------------------ who moves


def movers(old: Ruleset, new: Ruleset, cases: Iterable[Case]) -> tuple[Mover, ...]:
    """Everybody who reaches another threshold or stage, those who gain most points first."""
    found = []
    for case in cases:
        before = _reached(old.thresholds, case.old.score)
        after = _reached(new.thresholds, case.new.score)
        if before != after:
            found.append(
                Mover(
                    case.person_id,
                    case.customer,
                    case.old.score,
                    case.new.score,
                    before[0],
                    after[0],
                    before[1],
                    after[1],
                )
            )
    return tuple(sorted(found, key=lambda one: (one.old_score - one.new_score, one.person_id)))


def _reached(thresholds: Sequence[Threshold], points: int) -> tuple[str, str]:
    """The highest threshold reached, and the highest stage that those reached lead to."""
    met = sorted((one for one in thresholds if points >= one.points), key=lambda one: one.points)
    stages = [one.stage for one in met if one.stage in STAGE_RANK]
    return met[-1].key if met else "", max(stages, key=STAGE_RANK.__getitem__, default="")


# ------------------------------------------------------------ distributions


def buckets(cases: Sequence[Case]) -> tuple[Bucket, ...]:
    """The scores before and after in at most 20 buckets of the same round width."""
    scores = [points for case in cases for points in (case.old.score, case.new.score)]
    if not scores:
        return ()
    low, high = min(scores), max(scores)
    width = next(one for one in _WIDTHS if high // one - low // one < MOST_BUCKETS)
    counts = {place: [0, 0, 0, 0] for place in range(low // width, high // width + 1)}
    for case in cases:
        for side, points in ((0, case.old.score), (2, case.new.score)):
            count = counts[points // width]
            count[side] += 1
            count[side + 1] += case.customer
    return tuple(
        Bucket(place * width, (place + 1) * width, *count) for place, count in counts.items()
    )


# ------------------------------------------------------------ how well


def _qualities(
    thresholds: Iterable[Threshold], scored: Sequence[tuple[bool, int]], weights: Weights
) -> tuple[Quality, ...]:
    customers = sum(customer for customer, _ in scored)
    found = []
    for one in thresholds:
        met = [customer for customer, points in scored if points >= one.points]
        found.append(
            Quality(one.key, one.points, len(met), sum(met), customers, len(scored), weights)
        )
    return tuple(found)


def _rules(
    ruleset: Ruleset, scored: Sequence[tuple[bool, Receipt]], weights: Weights
) -> tuple[RuleShare, ...]:
    """Every rule of the ruleset in its order, also those that fire for nobody."""
    points = {rule.key: 0 for rule in ruleset.rules}
    fired = dict.fromkeys(points, 0)
    bought = dict.fromkeys(points, 0)
    for customer, receipt in scored:
        for line in receipt.lines:
            key = line.rule.removeprefix("cap:")
            if key in points:
                points[key] += line.points
        for key in {line.rule for line in receipt.lines} & points.keys():
            fired[key] += 1
            bought[key] += customer
    customers = sum(customer for customer, _ in scored)
    return tuple(
        RuleShare(key, points[key], fired[key], bought[key], customers, len(scored), weights)
        for key in points
    )


def _lift(some: Share, everybody: Share) -> Fraction | None:
    if some.value is None or not everybody.value:
        return None
    return some.value / everybody.value
