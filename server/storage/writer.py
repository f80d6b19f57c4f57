"""One writer turn: whatever waits goes into one transaction, and answers leave after the commit.

There is no timer. What arrives while a turn commits, and what has arrived by then, forms the next
group, so the group grows with the load and a lone event waits for nothing but its own fsync.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from server.errors import Overloaded
from server.metrics import Metrics
from server.model import Event
from server.storage import entries
from server.storage.buried import Buried
from server.storage.database import Database, Outcome, Script, ScriptMaker
from server.storage.names import Names

GROUP_EVENTS = 2_000
#: A turn waits for no more than this: what it costs by itself, 0.3 ms, is little beside so many.
GATHER_EVENTS = 48
QUEUE_EVENTS = 20_000
QUEUE_AGE_S = 2.0
PRESSED_EVENTS = 32


#: Told a seq for each event, or why none was stored.
Stored = Callable[[Sequence[int], Exception | None], None]


class _Waiting(msgspec.Struct, frozen=True):
    site_id: int
    events: Sequence[Event]
    stored: Stored


class _Command(msgspec.Struct, frozen=True):
    maker: ScriptMaker
    done: asyncio.Future[Any]
    moves: bool


def _settle(future: asyncio.Future[Any], value: Any, error: Exception | None = None) -> None:
    """Answer whoever still waits; a request may have gone away meanwhile."""
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


class Writer:
    """The only task that writes. `has_room` tells whether the disk is above its floor, `others`
    whether there are events that wait even to be read."""

    def __init__(
        self,
        database: Database,
        metrics: Metrics,
        *,
        has_room: Callable[[], bool] = lambda: True,
        others: Callable[[], bool] = lambda: False,
        queue_events: int = QUEUE_EVENTS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.database = database
        self.metrics = metrics
        self.has_room = has_room
        self.others = others
        self.queue_events = queue_events
        self.monotonic = monotonic
        #: Set after each commit that appended; the projector waits on it.
        self.moved = asyncio.Event()
        self._names: dict[int, Names] = {}
        self._lent: dict[int, Names] = {}  # to the scripts of the turn under way
        self._appends: list[_Waiting] = []
        self._commands: list[_Command] = []
        self._queued = 0
        self._since = 0.0  # when the oldest unanswered request came
        self._wake = asyncio.Event()
        self._closing = False
        #: Whom another node may have erased; None where this one is alone.
        self.buried: Buried | None = None
        #: Why the last turn stored nothing, as a sentence; empty once one was stored again.
        self.fault = ""

    @property
    def busy(self) -> bool:
        """Whether events wait to be stored."""
        return self._queued > 0

    @property
    def pressed(self) -> bool:
        """Whether so many events wait that whoever can should leave the time to them."""
        return self._queued > PRESSED_EVENTS or self.others()

    # ------------------------------------------------------------ asking

    async def append(self, site_id: int, events: Sequence[Event]) -> list[int]:
        """Store events; returns after the commit with a seq each (0 duplicate, -1 refused).

        Raises `Overloaded` when the queue is full or too old, or the disk is below its floor.
        """
        future: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self.put(site_id, events, partial(_settle, future))
        return await future

    def put(self, site_id: int, events: Sequence[Event], stored: Stored) -> None:
        """The same for whoever has no task to wait in: `stored`, which must not raise, is called
        after the commit. Without events it only waits for those before it, and needs no room: an
        erasure must not stop because the disk is nearly full."""
        if events or self._closing:
            self.admit(len(events))
        if not self._appends:
            self._since = self.monotonic()
        self._appends.append(_Waiting(site_id, events, stored))
        self._queued += len(events)
        self._wake.set()

    async def run(self, maker: ScriptMaker, *, moves: bool = True) -> Any:
        """Run a command in the next turn; its value, or the error that undid it.

        `moves` wakes the projector: not needed for what appends nothing to a log.
        """
        if self._closing:
            raise Overloaded("the server is shutting down")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._commands.append(_Command(maker, future, moves))
        self._wake.set()
        return await future

    @property
    def full(self) -> bool:
        """Whether a batch of the usual size would be refused for want of room or of time."""
        if self._queued + PRESSED_EVENTS > self.queue_events:
            return True
        return bool(self._appends) and self.monotonic() - self._since > QUEUE_AGE_S

    def admit(self, count: int = 1) -> None:
        """Whether so many events would be taken now: raises `Overloaded` if not."""
        if self._closing:
            raise Overloaded("the server is shutting down")
        if self._queued + count > self.queue_events:
            raise Overloaded("too many events are waiting to be stored")
        if self._appends and self.monotonic() - self._since > QUEUE_AGE_S:
            raise Overloaded("the disk does not keep up")
        if not self.has_room():
            raise Overloaded("the disk is nearly full", retry_after=60)

    # ------------------------------------------------------------ the loop

    async def serve(self) -> None:
        """Take turns until closed and drained. Any error but a storage fault ends the process."""
        try:
            while not (self._closing and not self._appends and not self._commands):
                await self._wake.wait()
                self._wake.clear()
                while self._appends or self._commands:
                    await self._gather()
                    await self._turn()
        except BaseException:
            self._closing = True
            self._refuse_all()
            raise

    def close(self) -> None:
        """Take nothing new; `serve` returns once all that waits is stored."""
        self._closing = True
        self._wake.set()

    def _refuse_all(self) -> None:
        error = Overloaded("the writer has stopped")
        for waiting in self._appends:
            waiting.stored([], error)
        for command in self._commands:
            _settle(command.done, None, error)

    async def _gather(self) -> None:
        """Let what has arrived be read first, while each pass of the event loop brings more: a turn
        costs by itself what it costs to store ten events. Of 64 that send again as soon as they are
        answered, 29 were in a turn without this, and some 50 are with it."""
        seen = 0
        while seen < len(self._appends) and self._queued < GATHER_EVENTS:
            seen = len(self._appends)
            await asyncio.sleep(0)

    def _take(self) -> tuple[list[_Waiting], int, list[_Command]]:
        """What goes into this turn: whole requests up to the group's limit, their events counted,
        and all commands."""
        count = 0
        for index, waiting in enumerate(self._appends):
            if index and count + len(waiting.events) > GROUP_EVENTS:
                taken, self._appends = self._appends[:index], self._appends[index:]
                break
            count += len(waiting.events)
        else:
            taken, self._appends = self._appends, []
        commands, self._commands = self._commands, []
        return taken, count, commands

    async def _turn(self) -> None:
        taken, count, commands = self._take()
        groups: dict[int, list[_Waiting]] = {}
        for waiting in taken:
            groups.setdefault(waiting.site_id, []).append(waiting)
        groups = dict(sorted(groups.items()))  # every node locks sites in one order
        makers: list[ScriptMaker] = [self._append(s, group) for s, group in groups.items()]
        makers += [command.maker for command in commands]
        started = self.monotonic()
        try:
            outcomes = await self.database.turn(makers)
            self._failed("")
        except Overloaded as error:
            outcomes = [Outcome(None, error)] * len(makers)
            self._failed(error.detail)
        except BaseException:
            self._appends[:0], self._commands[:0] = taken, commands  # `serve` refuses them
            raise
        finally:
            self._queued -= count
        self._measure(count, self.monotonic() - started)
        self._answer(groups, commands, outcomes)

    def _failed(self, why: str) -> None:
        self.fault = why
        self.metrics.storage_fault.set(bool(why))

    def _append(self, site_id: int, group: Sequence[_Waiting]) -> ScriptMaker:
        events = [event for waiting in group for event in waiting.events]

        def make() -> Script[entries.Appended]:
            # A turn tried anew must not know what was rolled back: it finds no names here.
            names = self._lent[site_id] = self._names.pop(site_id, Names())
            return entries.append(site_id, events, names, self.buried)

        return make

    def _measure(self, count: int, seconds: float) -> None:
        self._since = self.monotonic()
        self.metrics.queue.set(self._queued)
        if count:
            self.metrics.commit_seconds.observe(seconds)
            self.metrics.group_size.observe(count)

    def _answer(
        self,
        groups: dict[int, list[_Waiting]],
        commands: Sequence[_Command],
        outcomes: Sequence[Outcome],
    ) -> None:
        for (site_id, group), outcome in zip(groups.items(), outcomes, strict=False):
            names = self._lent.pop(site_id, None)
            if outcome.error is not None:
                for waiting in group:
                    waiting.stored([], outcome.error)
                continue
            if names is not None:
                self._names[site_id] = names
            seqs: list[int] = outcome.value.seqs
            start = 0
            for waiting in group:
                end = start + len(waiting.events)
                waiting.stored(seqs[start:end], None)
                start = end
            duplicates = seqs.count(0)
            self.metrics.appended.inc(len(seqs) - duplicates - seqs.count(-1))
            self.metrics.duplicates.inc(duplicates)
        for command, outcome in zip(commands, outcomes[len(groups) :], strict=True):
            _settle(command.done, outcome.value, outcome.error)
        if groups or any(command.moves for command in commands):
            self.moved.set()
