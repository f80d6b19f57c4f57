"""Bytes → the wire's types. The only place that knows the short names of the wire.

Well-formed batches take one typed decode. Whatever that rejects is looked at again: lone surrogate
escapes and broken UTF-8 are repaired (a page may hold them in any text), and a batch with one bad
event is taken apart so that its neighbours are kept.
"""

import binascii
import re
import zlib
from typing import Any

import msgspec

from server.errors import BadRequest, Refusal, TooLarge
from server.ingest import limits


class WireEvent(msgspec.Struct, gc=False):
    """`i` event id, `y` type, `t` client time, `u` URL, `r` referrer, `n` title, `p` page view,
    `q` number within the tab, `d` data by type."""

    i: str
    y: str
    t: int | float
    u: str | None = None
    r: str | None = None
    n: str | None = None
    p: str | None = None
    q: int | float | None = None
    d: msgspec.Raw = msgspec.Raw(b"")


class Envelope(msgspec.Struct, gc=False):
    """`k` site key, `t` sent-at, `e` events, `v` visitor, `c` consent, `s` tab, `f` flags,
    `x` protocol, `b` widget build."""

    k: str
    t: int | float
    e: list[WireEvent]
    v: str | None = None
    c: str | None = None
    s: str | None = None
    f: int | None = None
    x: int | None = None
    b: str | None = None


class LooseEnvelope(msgspec.Struct):
    """The same with events still unread."""

    k: str
    t: int | float
    e: list[msgspec.Raw]
    v: str | None = None
    c: str | None = None
    s: str | None = None
    f: int | None = None
    x: int | None = None
    b: str | None = None


class Named(msgspec.Struct):
    """Just the id of an event that cannot be read otherwise."""

    i: str = ""


_envelope = msgspec.json.Decoder(Envelope)
_loose = msgspec.json.Decoder(LooseEnvelope)
_event = msgspec.json.Decoder(WireEvent)
_named = msgspec.json.Decoder(Named)
_any = msgspec.json.Decoder(Any)

#: An escape is read whole, so that `\\ud800` after an escaped backslash is left alone.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
Refused = tuple[str, Refusal]


def inflate(body: bytes) -> bytes:
    """The body, unpacked if it is gzip (sniffed: clients mislabel it).

    Raises `TooLarge` as soon as the limit is passed, `BadRequest` for broken or nested gzip.
    """
    if body[:2] != b"\x1f\x8b":
        return body
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(body, limits.INFLATED_BYTES + 1)
    except zlib.error as error:
        raise BadRequest("the body looks like gzip and is not", code="bad_gzip") from error
    if len(text) > limits.INFLATED_BYTES:
        raise TooLarge(f"the unpacked batch is over {limits.INFLATED_BYTES} bytes")
    if not unpacker.eof or unpacker.unused_data or text[:2] == b"\x1f\x8b":
        raise BadRequest("the gzip body is cut short, joined or nested", code="bad_gzip")
    return text


def repair(body: bytes) -> bytes:
    """Lone surrogate escapes and bytes that are no UTF-8 become U+FFFD."""
    text = body.decode("utf-8", "replace").encode()
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], text)


def decode(body: bytes) -> tuple[Envelope, list[Refused]]:
    """One batch and what of it could not be read. Raises `BadRequest` if it is no batch at all."""
    if len(body) <= limits.EVENT_BYTES:  # then no event can be over its limit
        try:
            return _envelope.decode(body), []
        except _FAULTS:
            pass
    return _decode_loosely(body)


def _decode_loosely(body: bytes) -> tuple[Envelope, list[Refused]]:
    try:
        try:
            loose = _loose.decode(body)
        except _FAULTS:
            body = repair(body)
            loose = _loose.decode(body)
    except _FAULTS as error:
        raise BadRequest(f"not a batch of events: {_reason(error)}", code="bad_batch") from error
    events: list[WireEvent] = []
    refused: list[Refused] = []
    for raw in loose.e:
        text = bytes(raw)
        if len(text) > limits.EVENT_BYTES:
            refused.append((_name(text), Refusal.TOO_BIG))
            continue
        event = _one(text)
        if event is None:
            refused.append((_name(text), Refusal.UNPARSABLE))
        else:
            events.append(event)
    envelope = Envelope(
        k=loose.k,
        t=loose.t,
        e=events,
        v=loose.v,
        c=loose.c,
        s=loose.s,
        f=loose.f,
        x=loose.x,
        b=loose.b,
    )
    return envelope, refused


def _one(text: bytes) -> WireEvent | None:
    for attempt in (text, repair(text)):
        try:
            return _event.decode(attempt)
        except _FAULTS:
            continue
    return None


def _name(text: bytes) -> str:
    try:
        return _named.decode(text).i[:64]
    except _FAULTS:
        return ""


def _reason(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]


_URLSAFE = bytes.maketrans(b"-_", b"+/")


def read_id(text: str | None) -> bytes | None:
    """22 characters of base64url → 16 bytes; None if it is anything else, or all zero."""
    if text is None or len(text) != 22:
        return None
    try:
        value = binascii.a2b_base64(text.encode("ascii").translate(_URLSAFE) + b"==")
    except (ValueError, UnicodeEncodeError):
        return None
    return value if len(value) == 16 and any(value) else None


def write_id(value: bytes) -> str:
    """16 bytes → 22 characters of base64url."""
    text = binascii.b2a_base64(value, newline=False).rstrip(b"=").decode("ascii")
    return text.replace("+", "-").replace("/", "_")


def read_tab(text: str | None) -> int | None:
    """A tab id as a signed 64-bit integer; foreign shapes are cut or hashed into one."""
    if not text:
        return None
    if len(text) == 11:
        try:
            raw = binascii.a2b_base64(text.encode("ascii").translate(_URLSAFE) + b"=")
            return int.from_bytes(raw[:8], "big", signed=True)
        except (ValueError, UnicodeEncodeError):
            pass
    return zlib.crc32(text[:64].encode("utf-8", "replace"))


def tidy(text: str, limit: int) -> str:
    """Without NUL and surrounding space, at most `limit` characters."""
    if "\x00" in text:
        text = text.replace("\x00", "")
    return text[:limit].strip()


class TooComplex(ValueError):
    """Deeper or larger than an event's data may be."""


def decode_data(raw: bytes) -> dict[str, Any]:
    """Free data as plain values within the limits on depth, keys and length.

    Integers beyond 64 bits become text. Raises `TooComplex`, or a `ValueError` for bad JSON.
    """
    if not raw:
        return {}
    try:
        value = _any.decode(raw)
    except RecursionError as error:
        raise TooComplex("nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("data is no object")
    budget = [limits.PROPERTIES]
    return {tidy(key, limits.NAME): _bounded(item, 1, budget) for key, item in value.items() if key}


def _bounded(value: Any, depth: int, budget: list[int]) -> Any:
    budget[0] -= 1
    if depth > limits.DEPTH or budget[0] < 0:
        raise TooComplex("too deep or too many properties")
    if isinstance(value, str):
        return tidy(value, limits.STRING)
    if isinstance(value, list):
        return [_bounded(item, depth + 1, budget) for item in value]
    if isinstance(value, dict):
        return {
            tidy(str(key), limits.NAME): _bounded(item, depth + 1, budget)
            for key, item in value.items()
        }
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return value
