"""A test that leaves another value of a constant behind is found (see `same_program`)."""

import pytest

from server.project import site_projector
from server.storage import sqlite
from tests.constants import changed, constants


def test_what_is_left_behind_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    before = constants()
    monkeypatch.setattr(sqlite, "BUSY_MS", 0)
    monkeypatch.setattr(site_projector, "BATCH", {"sqlite": (16, 16)})
    monkeypatch.setitem(sqlite.__dict__, "PAGE_CACHE_KB", sqlite.PAGE_CACHE_KB)  # nothing else
    assert sorted(changed(before, constants())) == [
        "server.project.site_projector.BATCH",
        "server.storage.sqlite.BUSY_MS",
    ]
    monkeypatch.undo()
    assert not changed(before, constants())


def test_what_is_put_into_a_table_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    before = constants()
    monkeypatch.setitem(site_projector.BATCH, "sqlite", (16, 16))
    assert changed(before, constants()) == ["server.project.site_projector.BATCH"]
