"""The control of the overload: a server that refuses nobody, however many events wait.

Run as `python -m tests.faults.boundless serve …`.
"""

from server.__main__ import main
from server.storage.writer import Writer


def _admit(self: Writer, count: int = 0) -> None:
    """Everybody is welcome."""


if __name__ == "__main__":
    Writer.admit = _admit  # type: ignore[method-assign]
    main()
