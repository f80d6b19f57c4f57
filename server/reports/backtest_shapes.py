"""What a backtest answers, and its figures in that shape."""

from fractions import Fraction
from typing import Annotated

import msgspec
from msgspec import Meta

from server.project.backtest import Backtest, Mover, Quality, RuleShare
from server.project.backtest import Share as Part
from server.reports.backtest import Gathered
from server.reports.shapes import PersonId, Points, Shape, Time, points

#: Movers in an answer; the number of all is beside them.
MOST_MOVERS = 100
Fragment = Annotated[
    float | None, Meta(description="From 0 to 1; null where nobody is counted.", examples=[0.25])
]
Lift = Annotated[
    float | None,
    Meta(description="How much more often than people at large; null where nobody is counted."),
]


class MoverRow(Shape, frozen=True, kw_only=True):
    """Somebody who reaches another threshold by the second ruleset; empty words are none."""

    person: PersonId
    customer: bool
    score_before: Points
    score_after: Points
    threshold_before: str
    threshold_after: str
    stage_before: str
    stage_after: str


class BucketRow(Shape, frozen=True, kw_only=True):
    """People with a score from `low` to below `high`, and the customers among them."""

    low: Points
    high: Points
    before: int
    customers_before: int
    after: int
    customers_after: int


class QualityRow(Shape, frozen=True, kw_only=True):
    """How well a threshold tells customers from others. `precision`: how many of those who reached
    it became customers; `recall`: how many of the customers reached it."""

    threshold: str
    points: Points
    reached: int
    customers: int
    precision: Fragment
    recall: Fragment
    lift: Lift


class RuleRow(Shape, frozen=True, kw_only=True):
    """What one rule gave in all, to how many people, and how many of them became customers."""

    rule: str
    points: Points
    people: int
    customers: int
    rate: Fragment
    lift: Lift


class BacktestFigures(Shape, frozen=True, kw_only=True):
    """One side of the comparison."""

    thresholds: list[QualityRow]
    rules: list[RuleRow]


class BacktestResult(Shape, frozen=True, kw_only=True):
    """`sentence` says why there are no figures, or is empty. `people` were compared, of whom
    `customers` became one; `sampled` of all the site's `everybody` were looked at, of `unknown`
    nothing was known at the moment, and of `thinned` visits only what was stored of them is.

    Where not everybody was looked at, customers were drawn apart from others: `drawn` says so in a
    sentence, else it is empty. Counts are then of the people compared; precision, rate and lift are
    weighted, so that they are those of everybody."""

    sentence: str
    people: int
    customers: int
    everybody: int
    sampled: int
    unknown: int
    thinned: int
    drawn: str
    movers: Annotated[list[MoverRow], Meta(description="The first hundred.")]
    moved: Annotated[int, Meta(description="How many there are.")]
    buckets: list[BucketRow]
    before: BacktestFigures
    after: BacktestFigures


class BacktestStatus(Shape, frozen=True, kw_only=True):
    """The last backtest of a site: `done` of `total` people were looked at. `state` is never,
    waiting, running, done or failed; `detail` says why it has failed."""

    state: str
    done: int
    total: int
    detail: str
    first: str = msgspec.field(name="from")
    last: str = msgspec.field(name="to")
    at: Time | None
    days_before: int
    sample: int
    result: BacktestResult | None


def result_of(found: Backtest, gathered: Gathered) -> BacktestResult:
    """The figures, rounded once."""
    customers = sum(case.customer for case in gathered.cases)
    return BacktestResult(
        sentence=_sentence(found, gathered),
        people=len(gathered.cases),
        customers=customers,
        everybody=gathered.people,
        sampled=gathered.sampled,
        unknown=gathered.unknown,
        thinned=gathered.thinned,
        drawn=_drawn(gathered),
        movers=[_mover(one) for one in found.movers[:MOST_MOVERS]],
        moved=len(found.movers),
        buckets=[
            BucketRow(
                low=points(one.low),
                high=points(one.high),
                before=one.old,
                customers_before=one.old_customers,
                after=one.new,
                customers_after=one.new_customers,
            )
            for one in found.buckets
        ],
        before=_figures(found.old_quality, found.old_rules),
        after=_figures(found.new_quality, found.new_rules),
    )


def _sentence(found: Backtest, gathered: Gathered) -> str:
    more = gathered.sampled < gathered.people
    hint = f" Only {gathered.sampled:,} of {gathered.people:,} people were looked at: choose more."
    return found.sentence + (hint if found.sentence and more else "")


def _drawn(gathered: Gathered) -> str:
    if gathered.sampled >= gathered.people:
        return ""
    others, drawn = gathered.people - gathered.customers, gathered.sampled - gathered.bought
    return (
        f"{gathered.bought:,} of {gathered.customers:,} customers and {drawn:,} of {others:,}"
        " others were looked at, evenly spread. Counts are of them; precision, rate and lift are"
        " weighted to be those of everybody."
    )


def _mover(one: Mover) -> MoverRow:
    return MoverRow(
        person=f"p{one.person_id}",
        customer=one.customer,
        score_before=points(one.old_score),
        score_after=points(one.new_score),
        threshold_before=one.old_threshold,
        threshold_after=one.new_threshold,
        stage_before=one.old_stage,
        stage_after=one.new_stage,
    )


def _figures(qualities: tuple[Quality, ...], rules: tuple[RuleShare, ...]) -> BacktestFigures:
    return BacktestFigures(
        thresholds=[
            QualityRow(
                threshold=one.threshold,
                points=points(one.points),
                reached=one.reached,
                customers=one.customers,
                precision=_share(one.precision),
                recall=_share(one.recall),
                lift=_rounded(one.lift),
            )
            for one in qualities
        ],
        rules=[
            RuleRow(
                rule=one.rule,
                points=points(one.points),
                people=one.fired,
                customers=one.customers,
                rate=_share(one.rate),
                lift=_rounded(one.lift),
            )
            for one in rules
        ],
    )


def _share(part: Part) -> float | None:
    return _rounded(part.value)


def _rounded(value: Fraction | None) -> float | None:
    return None if value is None else round(float(value), 4)
