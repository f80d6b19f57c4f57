"""The control of the kill test: a server that acknowledges before the commit.

It must lose acknowledged events when killed; if it does not, the test cannot see the fault.
Run as `python -m tests.faults.early serve …`.
"""

from collections.abc import Sequence

from server.__main__ import main
from server.model import Event
from server.storage.writer import Stored, Writer

_put = Writer.put


def _told(seqs: Sequence[int], error: Exception | None) -> None:
    """Nobody waits any more."""


def too_early(self: Writer, site_id: int, events: Sequence[Event], stored: Stored) -> None:
    _put(self, site_id, events, _told)
    stored([1] * len(events), None)


if __name__ == "__main__":
    Writer.put = too_early  # type: ignore[method-assign]
    main()
