"""A batch of events and its answer on a connection, without what ASGI puts between.

A scope, a task, an event and four messages cost three times what it takes to read an event. So the
connection gives a batch that came whole to whoever takes batches, and writes the one answer; all
else goes the way of ASGI.
"""

import http
from collections.abc import Callable
from typing import Any, Protocol

from starlette.types import Message

Headers = list[tuple[bytes, bytes]]


class Reply:
    """A whole answer: to a connection as bytes, to ASGI as its two messages."""

    __slots__ = ("_end", "_line", "_sent", "body", "headers", "status")

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        self.status = status
        self.headers = [*headers, (b"content-length", b"%d" % len(body))]
        self.body = body
        self._line = b"HTTP/1.1 %d %b\r\n" % (status, http.HTTPStatus(status).phrase.encode())
        self._end = _lines(self.headers) + b"\r\n" + body
        self._sent: tuple[Headers, bytes] = ([], b"")

    def as_sent(self, more: Headers, *, closes: bool) -> bytes:
        """With `more` headers, and a word where no other request is read after it. What is sent
        often is put together once for a list of `more`: uvicorn has a new one each second."""
        if closes:
            return self._line + _lines(more) + b"connection: close\r\n" + self._end
        if self._sent[0] is not more:
            self._sent = (more, self._line + _lines(more) + self._end)
        return self._sent[1]

    def messages(self) -> tuple[Message, Message]:
        start = {"type": "http.response.start", "status": self.status, "headers": self.headers}
        return start, {"type": "http.response.body", "body": self.body}


def _lines(headers: Headers) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])


Answering = Callable[[Reply], None]


class Batches(Protocol):
    """Who takes batches. A body over `most_bytes` is answered by `too_large`, at once."""

    most_bytes: int
    too_large: Reply

    def full(self, size: int) -> Reply | None:
        """The answer to a batch of `size` bytes (0: not said) that would find no room, before any
        of it was read; None while there is some."""

    def enter(self, headers: Headers, peer: str) -> Callable[[], None] | Reply:
        """Count a batch whose head has come: what ends the counting, or why it may not come in."""

    def take(self, headers: Headers, peer: str, body: bytes, answer: Answering) -> None:
        """Take a batch; `answer` is called once, now or later. Raises nothing."""


def stays() -> None:
    """Ends the counting of who is not counted."""


class _Nobody:
    """Nobody waits for more of the body, or for the client to leave."""

    def set(self) -> None:
        pass


class Exchange:
    """One batch. It stands where uvicorn has the cycle of a request, and has what uvicorn and
    `connections.Guarded` look at."""

    __slots__ = (
        "body",
        "disconnected",
        "headers",
        "keep_alive",
        "leave",
        "more_body",
        "response_complete",
        "response_started",
    )
    message_event = _Nobody()

    def __init__(self, headers: Headers, *, keep_alive: bool) -> None:
        self.headers = headers
        self.keep_alive = keep_alive
        self.leave: Callable[[], None] = stays
        self.body: Any = b""
        self.more_body = True
        self.response_started = self.response_complete = self.disconnected = False

    def add(self, part: bytes) -> int:
        """Bytes so far. Most bodies come in one part."""
        if not self.body:
            self.body = part
        else:
            if isinstance(self.body, bytes):
                self.body = bytearray(self.body)
            self.body += part
        return len(self.body)
