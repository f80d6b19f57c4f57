"""When it is tried again, and when not."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from server.tell.outcomes import ATTEMPTS, Next, Outcome, after, is_due, read_retry_after
from tests.tracking import DAY, HOUR, MIN, NOON

FAILED = Outcome(ok=False, words="answered 500", status=500)
#: The waits of the specification, in ms.
TABLE = [5_000, 5 * MIN, 30 * MIN, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR]


def test_the_table() -> None:
    """At once, then nine waits; the last attempt comes after 75 h 35 min and is the end."""
    waits = [after(FAILED, number, NOON, 0.0) for number in range(1, ATTEMPTS)]
    assert waits == [Next("waiting", NOON + wait) for wait in TABLE]
    assert sum(TABLE) == 75 * HOUR + 35 * MIN + 5_000
    assert after(FAILED, ATTEMPTS, NOON, 0.0) == Next("dead", 0)


def test_a_clock_put_back_makes_it_due() -> None:
    """What was tried in the future was tried nobody knows when."""
    tried, due = NOON, NOON + 5_000
    assert [is_due(due, tried, now) for now in (NOON, due - 1, due, due + DAY)] == [
        *(False, False, True, True)
    ]
    assert is_due(due, tried, NOON - 1)
    assert not is_due(due, 0, NOON - HOUR)


def test_jitter_only_adds() -> None:
    """Up to a tenth, so that many do not come back at one moment."""
    for number, wait in enumerate(TABLE, 1):
        for chance in (0.0, 0.3, 0.999):
            at = after(FAILED, number, NOON, chance).at - NOON
            assert wait <= at <= wait * 1.1


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome(ok=True, words="", status=200), "delivered"),
        (Outcome(ok=False, words="", status=410, gone=True), "dead"),
        (Outcome(ok=False, words="", status=550, final=True), "dead"),
        (Outcome(ok=False, words="", status=404), "waiting"),
        (Outcome(ok=False, words="", status=301), "waiting"),
        (Outcome(ok=False, words=""), "waiting"),
    ],
)
def test_what_follows(outcome: Outcome, state: str) -> None:
    """Only 2xx is success; what the receiver does not want for good is not sent again."""
    assert after(outcome, 1, NOON, 0.0).state == state


@pytest.mark.parametrize(
    ("seconds", "wait"),
    [(0, 5_000), (4, 5_000), (60, MIN), (86_400, DAY), (10**6, DAY)],
)
def test_retry_after_is_honoured_within_bounds(seconds: int, wait: int) -> None:
    """Never sooner than the table, which would use up the attempts; never later than a day."""
    outcome = Outcome(ok=False, words="", status=503, retry_after=seconds)
    assert after(outcome, 1, NOON, 0.0) == Next("waiting", NOON + wait)


def test_retry_after_is_a_number_or_a_date() -> None:
    """And nonsense is nothing."""
    now = datetime.fromtimestamp(NOON / 1000, UTC)
    assert read_retry_after(" 120 ", NOON) == 120
    assert read_retry_after("9" * 400, NOON) == 86_400
    soon = format_datetime(now + timedelta(seconds=90), usegmt=True)
    assert read_retry_after(soon, NOON) == 90
    assert read_retry_after(format_datetime(now - timedelta(days=1), usegmt=True), NOON) == 0
    for nonsense in ("", "soon", "-5", "1.5", "٣", "Mon, 99 Nov 2026 00:00:00 GMT", "1" + "\x00"):
        assert read_retry_after(nonsense, NOON) is None
