"""One byte that is another: in the schema, in a text, in what is stored as JSON. It is said."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner

from server.app import create_app, running
from server.cli.client import Operator
from server.cli.commands import cli
from server.errors import HandraiseError, Overloaded
from server.settings import Settings
from server.storage.sqlite import SqliteDatabase
from server.web.problems import FAULT

BASE = "http://localhost"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder after a first life of the program, which has a site."""

    async def life() -> None:
        async with running(create_app(Settings(data=str(tmp_path)))):
            pass

    asyncio.run(life())
    said = CliRunner().invoke(cli, ["--data", str(tmp_path), "site", "add", "Acme"])
    assert said.exit_code == 0, said.output
    with closing(sqlite3.connect(tmp_path / "handraise.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return tmp_path


def flip(data: Path, known: bytes, other: bytes) -> None:
    """Other bytes in place of the first ones that read so."""
    file = data / "handraise.db"
    content = file.read_bytes()
    assert known in content
    file.write_bytes(content.replace(known, other, 1))


def refusal(data: Path) -> str:
    async def life() -> None:
        async with running(create_app(Settings(data=str(data)))):
            pass

    with pytest.raises(HandraiseError) as raised:
        asyncio.run(life())
    return raised.value.detail


@pytest.mark.parametrize(
    ("known", "other", "named"),
    [
        (b"identify_secret", b"identif\xff_secret", "handraise.db is damaged"),
        (
            b"CREATE UNIQUE INDEX entries",
            b"CREATE UNIQUE INDE\xff entries",
            "handraise.db is damaged",
        ),
        (b"Acme", b"Ac\xffe", "handraise.db is damaged"),
        (b'{"zone"', b'{"zone!', "the settings of site 1 are damaged"),
        (b'"rules":[', b'"rules":!', "the rules of site 1 are damaged"),
    ],
)
def test_a_start_says_it_and_names_the_command(
    data: Path, known: bytes, other: bytes, named: str
) -> None:
    flip(data, known, other)
    said = refusal(data)
    assert named in said
    assert "handraise restore FILE" in said


def test_the_doctor_says_it_too(data: Path) -> None:
    flip(data, b"identify_secret", b"identif\xff_secret")
    said = CliRunner().invoke(cli, ["--data", str(data), "doctor"])
    assert said.exit_code == 1
    assert "✗ database" in said.output
    assert "restore FILE" in said.output


def test_a_text_that_is_none_any_more_is_no_fault_of_ours(tmp_path: Path) -> None:
    """Of a row that nobody looked at before: 503 with the way out."""

    async def read() -> None:
        database = SqliteDatabase(tmp_path / "handraise.db", readers=1)
        await database.open()
        try:
            await database.fetch("SELECT CAST(x'c3' AS TEXT)")
        finally:
            await database.close()

    with pytest.raises(Overloaded, match=r"cannot be read: .*UTF-8.*handraise restore FILE"):
        asyncio.run(read())


def asked(data: Path, path: str, accept: str, spoil: Callable[[Path], None]) -> httpx2.Response:
    """A page of a server under which something is spoiled."""

    async def life() -> httpx2.Response:
        app = create_app(Settings(data=str(data)))
        async with running(app):
            spoil(data)
            transport = httpx2.ASGITransport(app=Operator(app.asgi), raise_app_exceptions=False)
            async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
                return await client.get(path, headers={"Accept": accept})

    return asyncio.run(life())


def spoil_kinds(data: Path) -> None:
    """A kind of event that there is not, in the log."""
    with closing(sqlite3.connect(data / "handraise.db", timeout=5)) as connection:
        connection.execute("UPDATE entries SET kind = 211")
        assert connection.execute("SELECT changes()").fetchone()[0]
        connection.commit()


def test_what_nobody_foresaw_is_told_in_a_sentence(data: Path) -> None:
    answer = asked(data, "/api/v1/sites/1/log", "application/json", spoil_kinds)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == FAULT
    assert "Kind" not in answer.text
