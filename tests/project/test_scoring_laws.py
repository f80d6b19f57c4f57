"""What always holds of a score, whatever the ruleset and the history."""

import random
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from server.model import DAY_MS
from server.project.decay import FULL, Decay
from server.project.rules import Counted
from server.project.ruleset import (
    DEFAULT,
    EventCondition,
    PropertyCondition,
    Rule,
    Ruleset,
    SessionCondition,
)
from server.project.scoring import (
    Receipt,
    score,
)
from server.project.signals import Hit, SessionHits

DAY = 20_000
HOUR_MS = 3_600_000


def at(day: int, hour: int = 9) -> int:
    return (DAY + day) * DAY_MS + hour * HOUR_MS


def visit(
    number: int, start: int, *rules: str, pending: tuple[str, ...] = (), length: int = 0
) -> SessionHits:
    """A session with hits of these rules at its start; seqs are 100 × number and following."""
    seq = number * 100
    hits = tuple(Hit(rule, seq + place, start) for place, rule in enumerate(rules))
    left = tuple(Hit(rule, seq + 50, start) for rule in pending)
    return SessionHits(number, seq, start, start + length, hits, left)


def adds_up(receipt: Receipt) -> bool:
    sums = {"fit": 0, "engagement": 0}
    for line in receipt.lines:
        sums[line.axis] += line.points
    return sums == {"fit": receipt.fit, "engagement": receipt.engagement} and (
        receipt.score == receipt.fit + receipt.engagement
    )


RULES = [rule.key for rule in DEFAULT.rules]
DECAYS = st.one_of(
    st.just(Decay()),
    st.builds(Decay, st.just("window"), st.integers(1, 20)),
    st.builds(Decay, st.just("half_life"), st.integers(1, 20)),
    st.builds(Decay, st.just("linear"), st.integers(1, 9), st.integers(10, 100)),
)
COUNTED: st.SearchStrategy[Counted] = st.sampled_from(get_args(Counted))
KEYS = ["a", "b", "c", "visits"]


@st.composite
def rulesets(draw: st.DrawFn) -> Ruleset:
    rules = tuple(
        Rule(
            key,
            key,
            draw(st.integers(-20_000, 20_000)),
            SessionCondition() if key == "visits" else EventCondition(("click",)),
            axis=draw(st.sampled_from(["fit", "engagement"])),
            counted=draw(COUNTED),
            within_days=draw(st.integers(1, 9)),
            n=draw(st.integers(2, 4)),
            cap=draw(st.one_of(st.none(), st.integers(1, 40_000))),
            decay=draw(DECAYS),
        )
        for key in KEYS
    )
    fit = Rule("x", "x", draw(st.integers(-9_000, 9_000)), PropertyCondition("plan"), axis="fit")
    cap = draw(st.one_of(st.none(), st.integers(1, 50_000)))
    floor = draw(st.one_of(st.none(), st.integers(-50_000, 0)))
    return Ruleset(1, "drawn", (*rules, fit), axis_cap=cap, axis_floor=floor)


@st.composite
def histories(draw: st.DrawFn, keys: list[str] = KEYS[:3], days: int = 25) -> list[SessionHits]:
    sessions = []
    for number in range(1, draw(st.integers(0, 6)) + 1):
        start = at(draw(st.integers(0, days)), 0) + draw(st.integers(0, DAY_MS - 1))
        length = draw(st.integers(0, 3 * HOUR_MS))
        hits = tuple(
            Hit(
                draw(st.sampled_from(keys)),
                number * 100 + place,
                start + draw(st.integers(0, length)),
                draw(st.sampled_from(["", "/p", "/q"])),
            )
            for place in range(draw(st.integers(0, 5)))
        )
        left = (Hit(draw(st.sampled_from(keys)), number * 100 + 50, start),)
        pending = left if draw(st.booleans()) else ()
        sessions.append(SessionHits(number, number * 100, start, start + length, hits, pending))
    return sessions


