"""The score and its receipt: the seed example, what each rule is worth, caps, grades."""

from typing import Any

import pytest
from msgspec.structs import replace

from server.model import DAY_MS, Kind
from server.project.decay import FULL, Decay
from server.project.ruleset import (
    DEFAULT,
    SEED,
    Axes,
    Bounds,
    EventCondition,
    Rule,
    Ruleset,
)
from server.project.scoring import (
    Line,
    Receipt,
    grade,
    score,
    signals_of,
)
from server.project.signals import Fact, Hit, Matcher, SessionHits, fold
from server.project.stages import Cause, Standing, judge

DAY = 20_000
HOUR_MS = 3_600_000
VP = {"email": "vic@gmail.com", "title": "VP of Marketing"}


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


def adds_up(receipt: Receipt) -> bool:
    sums = {"fit": 0, "engagement": 0}
    for line in receipt.lines:
        sums[line.axis] += line.points
    return sums == {"fit": receipt.fit, "engagement": receipt.engagement} and (
        receipt.score == receipt.fit + receipt.engagement
    )


def seed_story() -> list[SessionHits]:
    """Four looks at the pricing page, one ebook, five mails opened within a week."""
    matcher = Matcher(SEED)
    pages = [
        Fact(seq, at(0) + seq, Kind.PAGE_VIEW, "/pricing", ("pricing",)) for seq in (1, 2, 3, 4)
    ]
    ebook = Fact(5, at(0) + 5, Kind.DOWNLOAD, href="/ebook.pdf")
    opens = [Fact(10 + day, at(day), Kind.EMAIL_OPEN) for day in range(1, 6)]
    sessions = [SessionHits(1, 1, at(0), at(0) + 5, fold(matcher, [*pages, ebook])[0])]
    for fact in opens:
        hits, _ = fold(matcher, [fact])
        sessions.append(SessionHits(fact.seq, fact.seq, fact.at, fact.at, hits, visit=False))
    return sessions


def test_the_seed_example_reaches_exactly_75_and_says_why() -> None:
    receipt = score(SEED, seed_story(), VP, DAY + 5)
    pricing = [
        Line("pricing_page", "engagement", 10_000, 10_000, FULL, at(0) + seq, seq)
        for seq in (1, 2, 3, 4)
    ]
    assert receipt.lines == (
        *pricing,
        Line("ebook", "engagement", 5_000, 5_000, FULL, at(0) + 5, 5),
        Line("five_opens", "engagement", 20_000, 20_000, FULL, at(5), 15),
        Line("vp_of_marketing", "fit", 15_000, 15_000),
        Line("gmail", "fit", -5_000, -5_000),
    )
    assert (receipt.fit, receipt.engagement, receipt.score) == (10_000, 65_000, 75_000)
    assert receipt.next_change_day is None
    assert adds_up(receipt)


def test_the_seed_example_makes_an_mql_at_the_fifth_mail_and_not_before() -> None:
    standing = Standing("lead")
    for day, score_of_the_day in ((4, 55_000), (5, 75_000), (6, 75_000)):
        story = [session for session in seed_story() if session.start <= at(day)]
        receipt = score(SEED, story, VP, DAY + day)
        assert receipt.score == score_of_the_day
        standing, moves = judge(SEED, standing, receipt, Cause(day, at(day)))
        assert standing.stage == ("mql" if day >= 5 else "lead")
        assert [move.kind for move in moves] == (["crossed", "stage_moved"] if day == 5 else [])


def test_the_seed_example_never_fades_and_the_opens_count_once() -> None:
    more = [
        SessionHits(90 + n, 90 + n, at(9, n), at(9, n), (Hit("five_opens", 90 + n, at(9, n)),))
        for n in range(9)
    ]
    late = score(SEED, [*seed_story(), *more], VP, DAY + 3_000)
    assert late.score == 75_000
    assert points(late)["five_opens"] == [20_000]


@pytest.mark.parametrize(
    ("rule", "times", "day", "total"),
    [
        ("pricing_page", 1, 0, 10_000),
        ("pricing_page", 1, 1, 9_770),
        ("pricing_page", 1, 30, 5_000),
        ("pricing_page", 4, 0, 30_000),
        ("demo_page", 1, 60, 2_500),
        ("demo_page", 9, 0, 30_000),
        ("demo_form", 1, 0, 40_000),
        ("demo_form", 2, 0, 60_000),
        ("demo_form", 2, 60, 40_000),
        ("other_form", 1, 0, 20_000),
        ("other_form", 3, 0, 40_000),
        ("lead_magnet", 1, 60, 2_500),
        ("lead_magnet", 9, 0, 30_000),
        ("deep_read", 1, 0, 5_000),
        ("deep_read", 9, 0, 5_000),
        ("pricing_then_demo", 3, 29, 15_000),
        ("pricing_then_demo", 3, 30, 0),
        ("careers_page", 3, 0, -10_000),
        ("careers_page", 1, 400, -10_000),
    ],
)
def test_what_hits_are_worth(rule: str, times: int, day: int, total: int) -> None:
    once = visit(1, at(0), *[rule] * times)
    receipt = score(DEFAULT, [once], {}, DAY + day)
    assert receipt.engagement == total
    assert adds_up(receipt)


