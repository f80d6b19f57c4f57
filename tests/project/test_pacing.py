"""How many entries are written at one time, so that writing them takes no longer than it may."""

import pytest

from server.project.pacing import CALM_S, PRESSED_S, Portion

LEAST, MOST = 64, 1_024


def after(*results: tuple[int, float]) -> Portion:
    """After results of so many entries that took so many seconds."""
    portion = Portion(LEAST, MOST)
    for count, seconds in results:
        portion.learn(count, seconds)
    return portion


def test_it_begins_with_what_fits_for_sure() -> None:
    assert Portion(LEAST, MOST).size(pressed=True) == LEAST
    assert Portion(LEAST, MOST).size(pressed=False) == LEAST * CALM_S / PRESSED_S


@pytest.mark.parametrize(
    ("each_us", "calm", "pressed"),
    [(40, 500, LEAST), (20, 1_000, 100), (1, MOST, MOST), (1_000, LEAST, LEAST)],
)
def test_as_many_as_are_written_in_time(each_us: int, calm: int, pressed: int) -> None:
    """Whoever stores events waits for a result: 20 ms, and 2 ms where many wait."""
    learned = after(*[(200, 200 * each_us / 1e6)] * 30)
    assert learned.size(pressed=False) == pytest.approx(calm, rel=0.01)
    assert learned.size(pressed=True) == pytest.approx(pressed, rel=0.01)


def test_one_result_out_of_the_common_changes_little() -> None:
    """A lone event costs the turn it takes, many times what it costs among others."""
    steady = after(*[(500, 0.01)] * 30)
    lone = after(*[(500, 0.01)] * 30, (1, 0.0005))
    assert lone.size(pressed=False) == pytest.approx(steady.size(pressed=False), rel=0.02)


def test_a_slower_disk_is_known_after_a_few_results() -> None:
    slower = after(*[(500, 0.01)] * 30, *[(500, 0.04)] * 8)
    assert slower.size(pressed=False) < 280


def test_nothing_written_teaches_nothing() -> None:
    steady = after(*[(500, 0.01)] * 30)
    idle = after(*[(500, 0.01)] * 30, *[(0, 0.0)] * 500)
    assert idle.size(pressed=False) == pytest.approx(steady.size(pressed=False), rel=0.01)
