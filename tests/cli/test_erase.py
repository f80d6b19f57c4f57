"""Erasing and handing out from a terminal."""

import asyncio
import json
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner, Result

from server.app import create_app, running
from server.cli.client import Operator
from server.cli.commands import cli
from server.ingest.payload import write_id
from server.settings import Settings
from tests.tracking import CHROME

pytestmark = pytest.mark.slow


class Terminal:
    """Somebody at a terminal, with a data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def run(self, *words: str, status: int = 0, said: str = "") -> Result:
        result = CliRunner().invoke(cli, ["--data", str(self.data), *words], input=said)
        assert result.exit_code == status, result.output
        return result


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("HANDRAISE_DISK_FLOOR_MB", "1")
    found = Terminal(tmp_path / "data")
    found.run("site", "add", "Acme")
    asyncio.run(_submits(found.data, "ann@brew.example"))
    return found


async def _submits(data: Path, email: str) -> None:
    """Somebody sends a form."""
    app = create_app(Settings(data=str(data), disk_floor_mb=1))
    async with running(app):
        transport = httpx2.ASGITransport(app=Operator(app.asgi))
        headers = {"User-Agent": CHROME}
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://t", headers=headers
        ) as client:
            site = app.state.sites.all[0]
            event = {
                "i": write_id(email.encode()[:16].ljust(16, b"#")),
                "y": "identify",
                "t": 1,
                "d": {"email": email},
            }
            body = {"k": site.keys[0], "v": write_id(b"ann's browser 01"), "t": 1, "e": [event]}
            answer = await client.post("/e", content=json.dumps(body).encode())
            assert answer.json()["accepted"] == 1
        rows = await app.database.fetch("SELECT seq FROM heads")
        await app.state.projector.passed(1, rows[0][0])


def test_it_asks_before(terminal: Terminal) -> None:
    """What would go is shown; no is no."""
    result = terminal.run("erase", "ann@brew.example", status=1, said="n\n")
    assert "1 events" in result.output
    assert "goes whole" in result.output
    terminal.run("timeline", "ann@brew.example")
    assert "erased p" in terminal.run("erase", "ann@brew.example", said="y\n").output
    assert "nobody has" in terminal.run("erase", "ann@brew.example", "--yes", status=1).output


def test_for_scripts(terminal: Terminal, tmp_path: Path) -> None:
    """The export first, then one line of JSON; by the browser's id too."""
    out = tmp_path / "ann.json"
    terminal.run("export-person", "ann@brew.example", str(out))
    exported = json.loads(out.read_text())
    assert exported["person"]["email"] == "ann@brew.example"
    visitor = exported["entries"][0]["visitor"]
    lines = terminal.run("erase", visitor, "--yes", "--json").stdout.splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0])["receipt"]["files_clean"]
    terminal.run("erase", visitor, "--yes", status=1)
    missing = tmp_path / "nobody.json"
    terminal.run("export-person", "p99", str(missing), status=1)
    assert not missing.exists()
