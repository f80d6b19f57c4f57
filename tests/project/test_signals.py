"""What one session says, rule by rule, and that stepping through it is the same as folding it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.model import DAY_MS, Kind, PageGroup
from server.project.ruleset import (
    DEFAULT,
    SEED,
    EventCondition,
    FormLeftCondition,
    Rule,
    Ruleset,
    SequenceCondition,
)
from server.project.signals import MOST_HITS, Fact, Hit, Matcher, SessionSignals, fold

MATCHER = Matcher(DEFAULT)
GROUPS = {
    "/pricing": ("pricing",),
    "/demo": ("demo_or_contact",),
    "/careers": ("careers",),
    "/plans-demo": ("pricing", "demo_or_contact"),
}


def facts(*told: dict[str, object]) -> list[Fact]:
    """Facts one second apart, numbered from 1; groups follow from the page."""
    return [
        Fact(
            **{  # type: ignore[arg-type]
                "seq": number,
                "at": number * 1_000,
                "page_seq": number,
                "groups": GROUPS.get(str(one.get("page")), ()),
                **one,
            }
        )
        for number, one in enumerate(told, start=1)
    ]


def view(page: str) -> dict[str, object]:
    return {"kind": Kind.PAGE_VIEW, "page": page}


def read(page: str, ms: int, scroll: int, page_seq: int = 1) -> dict[str, object]:
    return {"kind": Kind.ENGAGEMENT, "page": page, "ms": ms, "scroll": scroll, "page_seq": page_seq}


def start(form: str, page: str = "/", purpose: str = "lead") -> dict[str, object]:
    return {"kind": Kind.FORM_START, "form": form, "page": page, "purpose": purpose}


def submit(form: str, page: str = "/", purpose: str = "lead") -> dict[str, object]:
    return {"kind": Kind.FORM_SUBMIT, "form": form, "page": page, "purpose": purpose}


def confirm(form: str) -> dict[str, object]:
    return {"kind": Kind.FORM_CONFIRM, "form": form, "purpose": "lead"}


DOWNLOAD: dict[str, object] = {"kind": Kind.DOWNLOAD, "href": "/guide.pdf"}
OPEN: dict[str, object] = {"kind": Kind.EMAIL_OPEN}


def met(matcher: Matcher, told: list[Fact]) -> tuple[list[str], list[str]]:
    hits, pending = fold(matcher, told)
    return [f"{hit.rule}@{hit.seq}" for hit in hits], [f"{hit.rule}@{hit.seq}" for hit in pending]


@pytest.mark.parametrize(
    ("told", "hits"),
    [
        ([view("/"), view("/blog")], []),
        ([view("/pricing")], ["pricing_page@1"]),
        ([view("/pricing"), view("/"), view("/pricing")], ["pricing_page@1"]),
        ([view("/demo"), view("/demo")], ["demo_page@1"]),
        ([view("/careers"), view("/careers")], ["careers_page@1"]),
        (
            [view("/pricing"), view("/blog"), view("/demo")],
            ["pricing_page@1", "demo_page@3", "pricing_then_demo@3"],
        ),
        ([view("/demo"), view("/pricing")], ["demo_page@1", "pricing_page@2"]),
        # One page that is both is one step; seen again it is the second.
        ([view("/plans-demo")], ["pricing_page@1", "demo_page@1"]),
        (
            [view("/plans-demo"), view("/plans-demo")],
            ["pricing_page@1", "demo_page@1", "pricing_then_demo@2"],
        ),
        (
            [view("/pricing"), submit("demo-request", "/pricing")],
            ["pricing_page@1", "demo_form@2", "pricing_then_demo@2"],
        ),
        ([submit("Demo")], ["demo_form@1"]),
        ([submit("#contact_us")], ["demo_form@1"]),
        ([submit("book-a-call")], ["demo_form@1"]),
        ([submit("talk", "/demo")], ["demo_form@1"]),
        ([submit("whitepaper")], ["other_form@1"]),
        ([submit("")], ["other_form@1"]),
        ([submit("", purpose="")], ["other_form@1"]),
        ([submit("footer", "/demo", "newsletter")], ["other_form@1"]),
        ([submit("contact-search", "/", "search")], []),
        ([submit("sign-in", "/demo", "login")], []),
        # The same form again is the same submission; another form is another one.
        ([submit("demo"), submit("demo"), confirm("demo")], ["demo_form@1"]),
        ([submit("demo"), submit("whitepaper")], ["demo_form@1", "other_form@2"]),
        ([confirm("demo"), submit("demo")], ["demo_form@2"]),
        ([DOWNLOAD, DOWNLOAD], ["lead_magnet@1", "lead_magnet@2"]),
        ([{"kind": Kind.CLICK, "href": "/guide.pdf"}], []),
        ([view("/a"), read("/a", 60_000, 75)], ["deep_read@2"]),
        ([view("/a"), read("/a", 59_999, 100)], []),
        ([view("/a"), read("/a", 600_000, 74)], []),
        ([read("/a", 30_000, 80), read("/a", 60_000, 80), read("/a", 90_000, 90)], ["deep_read@2"]),
        (
            [read("/a", 60_000, 80), read("/b", 60_000, 80, 2), read("/a", 60_000, 80, 3)],
            ["deep_read@1", "deep_read@2"],
        ),
    ],
)
def test_default_rules_within_one_session(told: list[dict[str, object]], hits: list[str]) -> None:
    assert met(MATCHER, facts(*told))[0] == hits


@pytest.mark.parametrize(
    ("told", "pending"),
    [
        ([start("demo")], ["form_left@1"]),
        ([start("demo"), start("demo")], ["form_left@1"]),
        ([start("demo"), submit("demo")], []),
        ([start("demo"), confirm("demo")], []),
        ([submit("demo"), start("demo")], []),
        ([start("a"), start("b")], ["form_left@1"]),
        ([start("a"), start("b"), submit("a")], ["form_left@2"]),
        ([start("a"), start("b"), submit("a"), submit("b")], []),
        ([start("news", purpose="newsletter")], ["form_left@1"]),
        ([start("q", purpose="search"), start("sign-in", purpose="login")], []),
    ],
)
def test_a_form_started_and_left(told: list[dict[str, object]], pending: list[str]) -> None:
    hits, left = met(MATCHER, facts(*told))
    assert left == pending
    assert not any(hit.startswith("form_left") for hit in hits)


def test_a_rule_can_count_every_form_that_was_left() -> None:
    rule = Rule("left", "Left", 1_000, FormLeftCondition(high_intent=True))
    told = facts(start("demo"), start("whitepaper"), start("contact"))
    assert met(Matcher(Ruleset(1, "x", (rule,))), told)[1] == ["left@1", "left@3"]


def test_the_seed_counts_pricing_and_ebook_each_time() -> None:
    told = facts(view("/pricing"), view("/pricing"), DOWNLOAD, OPEN, OPEN, submit("demo"))
    assert met(Matcher(SEED), told)[0] == [
        "pricing_page@1",
        "pricing_page@2",
        "ebook@3",
        "five_opens@4",
        "five_opens@5",
    ]


def test_a_deep_read_carries_its_page_and_nothing_else_does() -> None:
    hits, _ = fold(MATCHER, facts(view("/pricing"), read("/pricing", 60_000, 75)))
    assert hits == (
        Hit("pricing_page", 1, 1_000, ""),
        Hit("deep_read", 2, 2_000, "/pricing"),
    )


ENGAGED = EventCondition(("engagement",), min_ms=10)


@pytest.mark.parametrize(
    ("rule", "told", "hits"),
    [
        # Several engagement events of one page view are one.
        (
            Rule("r", "", 1, ENGAGED),
            [read("/a", 20, 0), read("/a", 30, 0), read("/a", 40, 0, page_seq=3)],
            ["r@1", "r@3"],
        ),
        (
            Rule("r", "", 1, EventCondition(("page_view",)), counted="once_per_day"),
            [view("/a"), view("/b"), {**view("/c"), "at": DAY_MS}],
            ["r@1", "r@3"],
        ),
        (
            Rule("r", "", 1, EventCondition(("page_view",)), counted="once_per_page"),
            [view("/a"), view("/b"), view("/a")],
            ["r@1", "r@2"],
        ),
        (
            Rule("r", "", 1, EventCondition(("track",), name="trial_*")),
            [
                {"kind": Kind.TRACK, "name": "trial_started"},
                {"kind": Kind.TRACK, "name": "Trial_started"},
                {"kind": Kind.TRACK, "name": "a trial_"},
            ],
            ["r@1"],
        ),
        (
            Rule("r", "", 1, EventCondition(("download", "click"), href="*.pdf*")),
            [DOWNLOAD, {"kind": Kind.CLICK, "href": "/x.pdf?a\n1"}, {"kind": Kind.CLICK}],
            ["r@1", "r@2"],
        ),
        (
            Rule("r", "", 1, EventCondition(("page_view",), page="/blog/*")),
            [view("/blog/a"), view("/blog"), view("/blog/b")],
            ["r@1", "r@3"],
        ),
        (
            Rule("r", "", 1, EventCondition(("page_view",), groups=("careers", "pricing"))),
            [view("/careers"), view("/"), view("/pricing")],
            ["r@1", "r@3"],
        ),
        (
            Rule("r", "", 1, EventCondition(("page_view", "form_submit"), high_intent=True)),
            [view("/pricing"), view("/blog"), submit("demo"), submit("other")],
            ["r@1", "r@3"],
        ),
        (
            Rule(
                "r",
                "",
                1,
                SequenceCondition(
                    tuple(EventCondition(("page_view",), page=page) for page in ("/a", "/b", "/a"))
                ),
            ),
            [view(page) for page in ("/b", "/a", "/x", "/b", "/b", "/a", "/a", "/b", "/a")],
            ["r@6", "r@9"],
        ),
    ],
)
def test_other_ways_to_count(rule: Rule, told: list[dict[str, object]], hits: list[str]) -> None:
    assert met(Matcher(Ruleset(1, "x", (rule,))), facts(*told))[0] == hits


def test_a_session_keeps_a_bounded_number_of_hits_of_one_rule() -> None:
    told = facts(*[DOWNLOAD] * (MOST_HITS + 5), view("/pricing"))
    hits, _ = met(MATCHER, told)
    assert len(hits) == MOST_HITS + 1
    assert hits[-1].startswith("pricing_page")


def test_the_patterns_of_the_sites_own_group_name_forms_too() -> None:
    groups = (PageGroup("demo_or_contact", ("/Termin*", "*")), PageGroup("jobs", ("/jobs*",)))
    german = Matcher(DEFAULT, groups)
    for form, asked in (("terminanfrage", True), ("demo", True), ("jobs", False), ("", False)):
        assert german.demo_or_contact_form(facts(submit(form))[0]) is asked


@pytest.mark.parametrize(
    ("told", "intent"),
    [
        ([view("/")], 0),
        ([view("/pricing"), view("/")], 1),
        ([view("/demo")], 1),
        ([view("/pricing"), start("demo", "/pricing")], 1),
        ([view("/pricing"), submit("demo", "/pricing")], 2),
        ([submit("demo"), submit("demo"), confirm("demo")], 1),
        ([submit("whitepaper", "/pricing")], 0),
        ([submit("demo", "/demo", "newsletter")], 0),
    ],
)
def test_the_latest_event_of_high_intent(told: list[dict[str, object]], intent: int) -> None:
    signals = SessionSignals()
    for fact in facts(*told):
        signals.step(MATCHER, fact)
    assert signals.last_intent == intent


def test_what_is_remembered_of_events_is_bounded() -> None:
    rule = Rule("r", "", 1, EventCondition(("page_view",), page="/a*"))
    matcher = Matcher(Ruleset(1, "x", (rule,)))
    for number in range(10_000):
        page = f"/{'ab'[number % 2]}{number}"
        assert bool(matcher.slots(Fact(1, 1, Kind.PAGE_VIEW, page))) is (number % 2 == 0)


EVENTS = st.one_of(
    st.sampled_from([*GROUPS, "/", "/blog"]).map(view),
    st.builds(
        read,
        st.sampled_from(["/", "/blog"]),
        st.sampled_from([0, 59_999, 60_000, 90_000]),
        st.sampled_from([0, 74, 75, 100]),
        st.integers(1, 4),
    ),
    st.builds(
        lambda door, form, page, purpose: door(form, page, purpose),
        st.sampled_from([start, submit]),
        st.sampled_from(["demo", "news", ""]),
        st.sampled_from(["/", "/demo"]),
        st.sampled_from(["lead", "newsletter", "search", ""]),
    ),
    st.sampled_from([DOWNLOAD, OPEN, confirm("demo"), confirm("")]),
)


@given(st.lists(EVENTS, max_size=30), st.sampled_from([DEFAULT, SEED]))
def test_stepping_is_folding(told: list[dict[str, object]], ruleset: Ruleset) -> None:
    matcher, signals = Matcher(ruleset), SessionSignals()
    stepped: list[Hit] = []
    for number, fact in enumerate(facts(*told), start=1):
        stepped.extend(signals.step(matcher, fact))
        assert fold(Matcher(ruleset), facts(*told)[:number]) == (
            tuple(stepped),
            signals.pending(),
        )


@given(st.lists(EVENTS, max_size=30))
def test_hits_are_of_the_events_that_happened(told: list[dict[str, object]]) -> None:
    session = facts(*told)
    hits, pending = fold(MATCHER, session)
    times = {fact.seq: fact.at for fact in session}
    keys = DEFAULT.by_key
    assert all(times[hit.seq] == hit.at and hit.rule in keys for hit in (*hits, *pending))
    assert len({(hit.rule, hit.seq) for hit in hits}) == len(hits)
