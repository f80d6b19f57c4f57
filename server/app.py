"""`create_app(settings)`: the only file that knows everything. Nothing happens at import.

Collect (POST /e)  →  security headers  →  Starlette router: doors, widget, API, pages, health
writer task · projector task · refusals task · watch over the three
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import IO

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from server.errors import HandraiseError, Overloaded
from server.ingest.agents import Agents
from server.ingest.geo import Geo
from server.ingest.pipeline import Tools
from server.metrics import Metrics
from server.project.projector import Projector
from server.settings import Settings
from server.storage.database import Database
from server.storage.migrate import migrate
from server.storage.sqlite import SqliteDatabase
from server.storage.writer import Writer
from server.web.collect import Collect
from server.web.doors import Doors
from server.web.headers import SecurityHeaders
from server.web.health import health_routes
from server.web.mount import api_routes, page_routes
from server.web.problems import on_error, on_http_error
from server.web.server_events import post_events
from server.web.state import State, new_secret
from server.web.tag import tag_routes

log = logging.getLogger("handraise")
FLUSH_S = 1.0
ROOM_CHECK_S = 1.0


def now_ms() -> int:
    """UTC milliseconds: the clock of everything that is stored."""
    return time.time_ns() // 1_000_000


class FolderInUse(HandraiseError):
    """Another process holds the data folder."""


class Folder:
    """The data folder: made if missing, locked by one process, with the server's secret."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock: IO[str] | None = None

    @property
    def database(self) -> Path:
        return self.path / "handraise.db"

    @property
    def socket(self) -> Path:
        return self.path / "handraise.sock"

    def lock(self) -> None:
        """Raises `FolderInUse` if another process holds the folder."""
        handle = (self.path / "handraise.lock").open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            raise FolderInUse(
                f"another Handraise works in {self.path}: stop it, or give this one --data"
            ) from None
        self._lock = handle

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def secret(self) -> str:
        """The secret in the folder, made at first start with mode 0600."""
        path = self.path / "secret"
        with contextlib.suppress(FileExistsError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(new_secret() + "\n")
        return path.read_text("utf-8").strip()

    def room(self, floor_mb: int) -> Callable[[], bool]:
        """Whether the disk is above its floor, asked of the system once a second at most."""
        checked, enough = 0.0, True

        def has_room() -> bool:
            nonlocal checked, enough
            if time.monotonic() - checked > ROOM_CHECK_S:
                checked = time.monotonic()
                enough = shutil.disk_usage(self.path).free > floor_mb * 1_000_000
            return enough

        return has_room


def make_database(settings: Settings, folder: Folder) -> Database:
    """SQLite in the folder unless the settings name PostgreSQL."""
    if settings.database.startswith(("postgres://", "postgresql://")):
        from server.storage.postgres import PostgresDatabase

        return PostgresDatabase(
            settings.database,
            readers=settings.readers,
            read_limit_s=settings.read_limit_ms / 1000,
        )
    if settings.database:
        raise HandraiseError("HANDRAISE_DATABASE must be empty or start with postgresql://")
    return SqliteDatabase(
        folder.database, readers=settings.readers, read_limit_s=settings.read_limit_ms / 1000
    )


class Handraise:
    """The running program: state, background tasks, and the ASGI app over them."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], int] = now_ms,
        database: Database | None = None,
        on_death: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings
        self.folder = Folder(settings.data)
        self.database = database or make_database(settings, self.folder)
        self.on_death = on_death
        metrics = Metrics()
        agents = Agents()
        writer = Writer(
            self.database,
            metrics,
            has_room=self.folder.room(settings.disk_floor_mb),
            queue_events=settings.queue_events,
        )
        self.state = State(
            settings=settings,
            database=self.database,
            writer=writer,
            projector=Projector(
                self.database, writer, metrics, agents, clock, lambda: self.state.sites.all
            ),
            metrics=metrics,
            tools=Tools(agents, Geo.open(settings.geo_database or None)),
            clock=clock,
            secret=self.folder.secret(),
            base_url=settings.public_url.rstrip("/"),
        )
        self.asgi: ASGIApp = self._asgi()
        self._tasks: list[asyncio.Task[None]] = []

    def _asgi(self) -> ASGIApp:
        state = self.state
        static = Path(__file__).parent / "static"
        app = Starlette(
            routes=[
                *health_routes(state),
                *tag_routes(state),
                *Doors(state).routes(),
                *api_routes(state, post_events(state)),
                *page_routes(state),
                Mount("/static", StaticFiles(directory=static)),
            ],
            exception_handlers={HandraiseError: on_error, 404: on_http_error, 405: on_http_error},
        )
        app.state.handraise = state
        return Collect(SecurityHeaders(app), state)

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        """Open, migrate, and begin to serve. Raises `FolderInUse` and `SchemaError`."""
        self.folder.lock()
        await self.database.open()
        await migrate(self.database)
        await self.state.reload()
        state = self.state
        for name, work in (
            ("writer", state.writer.serve),
            ("projector", state.projector.serve),
            ("refusals", self._flush_refusals),
        ):
            task = asyncio.create_task(self._watched(name, work), name=f"handraise-{name}")
            self._tasks.append(task)
        state.ready = True

    async def stop(self) -> None:
        """Not ready → drain what waits → close."""
        state = self.state
        state.ready = False
        if self._tasks:
            writer, projector, flusher = self._tasks
            flusher.cancel()
            projector.cancel()
            await asyncio.gather(flusher, projector, return_exceptions=True)
            with contextlib.suppress(HandraiseError):
                await self._flush()
            state.writer.close()
            await asyncio.gather(writer, return_exceptions=True)
            self._tasks.clear()
        await self.database.close()
        state.tools.geo.close()
        self.folder.unlock()

    async def _watched(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """A background task that dies takes the process with it: no 2xx without a writer."""
        try:
            await work()
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("the %s task has died", name)
            self.state.ready = False
            self.on_death()
            raise

    async def _flush_refusals(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            with contextlib.suppress(Overloaded):
                await self._flush()

    async def _flush(self) -> None:
        refused = self.state.refused
        counts, script = refused.counts, refused.take()
        if script is None:
            return
        try:
            await self.state.writer.run(script, moves=False)
        except Overloaded:
            refused.give_back(counts)
            raise


def create_app(settings: Settings, *, clock: Callable[[], int] = now_ms) -> Handraise:
    """The program on these settings; nothing is opened before `start`."""
    return Handraise(settings, clock=clock)


@contextlib.asynccontextmanager
async def running(app: Handraise) -> AsyncIterator[Handraise]:
    """The program started, and stopped whatever happens."""
    try:
        await app.start()
        yield app
    finally:
        await app.stop()


def sqlite_warning() -> str:
    """A note on SQLite's WAL-reset defect where it applies; one writing connection avoids it."""
    version = sqlite3.sqlite_version_info
    fixed = version >= (3, 51, 3) or (version[:2] in {(3, 44), (3, 50)} and version[2] >= 6)
    return "" if fixed else "(has the WAL-reset defect; one writing connection keeps clear of it)"
