"""Backtests by hand-computed tables: who moves, how well a threshold tells customers, no leaks."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.model import DAY_MS
from server.project.backtest import (
    Backtest,
    Bucket,
    Case,
    Mover,
    Share,
    Weights,
    backtest,
    buckets,
    case_of,
    moment_of,
    movers,
)
from server.project.ruleset import (
    EventCondition,
    FormLeftCondition,
    PropertyCondition,
    Rule,
    Ruleset,
    SessionCondition,
    Threshold,
)
from server.project.scoring import Line, Receipt
from server.project.signals import Hit, SessionHits

NOW = 20_000 * DAY_MS
VIEW = EventCondition(("page_view",))
OLD = Ruleset(
    1,
    "old",
    (Rule("a", "A", 10_000, VIEW), Rule("b", "B", 20_000, VIEW), Rule("idle", "", 1_000, VIEW)),
    (Threshold("mql", "mql", 20_000), Threshold("sql", "sql", 50_000)),
)
NEW = Ruleset(
    2,
    "new",
    (Rule("b", "B", 25_000, VIEW, cap=40_000), Rule("c", "C", -5_000, VIEW)),
    (Threshold("warm", "", 15_000), Threshold("mql", "mql", 25_000)),
)


def receipt(*lines: tuple[str, int]) -> Receipt:
    """A receipt of lines with these points, a minute before now."""
    total = sum(points for _, points in lines)
    told = tuple(
        Line(rule, "engagement", points, points, at=0 if ":" in rule else NOW - 60_000, seq=1)
        for rule, points in lines
    )
    return Receipt(told, 0, total, total, "C3", None)


def case(person: int, customer: bool, old: Receipt, new: Receipt) -> Case:
    return Case(person, NOW, old, new, NOW + DAY_MS if customer else None)


NOTHING = receipt()
A, B, TWO_B = receipt(("a", 10_000)), receipt(("b", 20_000)), receipt(*[("b", 20_000)] * 3)
NEW_B = receipt(("b", 25_000))
CAPPED = receipt(("b", 25_000), ("b", 25_000), ("cap:b", -10_000))
LESS = receipt(("b", 25_000), ("c", -5_000))

#: how many, customers, before, after
TABLE = [
    (20, True, B, NEW_B),
    (10, True, TWO_B, CAPPED),
    (10, True, NOTHING, NOTHING),
    (20, False, B, LESS),
    (10, False, A, NOTHING),
    (30, False, NOTHING, NOTHING),
]


def people(table: list[tuple[int, bool, Receipt, Receipt]] = TABLE) -> list[Case]:
    rows = [row[1:] for row in table for _ in range(row[0])]
    return [case(number, *row) for number, row in enumerate(rows, start=1)]


FOUND = backtest(OLD, NEW, people())


def test_the_table() -> None:
    assert (FOUND.sentence, FOUND.people, FOUND.customers) == ("", 100, 40)


def test_who_moves() -> None:
    told = {
        (one.old_threshold, one.new_threshold, one.old_stage, one.new_stage, one.customer)
        for one in FOUND.movers
    }
    # 60 points were an SQL and 40 are an MQL; 20 points were an MQL and only warm now.
    assert told == {("sql", "mql", "sql", "mql", True), ("mql", "warm", "mql", "", False)}
    assert len(FOUND.movers) == 10 + 20
    assert FOUND.movers[0] == Mover(41, False, 20_000, 20_000, "mql", "warm", "mql", "")
    assert FOUND.movers[-1] == Mover(30, True, 60_000, 40_000, "sql", "mql", "sql", "mql")
    assert movers(OLD, OLD, [case(1, True, B, B)]) == ()


def test_a_sample_tells_what_is_so_of_everybody() -> None:
    """One of three others, one of two customers: the same shares, and counts of the sample."""
    everybody = people([row for row in TABLE for _ in range(3 - row[1])])
    whole = backtest(OLD, NEW, everybody)
    drawn = backtest(OLD, NEW, people(), Weights(2, 3))
    assert (whole.people, drawn.people) == (40 * 2 + 60 * 3, 100)
    for one, other in zip(
        (*whole.old_quality, *whole.new_quality),
        (*drawn.old_quality, *drawn.new_quality),
        strict=True,
    ):
        assert one.precision.value == other.precision.value
        assert (one.recall.value, one.lift) == (other.recall.value, other.lift)
        assert other.reached < one.reached or not one.reached
    for rule, drawn_rule in zip(whole.new_rules, drawn.new_rules, strict=True):
        assert (rule.rate.value, rule.lift) == (drawn_rule.rate.value, drawn_rule.lift)


def test_precision_recall_and_lift_of_a_threshold() -> None:
    mql, sql = FOUND.old_quality
    assert (mql.threshold, mql.points) == ("mql", 20_000)
    assert (mql.reached, mql.customers) == (50, 30)
    assert (mql.precision.value, mql.recall.value) == (Fraction(3, 5), Fraction(3, 4))
    assert mql.lift == Fraction(3, 2)
    assert (sql.reached, sql.customers) == (10, 10)
    assert (sql.precision.shown(), sql.recall.shown()) == ("100.0 %", "25.0 %")
    assert sql.lift == Fraction(5, 2)
    warm, better = FOUND.new_quality
    assert (warm.reached, warm.customers, warm.precision.value) == (50, 30, Fraction(3, 5))
    assert (better.reached, better.customers, better.lift) == (30, 30, Fraction(5, 2))


def test_what_each_rule_does() -> None:
    a, b, idle = FOUND.old_rules
    assert (a.rule, a.points, a.fired, a.customers) == ("a", 100_000, 10, 0)
    assert (a.rate.value, a.lift) == (Fraction(0), Fraction(0))
    assert (b.points, b.fired, b.customers) == (40 * 20_000 + 10 * 60_000, 50, 30)
    assert (b.rate.shown(), b.lift) == ("60.0 %", Fraction(3, 2))
    assert (idle.points, idle.fired, idle.rate.value, idle.lift) == (0, 0, None, None)
    b, c = FOUND.new_rules
    assert b.points == 20 * 25_000 + 10 * 40_000 + 20 * 25_000  # what its cap took is not given
    assert (c.rule, c.points, c.fired, c.customers) == ("c", -100_000, 20, 0)


def test_the_scores_before_and_after() -> None:
    assert FOUND.buckets[0] == Bucket(0, 5_000, 40, 10, 50, 10)
    filled = [
        (one.low, one.old, one.old_customers, one.new, one.new_customers) for one in FOUND.buckets
    ]
    assert [row for row in filled if any(row[1:])] == [
        (0, 40, 10, 50, 10),
        (10_000, 10, 0, 0, 0),
        (20_000, 40, 20, 20, 0),
        (25_000, 0, 0, 20, 20),
        (40_000, 0, 0, 10, 10),
        (60_000, 10, 10, 0, 0),
    ]
    assert sum(one.old for one in FOUND.buckets) == sum(one.new for one in FOUND.buckets) == 100


@given(st.lists(st.integers(-(10**10), 10**10), max_size=30))
def test_buckets_are_few_and_hold_everybody(scores: list[int]) -> None:
    cases = [case(1, False, receipt(("a", points)), NOTHING) for points in scores]
    found = buckets(cases)
    assert len(found) <= 20
    assert sum(one.old for one in found) == sum(one.new for one in found) == len(scores)
    for one, after in pairwise(found):
        assert one.high == after.low
    for points in scores:
        assert sum(one.low <= points < one.high for one in found) == 1


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (Share(0, 0), "–"),
        (Share(1, 3), "33.3 %"),
        (Share(2, 3), "66.7 %"),
        (Share(1, 2_000), "0.1 %"),
        (Share(1, 2_001), "0.0 %"),
        (Share(7, 7), "100.0 %"),
    ],
)
def test_a_share_is_rounded_once(share: Share, shown: str) -> None:
    assert share.shown() == shown


@pytest.mark.parametrize(("customers", "others"), [(29, 300), (300, 29), (0, 0)])
def test_too_few_are_a_sentence_and_no_figures(customers: int, others: int) -> None:
    found = backtest(OLD, NEW, people([(customers, True, B, B), (others, False, A, NEW_B)]))
    assert found == Backtest(found.sentence)
    assert f"There are {customers} customers and {others} others" in found.sentence


def test_thirty_of_each_are_enough() -> None:
    found = backtest(OLD, NEW, people([(30, True, B, B), (30, False, A, A)]))
    assert (found.sentence, found.people) == ("", 60)


def test_the_moment_of_a_customer_lies_before() -> None:
    assert moment_of(NOW, None) == NOW
    assert moment_of(NOW, NOW + 5) == NOW
    assert moment_of(NOW, NOW) == NOW - 1
    assert moment_of(NOW, NOW - DAY_MS, 30) == NOW - 31 * DAY_MS


def test_what_is_known_only_later_is_refused() -> None:
    late = Case(7, NOW, B, B, NOW)
    with pytest.raises(ValueError, match="person 7 is looked at after they became a customer"):
        backtest(OLD, NEW, [late])
    with pytest.raises(ValueError, match="person 8 is scored by what happened later"):
        backtest(OLD, NEW, [Case(8, NOW - 60_001, B, B)])


def test_a_case_knows_only_what_happened_until_then() -> None:
    """A form left is known the midnight after, a trait when it was given, and nothing before."""
    rules = (
        Rule("view", "", 1_000, VIEW),
        Rule("left", "", 100_000, FormLeftCondition()),
        Rule("visits", "", 10_000, SessionCondition()),
        Rule("title", "", 5_000, PropertyCondition("title"), axis="fit"),
    )
    ruleset = Ruleset(1, "x", rules)
    started = Hit("left", 3, NOW + 2_000)
    visit = SessionHits(
        1, 1, NOW, NOW + 9_000, (Hit("view", 1, NOW), Hit("view", 2, NOW + 5_000)), (started,)
    )
    back = SessionHits(9, 9, NOW + 3 * DAY_MS, NOW + 3 * DAY_MS)

    def at(moment: int) -> int:
        both = ([visit, back], [visit, back])
        known = lambda at: {"title": "VP"} if at >= NOW + DAY_MS else {}  # noqa: E731
        found = case_of((ruleset, ruleset), 1, both, known, moment)
        assert found.old == found.new
        return found.old.score

    assert at(NOW - 1) == 0
    assert at(NOW) == 11_000
    assert at(NOW + 5_000) == 12_000
    assert at(NOW + DAY_MS - 1) == 12_000
    assert at(NOW + DAY_MS) == 117_000
    assert at(NOW + 3 * DAY_MS) == 127_000
    with pytest.raises(ValueError, match="after they became a customer"):
        case_of((ruleset, ruleset), 1, ([visit], [visit]), lambda _: {}, NOW, NOW)
