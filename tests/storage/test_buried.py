"""Of somebody whom another node has erased nothing is stored, whatever its own door knew."""

from collections.abc import Sequence

import pytest

from server.ingest.tombstones import Tombstones
from server.model import Event, Kind
from server.storage import entries, erasing, tombstones
from server.storage.buried import WATCH_S, Buried
from server.storage.database import Database, Script
from server.storage.names import Names
from tests.storage.world import NOW, add_site, assert_gapless, event, log, run

pytestmark = pytest.mark.anyio
ANN, BEN = b"ann's browser 01", b"ben's browser 02"
EMAIL = '{"form":"demo","ids":{"email":"ann@brew.example"}}'


class Elsewhere:
    """A node that appends, and another one that erases."""

    def __init__(self, database: Database, site_id: int) -> None:
        self.database, self.site_id = database, site_id
        self.door = Tombstones(b"k" * 32)
        self.now = 0.0
        self.buried = Buried(self.door, monotonic=lambda: self.now)
        self.names = Names()

    async def append(self, *events: Event) -> list[int]:
        made = lambda: entries.append(self.site_id, events, self.names, self.buried)  # noqa: E731
        return list((await run(self.database, made)).seqs)

    async def bury(self, *marks: bytes) -> None:
        """As another node does it: nothing of it is in the memory of this one."""

        def script() -> Script[None]:
            yield from tombstones.add(self.site_id, [(mark, NOW) for mark in marks])
            yield from erasing.forget_visitors(self.site_id, [])

        await run(self.database, script)

    async def left(self) -> list[tuple[int, bool]]:
        """The kinds in the log, and whether a visitor is named."""
        return [(one.kind, one.visitor_id is not None) for one in await self.stored()]

    async def stored(self) -> Sequence[entries.Entry]:
        return await log(self.database, self.site_id)


@pytest.fixture
async def node(database: Database) -> Elsewhere:
    return Elsewhere(database, await add_site(database))


def of(number: int, visitor: bytes, at: int = NOW, **changes: object) -> Event:
    return event(number, visitor=visitor, at=at, **changes)


async def test_the_append_that_sees_another_epoch_reads_who_was_erased(node: Elsewhere) -> None:
    """A stub is left, so that what is sent again is a duplicate; the door knows from then on."""
    await node.append(of(1, BEN))
    await node.bury(node.door.mark(node.site_id, "visitor", ANN))
    assert await node.append(of(2, ANN), of(3, BEN), of(4, ANN, NOW + 1)) == [2, 3, 4]
    view, gone = (Kind.PAGE_VIEW, True), (Kind.ERASED, False)
    assert await node.left() == [view, gone, view, view]
    assert await node.append(of(2, ANN), of(5, ANN), of(1, BEN)) == [0, 5, 0]
    assert await node.left() == [view, gone, view, view, gone]
    assert node.door.erased_at(node.site_id, "visitor", ANN) == NOW
    assert await assert_gapless(node.database, node.site_id) == [1, 2, 3, 4, 5]


async def test_what_had_passed_the_door_before_is_looked_at_too(node: Elsewhere) -> None:
    """It may be stored a turn after the one that has read of the erasure."""
    await node.bury(node.door.mark(node.site_id, "visitor", ANN))
    await node.append(of(1, BEN))
    node.now += WATCH_S
    await node.append(of(2, ANN))
    assert await node.left() == [(Kind.PAGE_VIEW, True), (Kind.ERASED, False)]
    node.now += 1
    await node.append(of(3, ANN))  # by now every event has met the door's own tombstones
    assert (await node.left())[-1] == (Kind.PAGE_VIEW, True)


async def test_who_is_named_counts_as_well(node: Elsewhere) -> None:
    """By the kinds that name somebody alone."""
    await node.bury(node.door.mark(node.site_id, "email", "ann@brew.example"))
    await node.append(
        of(1, BEN, kind=Kind.FORM_SUBMIT, data=EMAIL), of(2, BEN, kind=Kind.TRACK, data=EMAIL)
    )
    assert [kind for kind, _ in await node.left()] == [Kind.ERASED, Kind.TRACK]
