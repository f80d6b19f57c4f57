"""The website under test: a small server on a port of its own, so that the tracker is cross-origin,
as on real sites. A test says what its pages hold; every form post is kept as it arrived."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>{head}
</head><body>{body}</body></html>"""


@dataclass
class Page:
    """What one path answers; `to` makes it a redirect."""

    html: str = ""
    to: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    wait: threading.Event | None = None


@dataclass
class Posted:
    path: str
    headers: Message
    body: bytes


class Host:
    """The site's pages by path, and what was posted to it."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.tag = ""
        self.pages: dict[str, Page] = {}
        self.posted: list[Posted] = []
        self.got: list[str] = []

    def clear(self) -> None:
        self.tag = ""
        self.pages.clear()
        self.posted.clear()
        self.got.clear()

    def page(self, path: str, body: str = "", title: str = "", head: str = "", **more: Any) -> None:
        """A page with the tag in its head, before what `head` adds."""
        html = PAGE.format(title=title or path, head=self.tag + head, body=body)
        self.pages[path] = Page(html, **more)

    def answer(self, path: str) -> Page:
        """A path nobody described is an ordinary page, called by its path."""
        found = self.pages.get(path)
        return found or Page(PAGE.format(title=path, head=self.tag, body="<h1>page</h1>"))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    host: Host

    def do_GET(self) -> None:
        self.host.got.append(self.path)
        self._answer()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.host.posted.append(Posted(self.path, self.headers, body))
        self._answer()

    def _answer(self) -> None:
        page = self.host.answer(urlsplit(self.path).path)
        if page.wait is not None:
            page.wait.wait(10)
        body = page.html.encode()
        self.send_response(302 if page.to else 200)
        headers = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(body))}
        if page.to:
            headers["Location"] = page.to
        for name, value in (headers | page.headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        del format, args


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that closes early is no error of the test."""


@contextmanager
def serve_host() -> Iterator[Host]:
    """A running host on a free port of this machine."""
    handler = type("Handler", (_Handler,), {})
    server = _Server(("127.0.0.1", 0), handler)
    host = Host(f"http://127.0.0.1:{server.server_address[1]}")
    handler.host = host  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
