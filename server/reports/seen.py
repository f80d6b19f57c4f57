"""Which visitors have been seen, a byte each. Pure.

A set of a hundred thousand numbers takes megabytes, and each look into it waits for the memory. A
visitor's number is that of their first entry in the log, so a byte for each entry holds them all,
up to some size of a log.
"""

from collections.abc import Iterable

MOST_BYTES = 16_000_000


class Seen:
    """Visitors by their numbers, from 1 on; those from `most_bytes` on are in a set."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._seen = bytearray()
        self._far: set[int] = set()

    def add(self, visitors: Iterable[int], last: int) -> None:
        """Visitors that were seen; none has a number over `last`."""
        lacking = min(last + 1, self._most) - len(self._seen)
        if lacking > 0:
            self._seen += bytes(lacking)
        seen = self._seen
        if last < self._most:
            for visitor in visitors:
                seen[visitor] = 1
            return
        for visitor in visitors:
            if visitor < self._most:
                seen[visitor] = 1
            else:
                self._far.add(visitor)

    def __len__(self) -> int:
        """How many different ones."""
        return self._seen.count(1) + len(self._far)
