"""The writer: one turn for all that waits, an answer after the commit, and a refusal in time."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from server.errors import DataError, NotFound, Overloaded
from server.metrics import Metrics
from server.storage import entries
from server.storage.database import Database, Outcome, ScriptMaker
from server.storage.writer import GATHER_EVENTS, Writer
from tests.storage.world import (
    Stopped,
    add_site,
    assert_gapless,
    crash,
    event,
    failing,
    log,
    run,
    statement,
)

pytestmark = pytest.mark.anyio


class Watched:
    """A database that counts its turns and may fail in them as a program error would."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.sizes: list[int] = []
        self.error: Exception | None = None

    async def turn(self, scripts: Sequence[ScriptMaker]) -> list[Outcome]:
        self.sizes.append(len(scripts))
        if self.error is not None:
            raise self.error
        return await self.database.turn(scripts)


def writer_of(database: Any, **options: Any) -> Writer:
    return Writer(database, Metrics(), **options)


@asynccontextmanager
async def serving(writer: Writer) -> AsyncIterator[Writer]:
    task = asyncio.create_task(writer.serve())
    try:
        yield writer
    finally:
        writer.close()
        await task


async def ask(writer: Writer, *requests: tuple[int, Sequence[int]]) -> list[Any]:
    """Requests of event numbers that wait together, before the writer looks."""
    asked = [writer.append(site, [event(n) for n in ids]) for site, ids in requests]
    return await asyncio.gather(*asked, return_exceptions=True)


async def test_an_append_is_stored_when_it_returns(database: Database) -> None:
    site_id = await add_site(database)
    async with serving(writer_of(database)) as writer:
        assert await writer.append(site_id, [event(1), event(2)]) == [1, 2]
        assert await assert_gapless(database, site_id) == [1, 2]
        assert await writer.append(site_id, [event(2), event(3)]) == [0, 3]
        assert writer.moved.is_set()
        assert not writer.busy


async def test_what_waits_together_is_one_turn(database: Database) -> None:
    sites = [await add_site(database) for _ in range(2)]
    watched = Watched(database)
    async with serving(writer_of(watched)) as writer:
        told = await ask(writer, *[(sites[n % 2], [n, n + 1]) for n in range(0, 200)])
        assert watched.sizes == [2]  # one script a site
    for site_id in sites:
        order = await assert_gapless(database, site_id)
        assert sorted(order) == list(range(site_id == sites[1], 200 + (site_id == sites[1])))
    assert told[0] == [1, 2]
    assert told[1] == [1, 2]
    assert told[2] == [3, 4]


async def test_what_each_pass_of_the_loop_brings_goes_into_the_turn(database: Database) -> None:
    """Until a pass brings nothing, or the turn is large."""
    site_id = await add_site(database)
    answers: list[asyncio.Future[Any]] = []

    def come(number: int, last: int) -> None:
        """One in each pass, as sockets are read."""
        asked = writer.append(site_id, [event(number)])
        answers.append(asyncio.ensure_future(asked))
        if number < last:
            asyncio.get_running_loop().call_soon(come, number + 1, last)

    class Counting(Watched):
        """How many had come when a turn began."""

        async def turn(self, scripts: Sequence[ScriptMaker]) -> list[Outcome]:
            come_by_then.append(len(answers))
            return await super().turn(scripts)

    come_by_then: list[int] = []
    async with serving(writer_of(Counting(database))) as writer:
        come(1, 20)
        assert await asyncio.wait_for(answers[0], 10) == [1]
        assert await asyncio.gather(*answers) == [[number] for number in range(1, 21)]
        assert come_by_then == [20]
        come(100, 100 + 2 * GATHER_EVENTS)
        await asyncio.wait_for(answers[20], 10)
    assert GATHER_EVENTS <= come_by_then[1] - 20 < GATHER_EVENTS + 5


