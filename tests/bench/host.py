"""The server under test: `python -m tests.bench.host MODE --data FOLDER`, pinned to its own core.

MODE is `noop` (raw ASGI that reads the body), `starlette` (a route that does), or `app` (the whole
program). It prints its port once it serves; a line on its standard input is answered with a line of
JSON about its state, and the end of that input ends it. `--still` keeps the projector from working;
`--sample FILE` writes what its threads did after a line that says `sample`, for a flame graph.
"""

import argparse
import asyncio
import json
import os
import resource
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.app import Handraise
from server.cli.serving import guarded_server, http_server, listen, tune, warm_up
from server.settings import Settings
from server.storage.database import Database
from server.storage.sqlite import SqliteDatabase
from tests.bench.sampling import Sampler

FILES = 4_096
OK: dict[str, Any] = {"status": 202, "headers": [(b"content-length", b"2")]}


async def noop(scope: Scope, receive: Receive, send: Send) -> None:
    """The floor: uvicorn itself, with the body read."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", **OK})
    await send({"type": "http.response.body", "body": b"ok"})


async def _route(request: Request) -> Response:
    await request.body()
    return Response(b"ok", 202)


def starlette_app() -> ASGIApp:
    return Starlette(routes=[Route("/e", _route, methods=["POST"])])


def make(folder: str, database_url: str, synchronous: str, still: bool) -> Handraise:
    """The whole program; `synchronous` other than FULL is the control. `still`: nothing is
    projected, to see what accepting costs by itself."""
    settings = Settings(data=folder, database=database_url)
    database: Database | None = None
    if synchronous != "FULL":
        database = SqliteDatabase(Path(folder) / "handraise.db", synchronous=synchronous)
    app = Handraise(settings, database=database)
    if still:
        app.state.projector.sites = lambda: []
    return app


def used() -> dict[str, float]:
    """What this process has used: seconds of work, and memory at most."""
    return {"peak_mb": _peak_mb(), "cpu_s": time.process_time()}


def _peak_mb() -> float:
    """`ru_maxrss` holds what the parent had before the exec, so Linux is asked for this program."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def report(app: Handraise) -> dict[str, float]:
    """What a run needs to know: how far the projector is, and what is used."""
    state = app.state
    database = state.database
    head, cursor = (await database.fetch(HEAD))[0]
    oldest = await database.fetch(OLDEST, cursor)
    at = oldest[0][0] if oldest else None
    return {
        "head": head,
        "cursor": cursor,
        "lag_s": max(0.0, time.time() - at / 1000) if at is not None else 0.0,
        "long_turns": state.metrics.long_turns._value.get(),  # its own test reads it so
        **used(),
    }


HEAD = (
    "SELECT h.seq, c.seq FROM heads h JOIN cursors c ON c.site_id = h.site_id WHERE h.site_id = 1"
)
OLDEST = "SELECT at + lag FROM entries WHERE site_id = 1 AND seq > $1 ORDER BY seq LIMIT 1"


async def talk(app: Handraise | None, sampler: Sampler) -> None:
    """Answer each line on standard input until it ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        if line == b"sample\n":
            sampler.start()
        print(json.dumps(await report(app) if app else used()), flush=True)  # noqa: T201


async def serve(given: argparse.Namespace) -> None:
    if given.mode != "app":
        await answer(None, given)
        return
    app = make(given.data, given.database, given.synchronous, given.still)
    try:
        await app.start()
        await answer(app, given)
    finally:  # threads of a database left open would keep this process from its end
        await app.stop()


async def answer(app: Handraise | None, given: argparse.Namespace) -> None:
    """Serve until the end of standard input."""
    warm_up()
    tune()
    listener = listen("127.0.0.1", 0)
    if app:
        server = guarded_server(app, FILES)
    else:  # what we are measured against is uvicorn as it comes, without our deadlines and limits
        server = http_server(
            noop if given.mode == "noop" else starlette_app(), protocol=HttpToolsProtocol
        )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    print(listener.getsockname()[1], flush=True)  # noqa: T201
    sampler = Sampler()
    await talk(app, sampler)
    if given.sample:
        sampler.write(Path(given.sample))
    server.should_exit = True
    await serving


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=("noop", "starlette", "app"))
    parser.add_argument("--data", default="")
    parser.add_argument("--database", default="")
    parser.add_argument("--synchronous", default="FULL")
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--still", action="store_true")
    parser.add_argument("--sample", default="")
    given = parser.parse_args()
    os.sched_setaffinity(0, {given.core})
    try:
        uvloop.run(serve(given))
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # no thread that is left may keep this process, for which somebody waits


if __name__ == "__main__":
    main()
