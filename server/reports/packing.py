"""The packing job: makes the columns of days that are over, so that a filter reads no rows.

Nothing depends on it but speed. A day that changes after all (a late event, an erasure, a decision)
loses its pack with that change, and is packed again in the next round.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable

from server.model import Site
from server.reports.days import encoded, made_of
from server.reports.spans import Span, today
from server.rounds import Pace, go_round
from server.storage import packed
from server.storage.database import Database, Reader, Row
from server.storage.writer import Writer

log = logging.getLogger("handraise.packing")
PACE = Pace(start_s=20.0, every_s=300.0)
#: Between two days: the visitors of now come first.
REST_S, PRESSED_S = 0.01, 0.25


class Packing:
    """Packs every site's days, soon after start and then every five minutes."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        sites: Callable[[], Iterable[Site]],
        clock: Callable[[], int],
        draw: Callable[[], int] = lambda: secrets.randbits(62),
    ) -> None:
        self.database = database
        self.writer = writer
        self.sites = sites
        self.clock = clock
        self.draw = draw

    async def serve(self) -> None:
        """Until cancelled."""
        await go_round("packing", self.run, self.sites, PACE, log)

    async def run(self, site: Site) -> int:
        """Pack all that is over and not packed; how many days. What comes late takes yesterday's
        pack away again: to make it anew costs less than to read it from the tables once."""
        before = today(site.settings.zone, self.clock())
        async with self.database.snapshot() as reader:
            days = await packed.lacking(reader, site.site_id, site.generation, before)
        count = 0
        for day in days:
            count += await self.pack(site, day)
            await asyncio.sleep(PRESSED_S if self.writer.busy else REST_S)
        if count:
            log.info("site %d: %d days packed for filtered figures", site.site_id, count)
        return count

    async def pack(self, site: Site, day: int) -> bool:
        """Pack a day; False if it was written of meanwhile, or another generation is served."""
        scope = (site.site_id, site.generation, day)
        packer = self.draw()
        await self.writer.run(lambda: packed.take_place(*scope, packer), moves=False)
        async with self.database.snapshot() as reader:
            made = (await made_of(reader, site, Span(day, day))).get(day)
        if made is None:
            return False
        pack = encoded(made)
        return bool(await self.writer.run(lambda: packed.keep(*scope, packer, pack), moves=False))


async def stale(reader: Reader, site: Site) -> list[Row]:
    """The days, as rows, that are packed otherwise than the tables say: there should be none."""
    found: list[Row] = []
    scope = (reader, site.site_id, site.generation)
    for day in await packed.days_packed(*scope):
        pack = (await packed.of_days(*scope, day, day))[day]
        made = (await made_of(reader, site, Span(day, day))).get(day)
        if made is None or encoded(made) != pack:
            found.append((day,))
        await asyncio.sleep(REST_S)
    return found
