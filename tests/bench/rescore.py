"""Scores without an event: another ruleset for everybody, and what midnight changes."""

import asyncio
import os
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
import uvloop
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


class Pace(NamedTuple):
    """People a minute, by the clock and by the time that the process used of all cores."""

    wall: float
    cpu: float


async def _everybody(world: World, people: int) -> Pace:
    """How fast everybody is scored by the newest ruleset."""
    started, used = time.perf_counter(), time.process_time()
    await world.project()
    while world.projector.behind:
        await world.projector.round()
    seconds, used = time.perf_counter() - started, time.process_time() - used
    found = await world.database.fetch(
        "SELECT count(*) FROM subjects WHERE ruleset = $1", world.site.published.version
    )
    assert found[0][0] >= people, "not everybody was scored"
    return Pace(people / seconds * 60, people / used * 60)


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
        _row("rescored, other points", points, note),
        _row("rescored, other conditions", conditions, note),
        Row("scored again after midnight", due, MUST_DUE, None, "/s", note),
    ]


def _row(what: str, pace: Pace, note: str) -> Row:
    told = f"{note}; {pace.cpu:,.0f} a minute of computing"
    return Row(what, pace.wall, MUST_A_MINUTE, None, "/min", told)


def rescored(scratch: Path, people: int) -> list[Row]:
    """Reads wait in threads of their own: the figure is that of a machine of two cores."""
    pinned = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {0, 1})
    try:
        return uvloop.run(_measure(scratch / "rescore.db", people))  # as the server does
    finally:
        os.sched_setaffinity(0, pinned)
