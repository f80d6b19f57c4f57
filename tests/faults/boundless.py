"""The control of the overload: a server that refuses nobody, however many events wait.

Run as `python -m tests.faults.boundless serve …`.
"""

import sys

from server.__main__ import main
from server.storage.writer import Writer
from server.web.line import SLICE_BYTES, Line


def _admit(self: Writer, count: int = 0) -> None:
    """Everybody is welcome."""


def _endless(self: Line) -> None:
    """A line of any length."""
    _made(self, SLICE_BYTES, sys.maxsize)


_made = Line.__init__

if __name__ == "__main__":
    Writer.admit = _admit  # type: ignore[method-assign]
    Writer.full = property(lambda _: False)  # type: ignore[method-assign,assignment]
    Line.__init__ = _endless  # type: ignore[method-assign,assignment]
    main()
