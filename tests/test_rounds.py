"""A job goes round every site, and what fails for one is no other site's affair."""

import asyncio
import logging

import pytest

from server.errors import Overloaded
from server.model import Site, SiteSettings
from server.rounds import Pace, go_round

pytestmark = pytest.mark.anyio
ROUNDS = 3
log = logging.getLogger("handraise.rounds")


def site(number: int) -> Site:
    return Site(site_id=number, name="Acme", keys=("k",), settings=SiteSettings())


async def test_each_site_has_its_turn_whatever_fails(caplog: pytest.LogCaptureFixture) -> None:
    """One waits for others, one is broken; the third has its turn in every round, and a site that
    comes later has it from then on."""
    there, ran, over = [site(1), site(2), site(3)], list[int](), asyncio.Event()

    async def run(one: Site) -> None:
        ran.append(one.site_id)
        if one.site_id == 1:
            raise Overloaded("many events wait to be stored")
        if one.site_id == 2:
            raise ZeroDivisionError
        if ran.count(3) == 1 and len(there) == 3:
            there.append(site(4))  # not in a round that has begun
        if ran.count(3) == ROUNDS:
            over.set()

    with caplog.at_level(logging.WARNING, log.name):
        task = asyncio.create_task(go_round("polishing", run, lambda: there, Pace(0.0, 0.0), log))
        async with asyncio.timeout(10):
            await over.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert ran[:10] == [1, 2, 3, 1, 2, 3, 4, 1, 2, 3]
    assert "polishing of site 1 waits: many events wait to be stored" in caplog.messages
    broken = [record for record in caplog.records if "site 2 has failed" in record.message]
    assert len(broken) >= ROUNDS
    assert all(record.exc_info for record in broken)


async def test_it_begins_when_it_is_told_to() -> None:
    """Cancelled before its time, it has not asked for the sites."""
    asked = list[int]()

    async def run(one: Site) -> None:
        asked.append(one.site_id)

    task = asyncio.create_task(go_round("polishing", run, lambda: [site(1)], Pace(60, 0), log))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert asked == []
