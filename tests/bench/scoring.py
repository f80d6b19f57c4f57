"""Scoring by itself: one person's receipt, and what an event meets of many rules."""

import random
import time
from collections.abc import Sequence
from typing import Any

from server.model import DAY_MS, Kind
from server.project.decay import Decay
from server.project.rules import (
    Axes,
    Bounds,
    EventCondition,
    FieldTest,
    Group,
    InactivityCondition,
    PropertyCondition,
    Rule,
    Ruleset,
    SessionCondition,
)
from server.project.scoring import score
from server.project.signals import Fact, Hit, Matcher, SessionHits, SessionSignals
from tests.bench.plain import repeated
from tests.bench.table import Row, spread
from tests.bench.workload import urls

TODAY = 20_000
VIEW = EventCondition(("page_view",))
LINES = 500
MOST_MS, MOST_US = 1.0, 20.0


def history(rules: Sequence[Rule]) -> list[SessionHits]:
    """50 visits, one a day, with ten hits each."""
    sessions = []
    for number in range(50):
        start = (TODAY - number) * DAY_MS
        hits = tuple(
            Hit(rules[i % len(rules)].key, number * 100 + i, start + i * 60_000) for i in range(10)
        )
        sessions.append(SessionHits(number * 100, number * 100, start, start + 600_000, hits))
    return sessions


def plain_rules() -> Ruleset:
    """One rule that counts each time."""
    return Ruleset(1, "bench", (Rule("read", "", 1_000, VIEW, decay=Decay("half_life", days=60)),))


def every_kind() -> Ruleset:
    """Ten rules that count, in groups, with caps and all decays; visits, silence and 40 traits."""
    decays = (Decay("half_life", 60), Decay("linear", 30, 10), Decay("window", 90), Decay())
    rules = [
        Rule(f"r{n}", "", 1_000, VIEW, cap=30_000, decay=decays[n % 4], group=f"g{n % 3}")
        for n in range(10)
    ]
    visits = SessionCondition()
    rules += [
        Rule("back", "", 1_000, visits, counted="returns_within", within_days=7, cap=20_000),
        Rule("three", "", 5_000, visits, counted="count", n=3, within_days=14),
        Rule("silent", "", -1_000, InactivityCondition(30, 30)),
    ]
    domains = tuple(f"rival{number}.example" for number in range(50))
    rules += [
        Rule(
            f"t{number}",
            "",
            500,
            PropertyCondition("size", "between", (number, 500))
            if number % 2
            else PropertyCondition("email_domain", "in", domains, negate=True),
            axis="fit",
        )
        for number in range(40)
    ]
    groups = tuple(Group(f"g{number}", cap=50_000) for number in range(3))
    return Ruleset(
        1, "bench", tuple(rules), groups=groups, axes=Axes(Bounds(15_000), Bounds(100_000, 0))
    )


def scoring(what: str, ruleset: Ruleset) -> Row:
    """One person with 500 events that count, bounds and traits."""
    sessions = history([rule for rule in ruleset.rules if rule.when is VIEW])
    traits: dict[str, Any] = {"email": "ann@acme.example", "title": "VP Sales", "size": 200}
    lines = score(ruleset, sessions, traits, TODAY + 1).lines
    moments = sum(line.times for line in lines if line.seq or line.times > 1)
    assert moments >= LINES * 4 // 5

    def once() -> float:
        started = time.perf_counter()
        for _ in range(50):
            score(ruleset, sessions, traits, TODAY + 1)
        return (time.perf_counter() - started) / 50 * 1e3

    middle, all_ = repeated(once)
    note = f"{len(lines)} lines, {spread(all_)}"
    return Row(what, middle, MOST_MS, None, "ms", note, False)


def page_facts() -> list[Fact]:
    choose = random.Random(5)
    pages = [url.partition("example")[2] for url in urls()]
    kinds = (Kind.PAGE_VIEW,) * 70 + (Kind.ENGAGEMENT,) * 25 + (Kind.CLICK,) * 5
    return [
        Fact(seq, seq * 1_000, choose.choice(kinds), choose.choice(pages)) for seq in range(20_000)
    ]


def product_facts() -> list[Fact]:
    """Uses of a product: 50 names, six plans, and a number that is seldom the same."""
    choose = random.Random(6)
    plans = ("free", "starter", "team", "pro", "business", "enterprise")
    facts = []
    for seq in range(20_000):
        props = {"plan": choose.choice(plans), "rows": choose.randrange(500), "id": seq}
        name = f"used_{choose.randrange(50)}"
        data = {"name": name, "props": props}
        facts.append(Fact(seq, seq * 1_000, Kind.TRACK, name=name, page_seq=seq, data=data))
    return facts


def page_rules() -> tuple[Rule, ...]:
    return tuple(
        Rule(
            f"rule_{number}",
            "",
            1_000,
            EventCondition(("page_view", "click"), page=f"/learn/article-{number}*"),
        )
        for number in range(200)
    )


def product_rules() -> tuple[Rule, ...]:
    tests = (FieldTest("plan", "in", ("team", "pro")), FieldTest("rows", "at_least", 100))
    return tuple(
        Rule(
            f"rule_{number}",
            "",
            1_000,
            EventCondition(("track",), name=f"used_{number % 50}*", where=tests[: 1 + number % 2]),
        )
        for number in range(200)
    )


def matching(what: str, rules: tuple[Rule, ...], facts: list[Fact]) -> Row:
    """What one event meets of 200 rules, amortised over visits of ten; the first time as well."""
    matcher = Matcher(Ruleset(1, "bench", rules))

    def once() -> float:
        started = time.perf_counter()
        for place in range(0, len(facts), 10):
            signals = SessionSignals()
            for fact in facts[place : place + 10]:
                signals.step(matcher, fact)
        return (time.perf_counter() - started) / len(facts) * 1e6

    first = once()
    middle, all_ = repeated(once)
    note = f"{spread(all_)}, the first time {first:.1f}"
    return Row(what, middle, MOST_US, None, "µs", note, False)


def rows() -> list[Row]:
    """Every figure of scoring."""
    return [
        scoring("score a person, 500 contributions", plain_rules()),
        scoring("  with bounds, silence and 40 traits", every_kind()),
        matching("match an event against 200 rules", page_rules(), page_facts()),
        matching("  of which each asks for properties", product_rules(), product_facts()),
    ]
