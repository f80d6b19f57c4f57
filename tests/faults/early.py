"""The control of the kill test: a server that acknowledges before the commit.

It must lose acknowledged events when killed; if it does not, the test cannot see the fault.
Run as `python -m tests.faults.early serve …`.
"""

import asyncio
from collections.abc import Sequence

from server.__main__ import main
from server.model import Event
from server.storage.writer import Writer

_stored = Writer.append
_waiting: set[asyncio.Task[list[int]]] = set()


async def _too_early(self: Writer, site_id: int, events: Sequence[Event]) -> list[int]:
    task = asyncio.create_task(_stored(self, site_id, events))
    _waiting.add(task)
    task.add_done_callback(_waiting.discard)
    return [1] * len(events)


if __name__ == "__main__":
    Writer.append = _too_early  # type: ignore[method-assign]
    main()
