"""What the threads of this process do, looked at 250 times a second: stacks, for a flame graph.

It needs nothing installed, and it sees Python only: C is charged to the line that called it, and
to the next line where the interpreter's lock was held meanwhile. `py-spy` knows better. A thread
counts if it has worked since it was looked at last, as the system tells; where it does not tell,
threads that stand where one waits are left out.
"""

import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType

EVERY_S = 0.004
WORKED_NS = 400_000
WAITING = frozenset({"wait", "select", "_worker", "_connection_worker_thread", "readline", "poll"})


def stack_of(frame: FrameType | None) -> list[str]:
    """The functions of a stack, outermost first, each with its module."""
    names = []
    while frame is not None:
        module = frame.f_globals.get("__name__", "?")
        names.append(f"{module}.{frame.f_code.co_name}")
        frame = frame.f_back
    return names[::-1]


def worked_ns(native_id: int | None) -> int | None:
    """How long a thread has been on a core, ns; None where the system does not tell."""
    try:
        return int(Path(f"/proc/self/task/{native_id}/schedstat").read_bytes().split()[0])
    except (OSError, IndexError, ValueError):
        return None


class Sampler:
    """Counts stacks in a thread of its own, from `start` until they are written."""

    def __init__(self) -> None:
        self.stacks: Counter[str] = Counter()
        self._worked: dict[int, int] = {}
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._look, name="sampler", daemon=True)
        self._thread.start()

    def _look(self) -> None:
        own = threading.get_ident()
        while not self._end.wait(EVERY_S):
            natives = {thread.ident: thread.native_id for thread in threading.enumerate()}
            for ident, frame in sys._current_frames().items():
                if ident != own and self._works(ident, natives.get(ident), frame):
                    self.stacks[";".join(stack_of(frame))] += 1

    def _works(self, ident: int, native_id: int | None, frame: FrameType) -> bool:
        worked = worked_ns(native_id)
        if worked is None:
            return frame.f_code.co_name not in WAITING
        before = self._worked.get(ident, worked)
        self._worked[ident] = worked
        return worked - before > WORKED_NS

    def write(self, file: Path) -> None:
        """End, and write a stack a line: its frames between semicolons, and how often it was
        seen."""
        if self._thread is not None:
            self._end.set()
            self._thread.join()
        file.write_text("".join(f"{stack} {count}\n" for stack, count in self.stacks.items()))
