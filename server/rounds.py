"""Jobs that go round: each site in turn, again and again, as long as the program runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple, NoReturn

from server.errors import Conflict, Overloaded
from server.model import Site


class Pace(NamedTuple):
    """When a job begins after the start of the program, and how long it rests after a round, both
    in seconds."""

    start_s: float
    every_s: float


async def go_round(
    name: str,
    run: Callable[[Site], Awaitable[object]],
    sites: Callable[[], Iterable[Site]],
    pace: Pace,
    log: logging.Logger,
) -> NoReturn:
    """Run a job for every site there is then, until cancelled. What fails for one is logged and
    tried again in the next round: neither another site nor anything else may stop for it."""
    await asyncio.sleep(pace.start_s)
    while True:
        for site in list(sites()):
            try:
                await run(site)
            except (Overloaded, Conflict) as error:
                log.warning("%s of site %d waits: %s", name, site.site_id, error.detail)
            except Exception:
                log.exception("%s of site %d has failed", name, site.site_id)
        await asyncio.sleep(pace.every_s)
