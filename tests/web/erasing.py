"""Erasing by the API, and whether the tables are what the log says then."""

import asyncio
from typing import Any

import httpx2

from tests.office import Office

SITE = "/api/v1/sites/1"
CARLS = "carl@stays.example"


async def ask(office: Office, method: str, path: str, token: str | None = None) -> httpx2.Response:
    async with office.client(office.token if token is None else token) as client:
        return await client.request(method, SITE + path)


async def erase(office: Office, subject: str) -> Any:
    part = "people" if subject.startswith("p") else "visitors"
    answer = await ask(office, "DELETE", f"/{part}/{subject}")
    assert answer.status_code == 200, answer.text
    await office.world.project()
    return answer.json()


async def unlike(office: Office) -> dict[str, int]:
    """Rows that reading the log again would make otherwise."""
    replay = office.app.state.replays.ask(1, swaps=False)
    async with asyncio.timeout(20):
        await replay.ended.wait()
    assert replay.state == "done", replay.detail
    return replay.unlike