@pytest.mark.parametrize(
    ("traits", "fit"),
    [
        ({}, 0),
        ({"email_class": "business"}, 10_000),
        ({"email_class": "free"}, -5_000),
        ({"email_class": "disposable"}, -50_000),
        ({"email_class": ""}, 0),
        ({"title": "VP of Marketing"}, 15_000),
        ({"title": "Head of Growth", "email_class": "business"}, 25_000),
        ({"title": "assistant to the VP"}, 0),
        ({"seniority": "director"}, 15_000),
    ],
)
def test_fit_is_what_is_known_and_does_not_fade(traits: dict[str, Any], fit: int) -> None:
    for day in (DAY, DAY + 5_000):
        receipt = score(DEFAULT, (), traits, day)
        assert (receipt.fit, receipt.next_change_day) == (fit, None)


def test_a_cap_is_a_line_of_its_own() -> None:
    receipt = score(DEFAULT, [visit(1, at(0), *["pricing_page"] * 4)], {}, DAY)
    assert points(receipt) == {"pricing_page": [10_000] * 4, "cap:pricing_page": [-10_000]}
    assert receipt.lines[-1] == Line("cap:pricing_page", "engagement", -10_000, -10_000)


def test_the_cap_of_an_axis_comes_last() -> None:
    hits = ["demo_form", "demo_form", "other_form", "other_form", "pricing_page"]
    receipt = score(DEFAULT, [visit(1, at(0), *hits)], {"email_class": "business"}, DAY)
    assert receipt.lines[-1] == Line("axis_cap:engagement", "engagement", -10_000, -10_000)
    assert points(receipt)["cap:demo_form"] == [-20_000]
    assert (receipt.fit, receipt.engagement, receipt.score) == (10_000, 100_000, 110_000)
    assert adds_up(receipt)


def test_a_cap_bounds_what_is_taken_and_a_floor_what_is_left() -> None:
    minus = Rule("minus", "", -4_000, EventCondition(("click",)), cap=10_000)
    ruleset = Ruleset(1, "x", (minus,), axes=Axes(engagement=Bounds(floor=-7_000)))
    receipt = score(ruleset, [visit(1, at(0), *["minus"] * 5)], {}, DAY)
    assert points(receipt)["cap:minus"] == [10_000]
    assert points(receipt)["axis_floor:engagement"] == [3_000]
    assert receipt.score == -7_000
    assert adds_up(receipt)


@pytest.mark.parametrize(
    ("fit", "engagement", "expected"),
    [
        (0, 0, "C3"),
        (33_999, 33_999, "C3"),
        (34_000, 34_000, "B2"),
        (66_999, 66_999, "B2"),
        (67_000, 67_000, "A1"),
        (100_000, 0, "A3"),
        (-50_000, 100_000, "C1"),
    ],
)
def test_the_grade(fit: int, engagement: int, expected: str) -> None:
    assert grade(DEFAULT, fit, engagement) == expected
    assert grade(SEED, fit, engagement) == expected
    assert (
        grade(
            replace(DEFAULT, axes=Axes(Bounds(200_000), Bounds(200_000))), 2 * fit, 2 * engagement
        )
        == expected
    )


def test_signals_are_the_rules_in_force_by_their_points() -> None:
    told = [visit(1, at(0), "careers_page", "lead_magnet", *["pricing_page"] * 4, "demo_page")]
    receipt = score(DEFAULT, told, {"email_class": "business"}, DAY)
    assert signals_of(receipt) == (
        "pricing_page",
        "business_email",
        "demo_page",
        "lead_magnet",
        "careers_page",
    )
    assert signals_of(score(DEFAULT, told, {}, DAY + 5_000)) == ("careers_page",)


def test_a_rule_that_is_gone_counts_no_more() -> None:
    assert score(SEED, [visit(1, at(0), "no_such_rule")], {}, DAY).lines == ()


def test_what_is_too_small_for_an_integer_fades_towards_zero() -> None:
    fade = Decay("half_life", days=1)
    rules = tuple(
        Rule(key, "", worth, EventCondition(("click",)), decay=fade)
        for key, worth in (("plus", 3), ("minus", -3))
    )
    told = [visit(1, at(0), "plus", "minus")]
    assert points(score(Ruleset(1, "x", rules), told, {}, DAY + 1)) == {"plus": [1], "minus": [-1]}
    assert points(score(Ruleset(1, "x", rules), told, {}, DAY + 2)) == {"plus": [0], "minus": [0]}
