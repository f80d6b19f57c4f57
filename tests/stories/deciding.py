"""Decisions as the API runs them, and what the tables say then."""

from collections.abc import Callable
from typing import Any

from server.ingest.payload import read_id
from server.model import Door, Event, Kind
from server.storage.database import Row, Script
from server.web.deciding import Act, Turn
from tests.tracking import DAY, MIN, Browser, World

ANN, BOB = "ann@brew.example", "bob@brew.example"


async def decide(world: World, deed: Callable[..., Script[Turn]], *words: Any) -> int:
    """Run a decision as the API does, and project it; its number in the log."""
    await world.project()
    world.now += MIN
    act = Act(world.site, "token t1", world.now, "")
    turn: Turn = await world.writer.run(lambda: deed(act, *words))
    await world.project()
    return turn.seq


async def persons(world: World) -> dict[str, int]:
    return dict(await world.rows("persons", "email, person_id"))


async def subject(world: World, email: str) -> tuple[int, int, int]:
    """(score, stage, sessions) of a person."""
    person_id = (await persons(world))[email]
    where = f"site_id = 1 AND kind = 1 AND subject_id = {person_id}"
    rows = await world.rows("subjects", "score, stage, sessions", where)
    return rows[0][0], rows[0][1], rows[0][2]


async def told(world: World) -> list[str]:
    """The consequences in the log, in order."""
    rows = await world.rows("entries", "seq, kind", f"kind >= {int(Kind.STAGE_MOVED)}")
    return [Kind(kind).word for _, kind in rows]


async def prove(world: World, browser: Browser, email: str) -> None:
    """A mail's link opened by hand, as our own mail door appends it."""
    event = Event(
        event_id=world.next_number().to_bytes(16, "big"),
        kind=Kind.EMAIL_CLICK,
        at=world.now,
        received=world.now,
        visitor=read_id(browser.visitor),
        url="https://acme.example/welcome",
        door=Door.MAIL,
        data=f'{{"ids":{{"email":"{email}"}},"message":"m","gesture":1}}',
    )
    await world.writer.append(world.site.site_id, [event])


def without(tables: dict[str, list[Row]], *names: str) -> dict[str, list[Row]]:
    return {name: rows for name, rows in tables.items() if name not in names}


async def two_people(world: World) -> tuple[int, int]:
    """Ann on a laptop, Ann again on a phone with her private address."""
    laptop, phone = world.browser(1), world.browser(2)
    await laptop.read("/pricing")
    await laptop.submit("demo", email=ANN, name="Ann Lee", title="VP of Sales")
    world.now += 3 * DAY
    await phone.view("/pricing")
    await phone.submit("newsletter", "/", email="annlee@gmail.com", name="Ann")
    world.now += 10 * MIN
    await world.project()
    ids = await persons(world)
    return ids[ANN], ids["annlee@gmail.com"]
