"""How long the projector leaves the time to events that wait to be stored."""

from itertools import accumulate

from server.project.projector import REST_MOST_S, REST_S, rest_after


def rests(pressed: str) -> list[float]:
    """In ms, after each moment: `x` where somebody waits, `.` where nobody does."""
    found = accumulate(pressed, lambda rest, now: rest_after(rest, pressed=now == "x"), initial=0.0)
    return [round(rest * 1e3, 2) for rest in found][1:]


def test_nobody_rests_where_nobody_waits() -> None:
    assert rests("...") == [0, 0, 0]


def test_a_rest_grows_while_somebody_waits_up_to_its_most() -> None:
    grown = rests("x" * 12)
    assert grown[:4] == [REST_S * 1e3, 10, 20, 40]
    assert grown[-1] == grown[-2] == REST_MOST_S * 1e3


def test_a_moment_in_which_nobody_waits_does_not_end_a_flood() -> None:
    assert rests("xxxx.x") == [5, 10, 20, 40, 20, 40]


def test_it_ends_in_half_a_second_when_nobody_waits_any_more() -> None:
    ends = rests("x" * 12 + "." * 8)[12:]
    assert ends[-1] == 0
    assert sum(ends) < 500
