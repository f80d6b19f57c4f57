"""T7 and T8: bodies at and over every limit, bombs, and texts that break parsers.

Each is sent alone, or between two good events of one batch, which must be stored; and each is
followed by a good event of its own connection. A 5xx, a lost neighbour or more than a second is a
fault that was not survived.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from server.ingest import limits
from tests.faults.row import Fault, Outcome
from tests.faults.wire import Answer, Batches, exchange, memory, post, serving

SLOW_S = 1.0
GROWTH_BYTES = 4_000_000
BOMB_BYTES = 64_000_000


class Case(NamedTuple):
    """A request, and the statuses that are right for it."""

    name: str
    said: bytes
    right: tuple[int, ...]


def event_of(batches: Batches, size: int) -> bytes:
    """An event of exactly so many bytes."""
    shape = batches.event(y="track", d={"name": "x", "props": {"a": ""}})
    text = json.dumps(shape)
    return text.replace('"a": ""', '"a": "' + "x" * (size - len(text)) + '"').encode()


def batch_of(batches: Batches, size: int) -> bytes:
    """A batch of exactly so many bytes."""
    body = batches.batch(b"")
    return body + b" " * (size - len(body))


def at_limits(batches: Batches) -> Iterator[Case]:
    """At each limit, and one more."""
    for more, right in ((0, (202,)), (1, (413,))):
        body = batch_of(batches, limits.BODY_BYTES + more)
        yield Case(f"body {len(body)}", post(body), right)
        inflated = gzip.compress(batch_of(batches, limits.INFLATED_BYTES + more))
        yield Case(f"inflated +{more}", post(inflated, Content_Encoding="gzip"), right)
    for more in (0, 1):
        yield Case(
            f"event +{more}",
            post(batches.around(event_of(batches, limits.EVENT_BYTES + more))),
            (202,),
        )
    for count in (limits.BATCH_EVENTS, limits.BATCH_EVENTS + 1):
        few = b",".join(json.dumps(batches.event(u="/x")).encode() for _ in range(count))
        yield Case(f"{count} events", post(batches.batch(few)), (202,))
    yield Case("claims 9 GB", post(b"{}").replace(b"Length: 2", b"Length: 9000000000"), (413,))


def events(batches: Batches) -> Iterator[tuple[str, bytes]]:
    """Events that break a parser, a number, a text, or the database."""

    def track(props: str) -> bytes:
        shape = json.dumps(batches.event(y="track", d={"name": "x", "props": "@"}))
        return shape.replace('"@"', props).encode()

    def said(**more: object) -> bytes:
        return json.dumps(batches.event(**more)).encode()

    for name, props in properties():
        yield name, track(props)
    yield from fields(said)
    yield from texts(track, said)


Said = Callable[..., bytes]


def properties() -> Iterator[tuple[str, str]]:
    """Deep, many, long, and numbers that fit nowhere."""
    keys = {f"k{number}": number for number in range(1_001)}
    for depth in (limits.DEPTH - 2, limits.DEPTH + 1, 1_000, 10_000):
        yield f"depth {depth}", '{"a":' * depth + "1" + "}" * depth
        yield f"lists {depth}", '{"a":' + "[" * depth + "]" * depth + "}"
    yield "1001 keys", json.dumps(keys)
    yield "same key", "{" + ",".join(['"a":1'] * 3_000) + "}"
    yield "long key", '{"' + "k" * 20_000 + '":1}'
    yield "one string", '{"a":"' + "x" * (limits.STRING + 1) + '"}'
    for digits in (19, 20, 400, 5_000, 20_000):
        yield f"{digits} digits", '{"a":' + "9" * digits + "}"
        yield f"-{digits} digits", '{"a":-' + "9" * digits + "}"
    for number in ("1e400", "-1e400", "1e-400", "0." + "1" * 5_000, "-0", "01", "+1", ".5", "0x1"):
        yield f"number {number[:8]}", '{"a":' + number + "}"
    for word in ("NaN", "Infinity", "-Infinity", "undefined", "'a'", "", "tru", "//"):
        yield f"word {word}", '{"a":' + word + "}"


def texts(track: Said, said: Said) -> Iterator[tuple[str, bytes]]:
    """Characters that are none."""
    for name, text in (
        ("lone high", '"\\ud800"'),
        ("lone low", '"\\udc00"'),
        ("swapped", '"\\udc00\\ud800"'),
        ("cut escape", '"\\ud8"'),
        ("nul", '"a\\u0000b"'),
        ("control", '"\x01"'),
        ("rtl", '"\u202e\u2066"'),
        ("noncharacter", '"\\uffff\\ufffe"'),
    ):
        yield name, track('{"a":' + text + "}")
        yield f"{name} as key", track("{" + (text if text.startswith('"') else '"a"') + ":1}")
        yield f"{name} as title", said(n="@").replace(b'"@"', text.encode())
        yield f"{name} as type", said(y="@").replace(b'"@"', text.encode())
        yield f"{name} as id", said(i="@").replace(b'"@"', text.encode())
    for name, raw in (
        ("overlong", b"\xc0\xaf"),
        ("cut", b"\xe2\x82"),
        ("surrogate", b"\xed\xa0\x80"),
    ):
        yield f"utf-8 {name}", track('{"a":"@"}').replace(b"@", raw)
        yield f"utf-8 {name} in url", said(u="https://a.example/@").replace(b"@", raw)


def fields(said: Said) -> Iterator[tuple[str, bytes]]:
    """Values of another type, and addresses that are none."""
    for digits in (19, 20, 400, 5_000):
        yield f"time of {digits}", said().replace(b'"t": 1', b'"t": ' + b"9" * digits, 1)
    for name, bad in (("null", b"null"), ("list", b"[]"), ("text", b'"x"'), ("number", b"1")):
        yield f"an event of {name}", bad
        yield f"data of {name}", said(y="track", d="@").replace(b'"@"', bad)
        yield f"id of {name}", said(i="@").replace(b'"@"', bad)
    for url in ("http://[", "http://a:99999999/", "//", "http://\x00", "https://" + "a." * 900):
        yield f"url {url[:12]!r}", said(u=url)
        yield f"referrer {url[:12]!r}", said(r=url)


def whole_bodies(batches: Batches) -> Iterator[Case]:
    """Bodies that are no batch."""
    for name, body in (
        ("empty", b""),
        ("nothing", b"{}"),
        ("open", b"{" * 100_000),
        ("deep", b'{"k":' + b"[" * 400_000),
        ("quotes", b'"' * 400_000),
        ("escapes", b'{"k":"' + b"\\ud800" * 60_000 + b'"}'),
        ("zeros", b"\x00" * 100_000),
        ("bytes", bytes(range(256)) * 1_000),
        ("bom", b"\xef\xbb\xbf" + batches.batch(b"")),
        ("utf-16", batches.batch(b"").decode().encode("utf-16")),
        ("twice", batches.batch(b"") * 2),
        ("keys", b"{" + b",".join(b'"k%d":1' % n for n in range(30_000)) + b"}"),
        ("long key", b'{"k":"' + b"k" * 400_000 + b'","t":1,"e":[]}'),
    ):
        yield Case(name, post(body), (400, 403))


def coded(batches: Batches) -> Iterator[Case]:
    """Packed bodies: bombs, broken, nested, and codings nobody asked for."""
    fine = batches.batch(json.dumps(batches.neighbour()).encode())
    yield Case("gzip", post(gzip.compress(fine), Content_Encoding="gzip"), (202,))
    bomb = gzip.compress(b"0" * BOMB_BYTES, 9)
    for name, body in (
        ("bomb", bomb),
        ("bomb of blanks", gzip.compress(fine[:-1] + b" " * BOMB_BYTES, 9)),
        ("bomb in a bomb", gzip.compress(bomb)),
        ("nested", gzip.compress(gzip.compress(fine))),
        ("cut gzip", gzip.compress(fine)[:-9]),
        ("bad checksum", gzip.compress(fine)[:-8] + b"\x00" * 8),
        ("joined", gzip.compress(fine) * 2),
        ("tail", gzip.compress(fine) + b"tail"),
        ("only its head", b"\x1f\x8b\x08"),
    ):
        yield Case(name, post(body, Content_Encoding="gzip"), (400, 413))
    for coding, body in (
        ("deflate", zlib.compress(fine)),
        ("br", b"\x0b\x02\x80" + fine),
        ("zstd", b"\x28\xb5\x2f\xfd" + fine),
        ("compress", b"\x1f\x9d\x90" + fine),
        ("gzip, gzip", gzip.compress(gzip.compress(fine))),
        ("x" * 5_000, b"\x00" + fine),
    ):
        yield Case(coding[:12], post(body, Content_Encoding=coding), (415,))


def bodies(batches: Batches) -> Iterator[Case]:
    yield from at_limits(batches)
    yield from whole_bodies(batches)
    for name, text in events(batches):
        yield Case(name, post(batches.around(text)), (202, 400))


def fine(case: Case, answer: Answer) -> str:
    """Empty, or what is wrong with the answer."""
    if answer.status not in case.right:
        return f"{case.name}: {answer.status}"
    if answer.seconds > SLOW_S:
        return f"{case.name}: {answer.seconds:.1f} s"
    return ""


def run(module: str, data: Path, cases: Callable[[Batches], Iterator[Case]]) -> Outcome:
    """All of them, one after another, each followed by a good event."""
    wrong: list[str] = []
    tried = fives = refused = 0
    worst = 0.0
    with serving(module, data) as server:
        batches = Batches(server.key)
        good = post(batches.batch(json.dumps(batches.neighbour()).encode()))
        batches.answered(exchange(server.port, good).status)
        before = memory(server.pid)
        for case in cases(batches):
            tried += 1
            answer = exchange(server.port, case.said)
            batches.answered(answer.status)
            problem = fine(case, answer)
            if problem.endswith(" s"):  # somebody else may have had the machine
                answer = exchange(server.port, case.said)
                problem = fine(case, answer)
            worst = max(worst, answer.seconds)
            fives += answer.status >= 500
            after = post(batches.batch(json.dumps(batches.neighbour()).encode()))
            status = exchange(server.port, after).status
            batches.answered(status)
            if status != 202:
                refused += 1
                problem = problem or f"{case.name}: its neighbour was refused"
            if problem:
                wrong.append(problem)
        grown = memory(server.pid) - before
    lost = batches.lost(data)
    if cases is coded and grown > GROWTH_BYTES:
        wrong.append(f"memory grew by {grown / 1e6:.1f} MB")
    said = f"; wrong: {', '.join(wrong[:8])}" if wrong else ""
    note = f"slowest {worst * 1_000:.0f} ms, memory +{grown / 1e6:.1f} MB{said}"
    return Outcome(
        tried,
        tried - len(wrong),
        len(batches.good),
        lost,
        note=note,
        inputs=tried,
        fives=fives,
        neighbours=lost + refused,
    )


FAULTS = (
    Fault(
        "T7",
        "bodies at limits, texts that break parsers",
        1,
        lambda data, _: run("server", data, bodies),
        lambda data: run("tests.faults.unlimited", data, bodies),
    ),
    Fault(
        "T8",
        "packed bombs, broken packing, other codings",
        1,
        lambda data, _: run("server", data, coded),
        lambda data: run("tests.faults.unlimited", data, coded),
    ),
)