TODAY = st.integers(DAY - 2, DAY + 60)
TRAITS = st.sampled_from([{}, {"plan": "pro"}])


@given(rulesets(), histories(), TRAITS, TODAY)
def test_lines_add_up_exactly(
    ruleset: Ruleset, told: list[SessionHits], traits: dict[str, str], day: int
) -> None:
    receipt = score(ruleset, told, traits, day)
    assert adds_up(receipt)
    for axis_total in (receipt.fit, receipt.engagement):
        assert ruleset.axis_cap is None or axis_total <= ruleset.axis_cap
        assert ruleset.axis_floor is None or axis_total >= ruleset.axis_floor


@given(rulesets(), histories(), TRAITS, TODAY, st.randoms(use_true_random=False))
def test_order_and_duplicates_do_not_matter(
    ruleset: Ruleset,
    told: list[SessionHits],
    traits: dict[str, str],
    day: int,
    chance: random.Random,
) -> None:
    shuffled = [
        replace(each, hits=tuple(chance.sample([*each.hits, *each.hits], 2 * len(each.hits))))
        for each in (*told, *told)
    ]
    chance.shuffle(shuffled)
    assert score(ruleset, shuffled, traits, day) == score(ruleset, told, traits, day)


@given(rulesets(), histories(), TRAITS, TODAY)
def test_decay_never_overshoots(
    ruleset: Ruleset, told: list[SessionHits], traits: dict[str, str], day: int
) -> None:
    for line in score(ruleset, told, traits, day).lines:
        assert 0 <= line.factor <= FULL
        assert 0 <= line.points * (1 if line.base > 0 else -1) <= abs(line.base)
        assert line.expires is None or line.expires > day


@given(rulesets(), histories(), TRAITS, TODAY)
@settings(max_examples=200)
def test_nothing_changes_before_the_next_change_day_and_something_does_on_it(
    ruleset: Ruleset, told: list[SessionHits], traits: dict[str, str], day: int
) -> None:
    receipt = score(ruleset, told, traits, day)
    change = receipt.next_change_day
    assert change is None or change > day
    for later in range(day + 1, DAY + 300 if change is None else change):
        assert replace(score(ruleset, told, traits, later), next_change_day=change) == receipt
    past = all(session.end < day * DAY_MS and not session.pending for session in told)
    if change is not None and past:
        assert score(ruleset, told, traits, change).lines != receipt.lines


@given(histories(), TODAY, st.integers(1, 90_000), st.integers(1, 90_000))
def test_a_higher_cap_never_means_a_lower_score(
    told: list[SessionHits], day: int, one: int, other: int
) -> None:
    def with_cap(cap: int) -> int:
        rules = tuple(
            Rule(key, "", 7_000, EventCondition(("click",)), cap=cap, decay=Decay("half_life", 5))
            for key in KEYS
        )
        return score(Ruleset(1, "x", rules, axis_cap=2 * cap), told, {}, day).score

    low, high = sorted((one, other))
    assert with_cap(low) <= with_cap(high)


@given(histories(RULES), st.sampled_from(RULES[:5]), TODAY)
def test_one_more_hit_never_lowers_the_score(told: list[SessionHits], rule: str, day: int) -> None:
    more = [*told, replace(visit(77, at(3), rule), visit=False)]
    assert score(DEFAULT, more, {}, day).score >= score(DEFAULT, told, {}, day).score


@given(histories(RULES), TODAY)
def test_the_score_of_the_past_is_the_score_without_what_came_later(
    told: list[SessionHits], day: int
) -> None:
    end = (day + 1) * DAY_MS - 1
    whole = [each for each in told if each.end <= end or each.start > end]
    known = [each for each in whole if each.end <= end]
    after = score(DEFAULT, whole, {}, day)
    assert replace(after, next_change_day=None) == replace(
        score(DEFAULT, known, {}, day), next_change_day=None
    )
