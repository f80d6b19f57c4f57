"""`handraise serve`: the server, its operators' socket, and with `--demo` the demo site."""

import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click
import uvicorn
from starlette.types import ASGIApp

from server import __version__
from server.app import Handraise, sqlite_warning
from server.cli import open_files
from server.cli.client import Operator
from server.cli.first_run import FirstRun, first_run
from server.demo.site import demo_site
from server.errors import HandraiseError
from server.ingest.emails import company_domain, domain_class, normalise_email, normalise_phone
from server.ingest.referrers import source_of
from server.settings import Settings
from server.starting import command
from server.web.allowances import Limits
from server.web.connections import READ_BYTES, behind
from server.web.crowd import Crowd, CrowdedBatches
from server.web.exchange import Batches
from server.web.gate import Gate
from server.web.state import State

#: At most, for proxies; the gate closes those of others sooner.
KEEP_ALIVE_S = 75
DOORS = 32


class Quiet(uvicorn.Server):
    """A uvicorn server that leaves signals to us: several run in one loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `HandraiseError` with the fix named."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise HandraiseError(
            f"cannot listen on {host}:{port} ({error}): stop what listens there,"
            " or choose another port with --port"
        ) from error
    if sys.platform != "linux":  # there it would hide whether an answer is read: see `unread`
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, READ_BYTES)
    return listener


def listen_operator(path: Path) -> socket.socket:
    """The operators' socket, mode 0600 from its first moment."""
    path.unlink(missing_ok=True)
    unix = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        unix.bind(str(path))
    except OSError as error:
        unix.close()
        raise HandraiseError(f"cannot make {path}: {error}; choose a shorter --data") from error
    finally:
        os.umask(before)
    unix.listen(16)
    return unix


