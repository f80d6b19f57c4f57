"""Tells one destination: what is new, in the order of the log, and what failed, when it is due.

    log → wanted? → news → one attempt → cursor and delivery, in one writer turn
                                             |  failed: a row that waits
                                             v
                            again after 5 s, 5 min … 24 h → delivered, or dead

An attempt that is not recorded is made again, so every consequence is told at least once, under one
message id. A cursor that is not where it was means that another node tells this destination.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

import msgspec
from msgspec.structs import replace

from server.errors import Conflict, NotFound, Overloaded
from server.metrics import Metrics
from server.model import Site
from server.storage import deliveries, destinations, sites
from server.storage.database import Database, Reader, Row, Script, ScriptMaker
from server.storage.deliveries import Delivery, Try
from server.storage.destinations import Destination
from server.storage.writer import Writer
from server.tell import changes
from server.tell.news import Sources, Telling, telling
from server.tell.outcomes import DROPPED, WAITING, Outcome, after, is_due
from server.tell.payload import message_id
from server.tell.post import Post
from server.tell.wants import Consequence, read_consequence, wanted

log = logging.getLogger("handraise.tell")
SLICE = 5_000  # entries looked through in one query
BATCH = 50  # consequences of one
KEEP = 5_000  # entries passed without telling anything after which the cursor is put on
LANES = 2  # deliveries tried again at a time
RETRY_S = 1.0
IDLE_S = 15.0  # other nodes may have changed what waits


class Elsewhere(Exception):
    """The destination is another one now, or told by another node: begin anew from its row."""


class Courier:
    """One destination, as it was when this began. `chance` gives numbers in [0, 1)."""

    def __init__(
        self,
        destination: Destination,
        database: Database,
        writer: Writer,
        metrics: Metrics,
        post: Post,
        sources: Sources,
        chance: Callable[[], float],
    ) -> None:
        self.destination = destination
        self.database = database
        self.writer = writer
        self.metrics = metrics
        self.post = post
        self.sources = sources
        self.chance = chance
        self.projected = 0
        self.waiting = 0
        self.telling_at = 0  # when what is being told was decided (ms), 0 if nothing is
        self.wake = asyncio.Event()  # the deliveries that wait may be others
        self._fresh = asyncio.Event()
        self._stored = self._looked = destination.cursor

    @property
    def lag_s(self) -> float:
        """Age of what is being told."""
        return max(0, self.post.clock() - self.telling_at) / 1000 if self.telling_at else 0.0

    def learn(self, projected: int) -> None:
        """The tables of the site are as far as this entry."""
        if projected > self.projected:
            self.projected = projected
            self._fresh.set()

    async def run(self) -> None:
        """Until cancelled, or until `Elsewhere`."""
        lanes = [asyncio.create_task(self._tell()), asyncio.create_task(self._tell_again())]
        try:
            done, _ = await asyncio.wait(lanes, return_when=asyncio.FIRST_COMPLETED)
            for lane in done:
                lane.result()
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)

    # ------------------------------------------------------------ what is new

    async def _tell(self) -> None:
        while True:
            self._fresh.clear()
            try:
                more = await self._step()
            except (Overloaded, Conflict) as error:
                log.warning("destination %d waits: %s", self.destination.destination_id, error)
                await asyncio.sleep(RETRY_S)
                continue
            if not more:
                await self._fresh.wait()

    async def _step(self) -> bool:
        """Tell what the next entries hold; False at the end of what is projected."""
        until = min(self.projected, self._looked + SLICE)
        if until <= self._looked:
            return False
        site_id = self.destination.site_id
        async with self.database.snapshot() as reader:
            rows = await destinations.consequences(reader, site_id, self._looked, until, BATCH)
            site = await self._site(reader)
        ruleset = self.sources.ruleset(site)
        for row in rows:
            consequence = _readable(row)
            if consequence and wanted(self.destination, consequence, ruleset):
                await self._first(consequence)
            self._looked = row[0]
        if len(rows) < BATCH:
            self._looked = until
        if self._looked - self._stored >= KEEP:
            await self._keep(self._looked)
        return True

    async def _keep(self, seq: int) -> None:
        """What was looked at and is nothing to tell need not be looked at after a restart."""
        scope = self.destination.scope
        if not await self._store(lambda: destinations.move(*scope, self._stored, seq)):
            raise Elsewhere
        self._stored = seq

    async def _first(self, consequence: Consequence) -> None:
        self.telling_at = consequence.at
        try:
            found = await self._read(consequence.seq)
            if found.why:
                return
            outcome, tried = await self._attempt(found)
            made = self._made(consequence.seq, 1, outcome, (tried,))
            await self._record(outcome, made, self._stored)
            self._stored = consequence.seq
        finally:
            self.telling_at = 0
        if made.next_at:
            self.wake.set()

    # ------------------------------------------------------------ what failed

    async def _tell_again(self) -> None:
        while True:
            self.wake.clear()
            rest_s = RETRY_S
            try:
                rest_s = await self._round_again()
            except (Overloaded, Conflict) as error:
                log.warning("destination %d waits: %s", self.destination.destination_id, error)
            with suppress(TimeoutError):
                async with asyncio.timeout(rest_s):
                    await self.wake.wait()

    async def _round_again(self) -> float:
        """Try what is due; seconds until there is more to do."""
        async with self.database.snapshot() as reader:
            found = await deliveries.due(reader, *self.destination.scope, LANES)
            self.waiting = await deliveries.waiting(reader, *self.destination.scope)
        now = self.post.clock()
        due = [one for one in found if is_due(one.next_at, _tried_at(one), now)]
        if due:
            done = await asyncio.gather(*map(self._again, due), return_exceptions=True)
            for error in done:
                if error is not None:
                    raise error
            return 0.0
        return min(IDLE_S, (found[0].next_at - now) / 1000) if found else IDLE_S

    async def _again(self, known: Delivery) -> None:
        found = await self._read(known.seq)
        if found.why:
            made = replace(known, state=DROPPED, next_at=0, words=found.why)
            scope = self.destination.scope
            await self._store(lambda: deliveries.again(*scope, known.attempts, made))
            self.metrics.told.labels(DROPPED).inc()
            return
        outcome, tried = await self._attempt(found)
        tries = (*known.tries, tried)
        made = self._made(known.seq, known.attempts + 1, outcome, tries)
        await self._record(outcome, made, None)

    # ------------------------------------------------------------ one attempt

    async def _read(self, seq: int) -> Telling:
        """What is to be told of an entry. What cannot be read must not stop what comes after it:
        it is tried again like anything that fails. Raises `Elsewhere` for a destination that was
        disabled or changed: nothing is sent to it after that was answered."""
        try:
            async with self.database.snapshot() as reader:
                if not await destinations.is_at(
                    reader, *self.destination.scope, self.destination.revision
                ):
                    raise Elsewhere
                site = await self._site(reader)
                return await telling(reader, site, self.destination, seq, self.sources)
        except (Overloaded, Conflict, Elsewhere):
            raise
        except Exception as error:  # its text may be personal
            log.error(
                "entry %d of site %d: %s", seq, self.destination.site_id, type(error).__name__
            )
            return Telling(None, None)

    async def _site(self, reader: Reader) -> Site:
        """The site as of this snapshot: tables of a generation that was exchanged are on their way
        out, and would say that nobody is there."""
        for site in await sites.all_sites(reader):
            if site.site_id == self.destination.site_id:
                return site
        raise NotFound("no such site")

    async def _attempt(self, found: Telling) -> tuple[Outcome, Try]:
        at, told = self.post.clock(), found.consequence
        if told is None or found.news is None:
            return Outcome(ok=False, words="an error of ours: see the log"), Try(at, 0, 0)
        name = message_id(self.destination.settings.uid, told.seq, told.event_id)
        outcome, took = await self.post.send(self.destination, found.news, name)
        return outcome, Try(at, outcome.status, took)

    def _made(self, seq: int, attempts: int, outcome: Outcome, tries: tuple[Try, ...]) -> Delivery:
        follows = after(outcome, attempts, self.post.clock(), self.chance())
        return Delivery(
            seq=seq,
            state=follows.state,
            attempts=attempts,
            next_at=follows.at,
            words=outcome.words,
            tries=tries,
        )

    # ------------------------------------------------------------ recording

    async def _record(self, outcome: Outcome, made: Delivery, cursor: int | None) -> None:
        """The delivery, with the cursor if it is a first one; a receiver that wants no more ends
        it in the same turn."""
        scope = self.destination.scope

        def script() -> Script[bool]:
            if cursor is not None:
                done = yield from deliveries.first(*scope, cursor, made)
            else:
                done = yield from deliveries.again(*scope, made.attempts - 1, made)
            if done and outcome.gone:
                yield from changes.gone(*scope, self.post.clock())
            return bool(done)

        done = await self._store(script)
        self.metrics.told.labels(made.state if made.state != WAITING else "failed").inc()
        if outcome.gone or (cursor is not None and not done):
            raise Elsewhere

    async def _store(self, maker: ScriptMaker) -> bool:
        """Write what came of it, as often as it takes: it must not be sent again for a full disk.
        False where the row is not as it was: somebody has recorded or replayed it meanwhile."""
        while True:
            try:
                return bool(await self.writer.run(maker, moves=False))
            except Overloaded:
                await asyncio.sleep(RETRY_S)


def _tried_at(known: Delivery) -> int:
    """When it was tried last (ms); 0 where it never was."""
    return known.tries[-1].at if known.tries else 0


def _readable(row: Row) -> Consequence | None:
    """The consequence of a row; what nobody can read stops nothing."""
    try:
        return read_consequence(row)
    except msgspec.MsgspecError:
        log.error("entry %d cannot be read", row[0])
        return None
