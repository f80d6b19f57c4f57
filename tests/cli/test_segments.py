"""Segments from the terminal: as a table for people and as one line of JSON."""

from pathlib import Path

import pytest

from tests.cli import test_decisions
from tests.cli.test_commands import Terminal

pytestmark = pytest.mark.slow
ADA, BEN = "ada@lovelace.example", "ben@gmail.com"
filled = test_decisions.filled
terminal = test_decisions.terminal


def test_a_segment_from_beginning_to_end(terminal: Terminal, filled: Path) -> None:
    """Saved, listed, shown, explained, changed, renamed, dropped. Only Ada has so many points that
    the days since then take none: the terminal has the clock of now."""
    assert filled.exists()
    assert "no segments yet" in terminal.run("segments", "list").output
    saved = terminal.run("segments", "save", "Hot leads", "stage=sql", "stage=mql", "min_score=100")
    assert saved.output == "g1  Hot leads  1 person\nstage is MQL or SQL and score ≥ 100\n"
    shown = terminal.run("segments", "show", "hot leads").output
    assert ADA in shown
    assert BEN not in shown
    why = terminal.run("segments", "show", "g1", "--why", ADA).output
    assert " is in because stage is SQL and score " in why
    assert "not in: it takes" in terminal.run("segments", "show", "g1", "--why", BEN).output
    changed = terminal.json("segments", "save", "Hot leads", "owner=nobody", "do_not_contact=false")
    assert (changed["id"], changed["filter"]) == (
        "g1",
        {"owner": ["nobody"], "do_not_contact": False},
    )
    assert terminal.json("segments", "save", "g1", "--rename", "Free")["name"] == "Free"
    listed = terminal.json("segments", "list")["items"]
    assert [(one["name"], one["total"]["count"]) for one in listed] == [("Free", 5)]
    assert len(terminal.json("segments", "show", "Free", "--sort", "name")["items"]) == 5
    assert terminal.json("segments", "drop", "Free") == {"dropped": True}
    assert "there is no segment" in terminal.run("segments", "drop", "Free", status=1).output


@pytest.mark.parametrize(
    ("filters", "status", "sentence"),
    [
        (("stage",), 2, "write a filter as name=value"),
        (("min_score=much",), 2, "`min_score` is a number"),
        (("conflict=maybe",), 2, "`conflict` is true or false"),
        (("q=a", "q=b"), 2, "`q` is given twice"),
        ((), 2, "name at least one FILTER"),
        (("nonsense=1",), 1, "nonsense"),
        (("q=ada@lovelace",), 1, "holds no name, address"),
    ],
)
def test_what_is_no_filter(
    terminal: Terminal, filters: tuple[str, ...], status: int, sentence: str
) -> None:
    assert sentence in terminal.run("segments", "save", "x", *filters, status=status).output
