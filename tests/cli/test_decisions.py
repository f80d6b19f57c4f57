"""Deciding from the terminal: every command, as a table for people and as one line of JSON."""

import asyncio
import shutil
from pathlib import Path

import pytest

from server.app import Handraise, running
from server.settings import Settings
from server.storage import sites
from tests.acme import history, mistyped
from tests.cli.test_commands import Terminal
from tests.office import RunningWorld
from tests.tracking import NOON, SETTINGS

pytestmark = pytest.mark.slow

ADA, BEN = "ada@lovelace.example", "ben@gmail.com"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with Acme's people, and a conflict."""
    data = tmp_path_factory.mktemp("acme") / "data"

    async def work() -> None:
        worlds: list[RunningWorld] = []
        settings = Settings(data=str(data), disk_floor_mb=1)
        app = Handraise(settings, clock=lambda: worlds[0].now if worlds else NOON)
        async with running(app):
            world = RunningWorld(app.database, SETTINGS)
            world.app, world.writer = app, app.state.writer
            worlds.append(world)
            world.site = await app.state.writer.run(
                lambda: sites.add("Acme", "k1", "s", SETTINGS, NOON)
            )
            await app.state.reload()
            await history(world)
            await mistyped(world)

    asyncio.run(work())
    return data


@pytest.fixture
def terminal(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal on a copy of that folder."""
    monkeypatch.setenv("HANDRAISE_DISK_FLOOR_MB", "1")
    data = tmp_path / "data"
    shutil.copytree(filled, data)
    return Terminal(data)


def test_two_become_one_and_two_again(terminal: Terminal) -> None:
    """By e-mail or by id; one merge needs no name to be split."""
    shown = terminal.run("merge", ADA, BEN).output
    assert "Ben Ångström  sql" in shown  # the newer name, the higher stage
    assert "merged by e" in shown
    merged = terminal.json("people")["items"]
    assert len(merged) == 4  # Ada with Ben, Eve, and Dan twice
    ada = next(p["id"] for p in merged if p["email"] == ADA)
    (merge,) = terminal.json("merges")["items"]
    assert (merge["person"], [one["known_as"] for one in merge["persons"]]) == (ada, [ADA, BEN])
    assert f"{ADA} and {BEN}" in terminal.run("merges").output
    split = terminal.json("split", ada)
    assert "nobody was merged" in terminal.run("merges").output
    assert (split["id"], split["merges"]) == (ada, [])
    assert "nobody was merged" in terminal.run("split", ADA, status=1).output
    assert "nobody has the address" in terminal.run("merge", ADA, "x@y.example", status=1).output
    assert "itself" in terminal.run("merge", ADA, ADA, status=1).output


def test_what_is_said_of_somebody(terminal: Terminal) -> None:
    """Stage, tags, owner, do-not-contact, an identifier; all in the lines that come back."""
    assert "customer" in terminal.run("stage", BEN, "customer").output
    terminal.run("stage", BEN, "hot", status=2)
    assert terminal.json("tag", BEN, "+vip", "+key account")["tags"] == ["key account", "vip"]
    assert terminal.json("tag", BEN, "-vip", "+tea")["tags"] == ["key account", "tea"]
    terminal.run("tag", BEN, "vip", status=2)
    assert terminal.json("owner", BEN, "Olga")["owner"] == "Olga"
    assert terminal.json("do-not-contact", BEN, "--reason", "asked")["do_not_contact"] is True
    shown = terminal.run("vouch", BEN, "ben@work.example").output
    for part in ("key account, tea", "owner: Olga", "do not contact", "ben@work.example (decided)"):
        assert part in shown
    assert terminal.json("do-not-contact", BEN, "--off")["do_not_contact"] is False
    assert terminal.json("owner", BEN, "")["owner"] == ""
    terminal.run("vouch", BEN, "12", "--type", "phone", status=1)


def test_notes(terminal: Terminal) -> None:
    """Written, shown, deleted."""
    assert "no notes" in terminal.run("note", BEN).output
    assert "likes tea" in terminal.run("note", BEN, "likes tea").output
    written = terminal.json("note", BEN)["notes"]
    assert [one["text"] for one in written] == ["likes tea"]
    assert "no notes" in terminal.run("note", BEN, "--delete", written[0]["id"]).output


def test_classes(terminal: Terminal) -> None:
    """A visitor, a person, an event; and back."""
    assert terminal.run("classify", "v1", "internal").output == "v1: internal\n"
    assert ADA not in terminal.run("people").output
    back = terminal.run("classify", "v1", "none", "--reason", "was a mistake").output
    assert back == "v1: as the server recognised it\n"
    assert ADA in terminal.run("people").output
    person = terminal.json("classify", ADA, "bot")
    assert person == {"class": "bot", "visitors": ["v1"], "events": []}
    assert terminal.json("classify", "e1", "test")["events"] == ["e1"]


def test_the_inbox(terminal: Terminal) -> None:
    """Listed with what may be done; done; closed."""
    shown = terminal.run("conflicts").output
    assert "Dan Mill" in shown
    assert "merge dismiss" in shown
    conflict = terminal.json("conflicts")["items"][0]["id"]
    assert "dismissed" in terminal.run("conflicts", "dismiss", conflict).output
    assert "nothing to decide" in terminal.run("conflicts").output
    assert conflict in terminal.run("conflicts", "--state", "closed").output
    assert "cannot be done" in terminal.run("conflicts", "accept", conflict, status=1).output
    assert terminal.json("conflicts", "merge", conflict)["decision"] == "merged"
    dan = [p for p in terminal.json("people")["items"] if p["email"].endswith("mill.example")]
    assert len(dan) == 1


def test_decisions_are_on_the_timeline(terminal: Terminal) -> None:
    """With `--kind all`, by whoever sits at the terminal."""
    terminal.run("owner", BEN, "Olga")
    found = terminal.json("timeline", BEN, "--kind", "owner")["items"]
    assert [one["data"] for one in found] == [{"author": "operator", "owner": "Olga"}]
