"""Zelda, known by every route there is, among people who stay; and a search in raw files."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from itsdangerous import URLSafeTimedSerializer

from server.ingest.payload import read_id
from tests.office import Office
from tests.tracking import CHROME, DAY, MIN, Browser

EMAIL = "zelda@quixotic.example"
#: Every personal word of hers holds one of these, in whatever case.
WORDS = ("zelda", "quixot", "windmill", "zq4711", "15112345")
#: Browsers, by 16 bytes that are found in a file only where they were written.
LAPTOP, ROBOT, PHONE, SHARED, CARL = (
    int.from_bytes(name.ljust(16, b"~"), "big")
    for name in (b"laptop", b"robot", b"phone", b"shared", b"carl")
)


class Zelda:
    """Her history in an office; afterwards `ids` has the persons of it by e-mail."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.world = office.world
        self.ids: dict[str, str] = {}

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        async with self.office.client(self.office.token) as client:
            answer = await client.post(f"/api/v1/sites/1{path}", json=body)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    async def collect(self, browser: Browser, *events: dict[str, Any], **more: Any) -> None:
        """Through the door itself, which also keeps samples of what is set aside."""
        body = {"k": "k1", "v": browser.visitor, "t": self.world.now, "e": events} | more
        async with self.office.client() as client:
            answer = await client.post(
                "/e", content=json.dumps(body).encode(), headers={"User-Agent": CHROME}
            )
        assert answer.status_code == 202, answer.text

    async def lives(self) -> None:
        """All of it; then everything is projected."""
        await self._browses()
        await self._is_told_of()
        await self._shares()
        await self.world.project()
        rows = await self.world.rows("persons", "email, person_id")
        self.ids = {email: f"p{person_id}" for email, person_id in rows}
        await self._is_written_about()
        await self.world.project()

    async def _browses(self) -> None:
        world = self.world
        laptop = world.browser(LAPTOP)
        for path in ("/welcome/zelda-q", "/pricing"):
            title = f"Basket of Zelda {path}"
            await laptop.send(
                laptop.event("page_view", path, n=title, r="https://quixotic.example/")
            )
            world.now += MIN
        fields = {"email": "Zelda@Quixotic.example", "name": "Zelda Quixotic"}
        more = {"company": "Windmill Works", "message": "Call me, Zelda", "phone": "0151 12345678"}
        await laptop.submit("demo", "/demo", **fields, **more)
        said = {"site": "1", "user_id": "zq4711", "email": EMAIL, "exp": world.now // 1000 + 900}
        token = URLSafeTimedSerializer("s", salt="identify").dumps(said)
        await laptop.send(laptop.event("identify", "/app", d={"token": token}))
        late = laptop.event("page_view", "/old", n="Late Zelda") | {"t": world.now - 8 * DAY}
        await laptop.send(late)
        late = laptop.event("identify", "/old", d={"email": "late@quixotic.example"})
        await laptop.send(late | {"t": world.now - 8 * DAY})
        world.now += DAY
        phone = world.browser(PHONE)  # of nobody knows whom: the address is proven on the laptop
        await phone.send(phone.event("page_view", "/pricing", n="Zelda's phone"))
        await phone.submit("demo", "/demo", email=EMAIL, name="Zelda Q")
        robot = world.browser(ROBOT)
        form = {"form": "demo", "fields": {"email": EMAIL, "name": "Zelda Robot"}}
        await self.collect(robot, robot.event("form_submit", "/zelda-bot", d=form), f=2)

    async def _is_told_of(self) -> None:
        world = self.world
        known = {"email": EMAIL, "traits": {"plan": "quixotic", "phone": "+4915112345678"}}
        event = world.browser(0).event("identify", "", d=known)
        await world.send({"e": [event]}, secret=True)
        hugo = {"user_id": "hugo77", "email": "hugo@stays.example"}
        for said in (
            hugo,
            {"user_id": "hugo77", "email": EMAIL, "traits": {"boss": "Zelda@Quixotic.example"}},
        ):
            world.now += MIN
            await world.send({"e": [world.browser(0).event("identify", "", d=said)]}, secret=True)

    async def _shares(self) -> None:
        """Carl and Zelda on one browser; Carl also on his own."""
        world = self.world
        shared = world.browser(SHARED)
        await shared.view("/docs")
        await shared.submit("demo", "/docs", email="carl@stays.example", name="Carl Stays")
        world.now += MIN
        await shared.submit("demo", "/zelda-there", email=EMAIL, name="Zelda Quixotic")
        await shared.send(shared.event("page_view", "/welcome/zelda-q", n="Zelda reads on"))
        world.now += DAY
        await shared.view("/nobodys")
        carl = world.browser(CARL)
        await carl.view("/pricing")
        await carl.submit("demo", "/demo", email="carl@stays.example", name="Carl Stays")

    async def _is_written_about(self) -> None:
        path = f"/people/{self.ids[EMAIL]}"
        await self.post(f"{path}/notes", {"text": "Zelda likes windmills"})
        await self.post(f"{path}/tags", {"add": ["vip-zelda"]})
        await self.post(f"{path}/stage", {"stage": "customer"})
        rows = await self.world.rows(
            "sessions", "visitor_id", f"person_id = {self.ids[EMAIL][1:]} AND visitor_id > 0"
        )
        for word in ("internal", "human"):  # the first one is not in force any more
            said = {"class": word, "reason": f"Zelda is {word}"}
            await self.post(f"/visitors/v{min(rows)[0]}/classify", said)
        await self.post(f"/people/{self.ids['carl@stays.example']}/notes", {"text": "Carl is kind"})

    @property
    def keys(self) -> list[bytes]:
        """The ids of the browsers that nobody else used."""
        found = [read_id(self.world.browser(n).visitor) for n in (LAPTOP, ROBOT, PHONE)]
        return [key for key in found if key]


def traces(folder: Path, log: str = "") -> Iterator[str]:
    """Every personal word in any file of a data folder, and in what was logged."""
    pattern = re.compile("|".join(WORDS).encode(), re.I)
    texts = {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    for name, text in (texts | {"log": log.encode()}).items():
        for found in pattern.finditer(text):
            around = text[max(0, found.start() - 30) : found.end() + 30]
            yield f"{name}: {around!r}"


async def table_traces(office: Office, keys: list[bytes]) -> list[str]:
    """The same in every row of every table, for a database whose files are its server's."""
    found = []
    for table in await tables(office):
        for row in await office.app.database.fetch(f"SELECT * FROM {table}"):
            text = repr(row).lower()
            if any(word in text for word in WORDS) or any(key in row for key in keys):
                found.append(f"{table}: {text}")
    return found


async def tables(office: Office) -> list[str]:
    postgres = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'"
    sqlite = "SELECT name FROM sqlite_master WHERE type = 'table'"
    sql = sqlite if office.app.database.engine == "sqlite" else postgres
    return [row[0] for row in await office.app.database.fetch(sql)]
