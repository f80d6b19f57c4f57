"""A database that was here is never made anew in silence; what is wrong is said with the fix."""

import asyncio
import logging
import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from server.cli.commands import cli
from server.errors import HandraiseError
from server.storage.database import Query, Script
from server.storage.folder import Folder
from server.storage.sqlite import SqliteDatabase


def one(sql: str) -> Script[None]:
    yield Query(sql)


def life(path: Path, *statements: str) -> None:
    """A life that ends in order."""
    asyncio.run(_life(path, *statements))


async def _life(path: Path, *statements: str) -> None:
    database = SqliteDatabase(path, readers=1, synchronous="OFF")
    await database.open()
    for sql in statements:
        (outcome,) = await database.turn([lambda s=sql: one(s)])  # type: ignore[misc]
        assert outcome.error is None
    await database.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "handraise.db"
    rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
    fill = f"INSERT INTO notes {rows} SELECT i, 'note ' || i FROM n"
    life(made, "CREATE TABLE notes (n INTEGER PRIMARY KEY, t TEXT)", fill)
    return made


def refusal(path: Path) -> str:
    with pytest.raises(HandraiseError) as raised:
        asyncio.run(SqliteDatabase(path, readers=1).open())
    return raised.value.detail


@pytest.mark.parametrize("how", ["missing", "empty"])
def test_one_that_was_here_is_not_made_anew(path: Path, how: str) -> None:
    path.unlink()
    if how == "empty":
        path.touch()
    said = refusal(path)
    assert how in said
    assert "handraise restore FILE" in said
    assert path.exists() == (how == "empty")
    Path(f"{path}.made").unlink()
    life(path)  # whoever wants a new one says so
    assert path.stat().st_size > 0


def test_a_log_of_writes_alone_is_not_thrown_away(path: Path) -> None:
    """SQLite removes a log whose file is empty."""
    path.unlink()
    Path(f"{path}.made").unlink()
    log = Path(f"{path}-wal")
    log.write_bytes(b"x" * 4_096)
    assert "handraise.db-wal" in refusal(path)
    assert log.stat().st_size == 4_096


@pytest.mark.parametrize("where", ["header", "schema", "end", "cut"])
def test_damage_is_seen_at_the_start_and_left_as_it_is(path: Path, where: str) -> None:
    content = bytearray(path.read_bytes())
    at = {"header": 3, "schema": 101, "end": len(content) - 4_095, "cut": 0}[where]
    if where == "cut":
        del content[-4_096:]
    else:
        content[at : at + 4] = b"\xff" * 4
    path.write_bytes(content)
    said = refusal(path)
    assert "damaged" in said
    assert "handraise restore FILE" in said
    assert path.read_bytes() == content


def test_a_log_that_went_missing_is_told(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """After a life that did not end in order, and after none other."""
    caplog.set_level(logging.WARNING)
    life(path)
    assert not caplog.records
    copy = tmp_path / "copy.db"

    async def killed() -> None:
        database = SqliteDatabase(path, readers=1)
        await database.open()
        for suffix in ("", ".made"):  # as a kill -9 leaves it, without its log
            shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
        await database.close()

    asyncio.run(killed())
    life(copy)
    assert "copy.db-wal is missing" in caplog.text


def test_damage_met_while_it_is_read_is_no_error_of_ours(path: Path) -> None:
    """A page in the middle, which no start looks at: 503 with the way out."""
    asyncio.run(damaged(path))


async def damaged(path: Path) -> None:
    database = SqliteDatabase(path, readers=1)
    await database.open()
    try:
        overwrite(path)
        with pytest.raises(HandraiseError, match="handraise restore FILE") as raised:
            await database.fetch("SELECT sum(length(t)) FROM notes")
        assert raised.value.status == 503
    finally:
        await database.close()


def overwrite(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[2 * 4_096 : 4 * 4_096] = b"\xff" * 8_192
    path.write_bytes(content)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_what_may_not_be_written_is_named(path: Path) -> None:
    path.chmod(0o400)
    assert "chown" in refusal(path)


def test_a_folder_that_is_a_file_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(HandraiseError, match="--data"):
        Folder(str(tmp_path / "data"))


# ---------------------------------------------------------------- the commands


def handraise(data: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--data", str(data), *words])


@pytest.mark.slow
def test_restore_keeps_a_log_without_its_file_apart(tmp_path: Path) -> None:
    """Beside the restored file it would be written into it."""
    data, copy = tmp_path / "data", tmp_path / "copy.db"
    assert handraise(data, "site", "add", "Acme").exit_code == 0
    assert handraise(data, "backup", str(copy)).exit_code == 0
    database, log = data / "handraise.db", data / "handraise.db-wal"
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE sites SET name = 'Other'")
        connection.commit()
        hot = log.read_bytes()
    connection.close()
    database.unlink()
    log.write_bytes(hot)
    told = handraise(data, "doctor")
    assert told.exit_code == 1
    assert "✗ database: " in told.output
    assert "restore FILE" in told.output
    restored = handraise(data, "restore", str(copy))
    assert "before-restore-1" in restored.output
    assert (data / "handraise.db.before-restore-1-wal").read_bytes() == hot
    assert "Acme" in handraise(data, "site", "list").output
