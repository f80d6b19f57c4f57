"""The whole program with destinations, beside receivers that listen; time is what the test says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
from msgspec.structs import replace

from server.app import Handraise, running
from server.cli.client import Operator
from server.settings import Settings
from server.storage import sites, tokens
from server.storage.database import Row
from tests.engines import Place
from tests.office import RunningWorld
from tests.tell.receivers import PostOffice, Receiver, post_office, receiving, until
from tests.tracking import NOON, SETTINGS

BASE = "https://t.acme.example"
#: Of a webhook that wants to know who has crossed a threshold, and no more.
CROSSED: dict[str, Any] = {"wants": {"kinds": ["crossed", "retracted"]}}


@dataclass
class Desk:
    """Acme's site 1, an admin's token of it, a web receiver and a mail receiver."""

    app: Handraise
    world: RunningWorld
    token: str
    receiver: Receiver
    post: PostOffice

    async def ask(
        self, method: str, path: str, body: Any = None, status: int = 200, token: str = ""
    ) -> Any:
        """What a route of site 1 answers."""
        transport = httpx2.ASGITransport(app=self.app.asgi)
        headers = {"Authorization": f"Bearer {token or self.token}"}
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://desk", headers=headers
        ) as client:
            answer = await client.request(method, f"/api/v1/sites/1{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def webhook(self, url: str = "", **more: Any) -> Any:
        """A new webhook; without a URL it goes to the receiver."""
        body = {"kind": "webhook", "url": url or self.receiver.url} | more
        return await self.ask("POST", "/destinations", body, 201)

    async def mail(self, *to: str, **more: Any) -> Any:
        body = {"kind": "mail", "to": to or ["olga@acme.example"], "name": "Sales"} | more
        return await self.ask("POST", "/destinations", body, 201)

    async def rows(self, number: int = 1) -> list[Row]:
        """(seq, state, attempts, next_at) of what was told to a destination."""
        return await self.app.database.fetch(
            "SELECT seq, state, attempts, next_at FROM deliveries WHERE site_id = 1"
            " AND destination_id = $1 ORDER BY seq",
            number,
        )

    async def settled(self, count: int, state: str = "", number: int = 1) -> list[Row]:
        """The rows, once there are so many, all in a state if one is named."""
        found: list[Row] = []

        async def met() -> bool:
            nonlocal found
            found = await self.rows(number)
            return len([row for row in found if not state or row[1] == state]) >= count

        async with asyncio.timeout(15):
            while not await met():  # noqa: ASYNC110 - the rows are what counts
                await asyncio.sleep(0.01)
        return found

    async def later(self, ms: int) -> None:
        """Time passes, and whoever waits for it looks at the clock."""
        self.world.now += ms
        self.app.state.teller.look()

    async def becomes_mql(
        self, name: str = "ann", number: int = 1, full_name: str = "", **fields: str
    ) -> None:
        """Somebody reads the prices and asks for a demo: first a lead, then an MQL."""
        browser = self.world.browser(number)
        await browser.view("/pricing")
        email = f"{name}@brew.example"
        given = {"name": full_name or f"{name.title()} Example", "company": "Brew"} | fields
        await browser.submit("demo", email=email, **given)
        await self.world.project()

    async def quiet(self) -> None:
        """Nothing is left to tell."""
        head = await self.app.database.fetch("SELECT seq FROM heads WHERE site_id = 1")
        couriers = [one.courier for one in self.app.state.teller._running.values()]
        await until(lambda: all(one._looked >= head[0][0] for one in couriers))


@asynccontextmanager
async def opened_desk(place: Place, folder: Path, **more: Any) -> AsyncIterator[Desk]:
    """The program started on an empty database, with both receivers."""
    if place.cluster:
        await place.cluster.empty()
    async with receiving() as receiver, post_office() as post:
        settings = Settings(
            data=str(folder / "data"),
            disk_floor_mb=1,
            tell_exempt=(receiver.host,),
            smtp_host="127.0.0.1",
            smtp_port=post.port,
            smtp_security="none",
            smtp_from="Handraise <handraise@acme.example>",
        )
        settings = replace(settings, **more)
        worlds: list[RunningWorld] = []
        app = Handraise(
            settings,
            database=place.make(),
            clock=lambda: worlds[0].now if worlds else NOON,
        )
        app.state.teller.chance = lambda: 0.0
        app.state.base_url = BASE
        async with running(app):
            state = app.state
            world = RunningWorld(app.database, SETTINGS)
            world.app, world.writer = app, state.writer
            worlds.append(world)
            await state.writer.run(lambda: sites.add("Acme", "k1", "s", SETTINGS, NOON))
            token = tokens.new_token()
            await state.writer.run(partial(tokens.add, 1, token, "admin", "", "t", NOON))
            await state.reload()
            world.site = state.sites.by_id[1]
            yield Desk(app, world, token, receiver, post)


def operator(app: Handraise) -> httpx2.AsyncClient:
    """A client as the operator."""
    transport = httpx2.ASGITransport(app=Operator(app.asgi))
    return httpx2.AsyncClient(transport=transport, base_url="http://desk")
