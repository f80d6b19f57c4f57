"""Two nodes on one PostgreSQL: what one decides holds on the other too, within seconds at most."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from server.app import Handraise, running
from server.cli.client import Operator
from server.ingest.payload import write_id
from server.settings import Settings
from server.web import noticing
from tests.engines import Place

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.parametrize("place", ["postgres"], indirect=True),
]
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/142.0.0.0 Safari/537.36"
)
SITES = "/api/v1/sites"


class Node:
    """One of them, asked by its operator or with a token."""

    def __init__(self, app: Handraise) -> None:
        self.app = app
        self.web = self._client(Operator(app.asgi))

    def _client(self, asgi: Any, token: str = "") -> httpx2.AsyncClient:
        headers = {"User-Agent": CHROME} | ({"Authorization": f"Bearer {token}"} if token else {})
        transport = httpx2.ASGITransport(app=asgi)
        return httpx2.AsyncClient(transport=transport, base_url="http://localhost", headers=headers)

    async def ask(self, method: str, path: str, **body: Any) -> Any:
        answer = await self.web.request(method, SITES + path, json=body or None)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def status(self, path: str, token: str) -> int:
        async with self._client(self.app.asgi, token) as client:
            return (await client.get(SITES + path)).status_code

    async def view(self, key: str, who: bytes, path: str, at: int = 0, **headers: str) -> Any:
        """A page view through the door; the answer."""
        now = int(time.time() * 1000)
        url = f"https://acme.example{path}"
        event = {"i": write_id(os.urandom(16)), "y": "page_view", "t": at or now, "u": url}
        batch = {"k": key, "t": now, "v": write_id(who), "e": [event]}
        return await self.web.post("/e", content=json.dumps(batch), headers=headers)


class Pair:
    """Two nodes and a site; each has read it at its start."""

    def __init__(self, one: Node, other: Node, site: dict[str, Any]) -> None:
        self.one, self.other = one, other
        self.id, self.key = str(site["id"]), str(site["key"])

    async def paths(self) -> set[str]:
        """The pages of which anything is left in the log."""
        rows = await self.one.app.database.fetch(
            "SELECT s.text FROM entries e JOIN strings s ON s.site_id = e.site_id"
            " AND s.string_id = e.url_id WHERE e.site_id = $1",
            int(self.id),
        )
        return {text.removeprefix("https://acme.example") for (text,) in rows}

    async def standing(self) -> tuple[int, ...]:
        """Generation, how many there are, the log's head and the cursor of the live one."""
        rows = await self.other.app.database.fetch(
            "SELECT s.generation, (SELECT count(*) FROM cursors c WHERE c.site_id = s.site_id),"
            " h.seq, c.seq FROM sites s JOIN heads h ON h.site_id = s.site_id JOIN cursors c"
            " ON c.site_id = s.site_id AND c.gen = s.generation WHERE s.site_id = $1",
            int(self.id),
        )
        return tuple(rows[0])


def node(place: Place, folder: Path) -> Handraise:
    settings = Settings(data=str(folder), disk_floor_mb=1, erasure_key="ab" * 32)
    return Handraise(settings, database=place.make(), tells=False)


@pytest.fixture
async def pair(place: Place, tmp_path: Path) -> AsyncIterator[Pair]:
    assert place.cluster is not None
    await place.cluster.empty()
    async with running(node(place, tmp_path / "one")) as first:
        one = Node(first)
        site = await one.ask("POST", "", name="Acme")
        async with running(node(place, tmp_path / "other")) as second:
            yield Pair(one, Node(second), site)


