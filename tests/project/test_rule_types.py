"""Every type of rule, every way of counting and fading, as its document and its exact receipts."""

import json
from typing import Any

import pytest

from server.project.document import read_document
from tests.project.histories import lines_on
from tests.project.written import D1, D2, D3, D9, at, event, form, prop, read, track, unlike, view

PRICING = event("page_view", groups=["pricing"])
Row = tuple[dict[str, Any], list[list[dict[str, Any]]], dict[str, Any], dict[str, list[float]]]
#: rule, visits, traits, points of its lines by day
ROWS: dict[str, Row] = {
    "page group": ({"when": PRICING}, [[view("09:00"), view("09:05", "/blog")]], {}, {D1: [10]}),
    "page pattern": (
        {"when": event("page_view", page="/docs/*/install*")},
        [[view("09:00", "/docs/a/install-it"), view("09:01", "/docs/install")]],
        {},
        {D1: [10]},
    ),
    "any of several events": (
        {"when": event("click", "download", href="*.pdf")},
        [
            [
                at("09:00", "click", href="https://x.example/a.pdf"),
                at("09:01", "download", href="https://x.example/b.pdf"),
                at("09:02", "click", href="https://x.example/c.html"),
            ]
        ],
        {},
        {D1: [10, 10]},
    ),
    "read to the end": (
        {"when": event("engagement", min_ms=60_000, min_scroll=75), "counted": "once_per_page"},
        [
            [
                view("09:00", "/a"),
                read("09:02", "/a", 59_999, 90),
                read("09:03", "/a", 61_000, 90),
                read("09:04", "/a", 90_000, 90),
                view("09:05", "/b"),
                read("09:07", "/b", 90_000, 74),
            ]
        ],
        {},
        {D1: [10]},
    ),
    "track by name and properties": (
        {
            "when": event(
                "track",
                name="trial_*",
                where=[
                    {"field": "seats", "op": "at_least", "value": 5},
                    {"field": "plan", "op": "equals", "value": "Free", "not": True},
                ],
            )
        },
        [
            [
                track("09:00", "trial_started", seats=5, plan="pro"),
                track("09:01", "trial_started", seats=4, plan="pro"),
                track("09:02", "trial_started", seats=50, plan="FREE"),
                track("09:03", "trial_started", seats=50),  # no plan: neither free nor not free
                track("09:04", "trial_started", seats="7", plan=1),
                track("09:05", "other", seats=5, plan="pro"),
            ]
        ],
        {},
        {D1: [10, 10]},
    ),
    "form by key": (
        {"when": event("form_submit", form="demo*")},
        [[form("09:00", "demo-request"), form("09:01", "contact")]],
        {},
        {D1: [10]},
    ),
    "form by field": (
        {
            "when": event(
                "form_submit", where=[{"field": "topic", "op": "contains", "value": "price"}]
            )
        },
        [
            [
                form("09:00", "a", topic="The PRICES of it"),
                form("09:01", "b", topic=["jobs", "prices"]),
                form("09:02", "c", topic="jobs"),
            ]
        ],
        {},
        {D1: [10, 10]},
    ),
    "channel, source, campaign": (
        {
            "when": event(
                "page_view", channels=["Paid *"], sources=["google"], campaigns=["spring*"]
            ),
            "counted": "once_per_session",
        },
        [
            [
                view("09:00", "/", channel="Paid Search", source="google", campaign="Spring-26"),
                view("09:01", "/b"),
            ],
            [view("12:00", "/", channel="Paid Search", source="bing", campaign="Spring-26")],
            [view("14:00", "/", channel="Organic Search", source="google", campaign="spring")],
        ],
        {},
        {D1: [10]},
    ),
    "each": (
        {"when": PRICING},
        [[view("09:00"), view("09:01")], [view("12:00")]],
        {},
        {D1: [10] * 3},
    ),
    "first only": (
        {"when": PRICING, "counted": "first_only"},
        [[view("09:00"), view("09:01")], [view("12:00")]],
        {},
        {D1: [10]},
    ),
    "once per session": (
        {"when": PRICING, "counted": "once_per_session"},
        [[view("09:00"), view("09:01")], [view("12:00")]],
        {},
        {D1: [10, 10]},
    ),
    "once per day": (
        {"when": PRICING, "counted": "once_per_day"},
        [[view("09:00"), view("09:01")], [view("12:00")], [view(f"{D2} 09:00")]],
        {},
        {D1: [10], D2: [10, 10]},
    ),
    "once per page": (
        {"when": PRICING, "counted": "once_per_page"},
        [[view("09:00"), view("09:01", "/plans")], [view("12:00")]],
        {},
        {D1: [10, 10]},
    ),
    "count within days": (
        {"when": PRICING, "counted": "count", "n": 3, "within_days": 2},
        [[view("09:00")], [view(f"{D2} 09:00")], [view(f"{D3} 09:00")]],
        {},
        {D2: [], D3: [10]},
    ),
    "returns within days": (
        {"when": PRICING, "counted": "returns_within", "within_days": 7},
        [[view("09:00"), view("09:01")], [view(f"{D3} 09:00")], [view("2026-05-20 09:00")]],
        {},
        {D1: [], D3: [10], "2026-05-20": [10]},
    ),
    "a visit returns": (
        {"when": {"type": "session"}, "counted": "returns_within", "within_days": 7},
        [[view("09:00", "/a")], [view(f"{D3} 09:00", "/b")]],
        {},
        {D1: [], D3: [10]},
    ),
    "sequence": (
        {"when": {"type": "sequence", "steps": [PRICING, event("form_submit")]}},
        [[view("09:00"), form("09:20", "a")], [form("12:00", "a"), view("12:10")]],
        {},
        {D1: [10]},
    ),
    "sequence with a gap": (
        {
            "when": {
                "type": "sequence",
                "gap_minutes": 10,
                "steps": [PRICING, event("download"), event("form_submit")],
            }
        },
        [
            # Too long after the first download, in time after the second.
            [
                view("09:00"),
                at("09:05", "download"),
                at("09:14", "download"),
                view("09:15"),
                at("09:20", "download"),
                form("09:30", "a"),
            ],
            [view("12:00"), at("12:11", "download"), form("12:12", "a")],
        ],
        {},
        {D1: [10]},
    ),
    "form left": (
        {"when": {"type": "form_left", "form": "demo*"}},
        [[form("09:00", "demo", "form_start"), form("09:01", "news", "form_start")]],
        {},
        {D1: [], D2: [10]},
    ),
    "negative": ({"when": PRICING, "points": -2.5}, [[view("09:00")]], {}, {D1: [-2.5]}),
    "window": (
        {"when": PRICING, "decay": {"kind": "window", "days": 2}},
        [[view("09:00")]],
        {},
        {D1: [10], D2: [10], D3: []},
    ),
    "half-life": (
        {"when": PRICING, "decay": {"kind": "half_life", "days": 4}},
        [[view("09:00")]],
        {},
        {D1: [10], D3: [7.07], "2026-05-05": [5], D9: [2.5]},
    ),
    "linear": (
        {"when": PRICING, "decay": {"kind": "linear", "days": 2, "percent": 40}},
        [[view("09:00")]],
        {},
        {D1: [10], D2: [10], D3: [6], "2026-05-05": [2], "2026-05-07": []},
    ),
    "exists": ({"when": prop("phone")}, [], {"phone": "+49"}, {D1: [10]}),
    "does not exist": ({"when": unlike("phone", "exists")}, [], {"phone": ""}, {D1: [10]}),
    "equals": ({"when": prop("plan", "equals", value="pro")}, [], {"plan": " PRO"}, {D1: [10]}),
    "does not equal": (
        {"when": unlike("plan", "equals", value="pro")},
        [],
        {"plan": "free"},
        {D1: [10]},
    ),
    "nothing is known": (
        {"when": unlike("plan", "equals", value="pro")},
        [],
        {},
        {D1: []},
    ),
    "in": ({"when": prop("plan", "in", value=["pro", 5])}, [], {"plan": "5"}, {D1: [10]}),
    "contains": (
        {"when": prop("title", "contains", value="market")},
        [],
        {"title": "VP Marketing"},
        {D1: [10]},
    ),
    "at least": ({"when": prop("size", "at_least", value=50)}, [], {"size": 50}, {D1: [10]}),
    "at most": ({"when": prop("size", "at_most", value=50)}, [], {"size": "50.5"}, {D1: []}),
    "between": (
        {"when": prop("size", "between", value=[50, 99.5])},
        [],
        {"size": "99.5"},
        {D1: [10]},
    ),
    "not between": (
        {"when": unlike("size", "between", value=[50, 99])},
        [],
        {"size": 100},
        {D1: [10]},
    ),
    "domain class": (
        {"when": prop("email_class", "in", value=["free", "disposable"])},
        [],
        {"email_class": "free"},
        {D1: [10]},
    ),
    "domain": (
        {"when": prop("email_domain", "equals", value="acme.example")},
        [],
        {"email": "ann@acme.example"},
        {D1: [10]},
    ),
    "seniority": (
        {"when": prop("seniority", "in", value=["vp", "head"])},
        [],
        {"title": "Head of Growth"},
        {D1: [10]},
    ),
    "company": (
        {"when": prop("company", "contains", value="gmbh")},
        [],
        {"company": "Acme GmbH"},
        {D1: [10]},
    ),
    "inactivity": (
        {"when": {"type": "inactivity", "days": 7}, "points": -5},
        [[view("23:50"), view(f"{D2} 00:10")], [view("2026-05-20 08:00")]],
        {},
        # 3 to 9 May are seven days without a visit.
        {D9: [], "2026-05-10": [-5], "2026-05-19": [-5], "2026-05-20": [], "2026-05-28": [-5]},
    ),
    "inactivity, again": (
        {"when": {"type": "inactivity", "days": 7, "repeat_days": 3}, "points": -5, "cap": 10},
        [[view("12:00")]],
        {},
        {"2026-05-08": [], D9: [-5], "2026-05-12": [-5, -5], "2026-05-15": [-5, -5, -5, 5]},
    ),
    "no visit, no silence": (
        {"when": {"type": "inactivity", "days": 7}, "points": -5},
        [],
        {},
        {D9: [], "2027-05-09": []},
    ),
    "cap": (
        {"when": PRICING, "cap": 25},
        [[view(f"09:0{number}") for number in range(4)]],
        {},
        {D1: [10, 10, 10, 10, -15]},
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_what_a_rule_gives(name: str) -> None:
    rule, visits, traits, expected = ROWS[name]
    whole = {"key": "rule", "label": name, "points": 10} | rule
    ruleset = read_document(json.dumps({"name": name, "rules": [whole]}))
    for day, points in expected.items():
        assert [line[1] for line in lines_on(ruleset, visits, traits, day)] == points, day


def test_bounds_of_groups_and_axes_are_lines_of_their_own() -> None:
    rules = [
        {"key": "pricing", "points": 10, "when": PRICING, "group": "pages", "cap": 25},
        {"key": "blog", "points": 4, "when": event("page_view", page="/blog*"), "group": "pages"},
        {"key": "mail", "points": 60, "when": event("email_click")},
        {"key": "jobs", "points": -30, "when": event("page_view", page="/jobs"), "axis": "fit"},
        {"key": "title", "points": 20, "when": prop("title"), "axis": "fit", "group": "known"},
        {"key": "phone", "points": 20, "when": prop("phone"), "axis": "fit", "group": "known"},
    ]
    document = {
        "name": "bounds",
        "rules": [{"label": ""} | rule for rule in rules],
        "groups": [{"key": "pages", "cap": 27}, {"key": "known", "cap": 35, "floor": -5}],
        "axes": {"engagement": {"cap": 80.5}, "fit": {"floor": -10}},
    }
    ruleset = read_document(json.dumps(document))
    visits = [[view(f"09:0{number}") for number in range(3)]]
    visits[0] += [view("09:05", "/blog"), at("09:06", "email_click"), view("09:07", "/jobs")]
    known = {"title": "VP", "phone": "+49"}
    assert lines_on(ruleset, visits, known, D1) == [
        *[["pricing", 10]] * 3,
        ["cap:pricing", -5],
        ["blog", 4],
        ["mail", 60],
        ["jobs", -30],
        ["title", 20],
        ["phone", 20],
        ["group_cap:known", -5],
        ["group_cap:pages", -2],
        ["axis_cap:engagement", -6.5],
    ]
    assert lines_on(ruleset, visits, {}, D1)[-1] == ["axis_cap:engagement", -6.5]
    assert ["axis_floor:fit", 20] in lines_on(ruleset, visits, {}, D1)
