"""kill -9 while deliveries are in flight: everything is told at least once, repeats under one id.

The receiver itself ends the server: at the request, before it answers, or right after its answer.
"""

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from server.ingest.payload import write_id
from server.model import Kind
from tests.faults.asking import AGENT
from tests.faults.kill import Server, key_of
from tests.tell.receivers import Answer, Receiver, receiving, until

pytestmark = [pytest.mark.slow, pytest.mark.anyio, pytest.mark.timeout(300)]
PEOPLE = 60
TOLD = 2 * PEOPLE  # the threshold, and the move to MQL
#: After so many requests the server is killed; every other time before it hears the answer.
KILLS = range(7, TOLD, 9)


def add(data: Path, url: str) -> str:
    """A destination; its secret."""
    command = [sys.executable, "-m", "server", "--data", str(data), "destination", "add", url]
    done = subprocess.run([*command, "--json"], check=True, capture_output=True, text=True)
    return str(json.loads(done.stdout)["secret"])


async def fill(port: int, key: str) -> None:
    """People who read the prices and ask for a demo, in batches of their own browsers."""
    for number in range(1, PEOPLE + 1):
        at = 1_790_000_000_000 + number
        form = {"form": "demo", "fields": {"email": f"person{number}@brew.example"}}
        events = [
            {"y": "page_view", "u": "https://acme.example/pricing", "q": 1},
            {"y": "form_submit", "u": "https://acme.example/demo", "q": 2, "d": form},
        ]
        for place, event in enumerate(events):
            name = at.to_bytes(6, "big") + (number * 10 + place).to_bytes(10, "big")
            event |= {"i": write_id(name), "t": at}
        visitor = write_id(number.to_bytes(16, "big"))
        body = json.dumps({"k": key, "v": visitor, "t": at, "e": events}).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST /e HTTP/1.1\r\nHost: t\r\nUser-Agent: {AGENT}\r\nConnection: close\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.read()
        assert b" 202 " in answer[:20], answer
        writer.close()


class Deadly(Receiver):
    """A receiver that kills the server which sends to it, at the requests of `KILLS`."""

    def __init__(self) -> None:
        super().__init__()
        self.server: Server | None = None
        self.kills = 0
        self.most = len(KILLS)
        self.last = 0  # how many requests there were when it killed last

    async def answer(self, writer: asyncio.StreamWriter) -> None:
        deadly = (
            self.server is not None
            and self.kills < self.most
            and len(self.got) >= KILLS[self.kills]
        )
        if deadly and self.kills % 2 == 0:
            self.kill()
            raise ConnectionError  # it hears no answer
        await super().answer(writer)
        if deadly:
            self.kill()

    def kill(self) -> None:
        if self.server is not None:
            self.kills += 1
            self.server.kill()
            self.server = None


async def told(
    module: str, data: Path, monkeypatch: pytest.MonkeyPatch, most: int = len(KILLS)
) -> tuple[Deadly, str]:
    """Live, kill, live again, until all is told or nothing comes any more."""
    key = key_of(data)
    async with receiving(kind=Deadly) as receiver:
        assert isinstance(receiver, Deadly)
        receiver.most = most
        monkeypatch.setenv("HANDRAISE_TELL_EXEMPT", receiver.host)
        secret = add(data, receiver.url)
        filled = False
        while True:
            server = Server(module, data)
            await server.start()
            if not filled:
                await fill(server.port, key)
                filled = True
            receiver.server = server
            before = receiver.kills
            await until(lambda n=before: receiver.kills > n or idle(data), 60)  # type: ignore[misc]
            if receiver.kills == before:
                server.kill()
                await server.gone()
                return receiver, secret
            await server.gone()


def idle(data: Path) -> bool:
    """Whether everything was told: the cursor is behind the last consequence."""
    connection = sqlite3.connect(f"file:{data}/handraise.db?mode=ro", uri=True)
    try:
        last = "SELECT max(seq) FROM entries WHERE kind IN (128, 129)"
        count = "SELECT count(*) FROM entries WHERE kind = 129"
        cursor = connection.execute("SELECT cursor FROM destinations").fetchone()[0]
        done = connection.execute(count).fetchone()[0] == PEOPLE
        return bool(done and cursor >= connection.execute(last).fetchone()[0])
    finally:
        connection.close()


def due(data: Path) -> set[str]:
    """The consequences that were to be told."""
    connection = sqlite3.connect(data / "handraise.db")
    try:
        kinds = f"({int(Kind.CROSSED)}, {int(Kind.STAGE_MOVED)})"
        sql = f"SELECT seq, data FROM entries WHERE kind IN {kinds}"
        rows = connection.execute(sql).fetchall()
    finally:
        connection.close()
    return {f"e{seq}" for seq, text in rows if json.loads(text)["threshold"] == "mql"}


async def test_kill_9_loses_no_consequence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed a dozen times in the middle of a delivery: every one arrives, signed, and what
    arrives again has the id it had before."""
    receiver, secret = await told("server", tmp_path, monkeypatch)
    assert receiver.kills == len(KILLS) >= 12
    ids = defaultdict(set)
    for got in receiver.got:
        assert got.signed_by(secret)
        ids[got.json["data"]["id"]].add(got.id)
    heard = {got.json["data"]["id"] for got in receiver.answered}
    assert heard == ids.keys() == due(tmp_path)
    assert len(heard) == TOLD
    assert all(len(names) == 1 for names in ids.values())
    repeats = len(receiver.got) - len(ids)
    # What was in flight at a kill, and what the dying process may have begun after it.
    assert 1 <= repeats <= 2 * receiver.kills


async def test_a_stop_waits_for_no_receiver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM while a receiver hangs: the server ends in order and at once, and what was under way
    is told by the next one, under its id."""
    key = key_of(tmp_path)
    async with receiving() as receiver:
        monkeypatch.setenv("HANDRAISE_TELL_EXEMPT", receiver.host)
        add(tmp_path, receiver.url)
        receiver.usual = Answer(hangs=asyncio.Event())
        first = Server("server", tmp_path)
        await first.start()
        await fill(first.port, key)
        await until(lambda: receiver.got)
        assert first.process
        first.process.terminate()
        async with asyncio.timeout(5):
            await first.gone()
        assert first.process.returncode == 0
        receiver.usual = Answer()
        second = Server("server", tmp_path)
        await second.start()
        await until(lambda: len(receiver.answered) == TOLD, 30)
        second.kill()
        await second.gone()
        assert receiver.ids[0] == receiver.ids[1]
        assert len(set(receiver.ids)) == TOLD


async def test_the_control_loses_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that moves its cursor first: a kill at the request without answer loses nothing
    the receiver has, but what was on the way to it is told to nobody."""
    receiver, _ = await told("tests.tell.early", tmp_path, monkeypatch, 3)
    heard = {got.json["data"]["id"] for got in receiver.answered}
    assert due(tmp_path) - heard
