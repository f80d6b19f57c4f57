"""What always holds of a score, whatever the ruleset and the history."""

import random
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from server.model import DAY_MS, SESSION_GAP_MS, Kind
from server.project.decay import FULL, Decay
from server.project.rules import AXES, Counted
from server.project.ruleset import (
    DEFAULT,
    Axes,
    Bounds,
    Condition,
    EventCondition,
    FormLeftCondition,
    Group,
    InactivityCondition,
    PropertyCondition,
    Rule,
    Ruleset,
    SequenceCondition,
    SessionCondition,
)
from server.project.scoring import Receipt, as_of, first_reached, score
from server.project.signals import Fact, Hit, Matcher, SessionHits, SessionSignals, fold

pytestmark = pytest.mark.slow  # many examples

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


BOUNDS = st.builds(
    Bounds,
    st.none() | st.integers(1, 50_000),
    st.none() | st.integers(-50_000, 0),
)
#: `pages` and `jobs` bound something; nobody defines the last.
GROUPS = ["", "pages", "jobs", "nowhere"]


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
            group=draw(st.sampled_from(GROUPS)),
        )
        for key in KEYS
    )
    fit = Rule("x", "x", draw(st.integers(-9_000, 9_000)), PropertyCondition("plan"), axis="fit")
    silence = InactivityCondition(draw(st.integers(1, 9)), draw(st.integers(0, 5)))
    silent = Rule("silent", "silent", draw(st.integers(-9_000, 9_000)), silence, cap=9_000)
    groups = tuple(
        Group(key, "", draw(BOUNDS).cap, draw(BOUNDS).floor) for key in ("pages", "jobs")
    )
    axes = Axes(draw(BOUNDS), draw(BOUNDS))
    return Ruleset(1, "drawn", (*rules, silent, fit), groups=groups, axes=axes)


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


def within(total: int, cap: int | None, floor: int | None) -> bool:
    return (cap is None or total <= cap) and (floor is None or total >= floor)


@given(rulesets(), histories(), TRAITS, TODAY)
@settings(deadline=None)
def test_lines_add_up_exactly_at_every_level(
    ruleset: Ruleset, told: list[SessionHits], traits: dict[str, str], day: int
) -> None:
    receipt = score(ruleset, told, traits, day)
    assert adds_up(receipt)
    rules: dict[str, int] = {}
    others: dict[str, int] = {}
    for line in receipt.lines:
        if line.rule.startswith(("group_", "axis_")):
            assert line.points
            name = line.rule.partition(":")[2]
            others[name] = others.get(name, 0) + line.points
        else:
            key = line.rule.removeprefix("cap:")
            rules[key] = rules.get(key, 0) + line.points
    for key, total in rules.items():
        cap = ruleset.by_key[key][1].cap
        assert cap is None or abs(total) <= cap
    axes: dict[str, int] = {"fit": 0, "engagement": 0}
    for axis in AXES:
        for name in GROUPS:
            total = sum(
                points
                for key, points in rules.items()
                if (rule := ruleset.by_key[key][1]).axis == axis and rule.group == name
            )
            group = ruleset.by_group.get(name)
            if (
                group is not None
            ):  # one of both axes is refused by `check`, and bounded all the same
                total = min(total, group.cap) if group.cap is not None else total
                total = max(total, group.floor) if group.floor is not None else total
            axes[axis] += total
        bounds = ruleset.axes.of(axis)
        axes[axis] += others.get(axis, 0)
        assert within(axes[axis], bounds.cap, bounds.floor)
    assert axes == {"fit": receipt.fit, "engagement": receipt.engagement}


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
@settings(deadline=None)
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


@given(rulesets(), histories(), TODAY, st.sampled_from(["rule", "group", "axis"]), st.data())
def test_a_higher_bound_never_means_a_lower_score(
    ruleset: Ruleset, told: list[SessionHits], day: int, level: str, data: st.DataObject
) -> None:
    low, high = sorted(data.draw(st.lists(st.integers(1, 90_000), min_size=2, max_size=2)))

    def with_cap(cap: int) -> int:
        if level == "rule":  # of what adds: on what takes, a lower cap takes less
            rules = [replace(one, cap=cap) if one.points > 0 else one for one in ruleset.rules]
            return score(replace(ruleset, rules=tuple(rules)), told, {}, day).score
        if level == "group":
            groups = tuple(replace(one, cap=cap) for one in ruleset.groups)
            return score(replace(ruleset, groups=groups), told, {}, day).score
        axes = Axes(*(replace(ruleset.axes.of(axis), cap=cap) for axis in AXES))
        return score(replace(ruleset, axes=axes), told, {}, day).score

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


