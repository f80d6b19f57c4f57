"""A rule as the fields of a form: there and back it is the same rule, and what was typed stays."""

import json
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest

from server.project.document import RulesetRefused, read_document, write_document
from server.project.presets import PRESETS
from server.web.pages.scoring_bounds import parts_of
from server.web.pages.scoring_bounds import told as told_of_bounds
from server.web.pages.scoring_rule import tests_of as shown_tests
from server.web.pages.scoring_rule import told
from server.web.pages.scoring_rule_fields import (
    Made,
    collected,
    field_of,
    fields_of,
    in_order_of,
    key_of,
    rule_of,
)

encode = msgspec.json.Encoder(decimal_format="number").encode
EVENT: dict[str, Any] = {
    "type": "event",
    "kinds": ["form_submit", "track"],
    "groups": ["pricing"],
    "purposes": ["newsletter", "lead"],
    "high_intent": False,
    "name": "trial*",
    "page": "/docs/*",
    "min_ms": 1_500,
    "min_scroll": 75,
    "form": "demo*",
    "where": [
        {"field": "seats", "op": "at_least", "value": 5},
        {"field": "plan", "op": "in", "value": ["pro", "5", 5, True, "true", ' "so" ', " x"]},
        {"field": "note", "not": True},
    ],
    "channels": ["Paid *", "Email"],
    "sources": ["google", "a, b"],
    "mediums": ["cpc"],
    "campaigns": ["spring*"],
}
RULES: list[dict[str, Any]] = [
    {"key": "a", "label": "A", "points": -0.125, "cap": 30, "group": "g", "when": EVENT,
     "counted": "count", "n": 3, "within_days": 14,
     "decay": {"kind": "linear", "days": 15, "percent": 25}},
    {"key": "b", "label": "B", "points": 5, "counted": "returns_within", "within_days": 7,
     "when": {"type": "session"}, "decay": {"kind": "window", "days": 30}},
    {"key": "c", "label": "C", "points": 5, "counted": "first_only",
     "when": {"type": "sequence", "gap_minutes": 30, "steps": [
         {"type": "event", "kinds": ["page_view"], "groups": ["careers"]},
         EVENT]}},
    {"key": "d", "label": "D", "points": 1, "when": {
        "type": "form_left", "purposes": ["lead"], "form": "demo", "high_intent": True}},
    {"key": "e", "label": "E", "points": -5, "when": {
        "type": "inactivity", "days": 30, "repeat_days": 7}},
    {"key": "f", "label": "F", "points": 5, "axis": "fit", "when": {
        "type": "property", "field": "team", "op": "between", "value": [50, 1000.5], "not": True}},
    {"key": "g", "label": "G", "points": 5, "axis": "fit", "when": {
        "type": "property", "field": "team"}},
    *(rule for preset in PRESETS.values() for rule in json.loads(write_document(preset))["rules"]),
]  # fmt: skip


def typed(query: str) -> Made:
    """The fields of a form as a browser sends them."""
    return collected(parse_qsl(query, keep_blank_values=True))


def there_and_back(rule: dict[str, Any]) -> dict[str, Any]:
    """As a browser would send what the form shows."""
    pairs = [(name, value) for name, values in fields_of(rule).items() for value in values]
    made: dict[str, Any] = json.loads(encode(in_order_of(rule_of(collected(pairs)), rule)))
    return made


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["key"])
def test_there_and_back_it_is_the_same_rule(rule: dict[str, Any]) -> None:
    """Every field of every type; the order of words stays, and a text that looks like a number."""
    back = there_and_back(rule)
    where = back["when"].get("where", [])
    for test in where:  # what is the default anyway is not written by everybody
        if test["op"] == "exists":
            del test["op"]
    if back["when"]["type"] == "property" and back["when"]["op"] == "exists":
        del back["when"]["op"]
    for step in back["when"].get("steps", []):
        for test in step.get("where", []):
            if test["op"] == "exists":
                del test["op"]
    assert back == rule


