"""Points fade in whole days, by integers, and never overshoot."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.project.decay import FULL, Decay, curve

DECAYS = st.one_of(
    st.builds(Decay, st.just("window"), st.integers(1, 400)),
    st.builds(Decay, st.just("half_life"), st.integers(1, 90)),
    st.builds(Decay, st.just("linear"), st.integers(1, 40), st.integers(1, 100)),
)


def factors_of(decay: Decay) -> list[int]:
    """At every age at which something is left."""
    return [curve(decay).at(age)[0] for age in range(curve(decay).ends or 0)]


@pytest.mark.parametrize(
    ("decay", "age", "factor"),
    [
        (Decay("window", 14), 0, FULL),
        (Decay("window", 14), 13, FULL),
        (Decay("half_life", 30), 0, FULL),
        (Decay("half_life", 30), 1, 977_000),
        (Decay("half_life", 30), 15, 707_000),
        (Decay("half_life", 30), 30, 500_000),
        (Decay("half_life", 30), 60, 250_000),
        (Decay("half_life", 60), 180, 125_000),
        (Decay("half_life", 1), 9, 1_000),
        (Decay("linear", 30, 50), 29, FULL),
        (Decay("linear", 30, 50), 30, 500_000),
        (Decay("linear", 30, 50), 59, 500_000),
        (Decay("linear", 7, 30), 21, 100_000),
    ],
)
def test_what_is_left_at_an_age(decay: Decay, age: int, factor: int) -> None:
    assert curve(decay).at(age)[0] == factor


@pytest.mark.parametrize(
    ("decay", "ends"),
    [
        (Decay(), None),
        (Decay("window", 14), 14),
        (Decay("half_life", 1), 10),
        (Decay("half_life", 30), 299),
        (Decay("linear", 30, 50), 60),
        (Decay("linear", 7, 30), 28),
        (Decay("linear", 1, 100), 1),
    ],
)
def test_when_nothing_is_left(decay: Decay, ends: int | None) -> None:
    assert curve(decay).ends == ends


@given(DECAYS)
def test_a_decay_starts_full_never_rises_and_never_overshoots(decay: Decay) -> None:
    factors = factors_of(decay)
    assert factors[0] == FULL
    assert all(0 < factor <= FULL and factor % 1_000 == 0 for factor in factors) or (
        decay.kind == "linear"
    )
    assert list(factors) == sorted(factors, reverse=True)


@given(DECAYS)
def test_the_next_change_is_the_first_age_with_another_factor(decay: Decay) -> None:
    factors = [*factors_of(decay), 0]
    for age in range(len(factors) - 1):
        change = curve(decay).at(age)[1]
        assert age < change
        assert set(factors[age:change]) == {factors[age]}
        assert factors[change] != factors[age]


@settings(max_examples=20)  # each one reads twenty half-lives, day by day
@given(st.integers(1, 400))
def test_a_half_life_is_within_a_thousandth_of_the_true_one(days: int) -> None:
    for age, factor in enumerate(factors_of(Decay("half_life", days))):
        assert -1 <= factor - FULL * 0.5 ** (age / days) + 1_000 <= 1_001


@pytest.mark.parametrize("kind", ["window", "half_life", "linear"])
def test_absurd_numbers_of_an_unchecked_ruleset_are_bounded(kind: str) -> None:
    for days, percent in ((0, 0), (-5, -5), (10**12, 10**12)):
        ends = curve(Decay(kind, days, percent)).ends  # type: ignore[arg-type]
        assert ends is not None
        assert 1 <= ends <= 400_000
