"""Which visitors have been seen, a byte each. Pure.

A set of a hundred thousand numbers takes megabytes, and each look into it waits for the memory; the
numbers of a site's visitors are given out one after the other, so a byte for each is small.
"""

from collections.abc import Iterable


class Seen:
    """Visitors by their numbers, from 1 on."""

    def __init__(self) -> None:
        self._seen = bytearray()

    def add(self, visitors: Iterable[int], most: int) -> None:
        """Visitors that were seen; none has a number over `most`."""
        lacking = most + 1 - len(self._seen)
        if lacking > 0:
            self._seen += bytes(lacking)
        seen = self._seen
        for visitor in visitors:
            seen[visitor] = 1

    def __len__(self) -> int:
        """How many different ones."""
        return self._seen.count(1)
