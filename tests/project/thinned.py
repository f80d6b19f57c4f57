"""A site with old events, the retention job over it, and what readers see of it."""

from collections.abc import Sequence

from server.model import RESERVED_IDS, Event, Kind
from server.project.projector import Projector
from server.project.replay import Replay
from server.project.thinning import Retention, Run
from server.storage import entries, erasing
from server.storage.database import Row, Script
from server.storage.names import Names
from tests.tracking import DAY, NOON, World

#: What thinning must leave alone.
FIGURES = ("subjects", "contributions", "signals", "persons", "links", "claims", "identifiers")


class Stopped(Exception):
    """The process was killed between two turns."""


async def thin(world: World, projector: Projector | None = None, turns: int = 10_000) -> Run:
    """One pass of the job; killed before turn number `turns`."""
    job = Retention(projector or world.fresh_projector())
    left = turns

    async def count() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Stopped

    job.before = count
    return await job.run(world.site)


async def lived_in(world: World) -> Projector:
    """500 days: anonymous visits, a person, a robot, a visitor who comes back."""
    ann, bob, cat, robot = (world.browser(number) for number in (1, 2, 3, 4))
    projector = await world.project()
    for day in range(0, 500, 50):
        world.now = NOON + day * DAY
        await bob.read("/pricing")
        await bob.view("/careers")
        await robot.send(robot.event("page_view", "/wp-login", n="Login"), f=2)
        if day in {100, 150, 450}:
            await ann.view("/pricing", r="https://www.google.com/")
        if day == 450:
            await ann.submit("demo", email="ann@brew.example", name="Ann Lee")
        if day in {0, 50}:
            await cat.send(cat.event("form_start", "/demo", d={"form": "demo", "fields": []}))
            await cat.send(cat.event("consent", "/", d={"state": "granted"}), c="granted")
        await world.project(projector)
    world.now = NOON + 500 * DAY
    await world.project(projector)
    return await world.project(projector)  # what midnight brought


async def figures(world: World) -> dict[str, list[Row]]:
    """Everything readers see but the events themselves."""
    found = await world.derived()
    return {name: found[name] for name in (*FIGURES, "sessions")} | {
        "rollups": [row for row in found["rollups"] if row[0] != "sealed_views"]
    }


async def entries_of(world: World, kinds: Sequence[Kind]) -> list[Row]:
    listed = ", ".join(str(int(kind)) for kind in kinds)
    return await world.rows("entries", "seq", f"kind IN ({listed})")


async def verified(world: World) -> dict[str, int]:
    """Rows by table in which the log read again differs."""
    replay = Replay(1, swaps=False)
    await world.replays().run(replay)
    assert (replay.state, replay.detail) == ("done", "")
    return replay.unlike


async def rebuilt(world: World) -> None:
    replay = Replay(1, swaps=True)
    await world.replays().run(replay)
    assert (replay.state, replay.detail) == ("done", "")


async def erased(world: World, visitor_id: int, number: int = 0) -> None:
    """What the eraser does to the log, in short."""
    said = f'{{"visitors":[{visitor_id}],"claims":[]}}'
    name = RESERVED_IDS + number.to_bytes(14, "big")
    event = Event(event_id=name, kind=Kind.ERASE, at=world.now, received=world.now, data=said)
    seqs = [row[0] for row in await world.rows("entries", "seq", f"visitor_id = {visitor_id}")]

    def script() -> Script[None]:
        yield from erasing.forget_visitors(1, [visitor_id])
        yield from erasing.stub(1, seqs, ())
        yield from entries.append(1, [event], Names())

    await world.writer.run(script)
