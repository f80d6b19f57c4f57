"""`handraise destination` at the terminal, without a server and with a receiver in a thread."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.cli.test_commands import Terminal

pytestmark = pytest.mark.slow


class Hook(BaseHTTPRequestHandler):
    """Takes what is marked as a test at /hook, and nothing elsewhere."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        fine = self.path == "/hook" and b'"test":true' in body
        self.send_response(204 if fine else 500)
        self.end_headers()
        if not fine:
            self.wfile.write(b"not here")

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def hook() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hook: str) -> Terminal:
    monkeypatch.setenv("HANDRAISE_DISK_FLOOR_MB", "1")
    monkeypatch.setenv("HANDRAISE_TELL_EXEMPT", hook)
    ready = Terminal(tmp_path / "data")
    ready.run("site", "add", "Acme")
    return ready


def test_a_webhook_from_beginning_to_end(terminal: Terminal, hook: str) -> None:
    """Added, tested, looked at, switched off and on, removed."""
    assert "nowhere yet" in terminal.run("destination", "list").output
    added = terminal.run("destination", "add", f"http://{hook}/hook", "--name", "CRM").output
    assert "whsec_" in added
    secret = terminal.run("destination", "secret", "d1").stdout.strip()
    assert secret in added
    rotated = terminal.run("destination", "secret", "d1", "--rotate")
    assert rotated.stdout.strip() != secret
    assert "signs too until" in rotated.stderr
    assert terminal.json("destination", "secret", "d1")["before"] == secret
    assert "✓ answered 204" in terminal.run("destination", "test", "d1").output
    listed = terminal.run("destination", "list").output
    assert "CRM" in listed
    assert "enabled" in listed
    assert "nothing was told yet" in terminal.run("destination", "deliveries", "d1").output
    assert terminal.json("destination", "deliveries", "d1", "--state", "dead")["items"] == []
    terminal.run("destination", "disable", "d1")
    assert "disabled by hand" in terminal.run("destination", "list").output
    assert terminal.json("destination", "enable", "d1", "--from-now")["enabled"]
    terminal.run("destination", "remove", "d1")
    assert "no such destination" in terminal.run("destination", "test", "d1", status=1).output


def test_what_does_not_work_is_said_in_words(terminal: Terminal, hook: str) -> None:
    """And with an exit status."""
    private = terminal.run("destination", "add", "https://10.0.0.1/", status=1).output
    assert "a private address" in private
    assert "HANDRAISE_TELL_EXEMPT" in private
    no_mail = terminal.run("destination", "add", "olga@acme.example", status=1).output
    assert "HANDRAISE_SMTP_HOST" in no_mail
    made = terminal.json("destination", "add", f"http://{hook}/elsewhere", "--kind", "crossed")
    assert made["wants"]["kinds"] == ["crossed"]
    failed = terminal.run("destination", "test", made["id"], status=1).output
    assert "✗ answered 500 Internal Server Error" in failed
    assert "not here" in failed
    terminal.run("destination", "replay", made["id"], status=2)
    nothing = terminal.run("destination", "replay", made["id"], "e77", status=1).output
    assert "no such delivery" in nothing
    told = terminal.run("destination", "replay", made["id"], "--since", "e1").output
    assert "everything from e1 on" in told


def test_an_exemption_that_is_none_stops_the_start(tmp_path: Path) -> None:
    """With a sentence that names it."""
    environ = {
        "HANDRAISE_DATA": str(tmp_path / "data"),
        "HANDRAISE_PORT": "0",
        "HANDRAISE_TELL_EXEMPT": "127.0.0.1:9000, *:80",
    }
    command = [sys.executable, "-m", "server", "serve"]
    done = subprocess.run(
        command, env=os.environ | environ, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 1
    assert "HANDRAISE_TELL_EXEMPT names `*:80`, which is not host:port" in done.stderr
