"""Scores without an event: another ruleset for everybody, and what midnight changes."""

import asyncio
import time
from pathlib import Path

import msgspec
from msgspec import structs

from server.ingest.agents import Agents
from server.model import DAY_MS, Event, Kind
from server.project.decay import Decay
from server.project.rules import EventCondition, Rule, Ruleset, encode
from server.project.site_projector import SiteProjector
from server.storage import rulesets, sites
from server.web.publishing import publish
from tests.bench.late import World
from tests.bench.place import now_ms
from tests.bench.table import Row
from tests.bench.workload import HOST, agents

READ = 20  # pages, each a contribution
MUST_A_MINUTE, MUST_DUE = 50_000, 1_000
_PRICING = EventCondition(("page_view",), groups=("pricing",))
FIRST = Ruleset(
    1, "first", (Rule("read", "Read", 1_000, _PRICING, decay=Decay("half_life", days=30)),)
)
DEARER = structs.replace(FIRST, rules=(structs.replace(FIRST.rules[0], points=2_000),))
OTHER = structs.replace(
    FIRST,
    rules=(structs.replace(FIRST.rules[0], when=structs.replace(_PRICING, page="/pricing*")),),
)


def _life(world: World, number: int, start: int) -> list[Event]:
    """Somebody reads twenty pages on four days and sends a form."""
    key = world.work.random.randbytes(16)
    agent = agents()[number % 200]

    def event(kind: Kind, at: int, q: int, path: str, data: str = "") -> Event:
        url = f"https://{HOST}{path}"
        return Event(
            event_id=world.work.event_id(),
            kind=kind,
            at=at,
            received=at,
            visitor=key,
            q=q,
            url=url,
            agent=agent,
            data=data,
        )

    views = [
        event(Kind.PAGE_VIEW, start + q // 5 * DAY_MS + q % 5 * 60_000, q, f"/pricing/{q}")
        for q in range(READ)
    ]
    ids = {"form": "demo", "ids": {"email": f"p{number}@acme.example"}}
    last = start + 3 * DAY_MS + 600_000
    form = event(Kind.FORM_SUBMIT, last, READ, "/demo", msgspec.json.encode(ids).decode())
    return [*views, form]


async def _published(world: World, ruleset: Ruleset) -> None:
    document, base = encode(ruleset).decode(), world.site.published.version
    now = now_ms()
    await world.writer.run(lambda: rulesets.save_draft(1, document, base, "bench", "", now))
    await world.writer.run(lambda: publish(1, "bench", now))
    async with world.database.snapshot() as reader:
        (world.site,) = await sites.all_sites(reader)


async def _everybody(world: World, people: int) -> float:
    """People a minute until everybody is scored by the newest ruleset."""
    started = time.perf_counter()
    await world.project()
    while world.projector.behind:
        await world.projector.round()
    seconds = time.perf_counter() - started
    found = await world.database.fetch(
        "SELECT count(*) FROM subjects WHERE ruleset = $1", world.site.published.version
    )
    assert found[0][0] >= people, "not everybody was scored"
    return people / seconds * 60


async def _midnight(world: World) -> float:
    """Subjects a second that are scored again after a day has passed."""
    day = now_ms() + DAY_MS
    projector = SiteProjector(world.site, world.database, world.writer, Agents(), lambda: day)
    done, started = 0, time.perf_counter()
    while count := await projector.refresh_due(_rest):
        done += count
    return done / (time.perf_counter() - started)


async def _rest() -> None:
    await asyncio.sleep(0)


async def _measure(path: Path, people: int) -> list[Row]:
    world = World(path)
    await world.open()
    try:
        await _published(world, FIRST)
        start = now_ms() - 5 * DAY_MS
        lives = [_life(world, number, start) for number in range(people)]
        await world.append([event for turn in zip(*lives, strict=True) for event in turn])
        await _everybody(world, people)
        await _published(world, DEARER)
        points = await _everybody(world, people)
        await _published(world, OTHER)
        conditions = await _everybody(world, people)
        due = await _midnight(world)
    finally:
        await world.close()
    note = f"{people:,} people with {READ} contributions each"
    return [
        Row("rescored, other points", points, MUST_A_MINUTE, None, "/min", note),
        Row("rescored, other conditions", conditions, MUST_A_MINUTE, None, "/min", note),
        Row("scored again after midnight", due, MUST_DUE, None, "/s", note),
    ]


def rescored(scratch: Path, people: int) -> list[Row]:
    return asyncio.run(_measure(scratch / "rescore.db", people))
