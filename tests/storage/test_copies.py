"""What is kept of the database before its schema changes: whole, for two weeks, one at a time."""

import asyncio
import os
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from server.app import create_app, running
from server.cli.commands import cli
from server.errors import HandraiseError
from server.settings import Settings
from server.storage.copies import KEPT_MS, Copies, whole
from server.storage.folder import Folder
from server.storage.migrate import migrate, shipped
from server.storage.sqlite import SqliteDatabase
from tests.storage.world import run, statement

pytestmark = pytest.mark.anyio
NOW = 1_800_000_000_000
SITE = (
    "INSERT INTO sites (site_id, name, key, identify_secret, settings, created_at)"
    " VALUES (1, 'Acme', 'k1', 'secret', '{}', 0)"
)


@pytest.fixture
async def old(tmp_path: Path) -> Folder:
    """A folder whose database has the first schema alone, and a site."""
    folder = Folder(str(tmp_path))
    database = SqliteDatabase(folder.database)
    await database.open()
    await migrate(database, shipped()[:1])
    await run(database, lambda: statement(SITE))
    await database.close()
    return folder


async def start(folder: Folder, **settings: object) -> None:
    app = create_app(Settings(data=str(folder.path), **settings), clock=lambda: NOW)  # type: ignore[arg-type]
    async with running(app):
        pass


def copies(folder: Folder) -> list[str]:
    return sorted(file.name for file in folder.path.glob("handraise.db.schema-*"))


def versions(file: Path) -> list[int]:
    connection = sqlite3.connect(file)
    try:
        rows = connection.execute("SELECT version FROM schema_versions ORDER BY 1").fetchall()
    finally:
        connection.close()
    return [row[0] for row in rows]


async def test_an_upgrade_keeps_the_database_as_it_was(old: Folder) -> None:
    await start(old)
    (kept,) = copies(old)
    assert kept == "handraise.db.schema-1"
    file = old.path / kept
    assert versions(file) == [1]
    assert versions(old.database) == [one.version for one in shipped()]
    assert file.stat().st_mode & 0o777 == 0o600
    made = file.stat().st_mtime_ns
    await start(old)  # nothing is pending any more
    assert file.stat().st_mtime_ns == made
    said = CliRunner().invoke(cli, ["--data", str(old.path), "restore", str(file)])
    assert said.exit_code == 0, said.output
    assert versions(old.database) == [1]  # the program of then opens it


async def test_a_new_database_needs_no_copy(tmp_path: Path) -> None:
    await start(Folder(str(tmp_path)))
    assert copies(Folder(str(tmp_path))) == []


async def test_without_room_nothing_is_touched(old: Folder) -> None:
    with pytest.raises(HandraiseError, match=r"needs .* MB.*HANDRAISE_UPGRADE_COPY=false"):
        await start(old, disk_floor_mb=1_000_000_000)
    assert versions(old.database) == [1]
    await start(old, disk_floor_mb=1_000_000_000, upgrade_copy=False)
    assert versions(old.database) == [one.version for one in shipped()]
    assert copies(old) == []


async def test_the_command_keeps_one_too(old: Folder) -> None:
    said = await asyncio.to_thread(CliRunner().invoke, cli, ["--data", str(old.path), "migrate"])
    assert said.exit_code == 0, said.output
    assert copies(old) == ["handraise.db.schema-1"]


async def test_one_that_was_killed_is_made_again_and_earlier_ones_go(old: Folder) -> None:
    (old.path / "handraise.db.schema-1.part").write_bytes(b"half")
    (old.path / "handraise.db.schema-0").write_bytes(b"of a time before")
    await start(old)
    assert copies(old) == ["handraise.db.schema-1"]
    assert versions(old.path / "handraise.db.schema-1") == [1]


async def test_it_is_gone_after_two_weeks(old: Folder) -> None:
    await start(old)
    now = NOW
    kept = Copies(old, lambda: now, 0)
    now += KEPT_MS - 1
    kept.expire()
    assert len(kept.all()) == 1
    now += 1
    looking = asyncio.create_task(kept.serve())
    await asyncio.sleep(0)  # it looks at once
    assert kept.all() == []
    looking.cancel()


def test_two_never_write_one_file(tmp_path: Path) -> None:
    with whole(tmp_path / "copy") as part:
        part.write_bytes(b"first")
        other = pytest.raises(HandraiseError, match="another backup writes")
        with other, whole(tmp_path / "copy"):
            pass
        assert not (tmp_path / "copy").exists()
    assert (tmp_path / "copy").read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["copy"]
