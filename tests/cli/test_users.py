"""`handraise users` without a server: invited, changed, removed, and the last owner stays."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from server.cli.commands import cli

pytestmark = pytest.mark.slow


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HANDRAISE_DISK_FLOOR_MB", "1")

    def run(*words: str, status: int = 0) -> str:
        result = CliRunner().invoke(cli, ["--data", str(tmp_path / "data"), *words])
        assert result.exit_code == status, result.output
        return result.output

    run("site", "add", "Acme")
    return run


def test_people_come_change_and_go(users: Any) -> None:
    assert "nobody yet" in users("users", "list")
    made = json.loads(users("users", "invite", "Olga@x.example", "--role", "marketer", "--json"))
    assert made["email"] == "olga@x.example"
    assert "/open/" in made["link"]
    listed = json.loads(users("users", "list", "--json"))["items"]
    assert [(one["email"], one["sites"]) for one in listed] == [("olga@x.example", [])]
    users("users", "role", "olga@x.example", "viewer")
    boss = users("users", "invite", "boss@x.example", "--server-owner")
    assert "/open/" in boss.splitlines()[0]
    assert "HANDRAISE_SMTP_HOST" in boss
    refused = users("users", "disable", "boss@x.example", status=1)
    assert "one owner of the server must remain" in refused
    users("users", "role", "olga@x.example", "server-owner")
    assert "shut out" in users("users", "disable", "boss@x.example")
    assert "owner of the server" in users("users", "list")
    users("users", "enable", "boss@x.example")
    users("users", "role", "olga@x.example", "member")
    assert "/open/" in users("users", "link", "u1", "--forget-password")
    assert "closed to them" in users("users", "remove", "olga@x.example")
    left = json.loads(users("users", "list", "--json"))["items"]
    assert [one["email"] for one in left] == ["boss@x.example"]
    assert "there is no user" in users("users", "remove", "nobody@x.example", status=1)
    users("users", "invite", "nonsense", status=1)
