"""Rules from the terminal: offline, as a table for people, and as one line of JSON."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from server.cli import rule_tables
from server.cli.commands import cli
from server.web.routes import DECISIONS, RULESETS
from tests.cli.test_commands import Terminal
from tests.cli.test_decisions import BEN, filled, terminal

__all__ = ["filled", "terminal"]


def offline(*words: str, status: int = 0) -> Result:
    """A command that needs neither a folder nor a server."""
    result = CliRunner().invoke(cli, ["--data", "/nowhere/at/all", "rules", *words])
    assert result.exit_code == status, result.output
    return result


def written(folder: Path, **changes: Any) -> Path:
    """The seed preset in a file, with other rules."""
    path = folder / "rules.json"
    offline("export", "seed", str(path))
    document = json.loads(path.read_text())
    for rule in document["rules"]:
        rule.update(changes.get(rule["key"], {}))
    path.write_text(json.dumps(document))
    return path


def test_a_file_is_checked_without_a_server(tmp_path: Path) -> None:
    """Every problem with its place, for people and for scripts; exit 1."""
    assert "nothing is wrong" in offline("check", str(written(tmp_path))).output
    path = written(tmp_path, ebook={"points": 5.00005}, gmail={"axis": "fits"})
    shown = offline("check", str(path), status=1).output
    for part in ("2 problems", "/rules/1/points", "Rule “ebook”", "/rules/3/axis", "“gmail”"):
        assert part in shown
    lines = offline("check", str(path), "--json", status=1).stdout.splitlines()
    assert len(lines) == 1
    found = json.loads(lines[0])
    assert (found["valid"], [one["rule"] for one in found["errors"]]) == (False, ["ebook", "gmail"])


def test_presets_are_there_offline() -> None:
    """What `export` writes is what `check` takes."""
    found = json.loads(offline("presets", "--json").stdout)
    assert {"default", "seed"} <= {one["name"] for one in found["items"]}
    assert "MQL from 75 points" in offline("presets").output
    offline("presets", "seed", status=2)


@pytest.mark.slow
def test_from_a_file_to_everybody(terminal: Terminal, tmp_path: Path) -> None:
    """Exported, changed, imported, compared, published; and what came of it."""
    assert "version 1: default" in terminal.run("rules", "show").output
    assert "pricing_page" in terminal.run("rules", "show", "seed").output
    path = written(tmp_path, pricing_page={"points": 12.5})
    saved = terminal.run("rules", "import", str(path), "--note", "the example").output
    assert "pricing_page: points 10 → 12.5" in saved
    assert "draft, begun from version 1" in terminal.run("rules", "draft").output
    assert "rule ebook added" in terminal.run("rules", "diff").output
    refused = CliRunner().invoke(
        cli, ["--data", str(terminal.data), "rules", "publish"], input="n\n"
    )
    assert (refused.exit_code, "Put it in force?" in refused.output) == (1, True)
    assert "add --yes" in terminal.run("rules", "publish", "--json", status=2).output
    shown = terminal.run("rules", "publish", "--yes").output
    assert "version 2 is in force" in shown
    found = terminal.json("rules", "show")
    assert (found["version"], found["note"], found["rescoring"]) == (2, "the example", None)
    person = terminal.json("people", "--q", "ada")["items"][0]
    assert person["score"] == 3 * 12.5 + 5
    versions = terminal.json("rules", "history")["items"]
    assert [one["version"] for one in versions] == [2, 1]
    assert "the example" in terminal.run("rules", "history").output
    exported = terminal.run("rules", "export").stdout
    assert json.loads(exported) == found["document"]


@pytest.mark.slow
def test_drafts(terminal: Terminal, tmp_path: Path) -> None:
    """A preset as draft, thrown away; what is wrong points at the rule and saves nothing."""
    assert terminal.json("rules", "draft", "--preset", "seed")["name"] == "seed"
    terminal.run("rules", "draft", "--drop", "--preset", "seed", status=2)
    assert "the draft is gone" in terminal.run("rules", "draft", "--drop").output
    assert "no draft" in terminal.run("rules", "draft", status=1).output
    assert "no draft" in terminal.run("rules", "publish", "--yes", status=1).output
    broken = written(tmp_path, gmail={"points": 0})
    shown = terminal.run("rules", "draft", str(broken), status=1).output
    assert "/rules/3/points" in shown
    assert "“gmail”" in shown
    terminal.run("rules", "draft", status=1)
    assert "nothing differs" in terminal.run("rules", "diff", "1", "default").output


@pytest.mark.slow
def test_a_backtest_of_few(terminal: Terminal) -> None:
    """A sentence and no number; a moment that is none is refused."""
    shown = terminal.run("rules", "backtest", "1", "seed", "--at", "2026-11-10").output
    assert "There are 0 customers" in shown
    found = terminal.json("rules", "backtest", "1", "seed", "--at", "2026-11-10")
    assert (found["state"], found["result"]["buckets"]) == ("done", [])
    refused = terminal.run("rules", "backtest", "1", "seed", "--at", "soon", status=1)
    assert "ISO 8601" in refused.output


@pytest.mark.slow
def test_with_several_sites_one_must_be_named(terminal: Terminal) -> None:
    """As for every command that reads."""
    terminal.run("site", "add", "Brew")
    assert "Brew" in terminal.run("rules", "show", status=2).output
    assert terminal.json("rules", "show", "--site", "Brew")["version"] == 1


@pytest.mark.slow
def test_traits_by_hand(terminal: Terminal) -> None:
    """Numbers and words as such; taken back."""
    assert "budget: 50k (by hand)" in terminal.run("trait", BEN, "budget", "50k").output
    assert terminal.json("trait", BEN, "seats", "60")["traits"]["seats"] == 60
    assert terminal.json("trait", BEN, "seats", "60", "--text")["traits"]["seats"] == "60"
    assert terminal.json("trait", BEN, "authority", "true")["traits"]["authority"] is True
    assert "budget" not in terminal.json("trait", BEN, "budget", "--take-back")["traits"]
    terminal.run("trait", BEN, "budget", status=2)
    assert "no name of a trait" in terminal.run("trait", BEN, "Budget", "1", status=1).output


def test_a_backtest_as_a_table() -> None:
    """Every figure in its column; what is unknown is a dash."""
    quality = {"threshold": "mql", "points": 30, "reached": 60, "customers": 40}
    quality |= {"precision": 0.6667, "recall": 1.0, "lift": 3.3333}
    rule = {"rule": "pricing", "points": 1400, "people": 0, "customers": 0}
    rule |= {"rate": None, "lift": None}
    figures = {"thresholds": [quality], "rules": [rule]}
    bucket = {"low": 0, "high": 5, "before": 3, "customers_before": 1}
    bucket |= {"after": 4, "customers_after": 2}
    result = {"sentence": "", "people": 200, "customers": 40, "sampled": 210, "everybody": 9_000}
    result |= {"before": figures, "after": figures, "buckets": [bucket], "moved": 140}
    result["unknown"] = 10
    status = {"state": "done", "detail": "", "from": "published", "to": "draft"}
    shown = rule_tables.backtest(status | {"at": "2026-10-01T00:00:00.000Z", "result": result})
    for part in (
        "66.7 %",
        "100.0 %",
        "3.33 ×",
        "0 to 5",
        "140 people",
        "210 of 9,000",
        "of 10 nothing",
        "–",
    ):
        assert part in shown
    failed = rule_tables.backtest(status | {"state": "failed", "detail": "why", "result": None})
    assert failed == "failed: why"


DOCS = (Path(__file__).parents[2] / "docs" / "rules.md").read_text("utf-8")


def test_the_documented_commands_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is parsed with its options, as far as a command goes before it runs."""
    monkeypatch.chdir(tmp_path)
    for name in ("rules.json", "old.json"):
        Path(name).write_text("{}")
    named = re.findall(r"(?:^|`)handraise ([^`#\n]+)", DOCS, re.M)
    assert len(named) > 15
    for line in named:
        words, command = shlex.split(line), cli.commands[shlex.split(line)[0]]
        while isinstance(command, click.Group):
            words = words[1:]
            command = command.commands[words[0]]
        with command.make_context(words[0], words[1:]) as context:
            assert context.params is not None


