"""Rulesets are data: they survive JSON, and their contradictions are told in sentences."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from server.errors import BadRequest
from server.ingest import channels
from server.model import Kind
from server.project.conditions import CHANNELS
from server.project.ruleset import (
    DEFAULT,
    PRESETS,
    SEED,
    Axes,
    Bounds,
    Condition,
    Decay,
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
    check,
    decode,
    encode,
)
from server.project.signals import Fact, Matcher

VIEW = EventCondition(("page_view",))


def one(**change: Any) -> Ruleset:
    """A ruleset of one rule, which is sound unless the change is not."""
    rule = Rule("views", "Views", 1_000, VIEW)
    return Ruleset(1, "one", (replace(rule, **change),))


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_is_sound_and_survives_json(name: str) -> None:
    preset = PRESETS[name]
    assert check(preset) == []
    assert decode(encode(preset)) == preset
    assert decode(encode(preset).decode()) == preset
    assert encode(decode(encode(preset))) == encode(preset)


HALF = "half_life"
DEFAULT_TABLE = [
    # key, points, counted, cap, decay, days, within, n
    ("pricing_page", 10, "once_per_session", 30, HALF, 30, 0, 0),
    ("demo_page", 10, "once_per_session", 30, HALF, 30, 0, 0),
    ("demo_form", 40, "each", 60, HALF, 60, 0, 0),
    ("other_form", 20, "each", 40, HALF, 60, 0, 0),
    ("lead_magnet", 5, "each", 30, HALF, 60, 0, 0),
    ("form_left", 5, "once_per_session", 30, "window", 14, 0, 0),
    ("deep_read", 5, "once_per_page", 30, HALF, 30, 0, 0),
    ("came_back", 10, "returns_within", 30, "window", 30, 7, 0),
    ("three_sessions", 10, "count", 30, "window", 14, 14, 3),
    ("pricing_then_demo", 15, "first_only", 30, "window", 30, 0, 0),
    ("careers_page", -10, "first_only", 30, "none", 0, 0, 0),
]


def test_the_default_ruleset_is_the_settled_one() -> None:
    engagement = [rule for rule in DEFAULT.rules if rule.axis == "engagement"]
    assert [
        (
            rule.key,
            rule.points // 1_000,
            rule.counted,
            (rule.cap or 0) // 1_000,
            rule.decay.kind,
            rule.decay.days,
            rule.within_days,
            rule.n,
        )
        for rule in engagement
    ] == DEFAULT_TABLE
    fit = {rule.key: rule.points for rule in DEFAULT.rules if rule.axis == "fit"}
    assert fit == {
        "business_email": 10_000,
        "free_mail": -5_000,
        "disposable_email": -50_000,
        "senior_title": 15_000,
    }
    assert Axes(Bounds(100_000), Bounds(100_000)) == DEFAULT.axes
    assert [(each.stage, each.points, each.hysteresis) for each in DEFAULT.thresholds] == [
        ("mql", 50_000, 10_000)
    ]


def test_the_seed_example_is_five_rules_and_one_threshold_and_nothing_else() -> None:
    assert {rule.key: rule.points for rule in SEED.rules} == {
        "pricing_page": 10_000,
        "ebook": 5_000,
        "vp_of_marketing": 15_000,
        "gmail": -5_000,
        "five_opens": 20_000,
    }
    assert all(rule.cap is None and rule.decay == Decay() for rule in SEED.rules)
    assert [(each.stage, each.points, each.notify) for each in SEED.thresholds] == [
        ("mql", 75_000, True)
    ]
    assert Axes() == SEED.axes


LEFT = FormLeftCondition()
EMAIL = PropertyCondition("email")
CONTRADICTIONS: list[tuple[Ruleset, str]] = [
    (one(points=0), "gives no points"),
    (one(points=1_000_001), "more than 1,000"),
    (one(points=-1_000_001), "less than −1,000"),
    (one(cap=999), "worth more at once than its cap"),
    (one(points=-5_000, cap=4_999), "worth more at once than its cap"),
    (one(key="Views"), "lower-case letters, digits"),
    (one(key=""), "lower-case letters, digits"),
    (one(key="cap:x"), "lower-case letters, digits"),
    (one(counted="count", n=3), "needs a number of days"),
    (one(counted="returns_within", within_days=4_000), "needs a number of days"),
    (one(counted="count", n=1, within_days=7), "needs a count between 2"),
    (one(counted="each", n=3), "takes no such number"),
    (one(counted="first_only", within_days=3), "takes no such number"),
    (one(decay=Decay("window")), "over a number of days between"),
    (one(decay=Decay("half_life", days=3_651)), "over a number of days between"),
    (one(decay=Decay("linear", days=30)), "1 to 100 percent"),
    (one(decay=Decay("linear", days=401, percent=10)), "1 to 100 percent"),
    (one(when=EMAIL, counted="first_only"), "counts while it holds"),
    (one(when=EMAIL, decay=Decay("window", days=3)), "counts while it holds"),
    (one(when=LEFT, counted="once_per_page"), "cannot be counted once_per_page"),
    (one(when=SessionCondition(), counted="once_per_page"), "which is not a page"),
    (one(when=EventCondition(())), "names no event"),
    (one(when=EventCondition(("page_vew",))), "“page_vew”, which does not exist"),
    (one(when=EventCondition(("merge",))), "“merge”, which does not exist"),
    (one(when=EventCondition(("page_view",), min_ms=1)), "only engagement events have"),
    (one(when=EventCondition(("engagement",), min_ms=-1)), "reading time below 0"),
    (one(when=EventCondition(("engagement",), min_scroll=101)), "scrolling outside 0"),
    (one(when=EventCondition(("page_view",), purposes=("lead",))), "only form events have"),
    (one(when=EventCondition(("click",), high_intent=True)), "asks for high intent"),
    (one(when=EventCondition(("click",), name="x")), "only track events have"),
    (one(when=SequenceCondition((VIEW,))), "needs 2 to 10 steps"),
    (one(when=SequenceCondition((VIEW, EventCondition(())))), "names no event"),
    (one(when=PropertyCondition("")), "names no property"),
    (one(when=PropertyCondition("plan", "in", "pro")), "needs a list of values"),
    (one(when=PropertyCondition("plan", "equals", ("pro",))), "needs a list of values"),
    (one(when=PropertyCondition("size", "at_least", "many")), "needs a number"),
    (one(when=PropertyCondition("size", "at_most", True)), "needs a number"),
    (one(when=PropertyCondition("title", "contains", " ")), "nothing is contained"),
    (one(when=EventCondition(("click",), href="*" * 9)), "more than 8 stars"),
    (one(when=EventCondition(("page_view",), page="/" * 501)), "more than 500 characters"),
    (one(when=EventCondition(("page_view",), href="x")), "only clicks and downloads have"),
    (one(when=EventCondition(("page_view",), form="x")), "only form events have"),
    (one(when=EventCondition(("click",), where=(FieldTest("a"),))), "name one of these kinds"),
    (one(when=EventCondition(("track",), where=(FieldTest("a"),) * 11)), "more than 10 things"),
    (one(when=EventCondition(("track",), where=(FieldTest(""),))), "names no property"),
    (one(when=EventCondition(("page_view",), channels=("Paid",))), "“Paid”, which does not exist"),
    (one(when=EventCondition(("email_open",), page="/x")), "on no page and in no visit"),
    (one(when=EventCondition(("page_view",), sources=("",))), "asks for an empty word"),
    (one(when=EventCondition(("form_submit",), purposes=("leed",))), "“leed”, which no form"),
    (one(when=FormLeftCondition(("login",), high_intent=True)), "only forms for leads"),
    (one(when=SequenceCondition((VIEW, VIEW), gap_minutes=1_441)), "gap of 0 to 1,440 minutes"),
    (one(when=InactivityCondition(0)), "silence of 1 to 3650 days"),
    (one(when=InactivityCondition(9, -1)), "again every 1 to 3650 days"),
    (one(when=InactivityCondition(9), counted="first_only"), "is about silence"),
    (one(when=PropertyCondition("plan", "exists", "pro")), "which takes no value"),
    (one(when=PropertyCondition("plan", "equals", " ")), "nothing equals an empty text"),
    (one(when=PropertyCondition("plan", "in", ())), "the list is empty"),
    (one(when=PropertyCondition("size", "between", (1,))), "between two numbers"),
    (one(when=PropertyCondition("size", "between", (9, 1))), "the smaller number first"),
    (one(when=PropertyCondition("size", "between", (1, True))), "between two numbers"),
    (one(when=PropertyCondition("email_class", "equals", "gratis")), "business, free, disposable"),
    (one(when=PropertyCondition("email_domain", "in", ("@x.org",))), "follows the @"),
    (one(cap=-1), "needs a cap above 0"),
    (one(cap=10_000_001), "at most 10,000 points"),
    (one(decay=Decay(days=3)), "name the kind of decay"),
    (one(decay=Decay("window", days=3, percent=5)), "only linear decay takes"),
    (one(group="pages"), "group “pages”, which is not defined"),
    (replace(one(), groups=(Group("pages"),)), "bounds nothing"),
    (replace(one(), groups=(Group("pages", cap=-1),)), "cap above 0"),
    (replace(one(), groups=(Group("Pages", cap=9),)), "lower-case letters, digits"),
    (replace(one(), thresholds=(Threshold("a", "", 20_000_001),)), "above 20,000 points"),
    (replace(one(), axes=Axes(Bounds(cap=0))), "axis fit needs a cap above 0"),
    (
        replace(one(), axes=Axes(engagement=Bounds(floor=1))),
        "axis engagement needs a floor of at most 0",
    ),
]


@pytest.mark.parametrize(("ruleset", "sentence"), CONTRADICTIONS)
def test_a_contradiction_is_told(ruleset: Ruleset, sentence: str) -> None:
    problems = check(ruleset)
    assert len(problems) == 1
    assert sentence in problems[0]
    assert problems[0].endswith(".")


def test_a_group_is_of_one_axis() -> None:
    rules = tuple(
        Rule(axis, "", 1_000, VIEW, axis=axis, group="both") for axis in ("fit", "engagement")
    )
    mixed = Ruleset(1, "mixed", rules, groups=(Group("both", cap=5_000),))
    assert check(mixed) == ["Group “both” has rules of both axes: make it two groups."]


def test_page_groups_are_those_of_the_site() -> None:
    asked = one(when=EventCondition(("page_view",), groups=("pricing", "prices")))
    assert check(asked) == []
    assert check(asked, frozenset({"pricing", "prices"})) == []
    (told,) = check(asked, frozenset({"pricing"}))
    assert "the page group “prices”, which this site does not have" in told


def test_the_channels_are_those_that_visits_have() -> None:
    assert set(CHANNELS) == {name for name, _ in channels._CHANNELS} | {"Unassigned"}
    paid = EventCondition(("page_view",), channels=("paid *", "direct"))
    assert check(one(when=paid)) == []


def test_a_key_is_used_once() -> None:
    twice = Ruleset(1, "twice", (*one().rules, *one().rules))
    assert check(twice) == ["The rule key “views” is used 2 times: rename one."]


@pytest.mark.parametrize(
    ("thresholds", "sentence"),
    [
        ((Threshold("a", "boss", 1_000),), "“boss”, which does not exist"),
        ((Threshold("a", "mql", 0),), "not above 0"),
        ((Threshold("a", "mql", 9, 9),), "hysteresis of at least 0 and below its points"),
        ((Threshold("a", "mql", 9, -1),), "hysteresis of at least 0 and below its points"),
        ((Threshold("a", "lead", 9), Threshold("b", "mql", 9)), "and the threshold before it"),
        ((Threshold("a", "sql", 8), Threshold("b", "mql", 9)), "to a lower stage"),
        ((Threshold("a", "mql", 8), Threshold("a", "", 9)), "key “a” is used 2 times"),
        ((Threshold("A", "mql", 8),), "lower-case letters, digits"),
        ((Threshold("high_intent", "mql", 8),), "names an automatic move"),
    ],
)
def test_thresholds_are_ordered(thresholds: tuple[Threshold, ...], sentence: str) -> None:
    problems = check(replace(one(), thresholds=thresholds))
    assert len(problems) == 1
    assert sentence in problems[0]


def test_a_threshold_out_of_reach_is_told() -> None:
    capped = replace(
        one(),
        axes=Axes(Bounds(10_000), Bounds(10_000)),
        thresholds=(Threshold("a", "mql", 20_001),),
    )
    assert check(capped) == [
        "Threshold “a” lies above what both axes together can reach: lower it or raise a cap."
    ]


def test_a_threshold_may_notify_without_a_stage() -> None:
    steps = (
        Threshold("warm", "", 5_000),
        Threshold("hot", "mql", 9_000),
        Threshold("x", "", 9_999),
    )
    assert check(replace(one(), thresholds=steps)) == []


def test_a_ruleset_has_at_most_500_rules_and_64_kilobytes() -> None:
    def many(count: int, label: str) -> Ruleset:
        rules = tuple(Rule(f"r{number}", label, 1_000, VIEW) for number in range(count))
        return Ruleset(1, "many", rules)

    assert check(many(500, "")) == []
    assert check(many(501, "")) == [
        "A ruleset has at most 500 rules, this one has 501: leave some out."
    ]
    assert "at most 64,000 bytes" in check(many(400, "x" * 160))[0]


@pytest.mark.parametrize(
    "document",
    ["", "[]", '{"version": 1}', '{"version": "1", "name": "x", "rules": []}', "\xff"],
)
def test_what_is_no_ruleset_is_refused_with_a_sentence(document: str) -> None:
    with pytest.raises(BadRequest, match="This is not a ruleset: "):
        decode(document)


def test_an_unknown_field_is_refused_and_not_ignored() -> None:
    document = json.loads(encode(one()))
    document["rules"][0]["pionts"] = 5
    with pytest.raises(BadRequest, match="pionts"):
        decode(json.dumps(document))


CONDITIONS: list[Condition] = [
    VIEW,
    LEFT,
    EMAIL,
    SessionCondition(),
    SequenceCondition((VIEW, VIEW)),
    PropertyCondition("size", "in", (1, "two", 3.5, True)),
    PropertyCondition("size", "between", (1, 3.5), negate=True),
    InactivityCondition(30, 7),
    EventCondition(("track",), where=(FieldTest("plan", "equals", "pro", negate=True),)),
]


@pytest.mark.parametrize("when", CONDITIONS)
def test_every_condition_survives_json(when: Condition) -> None:
    assert decode(encode(one(when=when))) == one(when=when)


def test_an_unchecked_ruleset_cannot_break_the_matcher() -> None:
    strange = one(when=EventCondition(("merge", "no such", "page_view", "page_view")))
    (slot,) = Matcher(strange).slots(Fact(1, 1, Kind.PAGE_VIEW))
    assert slot.rule == "views"
