"""What came of an attempt, and what follows from it: again later, done, or given up. Pure."""

from codecs import getincrementaldecoder
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import msgspec

SECOND_MS, DAY_MS = 1_000, 86_400_000
_MIN, _HOUR = 60, 3_600
#: Seconds before the next attempt, after the first, the second …; the first is made at once. This
#: is the table of the Standard Webhooks specification: the last attempt comes after 75 h 35 min.
WAITS_S = (
    *(5, 5 * _MIN, 30 * _MIN, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR),
    *(14 * _HOUR, 20 * _HOUR, 24 * _HOUR),
)
ATTEMPTS = len(WAITS_S) + 1
#: A wait is up to this share longer, so that many do not come back at one moment.
JITTER = 0.1
MOST_WAIT_MS = DAY_MS  # that a receiver may ask for
SHOWN = 200  # bytes of an answer to a test

DELIVERED, WAITING, DEAD, DROPPED = "delivered", "waiting", "dead", "dropped"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt. `status` is that of HTTP or SMTP, 0 where none came; `words` are ours; `answer`
    is the beginning of what came back, to be shown after a test and never stored. `gone`: the
    receiver wants no more of anything; `final`: of this one."""

    ok: bool
    words: str
    status: int = 0
    answer: str = ""
    retry_after: int | None = None  # seconds
    gone: bool = False
    final: bool = False


class Next(NamedTuple):
    """What a delivery is after an attempt; `at` (ms) is that of the next one, 0 for none."""

    state: str
    at: int


def after(outcome: Outcome, attempts: int, now: int, chance: float) -> Next:
    """What follows the attempt number `attempts`, counted from 1. `chance` lies in [0, 1)."""
    if outcome.ok:
        return Next(DELIVERED, 0)
    if outcome.gone or outcome.final or attempts >= ATTEMPTS:
        return Next(DEAD, 0)
    wait = round(WAITS_S[attempts - 1] * SECOND_MS * (1 + JITTER * chance))
    if outcome.retry_after is not None:  # never sooner than the table says: attempts are few
        wait = max(wait, min(outcome.retry_after * SECOND_MS, MOST_WAIT_MS))
    return Next(WAITING, now + wait)


def is_due(next_at: int, tried_at: int, now: int) -> bool:
    """Whether an attempt is due that was to follow the one of `tried_at` (0: none). All in ms.

    An attempt that was made later than now was made before somebody put the clock back: nobody
    knows how long ago, so it counts as long enough.
    """
    return next_at <= now or tried_at > now


def read_retry_after(text: str, now: int) -> int | None:
    """Seconds of a Retry-After header, which is a number or a date; None if it is neither."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), DAY_MS // SECOND_MS)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        return None
    return max(0, round(moment.timestamp() - now / SECOND_MS))


def shown(answer: bytes) -> str:
    """The beginning of an answer as text in one line."""
    text = getincrementaldecoder("utf-8")("replace").decode(answer[:SHOWN])
    text = "".join(char if char.isprintable() else " " for char in text).strip()
    return text.encode()[:SHOWN].decode("utf-8", "ignore")
