"""A ruleset reaches everybody, whatever is killed on the way, and nobody is told of twice."""

import asyncio
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.faults import publishing, tell

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("publishing") / "filled.db"
    asyncio.run(publishing.fill(path))
    return path


def receipts(path: Path) -> list[tuple[object, ...]]:
    """Every score with its version, and what its lines add up to."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(
            "SELECT s.kind, s.subject_id, s.ruleset, s.score, (SELECT sum(c.points) FROM"
            " contributions c WHERE c.kind = s.kind AND c.subject_id = s.subject_id)"
            " FROM subjects s ORDER BY s.kind, s.subject_id"
        ).fetchall()
    finally:
        connection.close()


def test_it_goes_on_where_it_was_killed(filled: Path, tmp_path: Path) -> None:
    """In the end every receipt is as if nothing had been killed; each crossing is told once."""
    whole, killed = tmp_path / "whole.db", tmp_path / "killed.db"
    for path in (whole, killed):
        shutil.copyfile(filled, path)
    assert publishing.life(whole, [], 60)
    stood = publishing.kills(killed, [], seed=5, most=6)
    midway = [one for one in stood if one.ruleset == 1 and 0 < one.done < publishing.PEOPLE]
    assert len(midway) >= 2
    assert [one.done for one in stood] == sorted(one.done for one in stood)
    assert publishing.walked(killed).ruleset == 2
    assert receipts(killed) == receipts(whole)
    assert {(row[2], row[3], row[4]) for row in receipts(killed)} == {(2, 9_000, 9_000)}
    once = tell.told(killed)
    assert once == tell.told(whole)
    assert set(once.values()) == {1}
    assert sum(key[2] == "keen" for key in once) == publishing.PEOPLE  # all were SQLs before


def test_the_control_tells_twice(filled: Path, tmp_path: Path) -> None:
    """Stored apart and without names of their own, consequences are told again."""
    whole, path = tmp_path / "whole.db", tmp_path / "control.db"
    for one in (whole, path):
        shutil.copyfile(filled, one)
    assert publishing.life(whole, [], 60)
    publishing.kills(path, ["--apart"], seed=5, most=6)
    assert tell.told(path).total() > tell.told(whole).total()
