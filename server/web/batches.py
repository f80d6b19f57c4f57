"""A batch of events from the request that brought it to its answer, whichever door it came by.

Decode → pipeline → writer → answer; the 2xx leaves after the commit, never before.
"""

import logging
from collections.abc import Mapping, Sequence

import msgspec
from starlette.types import Scope

from server.errors import BadRequest, HandraiseError, OtherCoding, Overloaded, Refusal
from server.ingest import limits
from server.ingest.payload import Envelope, decode, inflate
from server.ingest.pipeline import Arrival, Reading, read_batch
from server.model import Class, Door, Event, Flag, Kind, Site
from server.web.address import address_in
from server.web.exchange import Answering, Headers, Reply
from server.web.line import Line
from server.web.problems import FAULT, PROBLEM, problem_body
from server.web.returning import HEADERS as BY_RETURNING
from server.web.returning import NOBODY, Return, recognise
from server.web.state import State

log = logging.getLogger("handraise.collect")
CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
]
#: Headers of ours that a page may read, sent where there are any.
EXPOSED = (b"access-control-expose-headers", b"Handraise-Dropped, Retry-After")
JSON = (b"content-type", b"application/json")
SEEN = ("user-agent", "origin", "referer", "sec-gpc", *BY_RETURNING)
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


def unpacked(body: bytes, headers: Headers) -> tuple[Envelope, list[tuple[str, Refusal]]]:
    """The batch, unpacked and decoded. Raises `BadRequest` and `TooLarge`, and `OtherCoding` where
    it cannot be read because it is packed otherwise than by gzip."""
    try:
        return decode(inflate(body))
    except BadRequest as error:
        codings = b",".join(v for name, v in headers if name == b"content-encoding")
        if codings.strip().lower() in CODINGS:
            raise
        raise OtherCoding("pack the body by gzip, once, or send it as it is") from error


async def accept(state: State, site: Site | None, arrival: Arrival, wire: Envelope) -> Answer:
    """Read a batch, store it, count what was refused. Raises `Forbidden` for an unknown key."""
    return await store(state, site, arrival, read_batch(site, arrival, wire, state.tools))


async def store(state: State, site: Site | None, arrival: Arrival, reading: Reading) -> Answer:
    """Store what was read; the answer is made after the commit."""
    assert site is not None  # noqa: S101 - read_batch refuses an unknown site
    seqs: list[int] = []
    if reading.events:
        seqs = await state.writer.append(site.site_id, reading.events)
    return stored(state, site, arrival, reading, seqs)


def stored(
    state: State, site: Site, arrival: Arrival, reading: Reading, seqs: Sequence[int]
) -> Answer:
    """What to answer when events were given these seqs.

    Of what belongs to somebody erased only a stub is stored: it is answered as anything else,
    because nobody outside may learn of an erasure.
    """
    dropped = list(reading.refused)
    accepted = duplicates = 0
    for event, seq in zip(reading.events, seqs, strict=True):
        if seq > 0:
            accepted += 1
            _note(state, site.site_id, arrival, event)
        elif seq == 0:
            duplicates += 1
            state.refused.again(site.site_id, event.event_id)
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


def few_headers(headers: Headers) -> dict[str, str]:
    """The headers in `LOOKED_AT`, the first of each name."""
    found: dict[str, str] = {}
    for name, value in headers:
        known = LOOKED_AT.get(name)
        if known is not None:
            found.setdefault(known, value.decode("latin-1"))
    return found


def arrival_of(
    state: State, scope: Scope, headers: Mapping[str, str], door: Door = Door.COLLECT
) -> Arrival:
    """What the request itself tells."""
    return _arrival(state, scope["headers"], peer_of(scope), headers, door)


def peer_of(scope: Scope) -> str:
    """The socket's address, or ""."""
    peer: str = (scope.get("client") or ("",))[0]
    return peer


def _arrival(
    state: State, lines: Headers, peer: str, headers: Mapping[str, str], door: Door
) -> Arrival:
    """The address is only taken where it can be looked up."""
    address = ""
    if state.settings.geo_database:
        settings = state.settings
        address = address_in(lines, peer, settings.trusted_proxies, settings.client_ip_header)
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


# ---------------------------------------------------------------- one batch of a browser


class Taking:
    """One batch on its way: read, stored, answered. Whatever goes wrong in it is its answer."""

    __slots__ = ("answer", "arrival", "back", "body", "headers", "peer", "reading", "site", "state")

    def __init__(
        self, state: State, headers: Headers, peer: str, body: bytes, answer: Answering
    ) -> None:
        self.state = state
        self.headers = headers
        self.peer = peer
        self.body = body
        self.answer = answer

    def begin(self, line: Line) -> None:
        """Read it when it is its turn."""
        try:
            line.wait(len(self.body), self.read)
        except Overloaded as error:
            self.fail(error)

    def read(self) -> None:
        """Read it, and have it stored."""
        try:
            self._read()
        except Exception as error:
            self.fail(error)

    def _read(self) -> None:
        state = self.state
        wire, unread = unpacked(self.body, self.headers)
        site = state.sites.by_key.get(wire.k)
        headers = few_headers(self.headers)
        arrival = _arrival(state, self.headers, self.peer, headers, Door.COLLECT)
        self.back = recognise(site, wire, headers, state.marks, arrival.received)
        reading = read_batch(site, arrival, wire, state.tools)
        reading.refused.extend(unread)
        assert site is not None  # noqa: S101 - read_batch refuses an unknown site
        self.site, self.arrival, self.reading = site, arrival, reading
        if reading.events:
            state.writer.put(site.site_id, reading.events, self.stored)
        else:
            self.stored([], None)

    def stored(self, seqs: Sequence[int], error: Exception | None) -> None:
        """The commit is done, or nothing was stored."""
        if error is not None:
            self.fail(error)
            return
        try:
            answer = stored(self.state, self.site, self.arrival, self.reading, seqs)
            known = answer == ONE and self.back is NOBODY
            reply = STORED_ONE if known else _accepted(answer, self.back)
        except Exception as fault:
            self.fail(fault)
        else:
            self.answer(reply)

    def fail(self, error: Exception) -> None:
        """Say why nothing was stored."""
        if not isinstance(error, HandraiseError):
            log.error("a batch could not be taken", exc_info=error)
            self.answer(BROKEN)
            return
        if isinstance(error, Overloaded):
            self.state.metrics.overloaded.inc()
        self.answer(refusal(error))


def _accepted(answer: Answer, back: Return = NOBODY) -> Reply:
    answer = msgspec.structs.replace(answer, visitor=back.visitor)
    headers = [*CORS, JSON]
    if back.cookie:
        headers.append((b"set-cookie", back.cookie))
    if answer.dropped:
        reasons = ", ".join(sorted({str(reason) for _, reason in answer.dropped}))
        headers += [EXPOSED, (b"handraise-dropped", reasons.encode("ascii"))]
    return Reply(202, headers, answer.body())


def refusal(error: HandraiseError, status: int = 0) -> Reply:
    """The answer for one of our errors."""
    headers = [*CORS, PROBLEM]
    if isinstance(error, Overloaded):
        headers += [EXPOSED, (b"retry-after", str(error.retry_after).encode())]
    status = status or error.status
    return Reply(status, headers, problem_body(status, error.code, error.detail))


#: Nearly every answer, made once.
ONE = Answer(1, 0, [])
STORED_ONE = _accepted(ONE)
BROKEN = Reply(500, [*CORS, PROBLEM], problem_body(500, "internal", FAULT))
NO_ROOM = refusal(Overloaded("too many events are waiting"))
