"""What is stored of each form, from the terminal: asked, tried and said."""

from pathlib import Path
from typing import Any

import click
import pytest

from server.cli.forms import NOBODY_DECIDED, changed
from tests.cli import test_decisions
from tests.cli.test_commands import Terminal

filled = test_decisions.filled
terminal = test_decisions.terminal
SAID: dict[str, Any] = {
    "stores": None,
    "purpose": None,
    "kiosk": None,
    "deny": (),
    "allow": (),
    "rename": (),
}
SURVEY = {
    "stores": "all",
    "purpose": "newsletter",
    "kiosk": True,
    "deny": ["age", "phone"],
    "rename": {"mail": "email"},
}


@pytest.mark.parametrize(
    ("known", "said", "differs"),
    [
        (NOBODY_DECIDED, {}, {"stores": "all"}),  # saving it is a decision
        (NOBODY_DECIDED, {"stores": "contact"}, {}),
        (NOBODY_DECIDED, {"deny": ("phone",)}, {"stores": "all", "deny": ["phone"]}),
        (SURVEY, {}, {}),
        (SURVEY, {"stores": "nothing"}, {"stores": "nothing"}),
        (SURVEY, {"stores": "contact"}, {"stores": "contact", "purpose": "lead", "kiosk": False}),
        (SURVEY, {"kiosk": False}, {"kiosk": False}),
        (SURVEY, {"allow": ("age",)}, {"deny": ["phone"]}),
        (SURVEY, {"deny": ("age", "size")}, {"deny": ["age", "phone", "size"]}),
        (SURVEY, {"rename": ("mail=",)}, {"rename": {}}),
        (SURVEY, {"rename": ("fon=phone",)}, {"rename": {"mail": "email", "fon": "phone"}}),
        (SURVEY, {"rename": ("mail=work=mail",)}, {"rename": {"mail": "work=mail"}}),
    ],
)
def test_what_is_not_said_stays(
    known: dict[str, Any], said: dict[str, Any], differs: dict[str, Any]
) -> None:
    assert changed(known, SAID | said) == known | differs


@pytest.mark.parametrize("wrong", ["mail", "=email", ""])
def test_a_rename_is_old_and_new(wrong: str) -> None:
    with pytest.raises(click.UsageError, match="OLD=NEW"):
        changed(SURVEY, SAID | {"rename": (wrong,)})


@pytest.mark.slow
def test_a_form_is_tried_before_it_is_said(terminal: Terminal, filled: Path) -> None:
    """The preview changes nothing; what is saved is in force, and is kept where more is said."""
    assert filled.exists()
    before = terminal.json("forms", "list")
    assert "demo" in {one["key"] for one in before["items"]}
    tried = terminal.json("forms", "preview", "demo", "--deny", "email", "--purpose", "newsletter")
    assert (tried["deny"], tried["purpose"]) == (["email"], "newsletter")
    assert {one["name"]: one["stored"] for one in tried["fields"]}["email"] is False
    assert terminal.json("forms", "list") == before
    terminal.run("forms", "save", "demo", "--deny", "email", "--rename", "size=employees")
    saved = terminal.json("forms", "save", "demo", "--deny", "size")
    assert (saved["deny"], saved["rename"]) == (["email", "size"], {"size": "employees"})
    said = terminal.run("forms", "show", "demo").output
    assert said.startswith("demo: stores all but private, purpose lead\n")
    assert "you left it out" in said
    again = terminal.run("forms", "save", "demo", "--allow", "email", "--allow", "size").output
    assert "you left it out" not in again
    assert "all but private" in terminal.run("forms", "list").output
    assert "no form nowhere" in terminal.run("forms", "show", "nowhere", status=1).output
    assert "OLD=NEW" in terminal.run("forms", "save", "demo", "--rename", "x", status=2).output
