"""Who is on the site, and what happened: people's own doing only, doubtful parts marked."""

import pytest

from server.ingest.payload import read_id
from server.model import Door, Event, Kind
from server.reports import live
from server.storage.database import Database
from tests.acme import Known
from tests.tracking import MIN, World, tracking

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def seen(world: World, after: int = 0) -> list[live.LiveEvent]:
    await world.project()
    async with world.database.snapshot() as reader:
        upto = await live.position(reader, world.site)
        return await live.events(reader, world.site, after, upto)


async def present(world: World) -> list[tuple[str, str]]:
    """(who, page), the hottest first."""
    await world.project()
    async with world.database.snapshot() as reader:
        found = await live.on_site(reader, world.site, world.now)
    return [(one.name or str(one.visitor), one.page) for one in found.people]


async def test_everything_people_did_is_there_once(world: World, known: Known) -> None:
    """In the order of the log, with who they are now; the newest end where the log does."""
    found = await seen(world)
    logged = await world.rows("entries", "seq, kind", "site_id = 1 AND kind < 64 AND kind <> 2")
    assert [one.seq for one in found] == [seq for seq, _ in logged]
    first = found[0]
    assert (first.person, first.name, first.source) == (known.ada, "Ada Lovelace", "google")
    forms = [(one.kind, one.form, one.name) for one in found if one.kind == "form_submit"]
    assert forms[:2] == [
        ("form_submit", "demo", "Ada Lovelace"),
        ("form_submit", "newsletter", "Ben Ångström"),
    ]
    strangers = [one for one in found if one.visitor == known.stranger]
    assert [(one.person, one.path) for one in strangers] == [(None, "/"), (None, "/pricing")]
    async with world.database.snapshot() as reader:
        upto = await live.position(reader, world.site)
        assert await live.newest(reader, world.site, upto) == found
        assert await live.events(reader, world.site, found[2].seq, upto) == found[3:]
        assert not await live.erased_between(reader, world.site, 0, upto)


async def test_robots_and_engagement_are_not_shown(world: World) -> None:
    ann, robot = world.browser(1), world.browser(2)
    await ann.read("/pricing")
    await robot.send(robot.event("page_view", "/"), f=2)
    assert [(one.kind, one.path) for one in await seen(world)] == [("page_view", "/pricing")]


async def test_nothing_behind_the_path_is_shown(world: World) -> None:
    ann = world.browser(1)
    await ann.view("/", u="https://acme.example/a?who=ann@x.example#secret")
    assert [one.path for one in await seen(world)] == ["/a"]


async def test_who_is_there_now(world: World, known: Known) -> None:
    """Seen within five minutes, people before strangers by their score, with the page of now."""
    del known
    ada, new = world.browser(1), world.browser(9)
    await ada.view("/docs", minutes=0)
    await new.view("/", minutes=0)
    await new.view("/product", minutes=0)
    here = await present(world)
    assert here[0] == ("Ada Lovelace", "/docs")
    assert here[1][1] == "/product"
    world.now += 5 * MIN - 1
    assert len(await present(world)) == 2
    world.now += 1
    assert await present(world) == []


async def test_a_doubtful_part_is_marked(database: Database) -> None:
    """Somebody gives an address that another browser has proven: it may be somebody else."""
    async with tracking(database) as world:
        own, other = world.browser(1), world.browser(2)
        await own.view("/")
        proven = Event(
            event_id=world.next_number().to_bytes(16, "big"),
            kind=Kind.EMAIL_CLICK,
            at=world.now,
            received=world.now,
            visitor=read_id(own.visitor),
            url="https://acme.example/welcome",
            door=Door.MAIL,
            data='{"ids":{"email":"ann@mill.example"},"message":"m","gesture":1}',
        )
        await world.writer.append(world.site.site_id, [proven])
        world.now += MIN
        await other.view("/demo")
        await other.submit("demo", email="ann@mill.example", name="Somebody")
        found = await seen(world)
        assert [one.quarantined for one in found] == [False, False, True, True]
        async with world.database.snapshot() as reader:
            now = await live.on_site(reader, world.site, world.now)
        assert [(one.name, one.quarantined) for one in now.people] == [("ann@mill.example", True)]
