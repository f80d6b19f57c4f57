"""What was made of rows that never change, held in memory for whoever reads them again."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

#: Of all sites together: filtered figures of half a year of ten million events take 20 MB.
KEPT_BYTES = 24_000_000


class Kept:
    """Values by key; the one used longest ago goes first, once all are larger than `most_bytes`."""

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0
        self._held: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def get(self, key: Hashable) -> Any:
        """What was put there, or None."""
        found = self._held.get(key)
        if found is None:
            return None
        self._held.move_to_end(key)
        return found[0]

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Hold a value of about `size` bytes, in place of what was there."""
        before = self._held.pop(key, None)
        self._held[key] = (value, size)
        self.bytes += size - (before[1] if before is not None else 0)
        while self.bytes > self.most_bytes:
            _, (_, gone) = self._held.popitem(last=False)
            self.bytes -= gone
