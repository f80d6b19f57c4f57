"""`POST /e`: raw ASGI in front of the router, because every visitor's browser calls it.

Read → decode → pipeline → writer; the 2xx leaves after the commit, never before.
"""

from collections.abc import Mapping

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.errors import BadRequest, HandraiseError, OtherCoding, Overloaded, Refusal, TooLarge
from server.ingest import limits
from server.ingest.payload import Envelope, decode, inflate
from server.ingest.pipeline import Arrival, Reading, read_batch
from server.model import Class, Door, Event, Flag, Kind, Site
from server.web.address import address_in
from server.web.deadlines import Deadlines
from server.web.line import Line
from server.web.problems import problem_body
from server.web.returning import HEADERS as BY_RETURNING
from server.web.returning import NOBODY, Return, recognise
from server.web.state import State

CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
]
#: Headers of ours that a page may read, sent where there are any.
EXPOSED = (b"access-control-expose-headers", b"Handraise-Dropped, Retry-After")
PREFLIGHT = [
    *CORS,
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (b"access-control-allow-headers", b"Content-Type, Content-Encoding, Authorization"),
    (b"access-control-max-age", b"86400"),
]
JSON = (b"content-type", b"application/json")
PROBLEM = (b"content-type", b"application/problem+json")
SEEN = ("user-agent", "origin", "referer", "sec-gpc", *BY_RETURNING)
#: A batch of some events, where its size is not said.
USUAL_BYTES = 2_000
#: What `POST /e` looks at; the others of a browser's many headers are not worth their decoding.
LOOKED_AT = {name.encode(): name for name in SEEN}
CODINGS = frozenset({b"", b"gzip", b"x-gzip", b"identity"})
BAD_TOKEN = int(Flag.BAD_TOKEN)


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What a batch came to; `dropped` is (event id, reason), `visitor` who the script now is."""

    accepted: int
    duplicates: int
    dropped: list[tuple[str, Refusal]]
    visitor: str = ""

    def body(self) -> bytes:
        shape = {
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "dropped": [{"id": name, "reason": str(reason)} for name, reason in self.dropped],
        }
        return msgspec.json.encode(shape | {"v": self.visitor} if self.visitor else shape)


async def read_body(receive: Receive, limit: int, deadlines: Deadlines | None = None) -> bytes:
    """The request's body. Raises `TooLarge` at the limit, `BadRequest` after the deadline."""
    parts = bytearray()  # not a list: two bytes each would take twenty times as much
    try:
        with deadlines or Deadlines(limits.BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise BadRequest("the client went away", code="gone")
                body: bytes = message.get("body", b"")
                _bounded(len(parts) + len(body), limit)
                if not message.get("more_body"):
                    return bytes(parts + body) if parts else body
                parts += body
    except TimeoutError as error:
        raise BadRequest("the body took too long to arrive", code="too_slow") from error


def unpacked(body: bytes, scope: Scope) -> tuple[Envelope, list[tuple[str, Refusal]]]:
    """The batch, unpacked and decoded. Raises `BadRequest` and `TooLarge`, and `OtherCoding` where
    it cannot be read because it is packed otherwise than by gzip."""
    try:
        return decode(inflate(body))
    except BadRequest as error:
        codings = b",".join(v for name, v in scope["headers"] if name == b"content-encoding")
        if codings.strip().lower() in CODINGS:
            raise
        raise OtherCoding("pack the body by gzip, once, or send it as it is") from error


def _bounded(size: int, limit: int) -> None:
    if size > limit:
        raise TooLarge(f"a batch is at most {limit} bytes")


async def accept(state: State, site: Site | None, arrival: Arrival, wire: Envelope) -> Answer:
    """Read a batch, store it, count what was refused. Raises `Forbidden` for an unknown key."""
    return await store(state, site, arrival, read_batch(site, arrival, wire, state.tools))


async def store(state: State, site: Site | None, arrival: Arrival, reading: Reading) -> Answer:
    """Store what was read; the answer is made after the commit.

    Of what belongs to somebody erased only a stub is stored: it is answered as anything else,
    because nobody outside may learn of an erasure.
    """
    assert site is not None  # noqa: S101 - read_batch refuses an unknown site
    dropped = list(reading.refused)
    accepted = duplicates = 0
    if reading.events:
        seqs = await state.writer.append(site.site_id, reading.events)
        for event, seq in zip(reading.events, seqs, strict=True):
            if seq > 0:
                accepted += 1
                _note(state, site.site_id, arrival, event)
            elif seq == 0:
                duplicates += 1
            else:
                dropped.append((event.event_id.hex(), Refusal.UNSTORABLE))
    for _, reason in dropped:
        state.refused.add(site.site_id, str(reason), arrival.received, _sample(arrival))
    return Answer(accepted, duplicates, dropped)


def _note(state: State, site_id: int, arrival: Arrival, event: Event) -> None:
    """Count what was stored and is in no figure, or is not all that was sent."""
    now = arrival.received
    if event.kind is Kind.ERASED:
        state.refused.add(site_id, str(Refusal.TOMBSTONE), now, None)
    elif event.class_ is not Class.HUMAN:
        state.refused.classified(site_id, event.class_, event.reason, now, event.url)
    if event.flags & BAD_TOKEN:  # kept as unsigned, and the owner should know
        kept = _sample(arrival) | {"kept": "unsigned"}
        state.refused.add(site_id, str(Refusal.BAD_TOKEN), now, kept)


def _sample(arrival: Arrival) -> dict[str, str]:
    return {"origin": arrival.origin[: limits.HEADER_ORIGIN], "door": arrival.door.name}


def header_map(scope: Scope) -> dict[str, str]:
    """Headers, lower-cased, the first of each name."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return found


def few_headers(scope: Scope) -> dict[str, str]:
    """The headers in `LOOKED_AT`, the first of each name."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        known = LOOKED_AT.get(name)
        if known is not None:
            found.setdefault(known, value.decode("latin-1"))
    return found


def arrival_of(
    state: State, scope: Scope, headers: Mapping[str, str], door: Door = Door.COLLECT
) -> Arrival:
    """What the request itself tells. The address is only taken where it can be looked up."""
    address = ""
    if state.settings.geo_database:
        settings = state.settings
        peer = (scope.get("client") or ("",))[0]
        address = address_in(
            scope["headers"], peer, settings.trusted_proxies, settings.client_ip_header
        )
    return Arrival(
        received=state.clock(),
        door=door,
        user_agent=headers.get("user-agent", ""),
        origin=headers.get("origin", ""),
        referer=headers.get("referer", ""),
        address=address,
        gpc=headers.get("sec-gpc") == "1",
        secret=door is Door.API,
    )


class Collect:
    """The collect endpoint, in front of the rest of the app."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app = app
        self.state = state
        self.deadlines = Deadlines(limits.BODY_SECONDS)
        self.line = Line()

    def full(self, size: int) -> bytes | None:
        """The answer to a batch of `size` bytes (0: not said) for which there is no room, as it is
        sent; None while there is some. Asked for each batch before anything is made of it
        (`connections.Gate`)."""
        if not self.state.writer.full and self.line.lets_in(size or USUAL_BYTES):
            return None
        self.state.metrics.overloaded.inc()
        return NO_ROOM

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/e":
            await self.app(scope, receive, send)
            return
        method = scope["method"]
        if method == "OPTIONS":
            await _send(send, 204, PREFLIGHT, b"")
        elif method != "POST":
            await _problem(send, HandraiseError("send events by POST", code="method"), 405)
        else:
            await self._collect(scope, receive, send)

    async def _collect(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = self.state
        try:
            body = await read_body(receive, limits.BODY_BYTES, self.deadlines)
            state.writer.admit()  # what would be refused is not worth its reading
            await self.line.turn(len(body))
            state.writer.admit()
            wire, unread = unpacked(body, scope)
            site = state.sites.by_key.get(wire.k)
            headers = few_headers(scope)
            arrival = arrival_of(state, scope, headers)
            back = recognise(site, wire, headers, state.marks, arrival.received)
            reading = read_batch(site, arrival, wire, state.tools)
            reading.refused.extend(unread)
            answer = await store(state, site, arrival, reading)
        except HandraiseError as error:
            if isinstance(error, Overloaded):
                state.metrics.overloaded.inc()
            await _problem(send, error, error.status)
            return
        start, end = STORED_ONE if answer == ONE and back is NOBODY else _accepted(answer, back)
        await send(start)
        await send(end)


def _accepted(answer: Answer, back: Return = NOBODY) -> tuple[Message, Message]:
    answer = msgspec.structs.replace(answer, visitor=back.visitor)
    headers = [*CORS, JSON]
    if back.cookie:
        headers.append((b"set-cookie", back.cookie))
    if answer.dropped:
        reasons = ", ".join(sorted({str(reason) for _, reason in answer.dropped}))
        headers += [EXPOSED, (b"handraise-dropped", reasons.encode("ascii"))]
    return _messages(202, headers, answer.body())


def _messages(
    status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> tuple[Message, Message]:
    """The two messages of a response."""
    length = (b"content-length", str(len(body)).encode())
    start = {"type": "http.response.start", "status": status, "headers": [*headers, length]}
    return start, {"type": "http.response.body", "body": body}


#: Nearly every answer, made once: servers only read it.
ONE = Answer(1, 0, [])
STORED_ONE = _accepted(ONE)


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    start, end = _messages(status, headers, body)
    await send(start)
    await send(end)


async def _problem(send: Send, error: HandraiseError, status: int) -> None:
    await _send(send, status, *_problem_parts(error, status))


def _problem_parts(error: HandraiseError, status: int) -> tuple[list[tuple[bytes, bytes]], bytes]:
    headers = [*CORS, PROBLEM]
    if isinstance(error, Overloaded):
        headers += [EXPOSED, (b"retry-after", str(error.retry_after).encode())]
    return headers, problem_body(status, error.code, error.detail)


def _as_sent(error: Overloaded) -> bytes:
    """The same as bytes on the wire."""
    headers, body = _problem_parts(error, error.status)
    headers.append((b"content-length", str(len(body)).encode()))
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"HTTP/1.1 503 Service Unavailable\r\n" + lines + b"\r\n" + body


NO_ROOM = _as_sent(Overloaded("too many events are waiting"))
