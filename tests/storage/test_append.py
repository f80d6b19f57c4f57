"""The log: gapless, in commit order, once per event id, and never lost to a bad neighbour."""

import asyncio
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.storage import entries
from server.storage.database import Database
from server.storage.names import Names
from tests.engines import Place
from tests.storage.world import add_site, assert_gapless, event, log, run, statement

pytestmark = pytest.mark.anyio
POSTGRES = pytest.mark.parametrize("place", ["postgres"], indirect=True)


async def append(database: Database, site_id: int, events: list[Any], names: Names) -> list[int]:
    appended = await run(database, lambda: entries.append(site_id, events, names))
    assert isinstance(appended, entries.Appended)
    assert appended.accepted == sum(1 for seq in appended.seqs if seq > 0)
    return appended.seqs


async def test_numbers_count_on_without_a_gap(database: Database) -> None:
    site_id, names = await add_site(database), Names()
    assert await append(database, site_id, [event(n) for n in range(1, 4)], names) == [1, 2, 3]
    assert await append(database, site_id, [event(4)], names) == [4]
    assert await append(database, site_id, [], names) == []
    assert await append(database, site_id, [event(n) for n in range(5, 1205)], names) == list(
        range(5, 1205)
    )
    assert await assert_gapless(database, site_id) == list(range(1, 1205))


async def test_each_site_counts_for_itself(database: Database) -> None:
    one, two = await add_site(database), await add_site(database)
    assert await append(database, one, [event(1), event(2)], Names()) == [1, 2]
    assert await append(database, two, [event(1)], Names()) == [1]


async def test_every_field_comes_back(database: Database) -> None:
    site_id = await add_site(database)
    sent = event(7, received=event(7).at - 5, campaign="spring", reason="test")
    await append(database, site_id, [sent], Names())
    (entry,) = await log(database, site_id)
    texts = await entries.texts(database, site_id, list(range(1, 20)))
    assert entry[:9] == (1, sent.event_id, 1, sent.at, -5, 1, sent.tab, sent.q, entry.url_id)
    assert [texts[i or 0] for i in (entry.url_id, entry.title_id, entry.referrer_id)] == [
        sent.url,
        sent.title,
        sent.referrer,
    ]
    assert [texts[i or 0] for i in (entry.agent_id, entry.campaign_id, entry.place_id)] == [
        sent.agent,
        "spring",
        sent.place,
    ]
    assert [texts[i or 0] for i in (entry.screen_id, entry.reason_id)] == [sent.screen, "test"]
    assert entry[15:16] == (0,)
    assert entry[17:] == (0, 1, sent.flags, sent.page_view, sent.data)


async def test_an_event_may_lack_all_that_is_optional(database: Database) -> None:
    site_id = await add_site(database)
    bare = event(
        1, visitor=None, tab=None, url="", title="", referrer="", agent="", place="", screen="",
        page_view=None, data="",
    )  # fmt: skip
    await append(database, site_id, [bare], Names())
    (entry,) = await log(database, site_id)
    assert entry.visitor_id is None
    assert entry.page_view is None
    assert entry.data is None
    assert entry.url_id is None


async def test_duplicates_in_a_batch_and_across_batches(database: Database) -> None:
    site_id, names = await add_site(database), Names()
    assert await append(database, site_id, [event(1), event(1), event(2)], names) == [1, 0, 2]
    assert await append(database, site_id, [event(2), event(3), event(1)], names) == [0, 3, 0]
    assert await append(database, site_id, [event(3)], names) == [0]
    assert await assert_gapless(database, site_id) == [1, 2, 3]


async def test_a_resend_half_changed_keeps_what_was_stored_first(database: Database) -> None:
    site_id, names = await add_site(database), Names()
    await append(database, site_id, [event(1, data="first")], names)
    changed = event(1, data="second", url="https://example.com/other")
    assert await append(database, site_id, [changed, event(2)], names) == [0, 2]
    first, _ = await log(database, site_id)
    assert first.data == "first"
    # The text of the refused copy was never stored, and the cache knows no id of it.
    assert "https://example.com/other" not in names.strings
    rows = await database.fetch("SELECT text FROM strings WHERE site_id = $1", site_id)
    assert ("https://example.com/other",) not in rows


