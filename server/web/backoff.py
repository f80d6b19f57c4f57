"""Waiting after wrong passwords: longer each time, forgotten after a day, never a lock.

Tries are counted for an account as browsers nobody knows try it, for a browser that signed in to it
before (on its own: strangers who try the account do not slow down its owner), and for an address.
The sign-in link from the terminal is never counted, so the owner always has a way in.
"""

from collections import OrderedDict
from collections.abc import Sequence

from server.model import DAY_MS

FREE = 5  # tries without waiting
FIRST_MS = 2_000
MOST_MS = 5 * 60_000
MOST_KEYS = 20_000


class Backoff:
    """Tries by key, in memory: a restart forgets them, and nobody outside can cause one."""

    def __init__(self) -> None:
        self._tries: OrderedDict[str, tuple[int, int]] = OrderedDict()  # key → (tries, last, ms)

    def wait_ms(self, keys: Sequence[str], now: int) -> int:
        """How long until the next try counts; 0: at once."""
        return max((self._until(key, now) - now for key in keys), default=0)

    def tried(self, keys: Sequence[str], now: int) -> None:
        """Count a try before it is looked at, so that many at once do not pass together."""
        for key in keys:
            tries, last = self._tries.pop(key, (0, now))
            self._tries[key] = (tries + 1 if now - last < DAY_MS else 1, now)
        while len(self._tries) > MOST_KEYS:
            self._tries.popitem(last=False)

    def succeeded(self, keys: Sequence[str]) -> None:
        """It was the right password: these begin anew."""
        for key in keys:
            self._tries.pop(key, None)

    def _until(self, key: str, now: int) -> int:
        tries, last = self._tries.get(key, (0, 0))
        if tries < FREE or now - last >= DAY_MS:
            return now
        if last > now:  # the clock was put back: the wait begins now, and does not begin again
            last = now
            self._tries[key] = (tries, now)
        wait = min(FIRST_MS << min(tries - FREE, 20), MOST_MS)
        return max(last + wait, now)
