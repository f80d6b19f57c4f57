"""Connections of strangers: absolute deadlines, a size for a request's head, and how many at once.

uvicorn's only timer starts anew with each byte, so that a byte a second holds a connection for
ever; and its parser takes a head of any size. Here one timer looks at all connections of a socket:

    connected, or first byte → head complete (10 s) → body complete (30 s) → answer → idle (5 s)
                                  while the client does not read what it asked for: 30 s

An answer may take as long as it likes as long as it is read: streams and long files are not cut.
What has arrived of requests that are not whole yet is counted, for all connections together.
Batches of events are taken here (`exchange`), everything else goes to the app.
"""

import asyncio
import http
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.web.address import counted_as
from server.web.allowances import (
    BAD,
    IDLE,
    LONG_HEAD,
    LONG_REQUEST,
    MUCH,
    PIPED,
    SLOW_HEAD,
    SLOW_READER,
    SLOW_REQUEST,
    Why,
    wrong_with,
)
from server.web.exchange import Exchange, Reply
from server.web.gate import Gate
from server.web.problems import TURNED_AWAY, TYPE, problem_body
from server.web.unread import unread

#: A slow reader has moved on when it has read this much: the least rate is this in `write_s`.
READ_BYTES = 32_768
#: So much of a request may always arrive: an ordinary visitor's fits, whoever else sends much.
SMALL_BYTES = 4_096
#: Where batches of events go.
BATCHES, LENGTH = b"/e", b"content-length"
#: Requests sent before the answer to an earlier one; browsers send none.
PIPELINED = 16


class Refused(Exception):
    """Stops the parser; what is answered is in the connection's `why`."""