def http_server(
    app: ASGIApp, gate: Gate | None = None, protocol: type[asyncio.Protocol] | None = None
) -> Quiet:
    """A server of an app. `gate` limits what its connections may take; the usual ones if None.
    `protocol` takes the place of both."""
    config = uvicorn.Config(
        app,
        http=protocol or behind(gate or Gate(Limits())),
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    return Quiet(config)


def guarded_server(app: Handraise, files: int) -> Quiet:
    """The server for everybody: its gate fits the settings and the number of open files."""
    settings, cut = app.settings, app.state.metrics.cut
    most = settings.connections_per_address
    limits = Limits(
        connections=open_files.connections_for(files, Limits().connections),
        per_address=most,
        proxies=settings.trusted_proxies,
    )

    def count(reason: str) -> None:
        cut.labels(reason).inc()

    asgi: ASGIApp = app.asgi
    batches: Batches = app.asgi
    if settings.trusted_proxies:
        asgi = Crowd(asgi, settings.trusted_proxies, settings.client_ip_header, most, count)
        batches = CrowdedBatches(batches, asgi)
    return http_server(asgi, Gate(limits, count, batches))


def address_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


def tune() -> None:
    """Short stops for a process that answers all the time. Call once everything is loaded.

    What start-up made is never garbage, so the collector need not look at it: a full collection
    stopped every request for 60 ms. What waits to be stored is looked at each time as well: more
    seldom, an event costs a tenth less under a flood. The commit's thread gets the interpreter back
    sooner.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    sys.setswitchinterval(0.0005)


def warm_up() -> None:
    """Load the lists and patterns that the first form would otherwise wait for."""
    normalise_email("somebody@handraise.example")
    domain_class("somebody@handraise.example")
    company_domain("somebody@handraise.example")
    normalise_phone("+49 30 901820")
    source_of("handraise.example", "")


async def serve(settings: Settings, *, demo: bool) -> int:
    """Serve until SIGTERM or SIGINT; the exit status, 1 if a background task died."""
    stop = asyncio.Event()
    died: list[bool] = []

    def on_death() -> None:
        died.append(True)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    app = Handraise(settings, on_death=on_death)  # what is wrong with the settings is said first
    listener = listen(settings.host, settings.port)
    try:
        await app.start()
        warm_up()
        tune()
        await _serve(app, listener, stop, demo=demo)
    finally:
        listener.close()
        await app.stop()
    if died:
        click.echo("Handraise stopped because a background task died; see the log above", err=True)
    return 1 if died else 0


async def _serve(
    app: Handraise, listener: socket.socket, stop: asyncio.Event, *, demo: bool
) -> None:
    state = app.state
    state.base_url = state.base_url or address_of(listener)
    found = await first_run(state, demo=demo)
    operators = listen_operator(app.folder.socket)
    try:
        await _run(app, found, [listener, operators], stop, demo=demo)
    finally:  # only what this process made: another may hold the folder
        operators.close()
        app.folder.socket.unlink(missing_ok=True)


async def _run(
    app: Handraise,
    found: FirstRun,
    sockets: list[socket.socket],
    stop: asyncio.Event,
    *,
    demo: bool,
) -> None:
    """Serve the app, its operators and the demo site until `stop` is set."""
    state, listener = app.state, sockets[0]
    files = open_files.raise_limit()
    servers = [guarded_server(app, files), http_server(Operator(app.asgi))]
    demo_url = ""
    if demo:
        demo_socket = _demo_socket(app.settings, listener)
        demo_url = address_of(demo_socket)
        servers.append(http_server(demo_site(found.snippet, state.base_url)))
        sockets.append(demo_socket)
    running = [
        asyncio.create_task(server.serve(sockets=_doors(one) if one is listener else [one]))
        for server, one in zip(servers, sockets, strict=True)
    ]
    for task in running:
        task.add_done_callback(partial(_missed, app, stop))
    _greet(state, found, demo_url, open_files.too_few(files))
    await stop.wait()
    state.ready = False
    await state.live.close()
    click.echo("stopping: finishing what is in flight")
    for server in servers:
        server.should_exit = True
    done, late = await asyncio.wait(running, timeout=app.settings.drain_s)
    for task in late:
        task.cancel()
    await asyncio.gather(*done, *late, return_exceptions=True)


def _doors(listener: socket.socket) -> list[socket.socket]:
    """The same socket several times. uvloop accepts one connection of each in a pass of its loop:
    under load, when a pass takes 20 ms, new visitors would wait in front for seconds."""
    return [listener, *(listener.dup() for _ in range(DOORS - 1))]


def _missed(app: Handraise, stop: asyncio.Event, task: asyncio.Task[None]) -> None:
    """A listening server that ends by itself takes the process with it, as other tasks do."""
    if stop.is_set():
        return
    error = None if task.cancelled() else task.exception()
    logging.getLogger("handraise").error("a listening server has ended", exc_info=error)
    app.state.ready = False
    app.on_death()


def _demo_socket(settings: Settings, listener: socket.socket) -> socket.socket:
    """The port after ours, or any free one: the demo site is another origin, as real sites are."""
    port = settings.demo_port or listener.getsockname()[1] + 1
    try:
        return listen(settings.host, port)
    except (HandraiseError, OverflowError):
        return listen(settings.host, 0)


def _greet(state: State, found: FirstRun, demo_url: str, warning: str) -> None:
    """What a person needs to see first, and nothing else."""
    database = state.database
    note = f" {sqlite_warning()}" if database.engine == "sqlite" else ""
    lines = [
        f"Handraise {__version__} on {database.engine} {database.version}{note}".rstrip(),
        f"  serving        {state.base_url}",
    ]
    if demo_url:
        lines.append(f"  demo site      {demo_url}   (open it, read pricing, send the demo form)")
    if found.link:
        lines.append(f"  your people    {found.link}   (opens once, within a day)")
    else:
        lines.append(f"  your people    run `{command('link')}` for a new one-time link")
    if found.token:
        lines.append(f"  API token      {found.token}   (admin, shown once)")
    lines += [
        f"  site           {found.site.name} (id {found.site.site_id}); paste into its <head>:",
        f"    {found.snippet}",
        f"  the first event shows under `{command('people')}` and on the page above within"
        " a second",
    ]
    if warning:
        lines.append(f"  note           {warning}")
    click.echo("\n".join(lines))


class JsonLines(logging.Formatter):
    """One JSON object a line, the trace of an error inside it."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": self.formatTime(record),
            "level": record.levelname,
            "log": record.name,
            "text": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def set_up_log(settings: Settings) -> None:
    """Log to stderr; never bodies, query values, tokens or addresses."""
    handler = logging.StreamHandler()
    plain = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if settings.log_format == "json" else plain)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # What a stranger sends is counted, not logged: a line for each bad request would fill the disk.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