async def until(met: Callable[[], Awaitable[object]], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await met():  # noqa: ASYNC110 - what is looked at lies in a database
            await asyncio.sleep(0.02)


async def test_a_revoked_token_is_good_nowhere(pair: Pair) -> None:
    path = f"/{pair.id}/people"
    made = await pair.one.ask("POST", f"/{pair.id}/tokens", scope="read")

    async def answers(status: int) -> bool:
        return await pair.other.status(path, made["token"]) == status

    await until(lambda: answers(200))
    await pair.one.ask("DELETE", f"/{pair.id}/tokens/{made['id']}")
    await until(lambda: answers(401), noticing.KNOWN_S + 3)


async def test_sites_keys_and_settings_are_known_everywhere(pair: Pair) -> None:
    """A site that was added, a name, a key that was replaced twice, origins."""
    one, other = pair.one, pair.other
    added = await one.ask("POST", "", name="Brew")
    await one.ask("PATCH", f"/{added['id']}", name="Brewery")
    await one.ask("PATCH", f"/{pair.id}/settings", origins=["https://acme.example"])
    for _ in range(2):
        await one.ask("POST", f"/{pair.id}/key/rotate")
    ann = os.urandom(16)

    async def known() -> bool:
        named = {site["name"] for site in (await other.ask("GET", ""))["items"]}
        taken = (await other.view(added["key"], ann, "/")).status_code
        gone = (await other.view(pair.key, ann, "/")).status_code
        return (named, taken, gone) == ({"Acme", "Brewery"}, 202, 403)

    await until(known)
    key = (await other.ask("GET", f"/{pair.id}"))["key"]
    answer = await other.view(key, ann, "/", Origin="https://evil.example")
    assert answer.json()["dropped"][0]["reason"] == "origin"


async def test_two_nodes_change_settings_at_one_moment(pair: Pair) -> None:
    """Each has changed another setting: both count, as often as they meet."""
    path, decided = f"/{pair.id}/settings", []
    for number in range(1, 26):
        origins = [f"https://shop{number}.example"]
        await asyncio.gather(
            pair.one.ask("PATCH", path, bot_retention_days=number),
            pair.other.ask("PATCH", path, origins=origins),
        )
        rows = await pair.one.app.database.fetch(
            "SELECT settings FROM sites WHERE site_id = $1", int(pair.id)
        )
        found = json.loads(rows[0][0])
        decided.append((found["bot_retention_days"], found["origins"]) == (number, origins))
    assert all(decided), f"{decided.count(False)} of {len(decided)} lost one"


async def test_late_events_of_somebody_erased_vanish_on_every_node(pair: Pair) -> None:
    """At once: the other node learns of it in the very transaction that would store them."""
    one, other, ann = pair.one, pair.other, os.urandom(16)
    before = int(time.time() * 1000)
    for at, way in enumerate((one, other)):
        assert (await way.view(pair.key, ann, "/secret", before + at)).status_code == 202

    async def seen() -> list[Any]:
        return list((await one.ask("GET", f"/{pair.id}/visitors"))["items"])

    await until(seen)
    (visitor,) = await seen()
    await one.ask("DELETE", f"/{pair.id}/visitors/{visitor['id']}")
    for way in (other, one, other):
        taken = await way.view(pair.key, ann, "/late", before + 2)
        assert taken.status_code == 202
    assert (await other.view(pair.key, os.urandom(16), "/else")).json()["accepted"] == 1
    assert (await other.view(pair.key, ann, "/again")).json()["accepted"] == 1
    assert await pair.paths() == {"/else", "/again"}


async def test_a_node_goes_on_in_the_generation_of_another(pair: Pair) -> None:
    """Also once the one that has made it is gone."""
    one, other = pair.one, pair.other
    await other.view(pair.key, os.urandom(16), "/a")
    await one.ask("PATCH", f"/{pair.id}/settings", zone="Asia/Tokyo")

    async def exchanged() -> bool:
        return (await pair.standing())[:2] == (2, 1)

    await until(exchanged)
    await one.app.stop()
    await other.view(pair.key, os.urandom(16), "/b")

    async def projected() -> bool:
        generation, _, head, cursor = await pair.standing()
        return generation == 2 and head == cursor

    await until(projected)
    found = await other.ask("GET", f"/{pair.id}/overview?compare=none")
    assert (found["zone"], found["total"]["page_views"]) == ("Asia/Tokyo", 2)
