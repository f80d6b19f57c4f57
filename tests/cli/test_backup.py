"""A backup is whole or not there, and never put where it does not belong."""

import fcntl
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from server.cli.commands import cli

pytestmark = pytest.mark.slow


def handraise(data: Path, *words: str, **environment: str) -> Result:
    return CliRunner().invoke(cli, ["--data", str(data), *words], env=environment)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    assert handraise(tmp_path / "data", "site", "add", "Acme").exit_code == 0
    return tmp_path / "data"


def test_a_backup_that_fails_leaves_nothing(data: Path, tmp_path: Path) -> None:
    """No folder, and a name that is a folder's: one sentence, and no file that looks like one."""
    failed = handraise(data, "backup", str(tmp_path / "nowhere" / "copy.db"))
    assert failed.exit_code == 1
    assert "cannot be written" in failed.output
    (tmp_path / "copy.db.part" / "x").mkdir(parents=True)
    failed = handraise(data, "backup", str(tmp_path / "copy.db"))
    assert "cannot be written" in failed.output
    assert not (tmp_path / "copy.db").exists()


def test_what_a_killed_backup_left_is_no_hindrance(data: Path, tmp_path: Path) -> None:
    """Its half is thrown away, and the whole one takes the name."""
    (tmp_path / "copy.db.part").write_bytes(b"half")
    done = handraise(data, "backup", str(tmp_path / "copy.db"))
    assert done.exit_code == 0, done.output
    assert [name for name in os.listdir(tmp_path) if name.startswith("copy")] == ["copy.db"]
    assert handraise(tmp_path / "other", "restore", str(tmp_path / "copy.db")).exit_code == 0
    assert "Acme" in handraise(tmp_path / "other", "site", "list").output


def test_two_backups_never_write_one_file(data: Path, tmp_path: Path) -> None:
    """The second is told so, and what the first has written stays."""
    part = tmp_path / "copy.db.part"
    with part.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write(b"half of the first")
        held.flush()
        second = handraise(data, "backup", str(tmp_path / "copy.db"))
        assert second.exit_code == 1
        assert "another backup" in second.output
        assert part.read_bytes() == b"half of the first"


def test_postgresql_is_backed_up_by_its_own_tool(data: Path, tmp_path: Path) -> None:
    """The sentence has the name that was asked for."""
    url = "postgresql://nobody@127.0.0.1:1/none"
    said = handraise(data, "backup", str(tmp_path / "out.db"), HANDRAISE_DATABASE=url)
    assert said.exit_code == 1
    assert f"--file={tmp_path / 'out.db'} " in said.output
    assert not list(tmp_path.glob("out.db*"))


def test_a_file_is_not_restored_beside_postgresql(data: Path, tmp_path: Path) -> None:
    """The sentence names what does it."""
    url = "postgresql://nobody@127.0.0.1:1/none"
    copy = tmp_path / "copy.db"
    assert handraise(data, "backup", str(copy)).exit_code == 0
    refused = handraise(data, "restore", str(copy), HANDRAISE_DATABASE=url)
    assert refused.exit_code == 1
    assert "pg_restore" in refused.output