async def test_visitors_and_texts_are_interned_once(database: Database) -> None:
    site_id = await add_site(database)
    for first in range(1, 31, 10):  # caches of its own each: a restart, or another node
        await append(database, site_id, [event(n) for n in range(first, first + 10)], Names())
    visitors = await database.fetch(
        "SELECT visitor_id FROM visitors WHERE site_id = $1 ORDER BY visitor_id", site_id
    )
    assert visitors == [(1,), (2,), (3,)]  # the seq of each one's first entry
    found = await log(database, site_id)
    assert [entry.visitor_id for entry in found] == [1 + (n % 3) for n in range(30)]
    texts = await database.fetch("SELECT string_id FROM strings ORDER BY string_id")
    assert texts == [(n,) for n in range(1, 11)]  # 5 URLs and 5 other texts, without a gap
    assert len({entry.title_id for entry in found}) == 1


async def test_a_new_epoch_makes_the_caches_forget(database: Database) -> None:
    site_id, names = await add_site(database), Names()
    await append(database, site_id, [event(1)], names)
    await run(database, lambda: statement("DELETE FROM strings"))
    await run(database, lambda: statement("UPDATE heads SET epoch = epoch + 1"))
    await append(database, site_id, [event(6)], names)
    entry = (await log(database, site_id))[1]
    assert await entries.texts(database, site_id, [entry.url_id or 0]) == {
        entry.url_id: event(6).url
    }


@pytest.mark.parametrize(
    "bad",
    [
        {"data": "lone \ud800 surrogate"},
        {"url": "https://example.com/\udfff"},
        {"tab": 2**63},
        {"data": "NUL \x00", "place": "postgres"},
    ],
    ids=["data", "text", "integer", "nul"],
)
async def test_one_bad_event_does_not_fail_its_neighbours(
    database: Database, bad: dict[str, Any]
) -> None:
    if bad.get("place", database.engine) != database.engine:
        return  # SQLite stores a NUL
    site_id, names = await add_site(database), Names()
    events = [event(n) for n in range(1, 12)]
    events[6] = event(7, **bad)
    seqs = await append(database, site_id, events, names)
    assert seqs == [1, 2, 3, 4, 5, 6, -1, 7, 8, 9, 10]
    assert await append(database, site_id, [event(1), event(7), event(12)], names) == [0, 11, 12]
    assert await assert_gapless(database, site_id) == [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 7, 12]


async def test_a_bad_event_among_duplicates(database: Database) -> None:
    site_id, names = await add_site(database), Names()
    await append(database, site_id, [event(2), event(4)], names)
    events = [event(1), event(2), event(3, tab=2**63), event(4), event(5), event(5)]
    assert await append(database, site_id, events, names) == [3, 0, -1, 0, 4, 0]
    assert await assert_gapless(database, site_id) == [2, 4, 1, 5]


@given(
    batches=st.lists(st.lists(st.integers(1, 12), max_size=9), max_size=6), bad=st.integers(1, 24)
)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_any_sequence_of_batches_stores_each_id_once(
    database: Database, batches: list[list[int]], bad: int
) -> None:
    site_id, names = await add_site(database), Names()
    expected: list[int] = []
    for batch in batches:
        events = [event(n, **({"tab": 2**63} if n == bad else {})) for n in batch]
        seqs = await append(database, site_id, events, names)
        for number, seq in zip(batch, seqs, strict=True):
            assert (seq == -1) <= (number == bad)
            if seq > 0:
                expected.append(number)
                assert seq == len(expected)
    assert await assert_gapless(database, site_id) == expected
    assert set(expected) == {n for batch in batches for n in batch} - {bad}


@POSTGRES
async def test_two_nodes_append_the_same_events_at_once(place: Place, database: Database) -> None:
    """Each sends all events in an order of its own: stored once, gapless, and all told so."""
    site_ids = [await add_site(database), await add_site(database)]
    other = place.make()
    await other.open()

    async def node(at: Database, seed: int) -> dict[tuple[int, int], int]:
        rng, names = random.Random(seed), [Names(), Names()]
        told: dict[tuple[int, int], int] = {}
        todo = [(which, n) for which in (0, 1) for n in range(1, 121)]
        rng.shuffle(todo)
        while todo:
            part, todo = todo[:7], todo[7:]
            for which in (0, 1):
                mine = [n for w, n in part if w == which]
                seqs = await append(at, site_ids[which], [event(n) for n in mine], names[which])
                told |= {(which, n): seq for n, seq in zip(mine, seqs, strict=True)}
        return told

    try:
        one, two = await asyncio.gather(node(database, 1), node(other, 2))
    finally:
        await other.close()
    for which, site_id in enumerate(site_ids):
        order = await assert_gapless(database, site_id)
        assert sorted(order) == list(range(1, 121))
        for seq, number in enumerate(order, 1):
            assert sorted((one[which, number], two[which, number])) == [0, seq]
