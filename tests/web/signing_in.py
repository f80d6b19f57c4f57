"""Ways into the pages: a fresh link, a password chosen, a password given."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from server.web.sign_in import new_link
from tests.office import Office

OURS = {"Sec-Fetch-Site": "same-origin"}
EMAIL, PASSWORD = "grace@office.example", "four unrelated words"


@asynccontextmanager
async def arrived(office: Office) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser that opened a fresh link."""
    async with office.client() as client:
        client.headers.update(OURS)
        answer = await client.get(await new_link(office.app.state))
        assert answer.status_code == 303
        yield client


async def choose(client: httpx2.AsyncClient, **fields: str) -> httpx2.Response:
    given = {"email": EMAIL, "password": PASSWORD, "name": "Grace"} | fields
    return await client.post("/welcome", data=given)


async def sign_in(
    client: httpx2.AsyncClient, password: str = PASSWORD, email: str = EMAIL, **more: str
) -> httpx2.Response:
    given = {"email": email, "password": password} | more
    return await client.post("/sign-in", data=given, headers=OURS)


async def inside(client: httpx2.AsyncClient) -> bool:
    return (await client.get("/")).status_code == 200
