"""The same visitors for other trackers: `python -m tests.bench.rivals --kind umami --url
http://127.0.0.1:3000 --site ID`.

Each kind is spoken to as its own documentation says, one event a request, and only on this machine:
an address that is not loopback is refused. Page views are page views; reading on, clicks and forms
are what each has for them, mostly events with a name. What a tracker drops while it answers 200 or
202 is counted as refused, as far as it tells. What an answer promises differs: ours leaves after
the disk has the event; look up what theirs means before comparing.
"""

import ipaddress
import os
import select
import socket
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import click
import msgspec

from server.model import Kind
from tests.bench.load import Result
from tests.bench.place import now_ms
from tests.bench.runs import Load, host
from tests.bench.table import number, spread
from tests.bench.workload import HOST, Person, Planned, Workload

WORDS = {Kind.ENGAGEMENT: "reading", Kind.CLICK: "click", Kind.FORM_SUBMIT: "form"}
JSON = "application/json"


class Asked(NamedTuple):
    """A request as a kind wants it. `host` other than empty takes the place of the address."""

    method: str
    target: str
    body: bytes = b""
    type: str = ""
    host: str = ""


class Seen(NamedTuple):
    """An event in the words all kinds share."""

    site: str
    visitor: bytes
    url: str
    title: str
    referrer: str
    event: str  # empty for a page view
    nonce: str


def umami(seen: Seen) -> Asked:
    """https://umami.is/docs/api/sending-stats"""
    payload = {
        "website": seen.site,
        "hostname": HOST,
        "screen": "1440x900",
        "language": "en-US",
        "title": seen.title,
        "url": urlsplit(seen.url).path,
        "referrer": seen.referrer,
    }
    if seen.event:
        payload["name"] = seen.event
    body = msgspec.json.encode({"type": "event", "payload": payload})
    return Asked("POST", "/api/send", body, JSON)


def plausible(seen: Seen) -> Asked:
    """https://plausible.io/docs/events-api"""
    fields = {"name": seen.event or "pageview", "url": seen.url, "domain": seen.site}
    if seen.referrer:
        fields["referrer"] = seen.referrer
    return Asked("POST", "/api/event", msgspec.json.encode(fields), JSON)


def matomo(seen: Seen) -> Asked:
    """https://developer.matomo.org/api-reference/tracking-api"""
    fields = {
        "idsite": seen.site,
        "rec": "1",
        "apiv": "1",
        "rand": seen.nonce,
        "_id": seen.visitor[:8].hex(),
        "url": seen.url,
        "action_name": seen.title,
        "urlref": seen.referrer,
        "res": "1440x900",
        "send_image": "0",
    }
    if seen.event == "reading":
        fields["ping"] = "1"
    elif seen.event:
        fields |= {"e_c": "page", "e_a": seen.event}
    return Asked("GET", f"/matomo.php?{urlencode(fields)}")


def goatcounter(seen: Seen) -> Asked:
    """https://www.goatcounter.com/help/pixel: the site is the name in `Host`."""
    fields = {"p": urlsplit(seen.url).path, "t": seen.title, "r": seen.referrer}
    fields |= {"s": "1440,900,1", "rnd": seen.nonce}
    if seen.event:
        fields |= {"p": seen.event, "e": "true"}
    return Asked("GET", f"/count?{urlencode(fields)}", host=seen.site)


KINDS: dict[str, Callable[[Seen], Asked]] = {
    "umami": umami,
    "plausible": plausible,
    "matomo": matomo,
    "goatcounter": goatcounter,
}
#: What an answer has in it that was given for an event that is dropped.
DROPPED = {
    "umami": b'"beep"',
    "plausible": b"x-plausible-dropped",
    "handraise": b"\r\nhandraise-dropped:",
}


# ---------------------------------------------------------------- requests


def seen_of(work: Workload, site: str, person: Person, planned: Planned) -> Seen:
    return Seen(
        site,
        person.key,
        work.urls[planned.page],
        f"Article {planned.page} about things",
        person.referrer if planned.first else "",
        WORDS.get(planned.kind, ""),
        planned.event_id[-6:].hex(),
    )


def wire(asked: Asked, address: str, person: Person) -> bytes:
    """The bytes on the wire, with the headers of a browser behind a proxy: each visitor has an
    address of its own, out of those kept for benchmarks (RFC 2544)."""
    low = person.number % 65_536
    head = [
        f"{asked.method} {asked.target} HTTP/1.1",
        f"Host: {asked.host or address}",
        f"User-Agent: {person.agent}",
        f"X-Forwarded-For: 198.18.{low >> 8}.{low & 255}",
        "Accept: */*",
        "Accept-Language: en-US,en;q=0.9",
        f"Origin: https://{HOST}",
        f"Referer: https://{HOST}/",
    ]
    if asked.type:
        head.append(f"Content-Type: {asked.type}")
    if asked.method == "POST":
        head.append(f"Content-Length: {len(asked.body)}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + asked.body


def requests(kind: str, site: str, address: str, count: int) -> Iterator[list[bytes]]:
    """Streams of whole requests, each of ten visitors in turn."""
    work = Workload(5, now_ms(), site)
    if kind == "handraise":
        yield from work.requests(count, 1)
        return
    made = 0
    while made < count:
        people = [work.person() for _ in range(10)]
        visits = [list(work.visit()) for _ in people]
        stream = [
            wire(KINDS[kind](seen_of(work, site, person, planned)), address, person)
            for turn in zip(*visits, strict=True)
            for person, planned in zip(people, turn, strict=True)
        ]
        made += len(stream)
        yield stream


# ---------------------------------------------------------------- the load


class Answer(NamedTuple):
    """A whole response, and whether the server ends the connection behind it."""

    status: bytes
    raw: bytes
    closes: bool


def answer_of(data: bytes, ended: bool) -> Answer | None:
    """What has come so far as an answer; None while something is missing."""
    head, mark, body = data.partition(b"\r\n\r\n")
    if not mark:
        return None
    lowered = head.lower()
    length = lowered.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0].strip()
    closes = b"\r\nconnection: close" in lowered or ended
    status = data[9:12]
    bare = status in (b"204", b"304")
    chunked = b"\r\ntransfer-encoding: chunked" in lowered
    if chunked:
        whole = body.endswith(b"0\r\n\r\n")
    else:
        whole = ended or (bool(length) and len(body) >= int(length))
    return Answer(status, lowered + body, closes) if whole or bare else None


