"""The applications stand as the guide tells, and their packages are pinned; builds nothing."""

import json
from pathlib import Path

import pytest

from tests.guides.applications import APPS, SOURCES, App
from tests.guides.building import ADDRESS

GUIDE = (Path(__file__).parents[2] / "docs" / "install.md").read_text("utf-8")
#: The guide has the nonce in a sentence of its own.
NONCE = ' nonce="n1"'


def lines(app: App, word: str) -> list[str]:
    """The lines of an application's sources with a word in them."""
    files = [path for path in (SOURCES / app.name).rglob("*") if path.is_file()]
    every = [line for path in files for line in path.read_text("utf-8").splitlines()]
    return [line.strip() for line in every if word in line]


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.name)
def test_the_tag_and_the_calls_are_those_of_the_guide(app: App) -> None:
    (tag,) = lines(app, ADDRESS)
    assert tag.replace(NONCE, "") in GUIDE
    calls = lines(app, "handraise")
    assert any("window.handraise?.('identify', { email });" in line for line in calls)
    assert any("window.handraise?.('reset')" in line for line in calls)


def test_every_package_is_pinned_as_it_is_locked() -> None:
    named = json.loads((SOURCES / "package.json").read_text("utf-8"))["dependencies"]
    lock = json.loads((SOURCES / "package-lock.json").read_text("utf-8"))["packages"]
    assert named == {name: lock[f"node_modules/{name}"]["version"] for name in named}
    assert {package for app in APPS for package in app.packages} <= set(named)
