"""The generator: `python -m tests.bench.load`, pinned to its own core, prints one line of JSON.

One epoll loop over plain sockets; every request is put together before the clock starts, and a
response is only looked at for its status. Closed loop by default: each connection sends as soon as
it was answered; one that is told to come again (503) does so with the same request after a tenth of
a second, sooner than anybody who heeds `Retry-After`. With `--rate` open loop: requests leave on
time, and latency counts from when a request was due, so a server that stalls cannot hide it.
"""

import argparse
import itertools
import json
import math
import os
import select
import socket
import time
from array import array
from collections import deque
from collections.abc import Iterator

from tests.bench.workload import SHAPES, VISITORS_A_CONNECTION, Workload

CONNECTIONS = 64
AGAIN_S = 0.1


class Connection:
    """One keep-alive connection and the requests it has yet to send."""

    __slots__ = ("buffer", "due", "last", "requests", "socket")

    def __init__(self, port: int, requests: Iterator[bytes]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.requests = requests
        self.due = 0.0
        self.last = self.buffer = b""

    def send(self, due: float) -> bool:
        request = next(self.requests, None)
        if request is None:
            return False
        self.last = request
        self.again(due)
        return True

    def again(self, due: float) -> None:
        """Send what was sent last."""
        self.due = due
        self.socket.sendall(self.last)

    def answered(self) -> bytes:
        """The status line once the response is complete, else nothing."""
        data = self.socket.recv(65_536)
        if not data:
            raise ConnectionError("the server closed a connection")
        if self.buffer:
            data = self.buffer + data
        head, mark, body = data.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if not mark or len(body) < int(length or 0):
            self.buffer = data
            return b""
        self.buffer = b""
        return data[9:12]


class Result:
    """What one run came to. Latencies are those of answers with 2xx."""

    def __init__(self) -> None:
        self.latencies = array("d")
        self.refused = 0
        self.began = self.ended = 0.0

    def add(self, status: bytes, due: float, now: float) -> None:
        if status[:1] == b"2":
            self.latencies.append(now - due)
        else:
            self.refused += 1
        self.ended = now

    def shown(self, batch: int, warm: int) -> dict[str, float]:
        ordered = sorted(self.latencies[warm:])
        seconds = max(self.ended - self.began, 1e-9)
        return {
            "requests": len(self.latencies),
            "events": len(self.latencies) * batch,
            "seconds": seconds,
            "rate": len(self.latencies) * batch / seconds,
            "refused": self.refused,
            "p50": quantile(ordered, 0.5),
            "p99": quantile(ordered, 0.99),
            "p999": quantile(ordered, 0.999),
            "max": ordered[-1] if ordered else 0.0,
        }


def quantile(ordered: list[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0


def saturate(connections: list[Connection], seconds: float) -> Result:
    """Every connection sends as soon as it was answered, or later where it was refused."""
    result = Result()
    poll = select.epoll()
    by_fd = {c.socket.fileno(): c for c in connections}
    for fd in by_fd:
        poll.register(fd, select.EPOLLIN)
    clock = time.perf_counter
    refused: deque[tuple[float, Connection]] = deque()  # when each comes again, soonest first
    result.began = clock()
    end = result.began + seconds
    waiting = sum(connection.send(clock()) for connection in connections)
    while waiting:
        while refused and refused[0][0] <= clock():
            refused.popleft()[1].again(clock())
        for fd, _ in poll.poll(0):  # never asleep: waking a core is dear in a virtual machine
            connection = by_fd[fd]
            status = connection.answered()
            if not status:
                continue
            now = clock()
            result.add(status, connection.due, now)
            if status == b"503" and now + AGAIN_S < end:
                refused.append((now + AGAIN_S, connection))
            elif now > end or not connection.send(clock()):
                waiting -= 1
    return result


def pace(connections: list[Connection], seconds: float, rate: float) -> Result:
    """A request is due every 1 / rate seconds; it waits if all connections are busy."""
    result = Result()
    poll = select.epoll()
    by_fd = {c.socket.fileno(): c for c in connections}
    for fd in by_fd:
        poll.register(fd, select.EPOLLIN)
    clock = time.perf_counter
    free = deque(connections)
    result.began = clock()
    end = result.began + seconds
    due, step = result.began, 1 / rate
    busy = 0
    while due < end or busy:
        now = clock()
        while free and due <= now and due < end:
            connection = free.popleft()
            if connection.send(due):
                busy += 1
            else:  # its stream has run dry
                end = min(end, due)
            due += step
        for fd, _ in poll.poll(max(0.0, min(due - clock(), 0.05)) if due < end else 0.05):
            connection = by_fd[fd]
            status = connection.answered()
            if status:
                result.add(status, connection.due, clock())
                free.append(connection)
                busy -= 1
    return result


def _streams(given: argparse.Namespace) -> list[list[bytes]]:
    """The requests of each connection, put together before the clock starts."""
    shape = SHAPES[given.shape]
    work = Workload(given.seed, time.time_ns() // 1_000_000, shape=shape)
    streams: list[list[bytes]] = [[] for _ in range(given.connections)]
    # Each connection gets whole rounds of its visitors; with a rate, one to spare.
    a_round = given.connections * VISITORS_A_CONNECTION * math.ceil(shape.events / given.batch)
    wanted = max(given.requests, a_round)
    if given.rate:
        wanted = int(a_round * (given.rate * given.seconds / given.batch // a_round + 2))
    for number, stream in enumerate(work.requests(wanted, given.batch)):
        streams[number % given.connections].extend(stream)
    return streams


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--core", type=int, default=1)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="usual")
    parser.add_argument("--cycle", action="store_true", help="send the same again (no-op only)")
    given = parser.parse_args()
    os.sched_setaffinity(0, {given.core % (os.cpu_count() or 1)})
    streams = _streams(given)
    connections = [
        Connection(given.port, itertools.cycle(stream) if given.cycle else iter(stream))
        for stream in streams
        if stream
    ]
    if given.rate:
        result = pace(connections, given.seconds, given.rate / given.batch)
    else:
        result = saturate(connections, given.seconds)
    print(json.dumps(result.shown(given.batch, given.connections)))  # noqa: T201 - read by the parent


if __name__ == "__main__":
    main()
