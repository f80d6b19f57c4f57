"""A receipt has a bounded number of lines, and they still add up exactly."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from server.model import DAY_MS
from server.project.decay import FULL, Decay, curve
from server.project.rules import EventCondition, Rule, Ruleset
from server.project.scoring import LINES, LINES_OF_RULE, Receipt, score, signals_of
from server.project.signals import Hit, SessionHits
from server.project.subjects import PERSON
from server.reports.past import person_at
from server.reports.people import person
from server.storage.database import Database
from tests.tracking import DAY as DAY_LONG
from tests.tracking import MIN, tracking

DAY = 20_000
VIEW = EventCondition(("page_view",))
DECAYS = (Decay(), Decay("half_life", days=3), Decay("linear", 10, 7), Decay("window", 9))


def history(*counts: int) -> list[SessionHits]:
    """Hits of the rules r0, r1 …, so many each, an hour apart and none later than DAY."""
    sessions = []
    for number, count in enumerate(counts):
        start = DAY * DAY_MS - count * 3_600_000
        hits = tuple(
            Hit(f"r{number}", number * 10_000 + place + 1, start + place * 3_600_000)
            for place in range(count)
        )
        sessions.append(SessionHits(number + 1, number * 10_000 + 1, start, hits[-1].at, hits))
    return sessions


def ruleset(*rules: tuple[int, Decay, int | None]) -> Ruleset:
    return Ruleset(
        1,
        "many",
        tuple(
            Rule(f"r{number}", "", points, VIEW, decay=decay, cap=cap)
            for number, (points, decay, cap) in enumerate(rules)
        ),
    )


def worth(rule: Rule, hits: Sequence[Hit]) -> list[tuple[int, Hit]]:
    """Each hit of a rule with its points on DAY, if anything is left of it."""
    fades, found = curve(rule.decay), []
    for hit in hits:
        age = DAY - hit.at // DAY_MS
        if fades.ends is None or age < fades.ends:
            factor = FULL if fades.ends is None else fades.at(age)[0]
            points = abs(rule.points) * factor // FULL
            found.append((points if rule.points > 0 else -points, hit))
    return found


def shown(receipt: Receipt, rule: str) -> int:
    return sum(line.rule == rule and line.seq > 0 for line in receipt.lines)


DRAWN = st.tuples(
    st.integers(-9_999, 9_999).filter(bool), st.sampled_from(DECAYS), st.none() | st.just(50_000)
)


@given(st.lists(st.tuples(DRAWN, st.integers(1, 400)), min_size=1, max_size=9))
@settings(deadline=None, max_examples=40)
def test_every_rule_adds_up_to_all_its_moments(
    drawn: list[tuple[tuple[int, Decay, int | None], int]],
) -> None:
    """Whatever the rules: their sums are those of an unbounded receipt, the latest are shown."""
    rules, sessions = ruleset(*(one for one, _ in drawn)), history(*(count for _, count in drawn))
    receipt = score(rules, sessions, {}, DAY)
    assert sum(line.seq > 0 for line in receipt.lines) <= LINES + len(drawn)
    assert len(receipt.lines) <= LINES + 3 * len(drawn)
    for rule, session in zip(rules.rules, sessions, strict=True):
        alive = worth(rule, session.hits)
        mine = [line for line in receipt.lines if line.rule == rule.key]
        assert sum(line.points for line in mine) == sum(points for points, _ in alive)
        assert sum(line.times for line in mine) == len(alive)
        own = [line.seq for line in mine if line.seq]
        assert own == [hit.seq for _, hit in alive[len(alive) - len(own) :]]
        assert len(own) <= LINES_OF_RULE + 1
        assert all(line.times > 1 and not line.at for line in mine if not line.seq)
    assert receipt.score == sum(line.points for line in receipt.lines)
    assert set(signals_of(receipt)) <= {rule.key for rule in rules.rules}


@given(
    st.lists(st.tuples(DRAWN, st.integers(150, 400)), min_size=1, max_size=4), st.integers(0, 30)
)
@settings(deadline=None, max_examples=30)
def test_nothing_changes_before_the_day_that_is_told(
    drawn: list[tuple[tuple[int, Decay, int | None], int]], later: int
) -> None:
    rules, sessions = ruleset(*(one for one, _ in drawn)), history(*(count for _, count in drawn))
    receipt = score(rules, sessions, {}, DAY + later)
    change = receipt.next_change_day
    for day in range(DAY + later + 1, DAY + 60 if change is None else change):
        assert replace(score(rules, sessions, {}, day), next_change_day=change) == receipt


@pytest.mark.parametrize(
    ("counts", "lines"),
    [
        ((100,), (100,)),
        ((101,), (101,)),  # a line for one is no longer than itself
        ((102,), (100,)),
        ((400, 400, 400, 400, 400), (100,) * 5),
        ((400,) * 10, (50,) * 10),
        ((400, *[10] * 42), (80, *[10] * 42)),
        ((3,) * 500, (1,) * 500),
    ],
)
def test_how_many_lines_each_rule_has(counts: tuple[int, ...], lines: tuple[int, ...]) -> None:
    rules = ruleset(*[(1_000, Decay(), None)] * len(counts))
    receipt = score(rules, history(*counts), {}, DAY)
    assert tuple(shown(receipt, f"r{number}") for number in range(len(counts))) == lines
    assert receipt.score == 1_000 * sum(counts)


def test_a_line_of_earlier_ones() -> None:
    """Its sum, its base, what is left in all, and the day on which nothing is left of it."""
    receipt = score(ruleset((1_000, Decay("window", 9), None)), history(150), {}, DAY)
    first = receipt.lines[0]
    assert (first.points, first.base, first.factor, first.times) == (50_000, 50_000, FULL, 50)
    assert (first.at, first.seq) == (0, 0)
    assert first.expires == DAY - 5 + 9  # the latest of them was 101 hours before
    fading = score(ruleset((-1_000, Decay("half_life", days=3), None)), history(150), {}, DAY)
    (sum_,) = [line for line in fading.lines if line.times > 1]
    assert sum_.base == -50_000 < sum_.points < 0
    assert sum_.factor == sum_.points * FULL // sum_.base


@pytest.mark.anyio
async def test_somebody_who_reads_a_lot(database: Database) -> None:
    """As stored, as answered, in the past, and after reading the log again (at the end)."""
    rules = Ruleset(1, "reads", (Rule("read", "Read", 1_000, VIEW, decay=Decay("window", 30)),))
    async with tracking(database) as world:
        await world.publish(rules)
        ann = world.browser()
        await ann.submit("demo", email="ann@brew.example")
        for _ in range(13):
            await ann.send(*(ann.event("page_view", "/docs") for _ in range(12)))
            world.now += 7 * MIN
        await world.project()
        ((person_id,),) = await world.rows("persons", "person_id")
        async with world.database.snapshot() as reader:
            today = await person(reader, world.site, person_id)
            past = await person_at(reader, world.site, person_id, rules, world.now - 20 * MIN)
        views = round(today.score)
        assert views >= 13 * 12
        first, *others = today.receipt
        assert (first.times, first.event, len(others)) == (views - 100, None, 100)
        assert sum(line.points for line in today.receipt) == today.score
        assert 100 < past.score < today.score
        assert sum(line.points for line in past.receipt) == past.score
        assert sum(line.times for line in past.receipt) == past.score
        world.now += 31 * DAY_LONG
        await world.project()
        assert await world.rows("contributions", "rule", f"kind = {PERSON}") == []
