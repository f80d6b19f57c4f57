"""All destinations of all sites: a courier each, so that a slow receiver delays no other.

Of several nodes on one PostgreSQL one tells, by a lease that the others watch; when it stops moving
one of them takes over. Should two tell for a moment, the cursor's compare-and-set refuses one.
"""

import asyncio
import contextlib
import logging
import random
import secrets
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from server.errors import Conflict, Overloaded
from server.metrics import Metrics
from server.model import Site
from server.project.projector import Projector
from server.project.rules import Ruleset
from server.settings import Settings
from server.storage import destinations, leases
from server.storage.database import Database
from server.storage.destinations import Destination, Live
from server.storage.leases import Lease
from server.storage.writer import Writer
from server.tell.addresses import read_exempt
from server.tell.courier import Courier, Elsewhere
from server.tell.examples import example
from server.tell.guard import Resolve, SystemResolver
from server.tell.news import Sources
from server.tell.outcomes import Outcome
from server.tell.post import Post
from server.tell.smtp import Mailbox
from server.tell.webhooks import Webhooks

log = logging.getLogger("handraise.tell")
TICK_S = 1.0
GATHER_S = 0.05  # what comes within this time is looked at together
FAILED_S = 5.0
LEASE = "tell"
BEAT_S, IDLE_S = 3.0, 12.0
Key = tuple[int, int]
#: Dice of its own: whoever else is in this process may count on the common ones.
_DICE = random.SystemRandom()


class _Running(NamedTuple):
    courier: Courier
    task: asyncio.Task[None]


class Teller:
    """Tells consequences. `base_url` is where people reach this server, once it listens."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        projector: Projector,
        metrics: Metrics,
        settings: Settings,
        clock: Callable[[], int],
        sites: Callable[[], Sequence[Site]],
        base_url: Callable[[], str],
        *,
        resolve: Resolve | None = None,
        chance: Callable[[], float] = _DICE.random,
    ) -> None:
        self.database = database
        self.writer = writer
        self.projector = projector
        self.metrics = metrics
        self.clock = clock
        self.sites = sites
        self.base_url = base_url
        self.chance = chance
        self.exempt = read_exempt(settings.tell_exempt)
        self.post = Post(
            Webhooks(resolve or SystemResolver(), self.exempt), Mailbox(settings), clock
        )
        self.changed = asyncio.Event()  # destinations, or what waits
        self._running: dict[Key, _Running] = {}
        self._failed: dict[Key, float] = {}  # until when one rests that has failed
        self._holder = secrets.token_hex(8)
        self._seen, self._since, self._asked = Lease("", 0), 0.0, -BEAT_S
        self._leads = False

    # ------------------------------------------------------------ what messages are made of

    def ruleset(self, site: Site) -> Ruleset:
        """The rules by which a site is scored now."""
        known = next((one for one in self.sites() if one.site_id == site.site_id), site)
        return self.projector.projector_of(known).ruleset

    def link(self, site: Site, person: str) -> str:
        """Where people read about a person."""
        which = f"?site={site.site_id}" if len(self.sites()) > 1 else ""
        return f"{self.base_url()}/people/{person}{which}"

    async def test(self, destination: Destination) -> Outcome:
        """Send an example that is marked as one."""
        site = next(one for one in self.sites() if one.site_id == destination.site_id)
        news = example(site, self.clock(), f"{self.base_url()}/")
        name = f"msg_test_{secrets.token_hex(12)}"
        outcome, _ = await self.post.send(destination, news, name)
        return outcome

    def look(self) -> None:
        """Something about destinations has changed, or what waits may be due."""
        self.changed.set()
        for running in self._running.values():
            running.courier.wake.set()

    # ------------------------------------------------------------ the loop

    async def serve(self) -> None:
        """Until cancelled. What is under way then is told again by the next start."""
        try:
            while not self.base_url():  # noqa: ASYNC110 - a few moments until it listens
                await asyncio.sleep(GATHER_S)
            while True:
                moved = self.projector.moved
                self.changed.clear()
                try:
                    await self._round()
                except (Overloaded, Conflict) as error:
                    log.warning("telling waits: %s", error.detail)
                    await asyncio.sleep(TICK_S)
                    continue
                except Exception:  # telling must not take the server with it
                    log.exception("telling has failed")
                    await asyncio.sleep(FAILED_S)
                    continue
                await self._rest(moved)
        finally:
            await self._stop_all()
            await self.post.close()
            if self._leads and self.database.engine != "sqlite":
                with contextlib.suppress(Overloaded):
                    await self.writer.run(lambda: leases.release(LEASE, self._holder), moves=False)

    async def _rest(self, moved: asyncio.Event) -> None:
        """Until there may be something to tell. Without destinations nobody waits for entries."""
        events = [self.changed, moved] if self._running else [self.changed]
        waits = [asyncio.create_task(event.wait()) for event in events]
        try:
            await asyncio.wait(waits, timeout=TICK_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        await asyncio.sleep(GATHER_S)

    async def _round(self) -> None:
        """Every enabled destination has its courier, which knows how far the tables are."""
        found: list[Live] = []
        if await self._may_lead():
            async with self.database.snapshot() as reader:
                found = await destinations.live(reader)
        wanted = {live.destination.scope: live for live in found}
        for key in [key for key in self._running if key not in wanted]:
            await self._stop(key)
        for key, live in wanted.items():
            await self._care(key, live)
        running = [one.courier for one in self._running.values()]
        self.metrics.told_waiting.set(sum(one.waiting for one in running))
        self.metrics.told_lag_seconds.set(max((one.lag_s for one in running), default=0.0))

    async def _care(self, key: Key, live: Live) -> None:
        known = self._running.get(key)
        if known is not None:
            same = known.courier.destination.revision == live.destination.revision
            if same and not known.task.done():
                known.courier.learn(live.projected)
                return
            # What it still records makes this row an old one: the next round reads it anew.
            await self._stop(key)
            self.changed.set()
            return
        if self._failed.get(key, 0.0) > time.monotonic():
            return
        courier = Courier(
            live.destination,
            self.database,
            self.writer,
            self.metrics,
            self.post,
            Sources(self.ruleset, self.link),
            self.chance,
        )
        courier.learn(live.projected)
        task = asyncio.create_task(courier.run(), name=f"handraise-tell-{key[0]}-{key[1]}")
        self._running[key] = _Running(courier, task)

    async def _stop(self, key: Key) -> None:
        running = self._running.pop(key)
        running.task.cancel()
        (error,) = await asyncio.gather(running.task, return_exceptions=True)
        expected = (asyncio.CancelledError, Elsewhere)
        if isinstance(error, BaseException) and not isinstance(error, expected):
            log.error("telling destination %d of site %d: %s", key[1], key[0], type(error).__name__)
            self._failed[key] = time.monotonic() + FAILED_S

    async def _stop_all(self) -> None:
        for key in list(self._running):
            await self._stop(key)

    # ------------------------------------------------------------ one node of several

    async def _may_lead(self) -> bool:
        """Whether this node tells. A SQLite file has one process only."""
        if self.database.engine == "sqlite":
            return True
        now = time.monotonic()
        if now - self._asked < BEAT_S:
            return self._leads
        idle = self._seen if self._seen.holder and now - self._since >= IDLE_S else None
        try:
            lease: Lease = await self.writer.run(
                lambda: leases.take(LEASE, self._holder, idle), moves=False
            )
        except Overloaded:
            self._leads = False
            raise
        self._asked = now
        self._leads = lease.holder == self._holder
        if lease != self._seen:
            self._seen, self._since = lease, now
        return self._leads
