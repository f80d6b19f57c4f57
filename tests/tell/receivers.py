"""Receivers of what is told: a small web server and a small mail server, each a real socket.

Both answer as a test says, and keep what they got.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any


async def until(met: Callable[[], object], seconds: float = 10) -> None:
    """Wait until something is so; it fails the test if it never is."""
    async with asyncio.timeout(seconds):
        while not met():  # noqa: ASYNC110 - what others do is looked at, not announced
            await asyncio.sleep(0.005)


@dataclass
class Got:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def signed_by(self, secret: str) -> bool:
        """Whether one of the signatures is this secret's: written from the specification alone."""
        key = base64.b64decode(secret.split("_", 1)[1])
        content = b".".join(
            [self.id.encode(), self.headers["webhook-timestamp"].encode(), self.body]
        )
        expected = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
        signatures = [one.split(",", 1) for one in self.headers["webhook-signature"].split(" ")]
        return any(
            version == "v1" and hmac.compare_digest(given, expected)
            for version, given in signatures
        )


@dataclass
class Answer:
    """What a receiver answers; `hangs` keeps it waiting until it is set, `raw` is no HTTP."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    hangs: asyncio.Event | None = None
    raw: bytes | None = None


class Receiver:
    """A web server on a loopback port. `answers` are used up in order, then `usual`."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.answered: list[Got] = []
        self.answers: list[Answer] = []
        self.usual = Answer()
        self.connections = 0
        self.port = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/hook"

    @property
    def ids(self) -> list[str]:
        return [one.id for one in self.got]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            try:
                await self._serve(reader, writer)
            finally:
                self._tasks.discard(task)
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.split(":", 1) for line in lines if line)
        headers = {name.strip().lower(): value.strip() for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        got = Got(first.split()[1], headers, body)
        self.got.append(got)
        await self.answer(writer)
        self.answered.append(got)

    async def answer(self, writer: asyncio.StreamWriter) -> None:
        """What a request is answered; raising is no answer."""
        answer = self.answers.pop(0) if self.answers else self.usual
        if answer.hangs is not None:
            await answer.hangs.wait()
        if answer.raw is not None:
            writer.write(answer.raw)
        else:
            extra = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
            writer.write(
                f"HTTP/1.1 {answer.status} Answer\r\n{extra}"
                f"Content-Length: {len(answer.body)}\r\nConnection: close\r\n\r\n".encode()
            )
            writer.write(answer.body)
        await writer.drain()

    async def end(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def receiving(
    port: int = 0, tls: ssl.SSLContext | None = None, kind: type[Receiver] = Receiver
) -> AsyncIterator[Receiver]:
    """A receiver that listens."""
    receiver = kind()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", port, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        await receiver.end()


# ---------------------------------------------------------------- mail


@dataclass
class Mail:
    """One mail as it arrived, with the envelope."""

    sender: str
    to: list[str]
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        found = message_from_bytes(self.raw, policy=default)
        assert isinstance(found, EmailMessage)
        return found

    def part(self, kind: str) -> str:
        found = self.message.get_body((kind,))
        assert found is not None
        return str(found.get_content())


class PostOffice:
    """A mail server on a loopback port. `answers` by command replace the usual `250 ok`, once
    each; a command in `hangs` gets none."""

    def __init__(self) -> None:
        self.got: list[Mail] = []
        self.answers: dict[str, list[str]] = {}
        self.hangs: set[str] = set()
        self.offers = ["AUTH PLAIN LOGIN", "8BITMIME"]
        self.signed_in: list[str] = []
        self.commands: list[str] = []
        self.port = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            try:
                await self._serve(reader, writer)
            finally:
                self._tasks.discard(task)
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mail = Mail("", [], b"")
        writer.write(b"220 post.example\r\n")
        while line := (await reader.readline()).decode().strip():
            command = line.split()[0].upper()
            self.commands.append(command)
            if command in self.hangs:
                await asyncio.Event().wait()
            answer = self._answer(command, line, mail)
            writer.write(f"{answer}\r\n".encode())
            if command == "QUIT":
                return
            if command == "DATA" and answer.startswith("354"):
                text = await reader.readuntil(b"\r\n.\r\n")
                mail.raw = text[:-3].replace(b"\r\n..", b"\r\n.")
                end = self.answers.get("END", [])
                writer.write((end.pop(0) if end else "250 taken").encode() + b"\r\n")
                self.got.append(mail)
                mail = Mail("", [], b"")

    def _answer(self, command: str, line: str, mail: Mail) -> str:
        if self.answers.get(command):
            return self.answers[command].pop(0)
        if command == "EHLO":
            lines = [f"250-{one}" for one in ("post.example", *self.offers)]
            return "\r\n".join([*lines, "250 HELP"])
        if command == "AUTH":
            self.signed_in.append(base64.b64decode(line.split()[2]).decode())
            return "235 welcome"
        if command == "MAIL":
            mail.sender = line.split("<")[1].split(">", maxsplit=1)[0]
        if command == "RCPT":
            mail.to.append(line.split("<")[1].split(">", maxsplit=1)[0])
        return {"DATA": "354 go on", "QUIT": "221 bye"}.get(command, "250 ok")

    async def end(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def post_office() -> AsyncIterator[PostOffice]:
    office = PostOffice()
    server = await asyncio.start_server(office.serve, "127.0.0.1", 0)
    office.port = server.sockets[0].getsockname()[1]
    try:
        yield office
    finally:
        server.close()
        await office.end()
