"""Reading a log again into tables of its own: rebuild puts them in place, verify compares them.

The site is served meanwhile. The second generation follows the first until both have read the same
entries; then they are exchanged in one transaction, or compared in one snapshot. Each batch moves
the generation's own cursor, so a rebuild goes on where a kill has stopped it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from server.errors import Conflict, HandraiseError, Overloaded
from server.ingest.agents import Agents
from server.metrics import Metrics
from server.model import Site
from server.project.copying import BEGUN, copy_sealed
from server.project.site_projector import SiteProjector
from server.storage import entries, generations, sites
from server.storage import people as rows
from server.storage.database import Database, Reader, Row
from server.storage.derived import TABLES
from server.storage.generations import Generation
from server.storage.writer import Writer

log = logging.getLogger("handraise.replay")
REST_S = 0.02  # while many events wait to be stored
RETRY_S = 1.0
FOLLOW_S = 0.01
DROPPED = 2_000  # rows deleted in one turn
LEFT_S = 60.0  # after which what nobody has moved is left to whoever finds it
VERIFIED = -1  # the generation that is only compared


Kept = Callable[[Reader, Site], Awaitable[list[Row]]]


@dataclass
class Replay:
    """One rebuild or verification. `done` and `total` count entries of the log."""

    site_id: int
    swaps: bool
    done: int = 0
    total: int = 0
    state: str = "waiting"  # waiting, running, done, failed
    detail: str = ""
    unlike: dict[str, int] = field(default_factory=dict)  # rows by table that differ
    samples: dict[str, list[Row]] = field(default_factory=dict)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Replays:
    """Runs one after the other; `sites` are those of now, `reload` reads them again."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        metrics: Metrics,
        agents: Agents,
        clock: Callable[[], int],
        sites: Callable[[], Sequence[Site]],
        reload: Callable[[], Awaitable[None]],
    ) -> None:
        self.database = database
        self.writer = writer
        self.metrics = metrics
        self.agents = agents
        self.clock = clock
        self.sites = sites
        self.reload = reload
        self.last: dict[tuple[int, bool], Replay] = {}  # by site and kind
        #: Of what is made from the tables and kept: the keys of rows that the tables deny.
        self.kept: dict[str, Kept] = {}
        #: How long another node may read a generation that has been replaced, in seconds; 0 where
        #: there is no other node.
        self.known_s = 0.0
        self._left: dict[int, object] = {}  # what was unfinished at the last look, by site
        self._asked = asyncio.Event()

    def ask(self, site_id: int, *, swaps: bool) -> Replay:
        """Ask for a rebuild (`swaps`) or a verification; one that has not ended is returned."""
        known = self.last.get((site_id, swaps))
        if known is None or known.ended.is_set():
            known = self.last[site_id, swaps] = Replay(site_id, swaps)
            self._asked.set()
        return known

    async def serve(self) -> None:
        """Go on with what a kill has stopped, then with whatever is asked for, until cancelled."""
        for site in self.sites():
            await self._resume(site, *await self._standing(site))
        while True:
            self._asked.clear()
            for replay in [one for one in self.last.values() if not one.ended.is_set()]:
                await self.run(replay)
            # Not `wait_for`: before Python 3.12 it swallows a cancel that meets its result.
            with suppress(TimeoutError):
                async with asyncio.timeout(LEFT_S if self.known_s else None):
                    await self._asked.wait()
                continue
            with suppress(Overloaded):
                await self.take_over()

    async def take_over(self) -> None:
        """Go on with what another node has begun and nobody has moved since the last look."""
        for site in self.sites():
            found, settings_seq = await self._standing(site)
            others = [one for one in found if one.gen != site.generation]
            left = (site.generation, settings_seq, others)
            if self._left.get(site.site_id) == left:
                await self._resume(site, found, settings_seq)
            self._left[site.site_id] = left

    async def _standing(self, site: Site) -> tuple[list[Generation], int]:
        """The generations of a site, and how often its settings were changed."""
        async with self.database.snapshot() as reader:
            found = await generations.of_site(reader, site.site_id)
            return found, await generations.settings_seq(reader, site.site_id)

    async def _resume(self, site: Site, found: list[Generation], settings_seq: int) -> None:
        """An unfinished rebuild, settings changed since the tables were made, and leftovers."""
        for one in found:
            if one.gen < site.generation:
                await self._drop(site.site_id, one.gen)
        mine = next((one for one in found if one.gen == site.generation), None)
        behind = mine is not None and mine.settings_seq != settings_seq
        if behind or (found and found[0].gen > site.generation):
            self.ask(site.site_id, swaps=True)

    async def run(self, replay: Replay) -> None:
        """One replay to its end; storage faults are waited out."""
        replay.state = "running"
        try:
            finished = False
            while not finished:
                try:
                    finished = await self._attempt(replay)
                except (Overloaded, Conflict):
                    await asyncio.sleep(RETRY_S)
            replay.state = "done"
        except HandraiseError as error:
            replay.state, replay.detail = "failed", error.detail
            log.warning("replay of site %d has failed: %s", replay.site_id, error.detail)
        except Exception as error:
            replay.state, replay.detail = "failed", type(error).__name__
            log.exception("replay of site %d has failed", replay.site_id)
        replay.ended.set()

    async def _attempt(self, replay: Replay) -> bool:
        """Read on up to the live generation and finish; False if it has gone on meanwhile."""
        async with self.database.snapshot() as reader:  # the settings with their number
            known = {one.site_id: one for one in await sites.all_sites(reader)}
            settings_seq = await generations.settings_seq(reader, replay.site_id)
            found = await generations.of_site(reader, replay.site_id)
        site = known.get(replay.site_id)
        if site is None:
            raise HandraiseError("the site is gone")
        gen = await self._generation(site, replay, found, settings_seq)
        projector = SiteProjector(
            site, self.database, self.writer, self.agents, self.clock, gen=gen
        )
        while await self._copy(site, projector) or await self._step(site, projector, replay):
            continue
        finished = await (
            self._swap(site, gen) if replay.swaps else self._compare(site, gen, replay)
        )
        if not finished:
            await asyncio.sleep(FOLLOW_S)  # the first has gone on meanwhile
        return finished

    async def _generation(
        self, site: Site, replay: Replay, found: Sequence[Generation], settings_seq: int
    ) -> int:
        """The generation to read into: one under way for these settings, else an empty one."""
        mine = [one for one in found if _is_for(one.gen, site.generation, replay)]
        for one in mine:
            if one.settings_seq == settings_seq and one.ruleset == site.published.version:
                return one.gen
            await self._drop(site.site_id, one.gen)
        gen = max(site.generation, *(one.gen for one in found)) + 1 if replay.swaps else VERIFIED
        version = site.published.version
        begin = lambda: generations.begin(  # noqa: E731
            site.site_id, gen, BEGUN, settings_seq, version
        )
        await self.writer.run(begin, moves=False)
        return gen

    async def _copy(self, site: Site, projector: SiteProjector) -> bool:
        """Some of what was sealed, which no entry tells any more; False once all of it is there."""
        try:
            copied = await copy_sealed(projector, site.generation)
        except (Overloaded, Conflict):
            await self._rest(projector)
            return True
        await self._pause()
        return copied

    async def _step(self, site: Site, projector: SiteProjector, replay: Replay) -> bool:
        """One batch; False once the live generation's cursor is reached."""
        async with self.database.snapshot() as reader:
            until = await rows.cursor(reader, site.site_id, site.generation)
        try:
            passed = await projector.advance(self._pause, until)
            due = 0 if passed else await projector.refresh_due(self._pause)
        except (Overloaded, Conflict):
            await self._rest(projector)
            return True
        replay.done, replay.total = max(projector.cursor, 0), until
        self.metrics.replayed.labels(str(site.site_id)).set(replay.done / max(until, 1))
        return bool(passed or due)

    async def _rest(self, projector: SiteProjector) -> None:
        """Before the next try. Raises `Conflict` where another node has deleted the generation:
        then it is begun again."""
        await asyncio.sleep(RETRY_S)
        async with self.database.snapshot() as reader:
            found = await generations.of_site(reader, projector.site.site_id)
        if all(one.gen != projector.gen for one in found):
            raise Conflict("another node has deleted what was read so far")

    async def _swap(self, site: Site, gen: int) -> bool:
        old = site.generation
        swapped: bool = await self.writer.run(lambda: generations.swap(site.site_id, old, gen))
        if not swapped:
            async with self.database.snapshot() as reader:
                now, _ = await sites.of_now(reader, site.site_id)
            if now.generation != gen:  # or else another node was faster with the same
                return False
        await self.reload()
        await asyncio.sleep(self.known_s)
        await self._drop(site.site_id, old)
        return True

    async def _compare(self, site: Site, gen: int, replay: Replay) -> bool:
        """Both generations in one snapshot, table by table, and what is kept of the live one."""
        async with self.database.snapshot() as reader:
            scope = (reader, site.site_id)
            cursors = {await rows.cursor(*scope, one) for one in (site.generation, gen)}
            # What was decided just now stands in the tables before it is read from the log.
            cursors.add(await entries.head(*scope))
            versions = {(await rows.walk(*scope, one))[0] for one in (site.generation, gen)}
            versions.add(await generations.ruleset(*scope))
            found = {one.gen: one.settings_seq for one in await generations.of_site(*scope)}
            if found.get(gen, generations.NOT_WHOLE) == generations.NOT_WHOLE:
                return False  # another node has compared it too, and deletes it
            if len(cursors) > 1 or len(versions) > 1:  # or a ruleset is on its way to everybody
                return False
            for table in (*TABLES, generations.ROLLUPS):
                pair = (site.generation, gen)
                count, few = await generations.differing(reader, table, site.site_id, pair)
                if count:
                    replay.unlike[table.name] = count
                    replay.samples[table.name] = few
            for name, stale in self.kept.items():
                if rows_of := await stale(reader, site):
                    replay.unlike[name] = len(rows_of)
                    replay.samples[name] = rows_of[:10]
        await self._drop(site.site_id, gen)
        return True

    async def _drop(self, site_id: int, gen: int) -> None:
        more = True
        while more:
            with suppress(Overloaded):
                more = await self.writer.run(
                    lambda: generations.drop_some(site_id, gen, DROPPED), moves=False
                )
            await self._pause()

    async def _pause(self) -> None:
        """Let others run; for longer where many events wait to be stored."""
        await asyncio.sleep(REST_S if self.writer.pressed else 0)


def _is_for(gen: int, live: int, replay: Replay) -> bool:
    """Whether a generation is one that such a replay has begun."""
    return gen > live if replay.swaps else gen == VERIFIED
