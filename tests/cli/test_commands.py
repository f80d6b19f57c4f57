"""The command line without a server; `tests/browser/test_demo_story.py` uses it with one."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from server.cli import tables
from server.cli.commands import cli

pytestmark = pytest.mark.slow


class Terminal:
    """Somebody at a terminal, with a data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def run(self, *words: str, status: int = 0) -> Result:
        result = CliRunner().invoke(cli, ["--data", str(self.data), *words])
        assert result.exit_code == status, result.output
        return result

    def json(self, *words: str) -> Any:
        """`--json` prints one line and nothing else."""
        lines = self.run(*words, "--json").stdout.splitlines()
        assert len(lines) == 1
        return json.loads(lines[0])


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("HANDRAISE_DISK_FLOOR_MB", "1")
    return Terminal(tmp_path / "data")


def test_a_site_and_a_token(terminal: Terminal) -> None:
    """What a script needs: id, key, snippet, token."""
    made = terminal.json("site", "add", "Acme", "--origin", "https://acme.example")
    assert made.keys() == {"id", "name", "key", "snippet"}
    assert made["key"] in made["snippet"]
    assert made["snippet"].startswith("<script async src=")
    assert [s["name"] for s in terminal.json("site", "list")["items"]] == ["Acme"]
    token = terminal.json("token", "add", "--site", made["id"], "--scope", "write")
    assert token.keys() == {"token"}
    assert token["token"].startswith("hr_")
    assert "nobody yet" in terminal.run("people").output
    assert terminal.json("people") == {"items": [], "next": None}
    assert "nothing to tell yet" in terminal.run("delivery").output
    assert terminal.json("delivery")["events"] == 0


def test_with_several_sites_one_must_be_named(terminal: Terminal) -> None:
    """Exit 2 and the list."""
    terminal.run("site", "add", "Acme")
    terminal.run("site", "add", "Brew")
    result = terminal.run("people", status=2)
    assert "Acme" in result.output
    assert "Brew" in result.output
    assert terminal.json("people", "--site", "Brew")["items"] == []
    terminal.run("people", "--site", "Nobody", status=2)


def test_backup_and_restore(terminal: Terminal, tmp_path: Path) -> None:
    """A copy, a change, and back; what was there before is kept."""
    terminal.run("site", "add", "Acme")
    copy = tmp_path / "copy.db"
    terminal.run("backup", str(copy))
    assert "exists" in terminal.run("backup", str(copy), status=1).output
    terminal.run("site", "add", "Brew")
    terminal.run("restore", str(copy))
    assert [s["name"] for s in terminal.json("site", "list")["items"]] == ["Acme"]
    assert list(terminal.data.glob("handraise.db.before-restore-*"))


def test_a_damaged_backup_is_refused(terminal: Terminal, tmp_path: Path) -> None:
    """The database stays as it is."""
    terminal.run("site", "add", "Acme")
    copy = tmp_path / "copy.db"
    terminal.run("backup", str(copy))
    damaged = bytearray(copy.read_bytes())
    damaged[5000:9000] = b"\x55" * 4000
    copy.write_bytes(damaged)
    terminal.run("restore", str(copy), status=1)
    (tmp_path / "text.db").write_text("hello")
    assert (
        "no Handraise database"
        in terminal.run("restore", str(tmp_path / "text.db"), status=1).output
    )
    assert [s["name"] for s in terminal.json("site", "list")["items"]] == ["Acme"]


def test_a_newer_database_is_refused_with_a_sentence(terminal: Terminal) -> None:
    """An older program does not touch it."""
    terminal.run("site", "add", "Acme")
    connection = sqlite3.connect(terminal.data / "handraise.db")
    connection.execute("INSERT INTO schema_versions VALUES (9999, '9999_future', 'x')")
    connection.commit()
    connection.close()
    assert "newer Handraise" in terminal.run("site", "list", status=1).output


def test_doctor_says_what_it_found(terminal: Terminal) -> None:
    """Fine, then wrong with the fix named."""
    terminal.run("site", "add", "Acme")
    assert "sound" in terminal.run("doctor").output
    (terminal.data / "secret").chmod(0o644)
    assert "chmod 600" in terminal.run("doctor", status=1).output


def test_migrate_twice_does_nothing_the_second_time(terminal: Terminal) -> None:
    """Forward only."""
    assert "0001_first" in terminal.run("migrate").output
    assert "nothing to do" in terminal.run("migrate").output


def test_export_is_the_whole_log(terminal: Terminal) -> None:
    """An empty site has at most its own decisions."""
    terminal.run("site", "add", "Acme")
    lines = terminal.run("export").stdout.splitlines()
    assert all(json.loads(line)["kind"] for line in lines)


