"""Rules in words: every preset reads as sentences, and every field of a condition is said."""

import pytest

from server.project.decay import Decay
from server.project.presets import PRESETS
from server.project.rule_words import KIND_WORDS, condition, counting, details, fading, points
from server.project.rules import (
    Condition,
    EventCondition,
    FieldTest,
    FormLeftCondition,
    InactivityCondition,
    PropertyCondition,
    Rule,
    SequenceCondition,
    SessionCondition,
)

PRICING = EventCondition(("page_view",), groups=("pricing",))
CONDITIONS: list[tuple[Condition, str]] = [
    (PRICING, "a page viewed on “pricing” pages"),
    (EventCondition(("page_view",), page="/docs/*"), "a page viewed on /docs/*"),
    (
        EventCondition(("engagement",), min_ms=1_500, min_scroll=75),
        "a page read for 1.5 s or longer and scrolled to 75 % or further",
    ),
    (
        EventCondition(("click", "download"), href="*.pdf"),
        "a link clicked or a file downloaded leading to *.pdf",
    ),
    (
        EventCondition(("form_submit",), purposes=("lead",), form="demo*", high_intent=True),
        "a form sent in the form demo* for lead with high intent",
    ),
    (
        EventCondition(("track",), name="trial", where=(FieldTest("seats", "at_least", 5),)),
        "an event of your own named “trial” where seats is at least 5",
    ),
    (
        EventCondition(
            ("page_view",),
            channels=("Paid *",),
            sources=("a", "b", "c"),
            mediums=("cpc",),
            campaigns=("x",),
        ),
        "a page viewed by the channel Paid * from a, b or c by the medium cpc by the campaign x",
    ),
    (
        SequenceCondition((PRICING, EventCondition(("form_submit",))), gap_minutes=30),
        "a page viewed on “pricing” pages, then a form sent, at most 30 minutes apart",
    ),
    (
        FormLeftCondition(groups=("demo",), high_intent=False),
        "a form started and not sent on “demo” pages without high intent",
    ),
    (SessionCondition(), "a visit"),
    (InactivityCondition(1), "no visit for 1 day"),
    (InactivityCondition(30, 7), "no visit for 30 days, again every 7"),
    (PropertyCondition("budget"), "budget is known"),
    (PropertyCondition("budget", negate=True), "budget is not known"),
    (PropertyCondition("team", "between", (50, 1_000)), "team is between 50 and 1,000"),
    (PropertyCondition("team", "at_least", 5, negate=True), "team is below 5"),
    (PropertyCondition("vip", "equals", True), "vip is yes"),
    (
        PropertyCondition("title", "in", tuple("abcdefgh")),
        "title is one of “a”, “b”, “c”, “d”, “e”, “f” or 2 more",
    ),
]


@pytest.mark.parametrize(("when", "words"), CONDITIONS)
def test_a_condition_in_words(when: Condition, words: str) -> None:
    assert condition(when) == words


@pytest.mark.parametrize(
    ("decay", "words"),
    [
        (Decay(), "no decay"),
        (Decay("window", 14), "gone after 14 days"),
        (Decay("half_life", 1), "halved every 1 day"),
        (Decay("linear", 15, 25), "25 % less every 15 days"),
    ],
)
def test_a_decay_in_words(decay: Decay, words: str) -> None:
    assert fading(decay) == words


def test_how_often_it_counts() -> None:
    rule = Rule("k", "K", 1_000, SessionCondition(), counted="count", n=3, within_days=14)
    assert counting(rule) == "when it happens 3 times within 14 days"
    rule = Rule("k", "K", 1_000, SessionCondition(), counted="returns_within", within_days=7)
    assert counting(rule) == "when somebody comes back within 7 days"


def test_what_is_said_of_a_rule() -> None:
    """Silence and properties neither fade nor count; a bound is said where there is one."""
    assert details(Rule("k", "K", 1_000, PropertyCondition("budget"), cap=5_000)) == [
        "budget is known",
        "at most 5 points",
    ]
    assert details(Rule("k", "K", 1_000, PRICING, counted="once_per_day")) == [
        "a page viewed on “pricing” pages",
        "once a day",
        "does not fade",
    ]


def test_every_preset_can_be_read() -> None:
    """No kind of event is called as on the wire."""
    told = " ".join(
        part for one in PRESETS.values() for rule in one.rules for part in details(rule)
    )
    assert "a form sent for lead or newsletter" in told
    assert not [kind for kind in KIND_WORDS if "_" in kind and kind in told]


@pytest.mark.parametrize(
    ("milli", "text"), [(0, "0"), (10_000, "10"), (-2_500, "−2.5"), (125, "0.125"), (-1, "−0.001")]
)
def test_points_are_exact(milli: int, text: str) -> None:
    assert points(milli) == text
