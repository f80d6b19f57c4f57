"""`create_app(settings)`: the only file that knows everything. Nothing happens at import.

Collect (POST /e)  →  security headers  →  Starlette router: doors, widget, API, pages, health
writer task · projector task · refusals task · teller task · watch over them
"""

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from server.errors import BadRequest, Conflict, DataError, HandraiseError, Overloaded
from server.ingest.agents import Agents
from server.ingest.geo import Geo
from server.ingest.pipeline import Tools
from server.ingest.tombstones import Tombstone, Tombstones
from server.metrics import Metrics
from server.project.projector import Projector
from server.project.site_projector import ruleset_of
from server.project.thinning import Retention
from server.reports.packing import Packing
from server.settings import Settings
from server.starting import command
from server.storage import tombstones
from server.storage.buried import Buried
from server.storage.copies import Copies
from server.storage.database import Database, Script
from server.storage.folder import Folder
from server.storage.ledger import newer
from server.storage.migrate import migrate
from server.storage.sqlite import SqliteDatabase
from server.storage.writer import Writer
from server.web.collect import Collect
from server.web.doors import Doors
from server.web.erase_again import erase_again
from server.web.headers import SecurityHeaders
from server.web.health import health_routes
from server.web.line import Line
from server.web.mount import api_routes, page_routes
from server.web.noticing import KNOWN_S, Noticing
from server.web.pages.table import page_or
from server.web.problems import FAULT, on_error, on_fault, on_http_error
from server.web.server_events import post_events
from server.web.state import State
from server.web.tag import tag_routes

__all__ = [
    "Folder",
    "Handraise",
    "create_app",
    "make_database",
    "now_ms",
    "running",
    "sqlite_warning",
]

log = logging.getLogger("handraise")
FLUSH_S = 1.0


def now_ms() -> int:
    """UTC milliseconds: the clock of everything that is stored."""
    return time.time_ns() // 1_000_000


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


def statistics_of(database: Any) -> Callable[[], Awaitable[None]]:
    """What tells PostgreSQL's planner of tables that have grown."""
    from server.storage.postgres_statistics import Statistics

    return Statistics(database).serve


