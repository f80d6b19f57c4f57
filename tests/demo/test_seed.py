"""Seeding a server on the loopback: by the right door, in order, patient, and counted."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
import uvicorn
from click.testing import CliRunner
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server.cli.demo import Connection, demo_command
from server.demo.journeys import journeys
from server.demo.seed import PUBLIC_AGE_MS, SeedError, Summary, seed
from server.demo.wire import Batch

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
KEY, TOKEN = "k-demo", "t-demo"


@dataclass
class Recorder:
    """A server that keeps what it was sent, answers as Handraise does, and can be busy."""

    sent: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    busy_for: int = 0
    problem: int = 0
    together: int = 0
    most_together: int = 0

    async def take(self, request: Request) -> Response:
        self.together += 1
        self.most_together = max(self.together, self.most_together)
        body = msgspec.json.decode(await request.body())
        await asyncio.sleep(0.001)
        self.together -= 1
        if self.busy_for:
            self.busy_for -= 1
            return JSONResponse({"title": "Busy"}, 503, {"Retry-After": "0"})
        if self.problem:
            return JSONResponse({"detail": "this key is unknown"}, self.problem)
        self.sent.append((request.url.path, dict(request.headers), body))
        ids = {event["i"] for event in body["e"]}
        new, self.known = ids - self.known, self.known | ids
        answer = {"accepted": len(new), "duplicates": len(ids - new), "dropped": []}
        return JSONResponse(answer, 202)

    def app(self) -> Starlette:
        paths = ("/e", "/api/v1/sites/7/events")
        return Starlette(routes=[Route(path, self.take, methods=["POST"]) for path in paths])


@contextlib.asynccontextmanager
async def serving(recorder: Recorder) -> AsyncIterator[str]:
    """The recorder behind a real uvicorn, on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(recorder.app(), log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


def made(visitors: int = 30) -> list[Batch]:
    now_ms = time.time_ns() // 1_000_000
    return list(journeys(now_ms=now_ms, key=KEY, visitors=visitors))


async def send(recorder: Recorder, batches: list[Batch], steps: list[int]) -> Summary:
    async with serving(recorder) as url:
        return await seed(url, KEY, TOKEN, "7", batches, steps.append)


async def test_every_batch_arrives_by_the_right_door() -> None:
    """Fresh events with the public key alone, old ones with the token, all with their agent."""
    recorder, batches, steps = Recorder(), made(), list[int]()
    summary = await send(recorder, batches, steps)
    count = sum(len(batch.envelope["e"]) for batch in batches)
    assert (summary.batches, summary.accepted) == (len(batches), count)
    assert (summary.duplicates, summary.dropped, summary.retries) == (0, {}, 0)
    assert sum(steps) == len(batches)
    agents = {batch.envelope["e"][0]["i"]: batch.received_user_agent for batch in batches}
    doors = set()
    for path, headers, body in recorder.sent:
        old = body["t"] - min(event["t"] for event in body["e"]) > PUBLIC_AGE_MS
        doors.add(path)
        assert path == ("/api/v1/sites/7/events" if old else "/e")
        assert headers.get("authorization") == (f"Bearer {TOKEN}" if old else None)
        assert headers["user-agent"] == agents[body["e"][0]["i"]]
        assert abs(body["t"] - time.time() * 1_000) < 60_000
        assert body["k"] == KEY
        if not old:
            assert headers["content-type"] == "text/plain"
            assert headers["origin"] == "https://www.ovenbird.example"
    assert len(doors) == 2


async def test_a_visitors_batches_keep_their_order() -> None:
    """Eight connections at most, each visitor on one of them."""
    recorder, batches = Recorder(), made(60)
    await send(recorder, batches, [])
    assert 2 <= recorder.most_together <= 8
    for visitor in {batch.envelope["v"] for batch in batches}:
        arrived = [body["e"][0]["t"] for _, _, body in recorder.sent if body["v"] == visitor]
        assert arrived == sorted(arrived)


async def test_sending_again_stores_nothing_twice() -> None:
    """The same batches a second time are duplicates, and counted as such."""
    recorder, batches = Recorder(), made(10)
    async with serving(recorder) as url:
        first = await seed(url, KEY, TOKEN, "7", batches)
        second = await seed(url, KEY, TOKEN, "7", batches)
    assert second.accepted == 0
    assert second.duplicates == first.accepted


async def test_busy_server_is_waited_for() -> None:
    """503 with Retry-After costs time, not events."""
    recorder, batches = Recorder(busy_for=20), made(10)
    summary = await send(recorder, batches, [])
    assert summary.retries == 20
    assert summary.batches == len(batches) == len(recorder.sent)


async def test_refusal_is_told_in_the_servers_words() -> None:
    """A 4xx ends it at once, with the sentence of the problem."""
    with pytest.raises(SeedError, match="403: this key is unknown"):
        await send(Recorder(problem=403), made(5), [])


async def test_absent_server_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens: a sentence after a few tries, no traceback of a connection pool."""
    monkeypatch.setattr("server.demo.seed.LONGEST_WAIT_S", 0.001)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(SeedError, match="no answer from the server"):
        await seed(f"http://127.0.0.1:{port}", KEY, TOKEN, "7", made(5))


async def test_command_says_what_was_stored() -> None:
    """`handraise demo` asks for the connection when it runs, and ends with the figures."""
    recorder = Recorder()
    async with serving(recorder) as url:
        command = demo_command(lambda: Connection(url, KEY, TOKEN, "7"))
        options = ["--visitors", "12", "--weeks", "1", "--seed", "3"]
        result = await asyncio.to_thread(CliRunner().invoke, command, options)
    assert result.exit_code == 0, result.output
    assert f"12 visitors over 1 week: {len(recorder.known)} events stored" in result.output


async def test_command_fails_with_a_sentence() -> None:
    """What the server refuses becomes one line and exit status 1."""
    async with serving(Recorder(problem=403)) as url:
        command = demo_command(lambda: Connection(url, KEY, TOKEN, "7"))
        result = await asyncio.to_thread(CliRunner().invoke, command, ["--visitors", "3"])
    assert result.exit_code == 1
    assert "this key is unknown" in result.output