class Guarded(HttpToolsProtocol):
    """uvicorn's protocol with an eye on the clock and on sizes."""

    gate: Gate

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.reading_since: float | None = self.loop.time()  # None: a whole request was read
        self.idle_since = 0.0
        self.in_head = True
        self.fed = 0  # bytes of this request, but for those that came with its first ones
        self.chunk = 0
        self.held = 0  # bytes of ours that the gate counts as arriving
        self.why = BAD
        self.refused = False
        self.turned_away: Reply | None = None  # the answer, once all of the request was read
        self.exchange: Exchange | None = None  # a batch on its way
        self._stuck: tuple[float, int] | None = None  # since when so much waits to be read
        limits, peer = self.gate.limits, (self.client or ("",))[0]
        self.address = counted_as(peer, limits.proxies, exempt_loopback=limits.exempt_loopback)
        near = bool(peer) and not self.address
        self.idle_s = limits.proxy_idle_s if near else limits.idle_s
        why = self.gate.enter(self)
        if why is not None:
            self.refuse(why)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gate.leave(self)
        self._give_back()
        if self.exchange is not None and self.exchange.more_body:  # nobody will answer it
            self.exchange.leave()
        super().connection_lost(exc)

    # ------------------------------------------------------------ what comes in

    def data_received(self, data: bytes) -> None:
        if self.refused:
            return
        self.chunk = len(data)
        self.fed += self.chunk
        super().data_received(data)
        if self.reading_since is not None or self.pipeline:
            self._hold()
        elif self.held:
            self._give_back()

    def _hold(self) -> None:
        """What arrived is in memory: its request is not whole, or waits behind another."""
        limits = self.gate.limits
        self.held += self.chunk
        self.gate.hold(self.address, self.chunk)
        if self.refused:
            return
        if self.held > SMALL_BYTES and self.gate.holds_much(self.address):
            self.refuse(MUCH)
        elif self.fed <= limits.head_bytes or self.reading_since is None:
            return
        elif self.in_head:
            self.refuse(LONG_HEAD)
        elif self.fed > limits.request_bytes:
            self.refuse(LONG_REQUEST)

    def _give_back(self) -> None:
        self.gate.hold(self.address, -self.held)
        self.held = 0

    def on_message_begin(self) -> None:
        self.url, self.headers, self.expect_100_continue = b"", [], False
        if self.held and not self.pipeline:
            self._give_back()
        self.reading_since = self.loop.time()
        self.in_head = True
        self.fed = 0

    def on_headers_complete(self) -> None:
        headers, limits = self.headers, self.gate.limits
        if self.fed + self.chunk > limits.head_bytes:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in headers)
            if size > limits.head_bytes:
                self._stop(LONG_HEAD)
        if len(self.pipeline) >= PIPELINED:
            self._stop(PIPED)
        why = wrong_with(headers, self.parser.get_http_version(), limits.request_bytes)
        if why is not None:
            self._stop(why)
        if self.url != BATCHES or self.parser.get_method() != b"POST" or not self._takes_batch():
            self._for_the_app()
        self.in_head = False
        self.headers = []  # trailers are no headers: the request has its list already

    def _for_the_app(self) -> None:
        """What uvicorn does at the beginning of a request, made up for: a batch needs no scope."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expects
        self.scope["headers"] = headers
        super().on_headers_complete()

    def _takes_batch(self) -> bool:
        """Begin to take a batch, or to turn it away where there is no room. False where the app
        has to: behind another request, or for a client that does not read its answers."""
        batches, cycle = self.gate.batches, self.cycle
        if batches is None or self.expect_100_continue:
            return False
        if cycle is not None and not cycle.response_complete:
            return False
        length = next((int(value) for name, value in self.headers if name == LENGTH), 0)
        large = length > batches.most_bytes
        self.turned_away = batches.too_large if large else batches.full(length)
        if self.turned_away is None:
            if self.flow.write_paused:
                return False
            exchange = Exchange(self.headers, keep_alive=self.parser.should_keep_alive())
            self.exchange = self.cycle = exchange  # type: ignore[assignment]
            entered = batches.enter(self.headers, self._peer())
            if isinstance(entered, Reply):
                self._reply(entered)
            else:
                exchange.leave = entered
        return True

    def _peer(self) -> str:
        return self.client[0] if self.client else ""

    def _coming(self) -> Exchange | None:
        """The batch that is being read; one that waits for its answer may have others behind it."""
        cycle: object = self.cycle
        return self.exchange if self.exchange is cycle else None

    def on_body(self, body: bytes) -> None:
        if self.turned_away is not None:
            return
        exchange, batches = self._coming(), self.gate.batches
        if exchange is None or batches is None:
            super().on_body(body)
        elif exchange.add(body) > batches.most_bytes:
            self._reply(batches.too_large)

    def on_message_complete(self) -> None:
        answer, self.turned_away = self.turned_away, None
        exchange, batches = self._coming(), self.gate.batches
        self.reading_since = None
        self.idle_since = self.loop.time()
        if answer is not None:
            self._write(answer, closes=not self.parser.should_keep_alive())
        elif exchange is None or batches is None:
            super().on_message_complete()
        else:
            exchange.more_body = False
            batches.take(exchange.headers, self._peer(), bytes(exchange.body), self._reply)

    def _reply(self, reply: Reply) -> None:
        """Answer the batch on its way, if it was not answered before."""
        exchange, self.exchange = self.exchange, None
        if exchange is None:
            return
        exchange.response_complete = True
        exchange.leave()
        self._write(reply, closes=not exchange.keep_alive)
        self.idle_since = self.loop.time()
        if self.pipeline:
            super().on_response_complete()
        else:
            self.server_state.total_requests += 1

    def _write(self, reply: Reply, *, closes: bool) -> None:
        if not self.transport.is_closing():
            self.transport.write(reply.as_sent(self.server_state.default_headers, closes=closes))
            if closes:
                self.transport.close()

    def on_response_complete(self) -> None:
        self.idle_since = self.loop.time()
        super().on_response_complete()
        if self.held and self.reading_since is None and not self.pipeline:
            self._give_back()

    def resume_writing(self) -> None:
        self._stuck = None
        super().resume_writing()

    # ------------------------------------------------------------ the clock

    def look(self, now: float) -> None:
        """Close what is late. Called by the gate's timer."""
        limits, transport = self.gate.limits, self.transport
        closing = transport.is_closing()
        if (self.flow.write_paused or closing) and self._is_stuck(now):
            self.gate.cut(SLOW_READER)
            transport.abort()
        elif closing:
            return
        elif self.reading_since is not None and (self.flow.read_paused or self.pipeline):
            self.reading_since = now  # it waits for us: for the answer before, or to be taken
        elif self.reading_since is not None:
            waited = now - self.reading_since
            if self.in_head and waited > limits.head_s:
                self.refuse(SLOW_HEAD)
            elif waited > limits.request_s:
                self.refuse(SLOW_REQUEST)
        elif self.pipeline or (self.cycle is not None and not self.cycle.response_complete):
            return
        elif self.flow.write_paused:  # the app is done, and the client is still reading
            self.idle_since = now
        elif now - self.idle_since > self.idle_s:
            self.gate.cut(IDLE)
            transport.close()

    def _is_stuck(self, now: float) -> bool:
        """Whether the client has not read enough of what waits for it for too long."""
        waits = unread(self.transport)
        if self._stuck is None or waits <= self._stuck[1] - READ_BYTES:
            self._stuck = (now, waits)
        return now - self._stuck[0] > self.gate.limits.write_s

    # ------------------------------------------------------------ the end

    def _stop(self, why: Why) -> None:
        self.why = why
        raise Refused

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """uvicorn's way out of its parser, ours with a sentence."""
        self.refuse(self.why)

    def refuse(self, why: Why) -> None:
        """Say why and close. Nothing is said in the middle of an answer, or before one that is
        still to come: answers to earlier requests of this connection would be taken for it."""
        if self.refused or self.transport.is_closing():
            return
        self.refused = True
        self.gate.cut(why.reason)
        cycle: Any = self.cycle
        if why is SLOW_HEAD and not self.chunk:  # browsers connect ahead of need, and show a 408
            self.transport.close()
        elif cycle is None or (cycle.response_complete and self.in_head):
            self._answer(why)
            self.transport.close()
        elif cycle.response_complete:  # what is left of a body whose answer was not waited for
            self.transport.close()
        elif cycle.more_body and not cycle.response_started and not self.pipeline:
            self._answer(why)
            self.transport.close()
        elif cycle.more_body or why is MUCH:
            self.transport.abort()
        else:  # an earlier request is being answered: that, and no more
            cycle.keep_alive = False
            self.flow.pause_reading()

    def _answer(self, why: Why) -> None:
        body = problem_body(why.status, why.reason, why.detail)
        more = TURNED_AWAY if why.status == 503 else {}
        told = "".join(f"{name.lower()}: {value}\r\n" for name, value in more.items()).encode()
        phrase = http.HTTPStatus(why.status).phrase.encode()
        head = b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n"
        self.transport.write(
            head % (why.status, phrase, TYPE.encode(), len(body)) + told + b"\r\n" + body
        )


def behind(gate: Gate) -> type[asyncio.Protocol]:
    """The protocol class for `uvicorn.Config(http=…)`."""
    return type("GuardedByGate", (Guarded,), {"gate": gate})