# ------------------------------------------------------------ from events


CLICK, VIEW = EventCondition(("click",)), EventCondition(("page_view",))
CONDITIONS: list[Condition] = [
    CLICK,
    EventCondition(("page_view", "form_submit"), page="/p*"),
    EventCondition(("engagement",), min_ms=50, min_scroll=50),
    SequenceCondition((VIEW, CLICK)),
    SequenceCondition((VIEW, VIEW, CLICK), gap_minutes=15),
    FormLeftCondition(),
    SessionCondition(),
    InactivityCondition(2, 1),
]


@st.composite
def event_rulesets(draw: st.DrawFn) -> Ruleset:
    rules = tuple(
        Rule(
            f"r{number}",
            "",
            draw(st.integers(-9_000, 20_000)),
            draw(st.sampled_from(CONDITIONS)),
            counted=draw(COUNTED),
            within_days=draw(st.integers(1, 9)),
            n=2,
            cap=draw(st.none() | st.integers(1, 40_000)),
            decay=draw(DECAYS),
        )
        for number in range(draw(st.integers(1, 4)))
    )
    return Ruleset(1, "drawn", rules)


KINDS = [Kind.PAGE_VIEW, Kind.ENGAGEMENT, Kind.CLICK, Kind.FORM_START, Kind.FORM_SUBMIT]


@st.composite
def visits(draw: st.DrawFn) -> list[list[Fact]]:
    """Sessions of one subject, apart by more than the idle time, each event later than the last."""
    now, seq, told = at(0, 0), 0, []
    for _ in range(draw(st.integers(1, 4))):
        now += SESSION_GAP_MS + draw(st.integers(1, 4 * DAY_MS))
        visit = []
        for _ in range(draw(st.integers(1, 6))):
            now, seq = now + draw(st.integers(1, SESSION_GAP_MS)), seq + 1
            visit.append(
                Fact(
                    seq,
                    now,
                    draw(st.sampled_from(KINDS)),
                    draw(st.sampled_from(["/p", "/q"])),
                    form=draw(st.sampled_from(["a", "b"])),
                    ms=draw(st.sampled_from([10, 100])),
                    scroll=draw(st.sampled_from([10, 100])),
                    page_seq=seq - seq % 2,
                )
            )
        told.append(visit)
    return told


def hits_of(matcher: Matcher, visit: list[Fact]) -> SessionHits:
    stored, left = fold(matcher, visit)
    first, last = visit[0], visit[-1]
    return SessionHits(first.seq, first.seq, first.at, last.at, stored, left)


@given(event_rulesets(), visits())
@settings(deadline=None)
def test_event_by_event_is_the_same_as_from_scratch(
    ruleset: Ruleset, told: list[list[Fact]]
) -> None:
    """What the projector keeps while events come is what a rebuild, and the past, make of them."""
    matcher = Matcher(ruleset)
    whole = [hits_of(matcher, visit) for visit in told]
    done: list[SessionHits] = []
    for visit in told:
        signals, hits = SessionSignals(), list[Hit]()
        for place, fact in enumerate(visit, start=1):
            hits += signals.step(matcher, fact)
            first = visit[0]
            now = SessionHits(
                first.seq, first.seq, first.at, fact.at, tuple(hits), signals.pending()
            )
            scratch = [*done, hits_of(matcher, visit[:place])]
            day = fact.at // DAY_MS
            receipt = score(ruleset, [*done, now], {}, day)
            assert receipt == score(ruleset, scratch, {}, day)
            past = score(ruleset, as_of(whole, fact.at, fact.seq), {}, day)
            assert (past.lines, past.score) == (receipt.lines, receipt.score)
        done.append(now)
    assert done == whole


@given(event_rulesets(), visits(), st.integers(1, 40_000), st.integers(0, 20))
@settings(deadline=None)
def test_a_score_is_first_reached_when_it_first_is(
    ruleset: Ruleset, told: list[list[Fact]], points: int, days: int
) -> None:
    """Looking at the end of every event and at every midnight finds the same moment."""
    matcher = Matcher(ruleset)
    whole = [hits_of(matcher, visit) for visit in told]
    events = [(fact.at, fact.seq) for visit in told for fact in visit]
    end = events[-1][0] + days * DAY_MS
    midnights = range(events[0][0] // DAY_MS + 1, end // DAY_MS + 1)
    moments = sorted([*events, *((day * DAY_MS, 0) for day in midnights)])
    reached = [
        moment
        for moment in moments
        if score(ruleset, as_of(whole, *moment), {}, moment[0] // DAY_MS).score >= points
    ]
    first = first_reached(ruleset, whole, {}, points, end)
    assert first == (reached[0] if reached else None)
