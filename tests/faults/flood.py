"""Open loop: requests leave when they are due, whatever became of those before.

Run as `python -m tests.faults.flood --port P --key K --rate R`, prints one line of JSON. At rate 0
it is a closed loop: every connection sends as soon as it was answered, which finds the peak.
"""

import argparse
import itertools
import json
import select
import socket
import time
from collections import deque
from collections.abc import Iterator

from server.ingest.payload import write_id
from tests.bench.load import Connection, quantile
from tests.faults.asking import AGENT

BATCH = 50
START_MS = 1_790_000_000_000
MOST_CONNECTIONS = 1_500
FEW_CONNECTIONS = 64
AT_ONCE = 16
#: Requests put together before the clock starts, at most; those beyond are made on the way.
MADE_BEFORE = 20_000
LINGER_S = 5.0  # for the last answers


def ids_of(seed: int, number: int) -> list[bytes]:
    """The event ids of one request, the same for the same numbers."""
    start = START_MS.to_bytes(6, "big")
    return [start + ((seed << 48) + number * 64 + i).to_bytes(10, "big") for i in range(BATCH)]


def requests(key: str, seed: int) -> Iterator[bytes]:
    """Batches of page views, ten requests by each visitor."""
    event = '{"i":"%s","y":"page_view","t":%d,"u":"https://acme.example/%d"}'
    head = f"POST /e HTTP/1.1\r\nHost: t\r\nUser-Agent: {AGENT}\r\nContent-Length: %d\r\n\r\n%s"
    number = 0
    while True:
        events = ",".join(
            event % (write_id(event_id), START_MS, event_id[-1] % 50)
            for event_id in ids_of(seed, number)
        )
        visitor = write_id(((seed << 48) + number // 10).to_bytes(16, "big"))
        body = f'{{"k":"{key}","v":"{visitor}","t":{START_MS},"e":[{events}]}}'
        yield (head % (len(body), body)).encode()
        number += 1


class Sending(Connection):
    """A connection that knows which request it waits for, and since when."""

    __slots__ = ("bare", "number", "sent")

    def __init__(self, port: int, address: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), source_address=(address, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.number, self.sent, self.bare = 0, 0.0, False

    def answered(self) -> bytes:
        """The status of a complete answer; `bare` tells of a refusal without Retry-After."""
        seen = self.buffer
        data = self.socket.recv(65_536, socket.MSG_PEEK)
        status = super().answered()
        self.bare = status == b"503" and b"retry-after" not in (seen + data).lower()
        return status


class Flood:
    """What was sent and what came of it."""

    def __init__(self, port: int, key: str, seed: int, ready: int) -> None:
        self.port = port
        source = requests(key, seed)
        made = list(itertools.islice(source, ready))
        self.source = itertools.chain(made, source)
        self.poll = select.epoll()
        self.busy: dict[int, Sending] = {}
        self.free: deque[Sending] = deque()
        self.number = -1
        self.accepted: list[int] = []
        self.good: list[float] = []
        self.refused: list[float] = []
        self.statuses: dict[str, int] = {}
        self.due = self.unsent = self.broken = self.opened = self.bare = 0

    def send(self) -> None:
        """One request, on a free connection or on a new one while there may be more."""
        connection = self.free.popleft() if self.free else self._open()
        if connection is None:
            self.unsent += 1
            return
        self.number += 1
        connection.number, connection.sent = self.number, time.perf_counter()
        try:
            connection.socket.sendall(next(self.source))
        except OSError:
            self.broken += 1
            self._close(connection)
            return
        self.busy[connection.socket.fileno()] = connection

    def _open(self) -> Sending | None:
        if self.opened >= MOST_CONNECTIONS:
            return None
        connection = Sending(self.port, f"127.0.0.{2 + self.opened // 500}")
        self.poll.register(connection.socket.fileno(), select.EPOLLIN)
        self.opened += 1
        return connection

    def _close(self, connection: Sending) -> None:
        self.poll.unregister(connection.socket.fileno())
        connection.socket.close()
        self.opened -= 1

    def read(self, wait_s: float) -> int:
        """Take the answers that are there; how many."""
        count = 0
        for fd, _ in self.poll.poll(wait_s):
            connection = self.busy.get(fd)
            if connection is None:  # an idle one was closed, as it should be
                connection = next(one for one in self.free if one.socket.fileno() == fd)
                self.free.remove(connection)
                self._close(connection)
                continue
            try:
                status = connection.answered()
            except OSError:
                del self.busy[fd]
                self.broken += 1
                self._close(connection)
                continue
            if status:
                count += 1
                self._note(connection, status)
                self.free.append(self.busy.pop(fd))
        return count

    def _note(self, connection: Sending, status: bytes) -> None:
        took = time.perf_counter() - connection.sent
        self.statuses[status.decode()] = self.statuses.get(status.decode(), 0) + 1
        if status == b"202":
            self.accepted.append(connection.number)
            self.good.append(took)
        elif status == b"503":
            self.refused.append(took)
            self.bare += connection.bare

    # ------------------------------------------------------------ the two loops

    def pace(self, rate: float, seconds: float) -> None:
        """Open loop, `rate` requests a second; `due` tells how many this loop came round to."""
        began = time.perf_counter()
        while (now := time.perf_counter() - began) < seconds:
            for _ in range(AT_ONCE):  # answers are read in between: a generator behind is no server
                if self.due > now * rate:
                    break
                self.send()
                self.due += 1
            self.read(0.0 if self.due <= now * rate else min(0.001, 1 / rate))

    def saturate(self, seconds: float, connections: int) -> None:
        """Closed loop over so many connections."""
        end = time.perf_counter() + seconds
        for _ in range(connections):
            self.send()
        while time.perf_counter() < end:
            for _ in range(self.read(0.01)):
                self.send()

    def linger(self) -> None:
        """Wait for the answers still under way."""
        late = time.perf_counter() + LINGER_S
        while self.busy and time.perf_counter() < late:
            self.read(0.05)

    def shown(self, seconds: float) -> dict[str, object]:
        good, refused = sorted(self.good), sorted(self.refused)
        return {
            "sent": (self.number + 1) / seconds,
            "rate": len(self.accepted) / seconds,
            "accepted": self.accepted,
            "statuses": self.statuses,
            "due": self.due / seconds,
            "unsent": self.unsent / seconds,
            "broken": self.broken,
            "bare": self.bare,
            "unanswered": len(self.busy),
            "good_p99": quantile(good, 0.99),
            "refused_p99": quantile(refused, 0.99),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--connections", type=int, default=FEW_CONNECTIONS)
    given = parser.parse_args()
    ready = min(int(given.rate * given.seconds) if given.rate else 2_000, MADE_BEFORE)
    flood = Flood(given.port, given.key, given.seed, ready)
    if given.rate:
        flood.pace(given.rate, given.seconds)
    else:
        flood.saturate(given.seconds, given.connections)
    accepted_in_time = len(flood.accepted)
    flood.linger()
    told = flood.shown(given.seconds)
    told["rate"] = accepted_in_time / given.seconds  # the rest came after the time
    print(json.dumps(told))  # noqa: T201 - read by the parent


if __name__ == "__main__":
    main()
