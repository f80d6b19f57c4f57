"""T24: an address that is forged in a header passes no limit, with and without trusted proxies.

Requests are held open by a body that does not come. Without a proxy named, connections count (also
this machine's, by `afar`); with one, requests in flight by the address that the proxy added at the
right.
"""

import socket
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.faults.row import Fault, Outcome
from tests.faults.wire import serving

CAP = 5
TRIED = 20
QUIET_S = 0.2  # an answer to one who is over the limit comes at once, and to others not at all
#: What a client claims about the address of request `n`; `real` is what the proxy adds.
FORGERIES = (
    "X-Forwarded-For: 1.1.1.{n}, {real}",
    "X-Forwarded-For: 1.1.1.{n}\r\nX-Forwarded-For: {real}",
    "X-Forwarded-For: 1.1.1.{n}, 127.0.0.1, {real}",
    "X-Forwarded-For: ,,1.1.1.{n},, {real}",
    "X-Real-IP: 1.1.1.{n}\r\nX-Forwarded-For: {real}",
    "Forwarded: for=1.1.1.{n}\r\nX-Forwarded-For: {real}",
    "CF-Connecting-IP: 1.1.1.{n}\r\nTrue-Client-IP: 1.1.1.{n}\r\nX-Forwarded-For: {real}",
    "x-forwarded-for: ::ffff:1.1.1.{n}\r\nX-FORWARDED-FOR: {real}",
)


def refused(port: int, lines: Iterable[str]) -> int:
    """Open a request with each of these headers and keep it; how many were turned away."""
    with ExitStack() as stack:
        opened = []
        for line in lines:
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            head = f"POST /e HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n{line}\r\n\r\n"
            plain.sendall(head.encode())
            plain.setblocking(False)
            opened.append(plain)
            time.sleep(0.002)  # in this order, so that it is clear who comes last
        time.sleep(QUIET_S)
        return sum(_turned_away(plain) for plain in opened)


def _turned_away(plain: socket.socket) -> bool:
    try:
        return plain.recv(100).startswith(b"HTTP/1.1 503")
    except (BlockingIOError, ConnectionError):
        return False


def run(module: str, data: Path, forgeries: Sequence[str], *, named: bool) -> list[str]:
    """What was wrong, with a proxy named or not."""
    found = []
    environ = {"HANDRAISE_CONNECTIONS_PER_ADDRESS": str(CAP)}
    if named:
        environ["HANDRAISE_TRUSTED_PROXIES"] = "127.0.0.0/8"
    with serving(module, data, environ) as server:
        for number, forgery in enumerate(forgeries):
            real = f"203.0.113.{number}"
            lines = [forgery.format(n=n, real=real) for n in range(TRIED)]
            kept = TRIED - refused(server.port, lines)
            if kept != CAP:
                found.append(f"{forgery.partition(':')[0]} {number}: {kept} of {TRIED} were kept")
        if named:
            lines = [f"X-Forwarded-For: 198.51.100.{n}" for n in range(TRIED)]
            if refused(server.port, lines):
                found.append("visitors of different addresses stand in each other's way")
    return found


def outcome(module: str, data: Path, forgeries: Sequence[str] = FORGERIES) -> Outcome:
    wrong = run(module, data / "direct", forgeries, named=False)
    wrong += run(module, data / "behind", forgeries, named=True)
    tried = 2 * len(forgeries) + 1
    return Outcome(tried, tried - len(wrong), note="; ".join(wrong[:4]))


FAULTS = (
    Fault(
        "T24",
        "forged addresses, with and without a proxy",
        1,
        lambda data, _: outcome("tests.faults.afar", data),
        lambda data: outcome("tests.faults.believing", data),
    ),
)