async def test_a_turn_has_a_limit_but_never_splits_a_request(database: Database) -> None:
    site_id = await add_site(database)
    watched = Watched(database)
    async with serving(writer_of(watched)) as writer:
        requests = [(site_id, range(n * 900, (n + 1) * 900)) for n in range(5)]
        told = await ask(writer, *requests, (site_id, range(9_000, 11_500)))
    assert len(watched.sizes) == 4  # 2 + 2 + 1 of 900, and 2,500 on their own
    assert [seqs[0] for seqs in told] == [1, 901, 1801, 2701, 3601, 4501]
    assert len(await assert_gapless(database, site_id)) == 7_000


async def test_a_full_queue_refuses_at_once(database: Database) -> None:
    site_id = await add_site(database)
    writer = writer_of(database, queue_events=5)
    waiting = asyncio.gather(*[writer.append(site_id, [event(n), event(-n % 99)]) for n in (1, 2)])
    await asyncio.sleep(0)
    assert writer.busy
    with pytest.raises(Overloaded, match=r"too many events"):
        await writer.append(site_id, [event(5), event(6)])
    async with serving(writer):
        assert await waiting == [[1, 2], [3, 4]]
        assert await writer.append(site_id, [event(5)]) == [5]


async def test_a_slow_or_full_disk_refuses(database: Database) -> None:
    site_id, clock, room = await add_site(database), [0.0], [True]
    writer = writer_of(database, monotonic=lambda: clock[0], has_room=lambda: room[0])
    first = asyncio.create_task(writer.append(site_id, [event(1)]))
    await asyncio.sleep(0)
    clock[0] = 2.5
    with pytest.raises(Overloaded, match=r"does not keep up"):
        await writer.append(site_id, [event(2)])
    async with serving(writer):
        assert await first == [1]
        room[0] = False
        with pytest.raises(Overloaded, match=r"nearly full") as refused:
            await writer.append(site_id, [event(2)])
    assert refused.value.retry_after == 60


async def test_close_drains_and_refuses_the_rest(database: Database) -> None:
    site_id = await add_site(database)
    writer = writer_of(database)
    tasks = [asyncio.create_task(writer.append(site_id, [event(n)])) for n in range(50)]
    command = asyncio.create_task(writer.run(lambda: statement("SELECT 7")))
    await asyncio.sleep(0)
    writer.close()
    for late in (writer.append(site_id, [event(99)]), writer.run(lambda: statement("SELECT 1"))):
        with pytest.raises(Overloaded, match=r"shutting down"):
            await late
    await writer.serve()
    assert await command == [(7,)]
    assert [seq for task in tasks for seq in await task] == list(range(1, 51))


async def test_a_command_fails_alone(database: Database) -> None:
    site_id = await add_site(database)
    async with serving(writer_of(database)) as writer:
        told = await asyncio.gather(
            writer.append(site_id, [event(1)]),
            writer.run(lambda: failing(Stopped("no"), "DELETE FROM heads")),
            writer.run(lambda: statement("SELECT nothing FROM nowhere")),
            writer.run(lambda: statement("SELECT 7")),
            return_exceptions=True,
        )
    assert told[0] == [1]
    assert isinstance(told[1], Stopped)
    assert isinstance(told[2], DataError)
    assert told[3] == [(7,)]


async def test_a_client_that_went_away_changes_nothing(database: Database) -> None:
    site_id = await add_site(database)
    writer = writer_of(database)
    gone = asyncio.create_task(writer.append(site_id, [event(1)]))
    stays = asyncio.create_task(writer.append(site_id, [event(2)]))
    await asyncio.sleep(0)
    gone.cancel()
    async with serving(writer):
        assert await stays == [2]
    assert await assert_gapless(database, site_id) == [1, 2]