class Client:
    """One connection that is opened again whenever the server ends it."""

    def __init__(self, place: tuple[str, int], stream: Iterator[bytes]) -> None:
        self.place = place
        self.stream = stream
        self.due = 0.0
        self.data = b""
        self.open()

    def open(self) -> None:
        self.socket = socket.create_connection(self.place, timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""

    def send(self, now: float) -> bool:
        asked = next(self.stream, None)
        if asked is None:
            return False
        self.due = now
        self.socket.sendall(asked)
        return True

    def take(self) -> Answer | None:
        part = b""
        with suppress(ConnectionResetError):
            part = self.socket.recv(65_536)
        self.data += part
        if not part and not self.data:
            return Answer(b"000", b"", True)  # ended without an answer
        found = answer_of(self.data, not part)
        if found is not None:
            self.data = b""
        elif not part:
            return Answer(b"000", b"", True)
        return found


def drive(clients: list[Client], seconds: float, dropped: bytes) -> Result:
    """Every connection sends as soon as it was answered."""
    result, poll, clock = Result(), select.epoll(), time.perf_counter
    by_fd: dict[int, Client] = {}

    def watch(client: Client) -> None:
        by_fd[client.socket.fileno()] = client
        poll.register(client.socket.fileno(), select.EPOLLIN)

    for client in clients:
        watch(client)
    result.began = clock()
    end = result.began + seconds
    waiting = sum(client.send(clock()) for client in clients)
    while waiting and clock() < end + 30:
        for fd, _ in poll.poll(1.0):
            client = by_fd[fd]
            found = client.take()
            if found is None:
                continue
            now = clock()
            refused = dropped and dropped in found.raw
            result.add(b"000" if refused else found.status, client.due, now)
            if found.closes:
                poll.unregister(fd)
                client.socket.close()
                client.open()
                watch(client)
            if now > end or not client.send(clock()):
                waiting -= 1
    return result


def place_of(url: str) -> tuple[str, int]:
    """Where a URL leads, if that is this machine. Raises `click.BadParameter`."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise click.BadParameter("give an address as http://127.0.0.1:PORT", param_hint="--url")
    name = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname
    try:
        loopback = ipaddress.ip_address(name).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise click.BadParameter(
            f"{parts.hostname} is not this machine: load is sent to 127.0.0.1, ::1 and localhost"
            " only, never to other people's servers",
            param_hint="--url",
        )
    return name, parts.port or 80


def run(kind: str, url: str, site: str, seconds: float, connections: int, most: int) -> Result:
    """One saturated run."""
    place = place_of(url)
    streams: list[list[bytes]] = [[] for _ in range(connections)]
    made = requests(kind, site, f"{place[0]}:{place[1]}", max(most, connections * 100))
    for index, stream in enumerate(made):
        streams[index % connections].extend(stream)
    clients = [Client(place, iter(stream)) for stream in streams]
    try:
        return drive(clients, seconds, DROPPED.get(kind, b""))
    finally:
        for client in clients:
            client.socket.close()


def told(what: str, found: Sequence[Load]) -> str:
    """Medians of the runs, the least and the most in brackets; of what was refused, all."""

    def middle(key: str, times: float = 1) -> str:
        values = [one[key] * times for one in found]
        return f"{number(statistics.median(values))} ({spread(values)})"

    late = ", ".join(
        f"{name} {middle(key, 1e3)}"
        for name, key in (("p50", "p50"), ("p99", "p99"), ("p99.9", "p999"))
    )
    refused = sum(one["refused"] for one in found)
    return (
        f"{what}: {middle('rate')} events/s, {late} ms,"
        f" {number(refused)} refused or dropped; {len(found)} runs"
    )


@click.command()
@click.option("--kind", type=click.Choice([*KINDS, "handraise"]), required=True)
@click.option("--url", required=True, help="where it listens, on this machine")
@click.option("--site", required=True, help="website id, domain, idsite, host name or public key")
@click.option("--seconds", default=10.0, show_default=True)
@click.option("--connections", default=64, show_default=True)
@click.option("--most", default=200_000, show_default=True, help="requests put together beforehand")
@click.option("--runs", default=3, show_default=True, help="of each of the two, in turns")
def main(
    kind: str, url: str, site: str, seconds: float, connections: int, most: int, runs: int
) -> None:
    """Send the workload of the benchmark to another tracker on this machine.

    This client has core 1, the server that does nothing core 0; put the tracker there too.
    """
    place_of(url)
    os.sched_setaffinity(0, {1 % (os.cpu_count() or 1)})
    ceilings, found = [], []
    for _ in range(runs):
        with host("noop", "--core", "0") as floor:
            nothing = f"http://127.0.0.1:{floor.port}"
            ceiling = run(kind, nothing, site, 2, connections, 30_000)
        ceilings.append(ceiling.shown(1, connections))
        result = run(kind, url, site, seconds, connections, most)
        found.append(result.shown(1, connections))
    click.echo(told("the same against a server that does nothing", ceilings))
    click.echo(told(kind, found))


if __name__ == "__main__":
    main()
