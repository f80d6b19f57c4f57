"""All sites' projectors taking turns in one task, and whoever waits for a cursor.

An event that nobody has projected yet wakes the task; what comes within a moment is projected
together; a site whose storage fails does not keep the others waiting.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from server.errors import Conflict, Overloaded
from server.ingest.agents import Agents
from server.metrics import Metrics
from server.model import DAY_MS, Site
from server.project.site_projector import SiteProjector
from server.storage.database import Database
from server.storage.writer import Writer

#: Computing rests so long where the writer is pressed, and up to `REST_MOST_S` while it stays so:
#: what cannot wait is answered first, and is projected when there is time again. Not longer: a
#: snapshot is open meanwhile, which the log of writes has to be kept for.
REST_S, REST_MOST_S = 0.005, 0.08
#: What comes within this time is projected together: a result costs the same for one as for ten.
GATHER_S = 0.01
TICK_S = 1.0


class Projector:
    """One projector per site, taking turns in one task."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        metrics: Metrics,
        agents: Agents,
        clock: Callable[[], int],
        sites: Callable[[], Sequence[Site]],
    ) -> None:
        self.database = database
        self.writer = writer
        self.metrics = metrics
        self.agents = agents
        self.clock = clock
        self.sites = sites
        self.moved = asyncio.Event()
        self.asked = asyncio.Event()  # set when a visitor is to be erased
        self.behind = False  # whether a log went on beyond the last round
        self._rest_s = 0.0
        #: Whoever writes derived rows of a site does it in its turn.
        self.turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._projectors: dict[int, SiteProjector] = {}

    def projector_of(self, site: Site) -> SiteProjector:
        """The projector of a site as its settings are now."""
        found = self._projectors.get(site.site_id)
        if found is None or found.site is not site:
            found = SiteProjector(site, self.database, self.writer, self.agents, self.clock)
            self._projectors[site.site_id] = found
        return found

    async def serve(self) -> None:
        """Project whatever is appended, until cancelled. A storage fault waits and goes on."""
        while True:
            self.writer.moved.clear()
            try:
                await self.round()
            except (Overloaded, Conflict):
                await asyncio.sleep(TICK_S)
                continue
            if self.behind:
                continue
            # Not `wait_for`: before Python 3.12 it swallows a cancel that meets its result.
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self.writer.moved.wait()
                await asyncio.sleep(GATHER_S)

    async def round(self) -> int:
        """One batch of every site; how many entries were passed."""
        passed = 0
        found = await self.database.fetch("SELECT site_id, seq FROM heads")
        heads: dict[int, int] = {site_id: seq for site_id, seq in found}
        self.behind = False
        fault: Overloaded | Conflict | None = None
        for site in self.sites():
            projector = self.projector_of(site)
            head, before = heads.get(site.site_id, 0), projector.cursor
            turn = self.turns[site.site_id]
            waits = turn.locked()
            try:
                async with turn:
                    if waits:  # a ruleset may have been published in that turn
                        projector = self._current(projector)
                    count = await projector.advance(self._pause) if head > projector.cursor else 0
                    self.behind |= await self._walk(projector)
            except (Overloaded, Conflict) as error:  # the other sites go on
                fault = error
                continue
            self.behind |= head > projector.cursor
            passed += count
            if projector.withdrawn:
                self.asked.set()
                projector.withdrawn = False
            if projector.cursor != before:
                self._announce()
            if count:
                self._count(projector, count)
            if projector.cursor >= head:
                await self._refresh(projector)
        if fault is not None:
            raise fault
        return passed

    def _current(self, known: SiteProjector) -> SiteProjector:
        """The projector of the same site as it is now."""
        site_id = known.site.site_id
        found = next((site for site in self.sites() if site.site_id == site_id), known.site)
        return self.projector_of(found)

    async def _walk(self, projector: SiteProjector) -> bool:
        """One batch of scoring everybody by a ruleset that was published; false at the end."""
        walks = await projector.walk(self._pause)
        way, label = projector.way, str(projector.site.site_id)
        if walks:
            self.metrics.rescored.labels(label).set(min(way.done / max(way.total, 1), 1))
        return walks

    async def _refresh(self, projector: SiteProjector) -> None:
        """One batch of what midnight changed, once a site is at the head of its log."""
        today = self.clock() // DAY_MS
        if projector.refreshed == today:
            return
        async with self.turns[projector.site.site_id]:
            due = await projector.refresh_due(self._pause)
        if due:
            self.behind = True
        else:
            projector.refreshed = today

    def _count(self, projector: SiteProjector, passed: int) -> None:
        self.metrics.projected.inc(passed)
        self.metrics.passed_over.inc(projector.passed_over)
        self.metrics.long_turns.inc(projector.long_turns)
        projector.passed_over = projector.long_turns = 0

    def _announce(self) -> None:
        """Wake whoever waits for a cursor."""
        self.moved.set()
        self.moved = asyncio.Event()

    def sealed(self, site_id: int, visitors: Iterable[int], seals: int) -> None:
        """Sessions of these visitors were sealed, for the `seals`th time; -1 is perhaps."""
        known = self._projectors.get(site_id)
        if known is not None and seals < 0:
            known.forget()
        elif known is not None:
            known.sealed(visitors, seals)

    async def passed(self, site_id: int, seq: int) -> None:
        """Wait until the projector of a site has passed an entry."""
        while (known := self._projectors.get(site_id)) is None or known.cursor < seq:
            moved = self.moved
            await moved.wait()

    async def _pause(self) -> None:
        """Let others run; the longer, the longer many events wait to be stored."""
        self._rest_s = rest_after(self._rest_s, pressed=self.writer.pressed)
        await asyncio.sleep(self._rest_s)


def rest_after(rest_s: float, *, pressed: bool) -> float:
    """How long to rest after a rest of `rest_s` seconds. It grows and shrinks by half: there are
    moments in a flood in which nobody happens to wait."""
    if pressed:
        return min(max(2 * rest_s, REST_S), REST_MOST_S)
    return rest_s / 2 if rest_s > REST_S else 0.0
