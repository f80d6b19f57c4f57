"""One timer for all who must not wait for ever: one each would cost a tenth of `POST /e`."""

import asyncio
from types import TracebackType
from typing import Any


class Deadlines:
    """Cancels tasks that wait longer than `seconds` (up to a quarter more) between `with` and its
    end, where a `TimeoutError` is raised instead. A task waits in one of them at a time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._since: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - whoever awaits is a task
        loop = task.get_loop()
        self._since[task] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self.seconds / 4, self._look, loop)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - as above
        del self._since[task]
        if task not in self._late:
            return
        self._late.discard(task)
        # Somebody else may have cancelled it too, and then it ends.
        if not task.uncancel() and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        before = loop.time() - self.seconds
        for task, since in self._since.items():
            if since <= before and task not in self._late:
                self._late.add(task)
                task.cancel()
        if self._since:
            self._timer = loop.call_later(self.seconds / 4, self._look, loop)
