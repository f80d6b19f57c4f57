"""Who waits to be read: first come, first served, a little at a time.

To read a batch takes some 40 µs an event. If every request that is ready were read in one pass of
the event loop, all else would wait for it: answers, pages, and above all the refusals of those
that find no room. So one pass reads `SLICE_BYTES`; the others wait in line, and those for whom the
line is too long are refused as soon as they come.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from server.errors import Overloaded

#: Some 300 events, or 10 ms.
SLICE_BYTES = 32_768
#: Some 5,000 events, a tenth of a second: who waits longer had better be refused at once. With
#: 2 MB a refusal took 0.2 s instead of 0.03, and an event 15 % more work, out of the cache.
MOST_BYTES = 500_000


class Line:
    """The line in front of the reading of batches; its length is in bytes of bodies."""

    def __init__(self, slice_bytes: int = SLICE_BYTES, most_bytes: int = MOST_BYTES) -> None:
        self.slice_bytes = slice_bytes
        self.most_bytes = most_bytes
        self.length = 0
        self._used = self._coming = 0  # of this pass
        self._watching = False
        self._waiting: deque[tuple[int, Callable[[], object]]] = deque()

    def any(self) -> bool:
        """Whether anybody waits."""
        return self.length > 0

    def lets_in(self, size: int) -> bool:
        """Whether a body of `size` bytes, of which nobody has read any, will find room. It is
        counted on for this pass: until the next one, hundreds may ask."""
        if self.length + self._coming + size > self.most_bytes:
            return False
        self._coming += size
        self._watch()
        return True

    def wait(self, size: int, call: Callable[[], object]) -> None:
        """Call when a body of `size` bytes may be read: now, or in a later pass. Raises
        `Overloaded` where the line is too long already: the last one in may be a large one."""
        if not self._waiting and self._used < self.slice_bytes:
            self._use(size)
            call()
        elif self.length >= self.most_bytes:
            raise Overloaded("too many events are waiting to be read")
        else:
            self._waiting.append((size, call))
            self.length += size

    def _use(self, size: int) -> None:
        self._used += size
        self._watch()

    def _watch(self) -> None:
        if not self._watching:
            self._watching = True
            asyncio.get_running_loop().call_soon(self._pass)

    def _pass(self) -> None:
        """The next pass of the loop has begun: let in who comes first."""
        self._used = self._coming = 0
        self._watching = False
        while self._waiting and self._used < self.slice_bytes:
            size, call = self._waiting.popleft()
            self.length -= size
            self._use(size)
            call()
