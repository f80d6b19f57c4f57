"""What moves a person, and that each thing is told once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.model import STAGE_RANK, STAGES
from server.project.ruleset import DEFAULT, SEED, Ruleset, Threshold
from server.project.scoring import Receipt
from server.project.stages import Arming, Cause, Move, Standing, first_stage, judge
from server.project.standing import decided, united


def scored(points: int) -> Receipt:
    """A receipt of so many whole points."""
    return Receipt((), 0, points * 1_000, points * 1_000, "C3", None)


def told(moves: tuple[Move, ...]) -> list[str]:
    """Moves in short: `crossed mql 1`, `first_stage: other > lead`."""
    return [
        f"{move.threshold}: {move.stage_from} > {move.stage_to}"
        if move.kind == "stage_moved"
        else f"{move.kind} {move.threshold} {move.number}"
        for move in moves
    ]


@pytest.mark.parametrize(
    ("purpose", "stage"),
    [("newsletter", "subscriber"), ("lead", "lead"), ("anything", "lead"), ("", "other")],
)
def test_the_first_stage(purpose: str, stage: str) -> None:
    assert first_stage(purpose) == stage


LEAD = Standing("lead")
#: An MQL since the event at 100 ms.
MQL = Standing("mql", (Arming("mql", armed=False),), (100, 0, b"m"))


@pytest.mark.parametrize(
    ("standing", "points", "cause", "moves"),
    [
        (Standing(), 0, Cause(1, 1), []),
        (Standing(), 0, Cause(1, 1, first_stage="other"), []),
        (Standing(), 0, Cause(1, 1, first_stage="subscriber"), ["first_stage: other > subscriber"]),
        (
            Standing("subscriber"),
            0,
            Cause(1, 1, first_stage="lead"),
            ["first_stage: subscriber > lead"],
        ),
        (LEAD, 0, Cause(1, 1, first_stage="subscriber"), []),
        (LEAD, 49, Cause(1, 1), []),
        (LEAD, 50, Cause(1, 1), ["crossed mql 1", "mql: lead > mql"]),
        (
            Standing(),
            60,
            Cause(1, 1, first_stage="lead"),
            ["first_stage: other > lead", "crossed mql 1", "mql: lead > mql"],
        ),
        # The event that makes an MQL does not make an SQL, however strong it is.
        (LEAD, 90, Cause(1, 1, high_intent=True), ["crossed mql 1", "mql: lead > mql"]),
        (LEAD, 49, Cause(1, 1, high_intent=True), []),
        (MQL, 60, Cause(2, 101, high_intent=True), ["high_intent: mql > sql"]),
        (MQL, 60, Cause(2, 101), []),
        # Strictly after, by (at, q, event id), not by arrival.
        (MQL, 60, Cause(2, 100, high_intent=True, event_id=b"m"), []),
        (MQL, 60, Cause(2, 100, high_intent=True, event_id=b"l"), []),
        (MQL, 60, Cause(2, 99, high_intent=True, q=9, event_id=b"z"), []),
        (MQL, 60, Cause(2, 100, high_intent=True, event_id=b"n"), ["high_intent: mql > sql"]),
        (MQL, 60, Cause(2, 100, high_intent=True, q=1), ["high_intent: mql > sql"]),
        # Made an MQL by no event: any event is after that.
        (Standing("mql"), 0, Cause(2, 1, high_intent=True), ["high_intent: mql > sql"]),
        # Hysteresis: 10 below 50.
        (MQL, 40, Cause(2, 101), []),
        (MQL, 39, Cause(2, 101), ["rearmed mql 2"]),
        (Standing("mql", (Arming("mql", number=2),)), 50, Cause(2, 9), ["crossed mql 2"]),
        (LEAD, 0, Cause(1, 1, product_event=True), ["product_event: lead > pql"]),
        (MQL, 60, Cause(2, 101, product_event=True), ["product_event: mql > pql"]),
        (
            MQL,
            60,
            Cause(2, 101, product_event=True, high_intent=True),
            ["product_event: mql > pql", "high_intent: pql > sql"],
        ),
        # A PQL that never was an MQL does not become an SQL, until its score says so.
        (Standing("pql"), 0, Cause(2, 9, high_intent=True), []),
        (Standing("pql"), 50, Cause(2, 9, high_intent=True), ["crossed mql 1"]),
        # Automatic moves go up only.
        (Standing("customer"), 60, Cause(2, 9, high_intent=True), ["crossed mql 1"]),
        (Standing("customer"), 0, Cause(2, 9, product_event=True, first_stage="lead"), []),
    ],
)
def test_one_judgement(standing: Standing, points: int, cause: Cause, moves: list[str]) -> None:
    after, made = judge(DEFAULT, standing, scored(points), cause)
    assert told(made) == moves
    assert all(move.cause is cause and move.score == points * 1_000 for move in made)
    assert after.stage == ([standing.stage] + [move.stage_to for move in made])[-1]


def test_a_score_that_rises_and_falls_crosses_once_per_arming() -> None:
    standing, story = LEAD, []
    for number, points in enumerate([30, 50, 80, 45, 55, 40, 60, 39, 45, 50, 70, 0, 0, 99]):
        standing, moves = judge(DEFAULT, standing, scored(points), Cause(number, number))
        story += [(points, line) for line in told(moves)]
    assert story == [
        (50, "crossed mql 1"),
        (50, "mql: lead > mql"),
        (39, "rearmed mql 2"),
        (50, "crossed mql 2"),
        (0, "rearmed mql 3"),
        (99, "crossed mql 3"),
    ]


def test_a_second_crossing_does_not_replace_the_event_that_made_the_mql() -> None:
    standing, _ = judge(DEFAULT, LEAD, scored(50), Cause(7, 70, q=2, event_id=b"first"))
    assert standing.mql_key == (70, 2, b"first")
    standing, _ = judge(DEFAULT, standing, scored(0), Cause(8, 80))
    standing, _ = judge(DEFAULT, standing, scored(50), Cause(9, 90))
    assert standing.mql_key == (70, 2, b"first")


def test_a_pql_that_crosses_becomes_an_sql_by_a_later_demo() -> None:
    standing, _ = judge(DEFAULT, Standing("pql"), scored(50), Cause(1, 10))
    standing, moves = judge(DEFAULT, standing, scored(50), Cause(2, 11, high_intent=True))
    assert told(moves) == ["high_intent: pql > sql"]


def test_one_jump_passes_every_threshold_in_order() -> None:
    steps = (
        Threshold("warm", "", 10_000, 1_000),
        Threshold("mql", "mql", 20_000, 1_000),
        Threshold("hot", "sql", 30_000, 1_000),
    )
    ruleset = Ruleset(1, "steps", (), steps)
    standing, moves = judge(ruleset, LEAD, scored(30), Cause(1, 1))
    assert told(moves) == [
        "crossed warm 1",
        "crossed mql 1",
        "mql: lead > mql",
        "crossed hot 1",
        "hot: mql > sql",
    ]
    _, moves = judge(ruleset, standing, scored(15), Cause(2, 2))
    assert told(moves) == ["rearmed mql 2", "rearmed hot 2"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_person_may_be_put_anywhere_by_hand(stage: str) -> None:
    standing = decided(MQL, stage, (500, 0, b"d"))
    assert standing.stage == stage
    assert standing.arming == MQL.arming
    if stage == "mql":
        assert standing.mql_key == (500, 0, b"d")
    elif STAGE_RANK[stage] < STAGE_RANK["mql"]:
        assert standing.mql_key is None
    else:
        assert standing.mql_key == MQL.mql_key


def test_somebody_sent_back_to_lead_stays_there_until_the_threshold_is_armed_again() -> None:
    standing = decided(MQL, "lead", (500, 0, b"d"))
    standing, moves = judge(DEFAULT, standing, scored(90), Cause(5, 600, high_intent=True))
    assert moves == ()
    standing, _ = judge(DEFAULT, standing, scored(10), Cause(6, 700))
    standing, moves = judge(DEFAULT, standing, scored(90), Cause(7, 800))
    assert told(moves) == ["crossed mql 2", "mql: lead > mql"]


def test_two_persons_who_are_one_keep_the_higher_stage_and_arming() -> None:
    one = Standing("sql", (Arming("mql", armed=True, number=2),), (100, 0, b""))
    other = Standing("mql", (Arming("mql", armed=False, number=2), Arming("hot")), (90, 0, b""))
    both = united(one, other)
    assert both == united(other, one)
    assert both.stage == "sql"
    assert both.of("mql") == Arming("mql", armed=False, number=2)
    assert both.of("hot") == Arming("hot")
    assert both.mql_key == (90, 0, b"")
    assert united(LEAD, Standing()) == LEAD


def test_an_event_without_an_id_is_ordered_by_its_seq() -> None:
    assert Cause(2, 5).key < Cause(3, 5).key < Cause(255, 5).key < Cause(256, 5).key


CAUSES = st.builds(
    Cause,
    st.integers(0, 50),
    st.integers(0, 50),
    high_intent=st.booleans(),
    first_stage=st.sampled_from(["", "other", "subscriber", "lead"]),
    product_event=st.booleans(),
)


@given(
    st.lists(st.tuples(st.integers(-50, 150), CAUSES), max_size=20),
    st.sampled_from([DEFAULT, SEED]),
    st.sampled_from(STAGES),
)
def test_moves_go_up_and_are_never_told_twice(
    steps: list[tuple[int, Cause]], ruleset: Ruleset, stage: str
) -> None:
    standing, crossed = Standing(stage), []
    for points, cause in steps:
        before = standing
        standing, moves = judge(ruleset, standing, scored(points), cause)
        assert STAGE_RANK[standing.stage] >= STAGE_RANK[before.stage]
        for move in moves:
            if move.kind == "stage_moved":
                assert STAGE_RANK[move.stage_from] < STAGE_RANK[move.stage_to]
            else:
                crossed.append((move.kind, move.threshold, move.number))
        again, quiet = judge(ruleset, standing, scored(points), Cause(cause.seq, cause.at))
        assert (again, quiet) == (standing, ())
    assert len(set(crossed)) == len(crossed)