class Handraise:
    """The running program: state, background tasks, and the ASGI app over them."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], int] = now_ms,
        database: Database | None = None,
        on_death: Callable[[], None] = lambda: None,
        tells: bool = True,
    ) -> None:
        self.settings = settings
        self.folder = Folder(settings.data)
        self.copies = Copies(self.folder, clock, settings.disk_floor_mb)
        self.database = database or make_database(settings, self.folder)
        self.on_death = on_death
        self.tells = tells  # a command that is soon over leaves it to the server
        metrics = Metrics()
        agents = Agents()
        line = Line()
        writer = Writer(
            self.database,
            metrics,
            has_room=self.folder.room(settings.disk_floor_mb),
            others=line.any,
            queue_events=settings.queue_events,
        )
        self.state = State(
            settings=settings,
            database=self.database,
            line=line,
            writer=writer,
            projector=Projector(
                self.database, writer, metrics, agents, clock, lambda: self.state.sites.all
            ),
            metrics=metrics,
            tools=Tools(agents, Geo.open(settings.geo_database or None)),
            clock=clock,
            secret=self.folder.secret(),
            ledger=self.folder.ledger,
            base_url=settings.public_url.rstrip("/"),
        )
        #: Whether no other node can be at work on this database.
        self.alone = self.database.engine == "sqlite"
        if not self.alone:
            self.state.replays.known_s = KNOWN_S
        #: Erasures that the database did not know at this start: those people are in it again.
        self.reburied: list[Tombstone] = []
        self.asgi: Collect = self._asgi()
        self._tasks: list[asyncio.Task[None]] = []

    def _asgi(self) -> Collect:
        state = self.state
        static = Path(__file__).parent / "static"
        app = Starlette(
            routes=[
                *health_routes(state),
                *tag_routes(state),
                *Doors(state).routes(),
                *api_routes(state, post_events(state)),
                *page_routes(state),
                Mount("/static", GZipMiddleware(StaticFiles(directory=static))),
            ],
            exception_handlers={
                HandraiseError: on_error,
                404: page_or(on_http_error, 404, "there is no such page"),
                405: on_http_error,
                Exception: page_or(on_fault, 500, FAULT),
            },
        )
        app.state.handraise = state
        return Collect(SecurityHeaders(app), state)

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        """Open, migrate, and begin to serve. Raises `FolderInUse` and `SchemaError`."""
        self.folder.lock()
        await self.database.open()
        await migrate(self.database, keep=self.copies.keep if self.settings.upgrade_copy else None)
        await self.state.reload()
        self._read_rules()
        await self._recall()
        state = self.state
        packing = Packing(self.database, state.writer, state.projector.sites, state.clock)
        works: dict[str, Callable[[], Awaitable[None]]] = {  # each name once
            "writer": state.writer.serve,
            "projector": state.projector.serve,
            "refusals": self._flush_refusals,
            "replays": state.replays.serve,
            "backtests": state.backtests.serve,
            "retention": Retention(state.projector).serve,
            "packing": packing.serve,
            "copies": self.copies.serve,
        }
        if not self.alone:
            works["noticing"] = Noticing(self.database, state.reload).serve
            works["statistics"] = statistics_of(self.database)
        for name, work in works.items():
            self._begin(name, work)
        await self._rebury()
        self._begin("eraser", state.eraser.serve)
        if self.tells:
            self._begin("teller", state.teller.serve)
        state.ready = True

    def _begin(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.create_task(self._watched(name, work), name=f"handraise-{name}")
        self._tasks.append(task)

    def _read_rules(self) -> None:
        """Raises `DataError` where a site's rules are no longer what was published."""
        for site in self.state.sites.all:
            try:
                ruleset_of(site.published)
            except BadRequest as error:
                raise DataError(
                    f"the rules of site {site.site_id} are damaged ({error.detail}):"
                    f" `{command('restore FILE')}` puts a backup in the place of the database",
                    code="damaged",
                ) from error

    async def _recall(self) -> None:
        """Know everybody who was erased before the first event is taken.

        The database may be an older one than the ledger (a backup was restored), and the ledger
        may be new (the database moved here): what one lacks it gets from the other. Raises
        `HandraiseError` where the erasure key is gone, `Conflict` where it is another one.
        """
        state = self.state
        async with self.database.snapshot() as reader:
            stored = await tombstones.load(reader)
        listed = state.ledger.read()
        every = [*stored, *listed]
        key = self.folder.erasure_key(self.settings.erasure_key, needed=bool(every))
        known = Tombstones(key)
        if not tombstones.vouched(every, known.witness()):
            raise Conflict(tombstones.WRONG_KEY, code="erasure_key")
        known.add(every)
        state.tools = state.tools._replace(tombstones=known)
        if not self.alone:
            state.writer.buried = Buried(known)
        missing = newer(listed, stored)
        self.reburied = [t for t in missing if t.site_id != tombstones.WITNESS_SITE]
        state.ledger.append(newer(stored, listed))

    async def _rebury(self) -> None:
        """Apply again what a restored database does not know, before anything is served.

        The tables learn of the tombstones last: a crash in between leaves some missing, and the
        next start begins anew.
        """
        if not self.reburied:
            return
        log.warning("%d erasures are newer than this database: re-applying", len(self.reburied))
        await erase_again(self.state, self.reburied)

        def script() -> Script[None]:
            yield from tombstones.vouch(self.state.tombstones.witness())
            yield from tombstones.add_all(self.reburied)

        await self.state.writer.run(script, moves=False)

    async def stop(self) -> None:
        """Not ready → drain what waits → close."""
        state = self.state
        state.ready = False
        await state.live.close()
        if self._tasks:
            writer, *others = self._tasks
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            with contextlib.suppress(HandraiseError):
                while state.refused.waits():
                    await self._flush()
            state.writer.close()
            await asyncio.gather(writer, return_exceptions=True)
            self._tasks.clear()
        await state.teller.post.close()
        await self.database.close()
        state.tools.geo.close()
        self.folder.unlock()

    async def _watched(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """A background task that dies takes the process with it: no 2xx without a writer.

        So does one that ends by itself while the program serves: none of them is ever done.
        """
        try:
            await work()
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("the %s task has died", name)
            self.state.ready = False
            self.on_death()
            raise
        if self.state.ready:
            log.error("the %s task has ended before its time", name)
            self.state.ready = False
            self.on_death()

    async def _flush_refusals(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            with contextlib.suppress(Overloaded):
                await self._flush()

    async def _flush(self) -> None:
        refused = self.state.refused
        taken = refused.take()
        if taken is None:
            return
        try:
            await self.state.writer.run(taken.script, moves=False)
        except Overloaded:
            refused.give_back(taken)
            raise


def create_app(
    settings: Settings, *, clock: Callable[[], int] = now_ms, tells: bool = True
) -> Handraise:
    """The program on these settings; nothing is opened before `start`."""
    return Handraise(settings, clock=clock, tells=tells)


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
