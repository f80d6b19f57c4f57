"""A client of RFC 6455, as much of it as one trusted server on this machine needs."""

import os
import socket
import struct
from base64 import b64encode

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
MASK = b"mask"


class Closed(Exception):
    """The other side is gone."""


class WebSocket:
    """One connection: text out, text in."""

    def __init__(self, port: int, path: str, seconds: float = 10) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), seconds)
        key = b64encode(os.urandom(16)).decode()
        lines = (
            f"GET {path} HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        )
        self.socket.sendall("\r\n".join((*lines, "", "")).encode())
        self.waiting = b""
        while b"\r\n\r\n" not in self.waiting:
            self._receive()
        head, self.waiting = self.waiting.split(b"\r\n\r\n", 1)
        if b" 101 " not in head.splitlines()[0]:
            raise Closed(head.decode("latin-1"))

    def send(self, text: str) -> None:
        self._send(TEXT, text.encode())

    def receive(self, seconds: float) -> str:
        """The next message; raises TimeoutError when none comes in time."""
        self.socket.settimeout(seconds)
        whole = b""
        while True:
            last, kind, payload = self._frame()
            if kind == CLOSE:
                raise Closed("closed by the browser")
            if kind == PING:
                self._send(PONG, payload)
            elif kind != PONG:
                whole += payload
                if last:
                    return whole.decode()

    def close(self) -> None:
        self.socket.close()

    def _send(self, kind: int, payload: bytes) -> None:
        """A client masks what it sends; Firefox hangs up on a mask of zeros."""
        size = len(payload)
        if size < 126:
            length = struct.pack("!B", 128 | size)
        elif size < 65_536:
            length = struct.pack("!BH", 128 | 126, size)
        else:
            length = struct.pack("!BQ", 128 | 127, size)
        masked = bytes(byte ^ MASK[place % 4] for place, byte in enumerate(payload))
        self.socket.sendall(bytes([128 | kind]) + length + MASK + masked)

    def _frame(self) -> tuple[bool, int, bytes]:
        """Takes nothing away before the frame is there as a whole: a timeout loses no byte."""
        start = 2
        self._have(start)
        size = self.waiting[1] & 127
        if size == 126:
            start = 4
            self._have(start)
            (size,) = struct.unpack("!H", self.waiting[2:4])
        elif size == 127:
            start = 10
            self._have(start)
            (size,) = struct.unpack("!Q", self.waiting[2:10])
        self._have(start + size)
        first, payload = self.waiting[0], self.waiting[start : start + size]
        self.waiting = self.waiting[start + size :]
        return bool(first & 128), first & 15, payload

    def _have(self, count: int) -> None:
        while len(self.waiting) < count:
            self._receive()

    def _receive(self) -> None:
        part = self.socket.recv(65_536)
        if not part:
            raise Closed("the connection ended")
        self.waiting += part