def test_the_documented_routes_and_documents_are_there(tmp_path: Path) -> None:
    """With their scopes; the first document is one that can be published."""
    table = {f"{one.method} {one.path}": one.scope for one in [*RULESETS, *DECISIONS]}
    rows = re.findall(r"^\| `([A-Z]+ \S+)` \| (\w+) \|", DOCS, re.M)
    assert dict(rows) == {f"{one.method} {one.path}": one.scope for one in RULESETS}
    for route in re.findall(r"`((?:GET|PUT|POST|DELETE) /api\S+)`", DOCS):
        assert route in table
    first, second = re.findall(r"```json\n(.*?)```", DOCS, re.S)
    path = tmp_path / "ours.json"
    path.write_text(first)
    offline("check", str(path))
    assert set(json.loads(second)) >= {"type", "code", "detail", "errors"}
    broken = written(tmp_path, gmail={"points": 0})
    told = json.loads(offline("check", str(broken), "--json", status=1).stdout)["errors"]
    assert [place(one) for one in told] == [place(one) for one in json.loads(second)["errors"]]
    shown = re.search(r"```\n(2 problems:.*?)```", DOCS, re.S)
    assert shown is not None
    path = written(tmp_path, ebook={"points": 5.00005}, gmail={"axis": "fits"})
    lines = offline("check", str(path), status=1).output.splitlines()
    assert lines[:2] + lines[3:4] == [*shown.group(1).splitlines()[:2], "  /rules/3/axis"]


def place(error: dict[str, str]) -> tuple[str, str]:
    return error["pointer"], error["rule"]
