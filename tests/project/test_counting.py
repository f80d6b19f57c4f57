"""How often a rule counts: visits, breaks between them, forms that were left, and as of when."""

import random
from typing import Any

import pytest
from msgspec.structs import replace

from server.model import DAY_MS, SESSION_GAP_MS
from server.project.ruleset import (
    DEFAULT,
    SEED,
    EventCondition,
    Rule,
    Ruleset,
    SessionCondition,
)
from server.project.scoring import (
    Receipt,
    as_of,
    first_reached,
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


def points(receipt: Receipt) -> dict[str, list[int]]:
    """The lines of each rule in whole or broken points, as milli."""
    told: dict[str, list[int]] = {}
    for line in receipt.lines:
        told.setdefault(line.rule, []).append(line.points)
    return told


@pytest.mark.parametrize(
    ("gaps", "returned"),
    [
        ([], 0),
        ([SESSION_GAP_MS], 0),
        ([SESSION_GAP_MS + 1], 1),
        ([7 * DAY_MS], 1),
        ([7 * DAY_MS + 1], 0),
        ([DAY_MS] * 3, 3),
        ([8 * DAY_MS, DAY_MS], 1),
    ],
)
def test_coming_back_within_7_days(gaps: list[int], returned: int) -> None:
    starts = [at(0)]
    for gap in gaps:
        starts.append(starts[-1] + gap)
    told = [visit(number, start) for number, start in enumerate(starts, start=1)]
    receipt = score(DEFAULT, told, {}, DAY + 20)
    assert len(points(receipt).get("came_back", [])) == returned


def test_the_break_is_measured_from_the_end_of_whatever_visit_ended_last() -> None:
    phone = visit(1, at(0), length=5 * HOUR_MS)
    laptop = visit(2, at(0) + HOUR_MS)
    during = visit(3, at(0) + 4 * HOUR_MS)
    after = visit(4, at(0) + 6 * HOUR_MS)
    receipt = score(DEFAULT, [phone, laptop, during, after], {}, DAY)
    assert [line.seq for line in receipt.lines if line.rule == "came_back"] == [400]


@pytest.mark.parametrize(
    ("starts", "day", "line"),
    [
        ([0, 1], 1, None),
        ([0, 7, 14], 14, (14, 28)),
        ([0, 7, 15], 15, None),
        ([0, 1, 2], 15, (2, 16)),
        ([0, 1, 2], 16, None),
        # Another visit renews it, and it stays one signal.
        ([0, 1, 2, 10], 16, (10, 24)),
        ([0, 1, 2, 3, 4, 5], 6, (5, 19)),
        # A visit after the window renews nothing.
        ([0, 1, 2, 30], 30, None),
    ],
)
def test_three_sessions_within_14_days(
    starts: list[int], day: int, line: tuple[int, int] | None
) -> None:
    told = [visit(number, at(start)) for number, start in enumerate(starts)]
    receipt = score(DEFAULT, told, {}, DAY + day)
    found = [(each.at, each.expires) for each in receipt.lines if each.rule == "three_sessions"]
    assert found == ([] if line is None else [(at(line[0]), DAY + line[1])])


def test_a_mail_opened_is_no_visit() -> None:
    opened = [replace(visit(number, at(number)), visit=False) for number in range(5)]
    assert score(DEFAULT, opened, {}, DAY + 5).lines == ()


NOON, LATE = at(0, 12), at(0, 23) + HOUR_MS // 2


@pytest.mark.parametrize(
    ("start", "next_start", "day", "counts_from"),
    [
        # Nobody came back: the next 00:00 UTC after the end, 30 minutes after the last event.
        (NOON, None, 0, None),
        (NOON, None, 1, at(1, 0)),
        (LATE - 1, None, 1, at(1, 0)),
        (LATE, None, 1, None),
        (LATE, None, 2, at(2, 0)),
        # The next visit comes first.
        (NOON, at(0, 15), 0, at(0, 15)),
        (NOON, at(1, 8), 1, at(1, 0)),
        (LATE, at(1, 8), 1, at(1, 8)),
    ],
)
def test_when_a_form_that_was_left_counts(
    start: int, next_start: int | None, day: int, counts_from: int | None
) -> None:
    told = [visit(1, start, pending=("form_left",))]
    if next_start is not None:
        told.append(visit(2, next_start))
    receipt = score(DEFAULT, told, {}, DAY + day)
    lines = [line for line in receipt.lines if line.rule == "form_left"]
    assert [line.at for line in lines] == ([] if counts_from is None else [counts_from])
    assert all(line.seq == 150 for line in lines)


def test_the_first_of_several_next_visits_decides_and_a_mail_opened_is_none() -> None:
    left = visit(1, NOON, pending=("form_left",))
    opened = replace(visit(2, NOON + 1), visit=False)
    told = [left, visit(4, at(0, 18)), opened, visit(3, at(0, 15))]
    receipt = score(DEFAULT, told, {}, DAY)
    assert [line.at for line in receipt.lines if line.rule == "form_left"] == [at(0, 15)]
    cut = [left, visit(5, NOON)]
    receipt = score(DEFAULT, cut, {}, DAY)
    assert [line.at for line in receipt.lines if line.rule == "form_left"] == [NOON]


@pytest.mark.parametrize("days", [(1,), (1, 2), (2, 1)])
def test_what_happens_from_the_next_midnight_on_is_not_known_but_announced(
    days: tuple[int, ...],
) -> None:
    today = visit(9, at(0), "careers_page")
    for rules in (("careers_page",), ()):
        told = [today, *(visit(day, at(day, 0), *rules) for day in days)]
        receipt = score(DEFAULT, told, {}, DAY)
        assert [line.at for line in receipt.lines] == [at(0)]
        assert receipt.next_change_day == DAY + 1
    hits = tuple(Hit("pricing_page", number, at(number, 0)) for number in (2, 1, 0))
    receipt = score(SEED, [SessionHits(1, 1, at(0, 0), at(2, 0), hits)], {}, DAY)
    assert [line.seq for line in receipt.lines] == [0]
    assert receipt.next_change_day == DAY + 1


def test_a_left_form_that_is_not_known_yet_says_when_it_will_be() -> None:
    receipt = score(DEFAULT, [visit(1, NOON, pending=("form_left",))], {}, DAY)
    assert (receipt.lines, receipt.next_change_day) == ((), DAY + 1)
    known = score(DEFAULT, [visit(1, NOON, pending=("form_left",))], {}, DAY + 1)
    assert [line.expires for line in known.lines] == [DAY + 15]


def test_a_left_form_counts_once_per_session() -> None:
    told = [visit(n, at(n), pending=("form_left",)) for n in range(8)]
    receipt = score(DEFAULT, told, {}, DAY + 9)
    assert points(receipt)["form_left"] == [5_000] * 8
    assert points(receipt)["cap:form_left"] == [-10_000]


@pytest.mark.parametrize(
    ("counted", "rest", "days"),
    [
        ("each", {}, [0, 0, 2, 9]),
        ("first_only", {}, [0]),
        ("once_per_day", {}, [0, 2, 9]),
        ("once_per_session", {}, [0, 0, 2, 9]),
        ("count", {"n": 3, "within_days": 2}, [2]),
        ("count", {"n": 3, "within_days": 1}, []),
        ("returns_within", {"within_days": 2}, [2]),
        ("returns_within", {"within_days": 7}, [2, 9]),
    ],
)
def test_how_often_a_rule_counts(counted: Any, rest: dict[str, Any], days: list[int]) -> None:
    rule = Rule("r", "", 1_000, EventCondition(("click",)), counted=counted, **rest)
    starts = [at(0), at(0) + 1_000, at(2), at(9)]
    told = [visit(number, start, "r") for number, start in enumerate(starts)]
    receipt = score(Ruleset(1, "x", (rule,)), told, {}, DAY + 10)
    assert [line.at // DAY_MS - DAY for line in receipt.lines] == days


@pytest.mark.parametrize("counted", ["each", "first_only", "once_per_day"])
def test_visits_can_be_counted_too(counted: Any) -> None:
    rule = Rule("r", "", 1_000, SessionCondition(), counted=counted)
    told = [visit(1, at(0)), visit(2, at(0, 12)), visit(3, at(1))]
    receipt = score(Ruleset(1, "x", (rule,)), told, {}, DAY + 1)
    expected = {"each": [100, 200, 300], "first_only": [100], "once_per_day": [100, 300]}
    assert [line.seq for line in receipt.lines] == expected[counted]


def test_nothing_is_known_of_what_came_later() -> None:
    told = [visit(1, at(0), "pricing_page", "demo_page"), visit(2, at(1), "demo_form")]
    assert as_of(told, at(0), 100)[0].hits == told[0].hits[:1]
    assert as_of(told, at(0), 101) == (told[0],)
    assert as_of(told, at(1), 200) == tuple(told)
    assert as_of(told, at(0) - 1, 1_000) == ()


def test_a_form_is_not_known_to_be_left_while_the_session_goes_on() -> None:
    told = [visit(1, at(0), pending=("form_left",), length=HOUR_MS)]
    assert as_of(told, at(0) + HOUR_MS, 199)[0].pending == ()
    assert as_of(told, at(1), 1_000) == tuple(told)


def test_the_event_that_reached_a_score_does_not_depend_on_arrival() -> None:
    told = [
        visit(9, at(0), "pricing_page"),
        visit(3, at(1), "demo_form"),
        visit(1, at(2), "demo_page"),
    ]
    for _ in range(6):
        random.shuffle(told)
        assert first_reached(DEFAULT, told, {}, 10_000) == (at(0), 900)
        assert first_reached(DEFAULT, told, {}, 50_000) == (at(1), 300)
        assert first_reached(DEFAULT, told, {}, 99_000) is None