def test_a_wrong_setting_is_named(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown names and values that do not fit."""
    monkeypatch.setenv("HANDRAISE_PORTT", "1")
    assert "HANDRAISE_PORTT" in terminal.run("site", "list", status=1).output
    monkeypatch.delenv("HANDRAISE_PORTT")
    monkeypatch.setenv("HANDRAISE_PORT", "many")
    assert "port" in terminal.run("site", "list", status=1).output


def test_demo_without_a_server_says_what_to_do(terminal: Terminal) -> None:
    """It sends through the public doors, so one must run."""
    terminal.run("site", "add", "Acme")
    assert "make run" in terminal.run("demo", status=1).output


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\x1b[31mb", "a [31mb"), ("x" * 80, "x" * 59 + "…"), (None, ""), ("a\nb", "a b")],
)
def test_tracked_text_never_steers_a_terminal(text: str | None, shown: str) -> None:
    """Control characters become spaces."""
    assert tables.printable(text) == shown


def test_columns_line_up_with_wide_letters() -> None:
    """East Asian letters take two columns."""
    lines = tables.table(["a", "b"], [["漢字", 1], ["xx", 2]], "").splitlines()
    assert tables.width(lines[2].split("1")[0]) == tables.width(lines[3].split("2")[0])


def test_restoring_the_database_itself_is_refused(terminal: Terminal) -> None:
    """And it is still there."""
    terminal.run("site", "add", "Acme")
    assert "itself" in terminal.run("restore", str(terminal.data / "handraise.db"), status=1).output
    assert [s["name"] for s in terminal.json("site", "list")["items"]] == ["Acme"]


def test_what_is_written_is_for_the_operator_alone(terminal: Terminal, tmp_path: Path) -> None:
    """Databases and backups hold people's data."""
    terminal.run("site", "add", "Acme")
    terminal.run("backup", str(tmp_path / "copy.db"))
    for path in (terminal.data / "handraise.db", tmp_path / "copy.db"):
        assert path.stat().st_mode & 0o077 == 0


def test_a_tag_is_whole_without_a_server(terminal: Terminal) -> None:
    """It names the address the server would have."""
    assert 'src="http://127.0.0.1:8787/h/' in terminal.json("site", "add", "Acme")["snippet"]


def test_an_export_that_fails_says_so(terminal: Terminal, tmp_path: Path) -> None:
    """Exit 1, and no file that looks like an export."""
    terminal.run("site", "add", "Acme")
    out = tmp_path / "log.ndjson"
    terminal.run("export", "--after", "-1", str(out), status=1)
    assert not out.exists() or out.read_text() == ""


def test_proxies_and_ports_that_do_not_fit(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told at start, not by every event."""
    monkeypatch.setenv("HANDRAISE_TRUSTED_PROXIES", "proxy.local")
    terminal.run("site", "list", status=1)
    monkeypatch.delenv("HANDRAISE_TRUSTED_PROXIES")
    monkeypatch.setenv("HANDRAISE_PORT", "70000")
    assert "65535" in terminal.run("site", "list", status=1).output


def test_a_damaged_database_is_told_in_a_sentence(terminal: Terminal) -> None:
    """By every command, and by doctor in full."""
    terminal.data.mkdir()
    (terminal.data / "handraise.db").write_bytes(b"no database at all" * 500)
    assert "restore" in terminal.run("site", "list", status=1).output
    assert "✗ database" in terminal.run("doctor", status=1).output


def test_a_key_is_shown_and_rotated(terminal: Terminal) -> None:
    """The tag with it; the one before is named as long as it is good."""
    made = terminal.json("site", "add", "Acme")
    shown = terminal.json("site", "key")
    assert shown == {"key": made["key"], "key_before": None, "snippet": made["snippet"]}
    rotated = terminal.json("site", "key", "--rotate")
    assert rotated["key_before"] == made["key"] != rotated["key"]
    assert terminal.json("site", "list")["items"][0]["key"] == rotated["key"]
    lines = terminal.run("site", "key").stdout.splitlines()
    assert lines[0] == rotated["key"]
    assert lines[1].strip() == rotated["snippet"]
    assert made["key"] in lines[2]


def test_a_secret_is_shown_and_rotated(terminal: Terminal) -> None:
    """Alone on stdout, so that a script can take it."""
    terminal.run("site", "add", "Acme")
    first = terminal.json("site", "secret")
    assert first["before"] is None
    assert terminal.run("site", "secret").stdout == f"{first['secret']}\n"
    second = terminal.json("site", "secret", "--rotate")
    assert second["before"] == first["secret"]
    result = terminal.run("site", "secret")
    assert result.stdout == f"{second['secret']}\n"
    assert "next rotation" in result.stderr
    assert first["secret"] not in result.output


def test_keys_and_secrets_belong_to_a_site(terminal: Terminal) -> None:
    """With several sites one must be named, and only that one changes."""
    terminal.run("site", "add", "Acme")
    terminal.run("site", "add", "Brew")
    for command in ("key", "secret"):
        before = [terminal.json("site", command, "--site", name) for name in ("Acme", "Brew")]
        assert "Brew" in terminal.run("site", command, "--rotate", status=2).output
        assert terminal.json("site", command, "--site", "Brew", "--rotate") not in before
        assert terminal.json("site", command, "--site", "Acme") == before[0]
