"""Rulesets to begin with: what one story gives by each, to the hundredth of a point."""

from server.project.ruleset import PRESETS
from tests.project.histories import lines_on
from tests.project.written import D3, form, read, track, view

STORY = [
    [
        view("09:00", channel="Paid Search"),
        read("09:03", "/pricing", 90_000, 80),
        form("09:10", "demo"),
        view("09:12", "/careers"),
    ],
    [track(f"{D3} 10:00", "trial_started", seats=6)],
]


def test_the_preset_for_software_counts_what_speaks_against_somebody() -> None:
    known = {"title": "Student", "email": "kim@gmail.com", "email_class": "free", "employees": 80}
    assert lines_on(PRESETS["b2b_saas"], STORY, known, D3) == [
        ["pricing_page", 9.54],
        ["deep_read", 4.77],
        ["pricing_then_demo", 14.31],
        ["demo_form", 39.08],
        ["trial_started", 40],
        ["team_trial", 10],
        ["paid_click", 3],
        ["came_back", 5],
        ["careers_page", -20],
        ["free_mail", -10],
        ["student", -50],
        ["team_size", 15],
        ["axis_cap:engagement", -5.7],
    ]
    late = lines_on(PRESETS["b2b_saas"], STORY, {}, "2027-05-03")
    assert [line for line in late if line[0] in {"silent", "cap:silent"}] == [
        *[["silent", -5]] * 12,
        ["cap:silent", 40],
    ]


def test_the_preset_of_account_engagement_counts_everything_for_ever() -> None:
    assert lines_on(PRESETS["account_engagement"], STORY, {}, "2027-05-03") == [
        *[["page_view", 1]] * 2,
        *[["visit", 3]] * 2,
        ["form", 50],
    ]
