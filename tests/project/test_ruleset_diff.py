"""What changed between two rulesets, and what publishing the change asks for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from server.model import Kind
from server.project.decay import Decay
from server.project.ruleset import (
    DEFAULT,
    PRESETS,
    SEED,
    Axes,
    Bounds,
    Condition,
    EventCondition,
    FieldTest,
    FormLeftCondition,
    Group,
    InactivityCondition,
    PropertyCondition,
    Rule,
    Ruleset,
    SequenceCondition,
    SessionCondition,
    Threshold,
)
from server.project.ruleset_diff import differences, same_matching, same_scores
from server.project.scoring import score
from server.project.signals import Fact, Matcher, SessionHits, fold

VIEW = EventCondition(("page_view",), groups=("pricing", "careers"))
BASE = Ruleset(
    1,
    "base",
    (
        Rule("views", "Views", 10_000, VIEW, counted="once_per_session"),
        Rule("left", "Left", 1_000, FormLeftCondition()),
        Rule("visits", "Visits", 2_000, SessionCondition()),
        Rule("mail", "Mail", -5_000, PropertyCondition("email_class", "equals", "free")),
    ),
    (Threshold("mql", "mql", 50_000, 10_000),),
)


def changed(place: int = 0, **fields: Any) -> Ruleset:
    rules = list(BASE.rules)
    rules[place] = replace(rules[place], **fields)
    return replace(BASE, version=2, rules=tuple(rules))


SENTENCES: list[tuple[Ruleset, list[str]]] = [
    (replace(BASE, version=7), []),
    (replace(BASE, name="new"), ["the ruleset: name base → new"]),
    (changed(points=15_000), ["views: points 10 → 15"]),
    (changed(3, points=-125), ["mail: points −5 → −0.125"]),
    (changed(cap=30_000), ["views: cap none → 30"]),
    (changed(label="Seen"), ["views: label Views → Seen"]),
    (changed(decay=Decay("half_life", 30)), ["views: decay no decay → halved every 30 days"]),
    (
        changed(counted="count", n=3, within_days=7),
        [
            "views: counted once a visit → when it happens several times within some days",
            "views: within_days 0 → 7",
            "views: n 0 → 3",
        ],
    ),
    (
        changed(when=EventCondition(("page_view",), page="/x*")),
        ["views: when a page viewed on “pricing” or “careers” pages → a page viewed on /x*"],
    ),
    (
        changed(2, when=InactivityCondition(30, 7)),
        ["visits: when a visit → no visit for 30 days, again every 7"],
    ),
    (
        changed(3, when=PropertyCondition("email_class", "in", ("free",), negate=True)),
        ["mail: when email class is “free” → email class is none of “free”"],
    ),
    (replace(BASE, rules=BASE.rules[1:]), ["rule views removed"]),
    (replace(BASE, rules=(*BASE.rules, Rule("x", "", 1, VIEW))), ["rule x added"]),
    (replace(BASE, rules=BASE.rules[::-1]), ["the rules are in another order"]),
    (
        replace(BASE, thresholds=(Threshold("mql", "mql", 75_000, 10_000),)),
        ["threshold MQL: 50 → 75"],
    ),
    (
        replace(BASE, thresholds=(Threshold("mql", "sql", 50_000, 5_000, notify=False),)),
        [
            "threshold MQL: stage MQL → SQL",
            "threshold MQL: hysteresis 10 → 5",
            "threshold MQL: notify yes → no",
        ],
    ),
    (replace(BASE, groups=(Group("pages", cap=1),)), ["group pages added"]),
    (replace(BASE, axes=Axes(Bounds(cap=100_000))), ["axis fit: cap none → 100"]),
]


@pytest.mark.parametrize(("new", "told"), SENTENCES)
def test_a_difference_is_a_sentence(new: Ruleset, told: list[str]) -> None:
    assert [one.sentence for one in differences(BASE, new)] == told


def test_a_difference_is_data() -> None:
    (one,) = differences(BASE, changed(points=15_000))
    assert (one.part, one.key, one.kind, one.field) == ("rule", "views", "changed", "points")
    assert (one.before, one.after) == (10_000, 15_000)


def test_from_one_preset_to_another_every_part_is_named() -> None:
    told = {(one.part, one.key, one.kind) for one in differences(DEFAULT, SEED)}
    assert ("rule", "demo_page", "removed") in told
    assert ("rule", "ebook", "added") in told
    assert ("rule", "pricing_page", "changed") in told
    assert ("axis", "fit", "changed") in told
    for preset in PRESETS.values():
        assert differences(preset, preset) == ()


SAME: list[tuple[Ruleset, bool, bool]] = [
    # new, same matching, same scores
    (replace(BASE, version=9, name="x", thresholds=()), True, True),
    (changed(label="x"), True, True),
    (changed(points=1), True, False),
    (changed(cap=20_000), True, False),
    (changed(decay=Decay("window", 3)), True, False),
    (changed(axis="fit"), True, False),
    (changed(group="g"), True, False),
    (replace(BASE, axes=Axes(Bounds(1))), True, False),
    (changed(counted="first_only"), True, False),
    (changed(counted="returns_within", within_days=3), True, False),
    (changed(counted="once_per_day"), False, False),
    (changed(counted="once_per_page"), False, False),
    (changed(counted="each"), False, False),
    (changed(1, counted="first_only"), False, False),
    (changed(key="other"), False, False),
    (changed(when=replace(VIEW, groups=("careers", "pricing"))), True, False),
    (changed(when=replace(VIEW, page="/x")), False, False),
    (changed(when=replace(VIEW, channels=("Direct",))), False, False),
    (changed(when=SequenceCondition((VIEW, VIEW))), False, False),
    (changed(when=EventCondition(("track",), where=(FieldTest("a"),))), False, False),
    (changed(1, when=FormLeftCondition(form="x")), False, False),
    (changed(2, when=InactivityCondition(3)), True, False),
    (changed(3, when=PropertyCondition("title")), True, False),
    (replace(BASE, rules=BASE.rules[::-1]), True, False),
    (replace(BASE, rules=BASE.rules[1:]), False, False),
    (replace(BASE, rules=BASE.rules[:2]), True, False),
    (replace(BASE, rules=(*BASE.rules, Rule("x", "", 1, VIEW))), False, False),
    (replace(BASE, rules=(*BASE.rules, Rule("x", "", 1, SessionCondition()))), True, False),
]


@pytest.mark.parametrize(("new", "matching", "scores"), SAME)
def test_what_has_to_be_worked_out_again(new: Ruleset, matching: bool, scores: bool) -> None:
    assert same_matching(BASE, new) is same_matching(new, BASE) is matching
    assert same_scores(BASE, new) is same_scores(new, BASE) is scores


COUNTED = [
    "each",
    "first_only",
    "once_per_session",
    "once_per_day",
    "once_per_page",
    "count",
    "returns_within",
]
WHEN: list[Condition] = [
    VIEW,
    replace(VIEW, groups=("careers", "pricing")),
    replace(VIEW, groups=("pricing",)),
    EventCondition(("page_view", "form_submit")),
    EventCondition(("form_submit", "page_view")),
    EventCondition(("track",), where=(FieldTest("plan", "equals", 1),)),
    EventCondition(("track",), where=(FieldTest("plan", "equals", True),)),
    SequenceCondition((EventCondition(("page_view",)), EventCondition(("track",)))),
    SequenceCondition((EventCondition(("page_view",)), EventCondition(("track",))), 1),
    FormLeftCondition(),
    FormLeftCondition(form="a*"),
    SessionCondition(),
    InactivityCondition(2),
    PropertyCondition("plan"),
]


@st.composite
def rulesets(draw: st.DrawFn) -> Ruleset:
    rules = tuple(
        Rule(
            key,
            draw(st.sampled_from(["", "x"])),
            draw(st.sampled_from([1_000, 2_000])),
            draw(st.sampled_from(WHEN)),
            counted=draw(st.sampled_from(COUNTED)),
            n=2,
            within_days=3,
        )
        for key in draw(st.permutations(["a", "b"]))[: draw(st.integers(1, 2))]
    )
    return Ruleset(1, "drawn", rules)


@st.composite
def sessions(draw: st.DrawFn) -> list[Fact]:
    told = []
    for number in range(1, draw(st.integers(1, 8)) + 1):
        kind = draw(
            st.sampled_from([Kind.PAGE_VIEW, Kind.TRACK, Kind.FORM_START, Kind.FORM_SUBMIT])
        )
        told.append(
            Fact(
                number,
                number * draw(st.sampled_from([1_000, 90_000, 30_000_000])),
                kind,
                draw(st.sampled_from(["/p", "/q"])),
                draw(st.sampled_from([(), ("pricing",), ("careers",)])),
                form=draw(st.sampled_from(["a", "b"])),
                page_seq=number,
                data={"props": {"plan": draw(st.sampled_from([1, True, "1", "true"]))}},
            )
        )
    return sorted(told, key=lambda fact: fact.at)


def hits(ruleset: Ruleset, told: list[Fact]) -> list[set[Any]]:
    return [set(found) for found in fold(Matcher(ruleset), told)]


@given(rulesets(), rulesets(), sessions())
def test_what_is_called_the_same_is_the_same(old: Ruleset, new: Ruleset, told: list[Fact]) -> None:
    if same_matching(old, new):
        assert hits(old, told) == hits(new, told)
    if same_scores(old, new):
        start, end = told[0].at, told[-1].at
        stored, left = fold(Matcher(old), told)
        history = [SessionHits(1, 1, start, end, stored, left)]
        traits = {"plan": "pro"}
        assert score(old, history, traits, 9) == score(new, history, traits, 9)
