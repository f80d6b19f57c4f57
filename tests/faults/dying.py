"""A server one of whose background tasks dies at SIGUSR1, where it stands at that moment.

Run as `python -m tests.faults.dying TASK HOW serve …`. HOW is `raises` (an error comes out of
whatever the task awaits), `returns` (it ends as if it were done), or `unwatched`: it raises and
nobody watches, the control.
"""

import asyncio
import signal
import sys
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import Any

from server.__main__ import main
from server.app import Handraise
from server.cli import serving


class Fallen(Exception):
    """What the task dies of."""


class Doom:
    """One task, and how it is to end."""

    def __init__(self, name: str, how: str) -> None:
        self.name = name
        self.how = how
        self.fallen = False

    @types.coroutine
    def drive(self, work: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Run the work; once doomed, what it awaits raises."""
        step: Callable[[], Any] = partial(work.send, None)
        while True:
            try:
                awaited = step()
            except StopIteration as stop:
                return stop.value
            step = partial(work.send, None)
            if not self.fallen:
                try:
                    yield awaited
                except asyncio.CancelledError as error:
                    step = partial(work.throw, error)
                if not self.fallen:
                    continue
            # Whatever it tries from here on fails too, until nobody catches it.
            if self.how == "returns":
                work.close()
                return None
            step = partial(work.throw, Fallen(self.name))

    def fall(self, task: asyncio.Task[Any]) -> None:
        self.fallen = True
        task.cancel()  # wakes it where it waits; `drive` makes an error of it


def doomed(doom: Doom) -> None:
    """Put the doom into the task of that name. `http` is the server that listens."""
    begin, main_loop = Handraise._begin, serving.Quiet.main_loop

    def _begin(self: Handraise, name: str, work: Callable[[], Awaitable[None]]) -> None:
        if name != doom.name:
            begin(self, name, work)
            return
        begin(self, name, lambda: doom.drive(work()))  # type: ignore[arg-type]
        on_signal(doom, self._tasks[-1])

    async def unwatched(self: Handraise, name: str, work: Callable[[], Awaitable[None]]) -> None:
        await work()

    async def _main_loop(self: serving.Quiet) -> None:
        if doom.name != "http":
            await main_loop(self)
            return
        doom.name = ""  # the first one is the one that visitors reach
        task = asyncio.current_task()
        assert task is not None
        on_signal(doom, task)
        await doom.drive(main_loop(self))

    Handraise._begin = _begin  # type: ignore[method-assign]
    if doom.how == "unwatched":
        Handraise._watched = unwatched  # type: ignore[method-assign]
    serving.Quiet.main_loop = _main_loop  # type: ignore[method-assign,assignment]


def on_signal(doom: Doom, task: asyncio.Task[Any]) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, doom.fall, task)


if __name__ == "__main__":
    doomed(Doom(sys.argv.pop(1), sys.argv.pop(1)))
    main()
