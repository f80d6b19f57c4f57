"""What a connection may take, and why it ends: the rules of `server.web.connections`, pure."""

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a connection may take: seconds, bytes, and how many at once. `proxies` may hold any
    number, because they speak for many; so may this machine, but for `exempt_loopback`: what
    comes from here is a proxy that nobody has named yet."""

    head_s: float = 10
    request_s: float = 30
    idle_s: float = 5
    proxy_idle_s: float = 75  # more than proxies keep one for, else they ask on a closed connection
    write_s: float = 30
    head_bytes: int = 32_768
    request_bytes: int = 4_000_000  # with the framing of chunks; bodies have limits of their own
    arriving_bytes: int = 32_000_000  # of all requests that are not whole yet, together
    connections: int = 10_000
    per_address: int = 1_000
    proxies: tuple[str, ...] = ()
    exempt_loopback: bool = True


class Why(msgspec.Struct, frozen=True):
    """Why a connection ends: a name for the counter, the status, and a sentence."""

    reason: str
    status: int
    detail: str


VERSIONS = frozenset({"1.0", "1.1"})
BAD = Why("invalid", 400, "this is no HTTP request")
NO_HOST = Why("host", 400, "send exactly one Host header")
BOTH_LENGTHS = Why("framing", 400, "a body has one length: Content-Length or Transfer-Encoding")
LONG_HEAD = Why("head", 431, "the request line and the headers are too long: send fewer or shorter")
LONG_REQUEST = Why("size", 413, "the request is too large: send smaller batches")
SLOW_HEAD = Why("slow_head", 408, "the request's headers took too long to arrive")
SLOW_REQUEST = Why("slow_request", 408, "the request took too long to arrive")
PIPED = Why("pipelined", 400, "wait for answers: too many requests were sent at once")
CROWDED = Why("address", 503, "too many connections from this address: close some, try again")
FULL = Why("total", 503, "too many connections: try again in a few seconds")
MUCH = Why(
    "arriving", 503, "too many long requests are arriving at once: try again in a few seconds"
)
IDLE, SLOW_READER = "idle", "slow_reader"


def wrong_with(headers: list[tuple[bytes, bytes]], version: str, most: int) -> Why | None:
    """What two readers of the same head could understand in two ways, or a body over `most`."""
    hosts = lengths = codings = 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
        elif name == b"content-length":
            lengths += 1
            if int(value) > most:
                return LONG_REQUEST
        elif name == b"transfer-encoding":
            codings += 1
    if version not in VERSIONS:
        return BAD
    if hosts != 1 and (hosts or version == "1.1"):
        return NO_HOST
    return BOTH_LENGTHS if lengths + codings > 1 else None
