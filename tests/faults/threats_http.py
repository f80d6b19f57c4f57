"""T10: requests that two servers could read in two ways, Host tricks, ranges, and other languages.

What has no clear end is refused and its connection closed: the request hidden behind it is never
answered. No header but the ones named in the settings changes what is answered to whom.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.faults.row import Fault, Outcome
from tests.faults.wire import Answer, exchange, serving

HIDDEN = b"GET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n"
EVIL = b"evil.example"
WAIT_S = 3
MOST_BYTES = 200_000  # the largest file there is, a few times


class Probe(NamedTuple):
    """What is said, and the statuses that are right; 0 is a connection closed without a word."""

    name: str
    said: bytes
    right: tuple[int, ...]


def framings() -> Iterator[Probe]:
    """Bodies without one clear length. Behind each lies a hidden request."""
    head = b"POST /e HTTP/1.1\r\nHost: t\r\n"
    chunked = b"Transfer-Encoding: chunked\r\n"
    last = b"0\r\n\r\n"
    for name, lines in (
        ("CL and TE", b"Content-Length: 5\r\n" + chunked),
        ("TE and CL", chunked + b"Content-Length: 5\r\n"),
        ("two CL", b"Content-Length: 5\r\nContent-Length: 6\r\n"),
        ("the same CL twice", b"Content-Length: 5\r\nContent-Length: 5\r\n"),
        ("a list of CL", b"Content-Length: 5, 5\r\n"),
        ("CL +5", b"Content-Length: +5\r\n"),
        ("CL -5", b"Content-Length: -5\r\n"),
        ("CL 0x5", b"Content-Length: 0x5\r\n"),
        ("CL 5 5", b"Content-Length: 5 5\r\n"),
        ("CL 5.0", b"Content-Length: 5.0\r\n"),
        ("CL of 40 digits", b"Content-Length: " + b"9" * 40 + b"\r\n"),
        ("CL empty", b"Content-Length: \r\n"),
        ("TE xchunked", b"Transfer-Encoding: xchunked\r\n"),
        ("TE chunked, identity", b"Transfer-Encoding: chunked, identity\r\n"),
        ("TE chunked, chunked", b"Transfer-Encoding: chunked, chunked\r\n"),
        ("TE twice", chunked + b"Transfer-Encoding: identity\r\n"),
        ("TE with a space", b"Transfer-Encoding : chunked\r\n"),
        ("TE folded", b"Transfer-Encoding:\r\n chunked\r\n"),
        ("TE with a tab", b"Transfer-Encoding: \x0bchunked\r\n"),
        ("TE quoted", b'Transfer-Encoding: "chunked"\r\n'),
        ("TE and NUL", b"Transfer-Encoding: chunked\x00\r\n"),
        ("bare LF before TE", b"X: y\nTransfer-Encoding: chunked\r\n"),
        ("bare CR before TE", b"X: y\rTransfer-Encoding: chunked\r\n"),
        ("folded line", b"X: y\r\n z\r\n" + chunked),
        ("line without a colon", b"X\r\n"),
        ("line without a name", b": y\r\n"),
        ("name with a space", b"X Y: z\r\n"),
        ("name with NUL", b"X\x00: z\r\n"),
        ("value with NUL", b"X: a\x00b\r\n"),
        ("first line folded", b" X: y\r\n"),
        ("no host", b""),
        ("two hosts", b"Host: u\r\n"),
    ):
        first = head.replace(b"Host: t\r\n", b"") if name == "no host" else head
        yield Probe(name, first + lines + b"\r\n" + last + HIDDEN, (400, 413, 431))
    for name, chunk in (
        ("chunk of -1", b"-1\r\nx\r\n"),
        ("chunk of 0x1", b"0x1\r\nx\r\n"),
        ("chunk of zz", b"zz\r\nx\r\n"),
        ("chunk of 2^68", b"1" + b"0" * 17 + b"\r\nx\r\n"),
        ("chunk without its end", b"1\r\nxy\r\n"),
        ("chunk of nothing", b"\r\nx\r\n"),
        ("chunk with bare LF", b"1\nx\n"),
        ("chunk size with a space", b"1 1\r\nx\r\n"),
        ("chunk extension with CR", b"1;a=\rb\r\nx\r\n"),
    ):
        yield Probe(name, head + chunked + b"\r\n" + chunk + last + HIDDEN, (400,))


def lines() -> Iterator[Probe]:
    """First lines, and other languages than HTTP/1.1."""
    rest = b"\r\nHost: t\r\nConnection: close\r\n\r\n"
    for name, line, right in (
        ("absolute", b"GET http://evil.example/ HTTP/1.1", (303, 400)),
        ("absolute, odd", b"GET gopher://evil.example/x HTTP/1.1", (303, 400, 404)),
        ("authority", b"CONNECT evil.example:443 HTTP/1.1", (400, 404, 405)),
        ("asterisk", b"OPTIONS * HTTP/1.1", (400, 404, 405)),
        ("two slashes", b"GET //evil.example/ HTTP/1.1", (303, 400, 404)),
        ("backslash", b"GET /\\evil.example/ HTTP/1.1", (400, 404)),
        ("host and no slash", b"GET evil.example HTTP/1.1", (400, 404)),
        ("at", b"GET @evil.example/ HTTP/1.1", (400, 404)),
        ("no version", b"GET /livez", (0, 400)),
        ("HTTP/9.9", b"GET /livez HTTP/9.9", (400, 505)),
        ("HTTP/2.0", b"PRI * HTTP/2.0", (0, 400, 505)),
        ("http/1.1", b"GET /livez http/1.1", (400,)),
        ("lower method", b"get /livez HTTP/1.1", (400, 405)),
        ("odd method", b"BREW /livez HTTP/1.1", (400, 405)),
        ("long method", b"G" * 5_000 + b" /livez HTTP/1.1", (400, 405)),
        ("two spaces", b"GET  /livez HTTP/1.1", (200, 400)),
        ("NUL in the path", b"GET /li\x00vez HTTP/1.1", (400,)),
        ("bytes in the path", b"GET /\xff\xfe HTTP/1.1", (400, 404)),
        ("%00 in the path", b"GET /%00 HTTP/1.1", (400, 404)),
        ("%ff in the path", b"GET /%ff%c0%af HTTP/1.1", (400, 404)),
        ("long path", b"GET /" + b"a" * 30_000 + b" HTTP/1.1", (404, 414, 431)),
        ("longer path", b"GET /" + b"a" * 90_000 + b" HTTP/1.1", (0, 414, 431)),
        ("long query", b"GET /sign-in?" + b"a=b&" * 7_000 + b" HTTP/1.1", (200, 400)),
    ):
        yield Probe(name, line + rest, right)
    yield Probe(
        "hello of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500, (0, 400)
    )
    yield Probe("SSH", b"SSH-2.0-OpenSSH_9.9\r\n\r\n", (0, 400))
    yield Probe("a redirect of Redis", b"*1\r\n$4\r\nPING\r\n\r\n", (0, 400))


def headers() -> Iterator[Probe]:
    """Hosts and headers that some servers believe."""
    for name, given, right in (
        ("Host evil", b"Host: evil.example", (303,)),
        ("Host with a path", b"Host: t/evil.example", (303, 400)),
        ("Host with a user", b"Host: t@evil.example", (303, 400)),
        ("Host with a port", b"Host: t:99999999", (303, 400)),
        ("Host empty", b"Host:", (303, 400)),
        ("Host of bytes", b"Host: \xff\xfe", (303, 400)),
        ("Host long", b"Host: " + b"a" * 20_000, (303, 400)),
        ("X-Forwarded-Host", b"Host: t\r\nX-Forwarded-Host: evil.example", (303,)),
        ("Forwarded", b"Host: t\r\nForwarded: host=evil.example;proto=https", (303,)),
        ("X-Original-URL", b"Host: t\r\nX-Original-URL: /evil.example", (303,)),
        ("X-Rewrite-URL", b"Host: t\r\nX-Rewrite-URL: /evil.example", (303,)),
        ("method override", b"Host: t\r\nX-HTTP-Method-Override: EVIL.example", (303,)),
        ("upgrade to h2c", b"Host: t\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk", (303,)),
        ("upgrade to websocket", b"Host: t\r\nUpgrade: websocket", (303,)),
        ("odd Expect", b"Host: t\r\nExpect: 200-ok", (303, 417)),
        ("long header", b"Host: t\r\nX: " + b"a" * 100_000, (0, 431)),
        ("many headers", b"Host: t\r\n" + b"X: y\r\n" * 8_000 + b"X: z", (0, 431)),
        ("long cookie", b"Host: t\r\nCookie: handraise=" + b"a" * 20_000, (303,)),
        ("odd cookie", b'Host: t\r\nCookie: handraise="\\000\xff; a=b;;; =; handraise', (303,)),
        ("odd token", b"Host: t\r\nAuthorization: Bearer \xff\xfe\x80", (303,)),
        ("two tokens", b"Host: t\r\nAuthorization: Basic eA==\r\nAuthorization: Bearer x", (303,)),
        ("odd language", b"Host: t\r\nAccept-Language: " + b"a;q=," * 3_000, (303,)),
        ("odd type", b"Host: t\r\nAccept: " + b"a/b;q=x," * 2_000, (303,)),
    ):
        yield Probe(name, b"GET / HTTP/1.1\r\n" + given + b"\r\nConnection: close\r\n\r\n", right)


def ranges() -> Iterator[Probe]:
    """Ranges of a static file: as many as there are, they are not more than the file."""
    for name, given in (
        ("a thousand times a byte", "bytes=" + ",".join(["0-0"] * 1_000)),
        ("a thousand times all", "bytes=" + ",".join(["0-"] * 1_000)),
        ("overlapping", "bytes=" + ",".join(f"{n}-" for n in range(2_000))),
        ("many commas", "bytes=" + "," * 5_000),
        ("many digits", "bytes=" + "9" * 4_000 + "-"),
        ("huge", "bytes=0-" + "9" * 30),
        ("backwards", "bytes=9-1"),
        ("behind the end", "bytes=99999999-"),
        ("from the end", "bytes=-99999999"),
        ("nothing from the end", "bytes=-0"),
        ("words", "bytes=a-b"),
        ("lines", "lines=0-1"),
        ("spaces", "bytes = 0 - " + " " * 9_000),
    ):
        head = "GET /static/app.css HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
        said = f"{head}Range: {given}\r\n\r\n".encode()
        yield Probe(f"range: {name}", said, (200, 206, 400, 416))


def wrong(probe: Probe, answer: Answer) -> str:
    """Empty, or what is wrong with the answer."""
    if answer.status not in probe.right:
        return f"{probe.name}: {answer.status}"
    if b"/smuggled" in answer.text:
        return f"{probe.name}: the hidden request was answered"
    head = answer.text.partition(b"\r\n\r\n")[0].lower()
    if b"location" in head and EVIL in head:
        return f"{probe.name}: leads to a strange host"
    if len(answer.text) > MOST_BYTES:
        return f"{probe.name}: {len(answer.text)} bytes"
    return f"{probe.name}: {answer.seconds:.1f} s" if answer.seconds > 1 else ""


def run(module: str, data: Path) -> Outcome:
    """Each probe on a connection of its own; afterwards the server answers as ever."""
    faults: list[str] = []
    fives = 0
    probes = [*framings(), *lines(), *headers(), *ranges()]
    with serving(module, data) as server:
        for probe in probes:
            answer = exchange(server.port, probe.said, WAIT_S)
            fault = wrong(probe, answer)
            if fault.endswith(" s"):
                answer = exchange(server.port, probe.said, WAIT_S)
                fault = wrong(probe, answer)
            fives += answer.status >= 500
            if fault:
                faults.append(fault)
        fine = b"GET /livez HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
        if exchange(server.port, fine).status != 200:
            faults.append("it does not answer any more")
    note = f"wrong: {', '.join(faults[:8])}" if faults else ""
    tried = len(probes)
    return Outcome(tried, tried - len(faults), note=note, inputs=tried, fives=fives)


FAULTS = (
    Fault(
        "T10",
        "smuggling, Host tricks, Range bombs",
        1,
        lambda data, _: run("server", data),
        lambda data: run("tests.faults.unguarded", data),
    ),
)
