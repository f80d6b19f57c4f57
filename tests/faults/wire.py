"""Bytes to a server and back, as no HTTP client would send them; and a server for them."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from server.ingest.payload import write_id
from tests.faults.asking import AGENT
from tests.faults.kill import key_of

WAIT_S = 15


class Answer(NamedTuple):
    """What came back: status (0: nothing), everything as bytes, and how long it took."""

    status: int
    text: bytes
    seconds: float

    @property
    def body(self) -> bytes:
        return self.text.partition(b"\r\n\r\n")[2]


def exchange(port: int, said: bytes, wait_s: float = WAIT_S) -> Answer:
    """Say it, and read until the answer is whole or the server closes."""
    began = time.monotonic()
    text = b""
    with socket.create_connection(("127.0.0.1", port), timeout=wait_s) as plain:
        try:
            plain.sendall(said)
            while part := plain.recv(65_536):
                text += part
                if _whole(text):
                    break
        except OSError:  # closed while more was being sent: what it said before counts
            pass
    first = text.split(b" ", 2)
    status = int(first[1]) if len(first) > 1 and first[1].isdigit() else 0
    return Answer(status, text, time.monotonic() - began)


def _whole(text: bytes) -> bool:
    """Whether an answer of a known length is all there; of another, the server's end tells."""
    head, found, body = text.partition(b"\r\n\r\n")
    lengths = [
        int(line.split(b":")[1])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    ]
    return bool(found and lengths) and len(body) >= lengths[0] and b"connection: close" in head


def post(body: bytes, path: str = "/e", **headers: str) -> bytes:
    """A POST as a browser's, on a connection that ends with it."""
    given = {"Host": "t", "User-Agent": AGENT, "Connection": "close"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    given["Content-Length"] = str(len(body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


class Batches:
    """Batches for one site, each event with an id of its own; `good` are those acknowledged."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.good: set[bytes] = set()
        self._made = 0
        self._sent: set[bytes] = set()

    def event(self, **more: object) -> dict[str, object]:
        self._made += 1
        now = time.time_ns() // 1_000_000
        name = now.to_bytes(6, "big") + self._made.to_bytes(10, "big")
        url = f"https://acme.example/{self._made % 50}"
        return {"i": write_id(name), "y": "page_view", "t": now, "u": url} | more

    def neighbour(self) -> dict[str, object]:
        """A good event: it must be stored whatever stands beside it."""
        event = self.event()
        self._sent.add(self._made.to_bytes(10, "big"))
        return event

    def answered(self, status: int) -> None:
        """What was sent was acknowledged, or refused as a whole."""
        if status == 202:
            self.good |= self._sent
        self._sent.clear()

    def around(self, bad: bytes) -> bytes:
        """A good event, the bad text, a good event, in one batch."""
        parts = [json.dumps(self.neighbour()).encode(), bad, json.dumps(self.neighbour()).encode()]
        return self.batch(b",".join(parts))

    def batch(self, events: bytes) -> bytes:
        now = time.time_ns() // 1_000_000
        visitor = write_id(b"a stranger's own")
        head = json.dumps({"k": self.key, "v": visitor, "t": now})[:-1].encode()
        return head + b', "e": [' + events + b"]}"

    def lost(self, data: Path) -> int:
        """How many of the good ones are not in the database."""
        with sqlite3.connect(data / "handraise.db") as connection:
            rows = connection.execute("SELECT event_id FROM entries WHERE kind = 1").fetchall()
        connection.close()
        return len(self.good - {row[0][6:] for row in rows})


class Running(NamedTuple):
    """A server for one row: its port, the site's key, and its process."""

    port: int
    key: str
    pid: int


def memory(pid: int) -> int:
    """Bytes of a process that are in memory now."""
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGESIZE")


def held(pid: int, port: int) -> set[tuple[str, int]]:
    """The far ends of the connections to a port that a process still holds."""
    inodes = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            inodes.add(os.readlink(fd).removeprefix("socket:[").removesuffix("]"))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
    return {_end(row[2]) for row in rows if row[9] in inodes and _end(row[1])[1] == port}


def _end(text: str) -> tuple[str, int]:
    """0100007F:1F90 → ("127.0.0.1", 8080)."""
    address, _, port = text.partition(":")
    return ".".join(str(byte) for byte in reversed(bytes.fromhex(address))), int(port, 16)


@contextmanager
def serving(
    module: str, data: Path, environ: Mapping[str, str] | None = None, log: Path | None = None
) -> Iterator[Running]:
    """The server on a fresh folder with one site and these settings, ended at the end; with a
    `log`, all that it says goes there."""
    key = key_of(data)
    with open(log or os.devnull, "wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", module, "serve", "--port", "0", "--data", str(data)],
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **(environ or {})},
        )
        try:
            assert process.stdout is not None
            port = 0
            for line in process.stdout:
                if b"serving" in line:
                    port = int(line.rsplit(b":", 1)[1])
                    break
            assert port, "the server ended before it served"
            yield Running(port, key, process.pid)
        finally:
            process.kill()
            process.communicate()
