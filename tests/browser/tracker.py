"""The real server in a thread, behind a gate at which a test can make `/e` fail, wait or refuse."""

import asyncio
import json
import socket
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.app import Handraise, create_app, running
from server.ingest.payload import write_id
from server.model import EVENT_KINDS, Kind, Site, SiteSettings
from server.settings import Settings
from server.storage import sites

PATIENCE_S = 6.0
ROWS = """SELECT e.seq, e.kind, e.at, e.lag, e.q, e.tab, e.flags, e.class, e.consent, e.event_id,
 e.page_view, e.data, v.key AS visitor, u.text AS url, t.text AS title, r.text AS referrer,
 c.text AS campaign, s.text AS screen
 FROM entries e
 LEFT JOIN visitors v ON v.site_id = e.site_id AND v.visitor_id = e.visitor_id
 LEFT JOIN strings u ON u.site_id = e.site_id AND u.string_id = e.url_id
 LEFT JOIN strings t ON t.site_id = e.site_id AND t.string_id = e.title_id
 LEFT JOIN strings r ON r.site_id = e.site_id AND r.string_id = e.referrer_id
 LEFT JOIN strings c ON c.site_id = e.site_id AND c.string_id = e.campaign_id
 LEFT JOIN strings s ON s.site_id = e.site_id AND s.string_id = e.screen_id
 WHERE e.site_id = ? AND e.kind BETWEEN 1 AND 63 ORDER BY e.seq"""


@dataclass
class Request:
    """One POST to `/e` as it arrived at the gate."""

    at: float
    method: str
    size: int
    batch: dict[str, Any]


@dataclass
class Gate:
    """Answers given in place of the server's, one a request: a status, or a status with headers."""

    requests: list[Request] = field(default_factory=list)
    answers: deque[int | tuple[int, dict[str, str]]] = field(default_factory=deque)
    hold: threading.Event | None = None

    def clear(self) -> None:
        self.requests = []
        self.answers.clear()
        if self.hold:
            self.hold.set()
        self.hold = None

    def wrap(self, app: ASGIApp) -> ASGIApp:
        async def gate(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"] != "/e":
                await app(scope, receive, send)
                return
            body = await _body(receive)
            batch = json.loads(body) if body else {}
            self.requests.append(Request(time.monotonic(), scope["method"], len(body), batch))
            answer = self.answers.popleft() if self.answers else None
            if answer is not None:
                await _refuse(send, answer)
                return
            if self.hold is not None:
                await asyncio.to_thread(self.hold.wait, 20)
            await app(scope, _replay(body), send)

        return gate


async def _body(receive: Receive) -> bytes:
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def _replay(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _refuse(send: Send, answer: int | tuple[int, dict[str, str]]) -> None:
    status, headers = answer if isinstance(answer, tuple) else (answer, {})
    cors = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After"}
    raw = [(name.lower().encode(), value.encode()) for name, value in (cors | headers).items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": b"{}"})


class Row(dict[str, Any]):
    """A stored event: its columns with interned text and ids written out, data and screen read."""

    @property
    def form(self) -> dict[str, Any]:
        fields: dict[str, Any] = self["data"]["fields"]
        return fields


class Tracker:
    """The running server as a test sees it: add a site, read rows, meddle at the gate."""

    def __init__(self, app: Handraise, loop: asyncio.AbstractEventLoop, port: int) -> None:
        self.app = app
        self.loop = loop
        self.base = f"http://127.0.0.1:{port}"
        self.gate: Gate

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def add_site(self, settings: SiteSettings) -> Site:
        async def add() -> Site:
            state = self.app.state
            key = sites.new_key()
            make = lambda: sites.add(key, key, "secret", settings, state.clock())  # noqa: E731
            site: Site = await state.writer.run(make)
            await state.reload()
            return site

        site: Site = self.do(add())
        return site

    def rotate_key(self, site: Site) -> Site:
        async def rotate() -> Site:
            state = self.app.state
            key = sites.new_key()
            await state.writer.run(lambda: sites.rotate_key(site.site_id, key))
            await state.reload()
            renewed: Site = state.sites.by_key[key]
            return renewed

        renewed: Site = self.do(rotate())
        return renewed

    def read(self, site: Site, kind: str = "") -> list[Row]:
        """The site's events now, in the order they were stored."""
        path = f"file:{self.app.folder.database}?mode=ro"
        database = sqlite3.connect(path, uri=True)
        try:
            database.row_factory = sqlite3.Row
            found = [_row(row) for row in database.execute(ROWS, (site.site_id,))]
        finally:
            database.close()
        return [row for row in found if not kind or row["kind"] == EVENT_KINDS[kind].word]

    def rows(
        self,
        site: Site,
        kind: str,
        count: int = 1,
        where: Callable[[Row], object] = bool,
        wait: Callable[[float], None] = time.sleep,
    ) -> list[Row]:
        """The one helper that waits: until `count` rows of a kind are stored; it returns them all.

        `wait` gives the time to the browser, whose events arrive while the test waits for it.
        """
        late = time.monotonic() + PATIENCE_S
        while True:
            found = [row for row in self.read(site, kind) if where(row)]
            if len(found) >= count or time.monotonic() > late:
                return found
            wait(0.03)


def _row(stored: sqlite3.Row) -> Row:
    row = Row(dict(stored))
    row["kind"] = Kind(row["kind"]).word
    row["data"] = json.loads(row["data"]) if row["data"] else {}
    row["screen"] = json.loads(row["screen"]) if row["screen"] else {}
    row["campaign"] = json.loads(row["campaign"]) if row["campaign"] else {}
    for name in ("visitor", "event_id", "page_view"):
        row[name] = write_id(row[name]) if row[name] else ""
    return row


@contextmanager
def serve_tracker(folder: Path) -> Iterator[Tracker]:
    """The server on a free port, with its data in the folder."""
    ready: list[Tracker] = []
    up = threading.Event()
    over = threading.Event()
    gate = Gate()
    place = socket.create_server(("127.0.0.1", 0))

    async def serve() -> None:
        app = create_app(Settings(data=str(folder)))
        async with running(app):
            config = uvicorn.Config(gate.wrap(app.asgi), lifespan="off", log_level="error")
            server = uvicorn.Server(config)
            server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
            task = asyncio.create_task(server.serve(sockets=[place]))
            tracker = Tracker(app, asyncio.get_running_loop(), place.getsockname()[1])
            tracker.gate = gate
            ready.append(tracker)
            up.set()
            await asyncio.to_thread(over.wait)
            server.should_exit = server.force_exit = True
            await task

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        if not up.wait(15):
            raise RuntimeError("the server did not start")
        yield ready[0]
    finally:
        over.set()
        thread.join(15)
        place.close()
