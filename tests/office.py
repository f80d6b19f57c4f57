"""The whole program on a site with a history, asked as an operator, by token, or by cookie."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx2

from server.app import Handraise, running
from server.cli.client import Operator
from server.settings import Settings
from server.storage import sign_ins, sites, tokens, users
from server.storage.database import Script
from server.web.access import COOKIE
from tests.acme import Known, history
from tests.engines import Place
from tests.tracking import NOON, SETTINGS, World

BASE = "http://localhost"


class RunningWorld(World):
    """A world whose writer and projector are those of the running program."""

    app: Handraise

    async def project(self, projector: Any = None) -> Any:
        """Wait until the program's own projector has nothing left to do."""
        async with asyncio.timeout(10):
            while await self._behind():  # noqa: ASYNC110 - the rows are what counts
                await asyncio.sleep(0.005)
        return projector

    async def _behind(self) -> bool:
        rows = await self.database.fetch(
            "SELECT h.seq - c.seq FROM heads h CROSS JOIN cursors c"
            " WHERE h.site_id = 1 AND c.site_id = 1 AND c.gen = 1"
        )
        return bool(rows[0][0])


@dataclass
class Office:
    """Acme's site 1 with people, a second site of somebody else, and a token of each."""

    app: Handraise
    world: RunningWorld
    known: Known
    token: str
    reader: str
    foreign: str

    def client(self, token: str = "", *, operator: bool = False) -> httpx2.AsyncClient:
        """A client as somebody; without a token and not an operator it is nobody."""
        asgi = Operator(self.app.asgi) if operator else self.app.asgi
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx2.ASGITransport(app=asgi)
        return httpx2.AsyncClient(transport=transport, base_url=BASE, headers=headers)

    async def browser(self, role: str = "server owner", site_id: int = 1) -> httpx2.AsyncClient:
        """A signed-in browser: the owner of the server, or somebody with one role on one site.

        Its requests come as those of our own pages do.
        """
        cookie, now = sign_ins.new_secret(), self.world.now
        user_id = await self.app.state.writer.run(lambda: _somebody(role, site_id, cookie, now))
        client = self.client()
        client.cookies.set(COOKIE, cookie)
        client.headers.update({"Sec-Fetch-Site": "same-origin", "X-User": str(user_id)})
        return client

    async def get(self, path: str, token: str | None = None, **params: Any) -> httpx2.Response:
        async with self.client(self.token if token is None else token) as client:
            return await client.get(path, params=params or None)

    async def json(self, path: str, **params: Any) -> Any:
        """The answer of a reading route of site 1, which must be fine."""
        answer = await self.get(f"/api/v1/sites/1{path}", **params)
        assert answer.status_code == 200, answer.text
        return answer.json()


def _somebody(role: str, site_id: int, cookie: str, now: int) -> Script[int]:
    if role == "server owner":
        user_id = yield from users.first_owner(now)
    else:
        email = f"{role}-{site_id}-{cookie[:8]}@office.example".lower()
        user_id = yield from users.add(email, "", users.MEMBER, now)
        yield from users.give(user_id, site_id, role)
    yield from sign_ins.sign_in(user_id, cookie, "a test", now)
    return user_id


@asynccontextmanager
async def opened_office(place: Place, folder: Path) -> AsyncIterator[Office]:
    """The program started on an empty database, with Acme's history projected."""
    if place.cluster:
        await place.cluster.empty()
    settings = Settings(data=str(folder / "data"), disk_floor_mb=1)
    worlds: list[RunningWorld] = []
    app = Handraise(
        settings,
        database=place.make(),
        clock=lambda: worlds[0].now if worlds else NOON,
    )
    async with running(app):
        state = app.state
        state.base_url = BASE
        world = RunningWorld(app.database, SETTINGS)
        world.app, world.writer = app, state.writer
        worlds.append(world)
        world.site = await state.writer.run(lambda: sites.add("Acme", "k1", "s", SETTINGS, NOON))
        await state.writer.run(lambda: sites.add("Other", "k2", "s", SETTINGS, NOON))
        secrets = [tokens.new_token() for _ in range(3)]
        for site_id, scope, secret in zip(
            (1, 1, 2), ("admin", "read", "admin"), secrets, strict=True
        ):
            await state.writer.run(partial(tokens.add, site_id, secret, scope, "", "t", NOON))
        await state.reload()
        world.site = state.sites.by_id[1]
        yield Office(app, world, await history(world), *secrets)