def test_what_makes_no_sense_is_kept_and_told_beside_its_field() -> None:
    """The checker sees what was typed; every problem of the rule finds its field."""
    given = typed(
        "type=sequence&key=k&label=K&points=ten&steps=2&s0_kinds=page_view&s0_seconds=long"
        "&s1_kinds=click&s1_t0_field=x&s1_t0_op=between&s1_t0_value=9%0A1&counted=count"
        "&n=1&within_days=7&decay=linear&decay_days=0&percent=200"
    )
    rule = rule_of(given)
    assert fields_of(rule)["points"] == ["ten"]
    assert fields_of(rule)["s0_seconds"] == ["long"]
    with pytest.raises(RulesetRefused) as refused:
        read_document(encode({"name": "n", "rules": [rule]}))
    wrong, others = told(refused.value.problems, 0)
    assert others == []
    assert wrong["points"] == ["This must be a number, and is “ten”."]
    assert wrong["s0_seconds"] == ["This must be a whole number, and is “long”."]
    rule |= {"points": 5}
    rule["when"]["steps"][0]["min_ms"] = 5
    with pytest.raises(RulesetRefused) as refused:
        read_document(encode({"name": "n", "rules": [rule]}))
    wrong, _ = told(refused.value.problems, 0)
    assert {"n", "s0_kinds", "s1_t0_value", "s1_where", "decay_days", "decay"} <= set(wrong)
    assert wrong["n"] == ["This rule needs a count between 2 and 1,000."]


def test_what_is_wrong_elsewhere_is_told_above() -> None:
    given = rule_of(typed("type=session&key=a&label=A&points=1"))
    document = {"name": "n", "rules": [given, {**given, "key": "b", "points": 0}]}
    with pytest.raises(RulesetRefused) as refused:
        read_document(encode(document))
    wrong, others = told(refused.value.problems, 0)
    assert wrong == {}
    assert others == ["Rule “b” gives no points: choose a number other than 0."]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("points", "points"),
        ("when/kinds", "kinds"),
        ("when/min_ms", "seconds"),
        ("when/days", "silence"),
        ("when/repeat_days", "repeat"),
        ("when/value", "t0_value"),
        ("when/where/2/field", "t2_field"),
        ("when/steps/1", "s1_when"),
        ("when/steps/3/where/0/value/1", "s3_t0_value"),
        ("when", "when"),
        ("decay", "decay"),
        ("decay/percent", "percent"),
        ("", ""),
    ],
)
def test_places_and_fields(path: str, field: str) -> None:
    assert field_of([part for part in path.split("/") if part]) == field


def test_keys_are_made_of_names() -> None:
    assert key_of("Read the pricing page!", []) == "read_the_pricing_page"
    assert key_of("Read", ["read", "read_2"]) == "read_3"
    assert key_of("3 visits", []) == "rule_3_visits"
    assert key_of("日本語", ["rule"]) == "rule_2"


def test_blank_steps_and_tests_ask_nothing() -> None:
    """An empty row is always there to be filled in, and no part of the rule."""
    given = typed(
        "type=sequence&steps=3&s0_kinds=click&s0_t0_op=exists&s1_high_intent="
        "&s1_t0_op=exists&s2_kinds=page_view"
    )
    steps = rule_of(given)["when"]["steps"]
    assert [step["kinds"] for step in steps] == [["click"], ["page_view"]]
    assert shown_tests(given, "s0_") == [0]


def test_bounds_there_and_back() -> None:
    """Rows that are blank or taken out are none; keys are made where there is none."""
    made = parts_of(
        typed(
            "name=ours&threshold0_key=mql&threshold0_points=50&threshold0_stage=mql"
            "&threshold0_notify=1&threshold1_stage=mql&threshold1_points=70.5&threshold2_key=x"
            "&threshold2_points=9&threshold2_gone=1&threshold3_notify=1&group0_label=Pages"
            "&group0_cap=40&fit_cap=100&engagement_floor=-5"
        )
    )
    assert json.loads(encode(made)) == {
        "name": "ours",
        "thresholds": [
            {"key": "mql", "stage": "mql", "points": 50},
            {"key": "mql_2", "stage": "mql", "points": 70.5, "notify": False},
        ],
        "groups": [{"key": "pages", "label": "Pages", "cap": 40}],
        "axes": {"fit": {"cap": 100}, "engagement": {"floor": -5}},
    }
    broken = {"name": "n", "rules": [], "thresholds": [{"key": "a", "stage": "hot", "points": 0}]}
    with pytest.raises(RulesetRefused) as refused:
        read_document(encode(broken))
    wrong, others = told_of_bounds(refused.value.problems)
    assert (set(wrong), others) == ({"threshold0_stage", "threshold0_points"}, [])
