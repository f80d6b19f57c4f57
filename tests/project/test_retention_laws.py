"""Random lives, thinned at random moments: readers see no difference, nor does a rebuild.

Visitors browse, consent and take it back, submit, come late; owners classify, refuse and erase;
the job takes turns of every size.
"""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import msgspec
import pytest
from msgspec import structs

from server.model import Door, Event, Kind
from server.project.projector import Projector
from server.storage import entries
from server.storage.database import Database
from server.storage.names import Names
from tests.project.thinned import erased, figures, rebuilt, thin, verified
from tests.tracking import DAY, MIN, SETTINGS, Browser, World, tracking

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SEEDS = range(8)
PATHS = ("/", "/pricing", "/demo", "/careers", "/blog")
REFERRERS = ("", "https://www.google.com/", "https://acme.example/")


class Life:
    """What may happen to one site, by chance."""

    def __init__(self, world: World, projector: Projector, random: Random) -> None:
        self.world, self.projector, self.random = world, projector, random
        self.browsers = [world.browser(number) for number in range(1, 6)]

    @property
    def browser(self) -> Browser:
        return self.random.choice(self.browsers[: self.random.choice([2, 5])])

    def envelope(self) -> dict[str, Any]:
        """Some consent, some are robots."""
        granted = {"c": "granted"} if self.random.random() < 0.3 else {}
        return granted | ({"f": 2} if self.random.random() < 0.08 else {})

    async def view(self) -> None:
        random, world, browser = self.random, self.world, self.browser
        path, envelope = random.choice(PATHS), self.envelope()
        event = browser.event("page_view", path, r=random.choice(REFERRERS))
        if random.random() < 0.3:
            event["u"] += f"?utm_source={random.choice('ab')}&utm_medium=cpc&utm_campaign=c"
        if random.random() < 0.1:
            event["t"] -= random.randint(0, 9 * DAY)
        await browser.send(event, **envelope)
        if random.random() < 0.4:
            world.now += random.randint(0, 5 * MIN)
            data = {"ms": 70_000, "scroll": 90}
            await browser.send(browser.event("engagement", path, p=event["i"], d=data), **envelope)

    async def act(self) -> None:
        browser = self.browser
        kind, data = self.random.choice(
            [
                ("form_start", {"form": "demo", "fields": []}),
                ("click", {"href": "https://brew.example/", "text": "Brew"}),
                ("consent", {"state": self.random.choice(["granted", "denied"])}),
            ]
        )
        await browser.send(browser.event(kind, "/demo", d=data), **self.envelope())

    async def submit(self) -> None:
        random, browser = self.random, self.browser
        email = f"{random.choice(['ann', 'bob', 'cat'])}@brew.example"
        fields = {"email": email} if random.random() < 0.4 else {"message": "hi"}
        data = {"form": random.choice(["demo", "newsletter"]), "fields": fields}
        event = browser.event("form_submit", "/demo", d=data)
        event["t"] -= random.choice([0, 0, 0, random.randint(0, 5 * DAY)])
        await browser.send(event, c="granted")

    async def call(self) -> None:
        """From the owner's server: of nobody's browser, or of a visitor long ago."""
        browser = self.browser
        event = browser.event("track", "/", d={"name": "paid"})
        visitor = self.random.choice([{}, {"v": browser.visitor}])
        if visitor:
            event["t"] -= self.random.randint(0, self.world.settings.retention_days - 1) * DAY
        await self.world.send({"e": [event]} | visitor, secret=True)

    async def decide(self) -> None:
        random, world = self.random, self.world
        visitors = await world.rows("visitors", "visitor_id")
        claims = await world.rows("claims", "seq")
        if claims and random.random() < 0.5:
            kind, said = random.choice([Kind.RELEASE, Kind.REFUSE]), {"claim": claims[-1][0]}
        elif visitors:
            word = random.choice(["bot", "human", ""])
            kind, said = Kind.CLASSIFY, {"visitor": random.choice(visitors)[0], "class": word}
        else:
            return
        event = Event(
            event_id=random.randbytes(16),
            kind=kind,
            at=world.now,
            received=world.now,
            door=Door.OPERATOR,
            data=msgspec.json.encode(said).decode(),
        )
        await world.writer.run(lambda: entries.append(1, [event], Names()))

    async def erase(self) -> None:
        """A visitor of whom no person is known."""
        await self.world.project(self.projector)
        known = {row[0] for row in await self.world.rows("claims", "visitor_id")}
        found = [row[0] for row in await self.world.rows("visitors", "visitor_id")]
        left = [visitor_id for visitor_id in found if visitor_id not in known]
        if left and self.random.random() < 0.3:
            await erased(self.world, self.random.choice(left), self.world.next_number())

    async def wait(self) -> None:
        times = [MIN, 20 * MIN, 40 * MIN, DAY, 3 * DAY, 12 * DAY, 25 * DAY]
        self.world.now += self.random.choice(times)

    async def project(self) -> None:
        fresh = self.random.random() < 0.3
        self.projector = await self.world.project(None if fresh else self.projector)

    async def thin(self) -> None:
        """The law: nobody sees a difference, and the log read again gives the same."""
        await self.settle()
        before = await figures(self.world)
        await thin(self.world, self.projector)
        assert await figures(self.world) == before
        await self.settle()
        assert await verified(self.world) == {}

    async def rebuild(self) -> None:
        await self.settle()
        await rebuilt(self.world)
        self.projector = await self.world.project()

    async def settle(self) -> None:
        for _ in range(3):  # also what midnight brought
            await self.world.project(self.projector)

    async def step(self) -> None:
        chances: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (30, self.view),
            (18, self.act),
            (10, self.submit),
            (8, self.call),
            (6, self.decide),
            (2, self.erase),
            (17, self.wait),
            (12, self.project),
            (6, self.thin),
            (1, self.rebuild),
        ]
        weights = [weight for weight, _ in chances]
        (work,) = self.random.choices([work for _, work in chances], weights)
        await work()


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_happens_thinning_changes_nothing(
    database: Database, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(seed)
    monkeypatch.setattr("server.project.thinning.ENTRIES", random.choice([1, 2, 5, 500]))
    monkeypatch.setattr("server.project.thinning.VISITS", random.choice([1, 2, 100]))
    monkeypatch.setattr("server.project.copying.PAGE", random.choice([1, 3, 100]))
    settings = structs.replace(
        SETTINGS,
        retention_days=random.choice([10, 20]),
        lookback_days=random.choice([3, 10]),
        bot_retention_days=5,
        consent=random.choice(["on", "ask"]),
        zone=random.choice(["UTC", "Pacific/Auckland", "America/Los_Angeles"]),
    )
    async with tracking(database, settings) as world:
        life = Life(world, await world.project(), random)
        for _ in range(random.randint(60, 120)):
            await life.step()
        await life.thin()
        await world.verify()
        assert await world.rows("cursors", "seq") == await world.rows("heads", "seq")