async def test_a_failed_turn_leaves_no_name_behind(database: Database) -> None:
    """Texts and visitors of a turn that was rolled back must be written again by the next."""
    site_id = await add_site(database)
    writer = writer_of(database)
    lost = [
        asyncio.create_task(writer.append(site_id, [event(1)])),
        asyncio.create_task(writer.run(lambda: crash(database.engine))),
    ]
    async with serving(writer):
        for failed in await asyncio.gather(*lost, return_exceptions=True):
            assert isinstance(failed, Overloaded)
        assert await log(database, site_id) == []
        assert await writer.append(site_id, [event(1), event(2)]) == [1, 2]
    await assert_names_exist(database, site_id)


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
async def test_a_turn_tried_again_knows_no_name_of_the_first_try(database: Database) -> None:
    site_id, tries = await add_site(database), []

    def lost_once() -> Any:
        tries.append(1)
        return statement("SELECT 7") if len(tries) > 1 else crash("postgres")

    async with serving(writer_of(database)) as writer:
        told = await asyncio.gather(writer.append(site_id, [event(1)]), writer.run(lost_once))
        assert told[0] == [1]
        assert told[1] == [(7,)]
        assert await writer.append(site_id, [event(6)]) == [2]
    assert len(tries) == 2
    await assert_names_exist(database, site_id)


async def assert_names_exist(database: Database, site_id: int) -> None:
    found = await log(database, site_id)
    assert [entry.visitor_id for entry in found] == [1, found[-1].visitor_id]
    for entry in found:
        texts = await entries.texts(database, site_id, [entry.url_id or 0, entry.title_id or 0])
        number = int.from_bytes(entry.event_id, "big")
        assert set(texts.values()) == {event(number).url, event(number).title}
    rows = await database.fetch("SELECT visitor_id FROM visitors WHERE site_id = $1", site_id)
    assert {entry.visitor_id for entry in found} == {row[0] for row in rows}


async def test_one_site_without_a_log_does_not_fail_another(database: Database) -> None:
    site_id = await add_site(database)
    async with serving(writer_of(database)) as writer:
        told = await ask(writer, (404, [1, 2]), (site_id, [1]))
    assert isinstance(told[0], NotFound)
    assert told[1] == [1]


async def test_an_error_of_the_program_stops_the_writer_and_tells_all(database: Database) -> None:
    site_id = await add_site(database)
    watched = Watched(database)
    watched.error = NotFound("a bug")
    writer = writer_of(watched)
    waiting = [asyncio.create_task(writer.append(site_id, [event(n)])) for n in (1, 2)]
    waiting.append(asyncio.create_task(writer.run(lambda: statement("SELECT 1"))))
    await asyncio.sleep(0)
    with pytest.raises(NotFound):
        await writer.serve()
    for told in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(told, Overloaded)
    with pytest.raises(Overloaded):
        await writer.append(site_id, [event(3)])


async def test_counters_tell_what_happened(database: Database) -> None:
    site_id = await add_site(database)
    async with serving(writer_of(database)) as writer:
        await writer.append(site_id, [event(1), event(2), event(2)])
        await writer.append(site_id, [event(1), event(3, tab=2**63)])
        registry = writer.metrics.registry
    assert registry.get_sample_value("handraise_appended_total") == 2
    assert registry.get_sample_value("handraise_duplicates_total") == 2
    assert registry.get_sample_value("handraise_group_size_count") == 2
    assert registry.get_sample_value("handraise_queue_events") == 0
    await run(database, lambda: statement("SELECT 1"))


async def test_a_refused_turn_leaves_nothing_behind(database: Database) -> None:
    """A full disk for an hour must not fill the memory with what was refused."""

    class Thing:
        pass

    site_id = await add_site(database)
    watched = Watched(database)
    watched.error = Overloaded("the disk is full")
    alive: list[weakref.ref[Thing]] = []
    async with serving(writer_of(watched)) as writer:
        for number in range(30):
            thing = Thing()
            alive.append(weakref.ref(thing))
            with pytest.raises(Overloaded):
                await writer.run(partial(statement, f"SELECT {number}", thing))
            with pytest.raises(Overloaded):
                await writer.append(site_id, [event(number)])
        del thing
        watched.error = None
        await writer.append(site_id, [event(99)])
        gc.collect()
        assert sum(one() is not None for one in alive) <= 1
