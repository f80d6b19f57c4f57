"""How a command reaches the program: over the running server's socket, or by starting it here.

The socket in the data folder has mode 0600: whoever can open it is an operator. Where no server
runs, the same app is started in this process without listening, so commands are written once.
"""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
import httpx2
from starlette.types import ASGIApp, Receive, Scope, Send

from server.app import Folder, create_app, running
from server.settings import Settings

TIMEOUT_S = 60


class Operator:
    """Marks every request of this transport as an operator's."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["handraise.operator"] = True
        await self.app(scope, receive, send)


def answers(path: Path) -> bool:
    """Whether a server listens on the socket; one left behind by kill -9 does not."""
    if not path.exists():
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that speaks to the program as an operator."""
    path = Folder(settings.data).socket
    if answers(path):
        transport: httpx2.AsyncBaseTransport = httpx2.AsyncHTTPTransport(uds=str(path))
        async with httpx2.AsyncClient(
            transport=transport,
            base_url="http://handraise",
            timeout=TIMEOUT_S,
            follow_redirects=True,
        ) as client:
            yield client
        return
    async with running(create_app(settings, tells=False)) as app:
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104
        app.state.base_url = app.state.base_url or f"http://{host}:{settings.port}"
        transport = httpx2.ASGITransport(app=Operator(app.asgi))
        async with httpx2.AsyncClient(
            transport=transport,
            base_url="http://handraise",
            timeout=TIMEOUT_S,
            follow_redirects=True,
        ) as client:
            yield client


async def call(client: httpx2.AsyncClient, method: str, path: str, **options: Any) -> Any:
    """The JSON answer of a request. Raises `ClickException` with the problem's sentence."""
    answer = await client.request(method, path, **options)
    if answer.status_code >= 400:
        raise click.ClickException(sentence(answer))
    return answer.json() if answer.content else None


def sentence(answer: httpx2.Response) -> str:
    try:
        problem = answer.json()
    except ValueError:
        return f"the server answered {answer.status_code}"
    return str(problem.get("detail") or problem.get("title") or answer.status_code)


async def the_site(client: httpx2.AsyncClient, wanted: str | None) -> dict[str, Any]:
    """The site a command is about: the only one, or the one named. Exits 2 where it is unclear."""
    sites: list[dict[str, Any]] = (await call(client, "GET", "/api/v1/sites"))["items"]
    found = [s for s in sites if wanted is None or wanted in {s["id"], s["name"]}]
    if len(found) == 1:
        return found[0]
    names = "\n".join(f"  {site['id']}  {site['name']}" for site in sites) or "  (none yet)"
    reason = "no such site" if wanted is not None else "name one with --site"
    click.echo(f"{reason}; there are:\n{names}", err=True)
    raise click.exceptions.Exit(2)
