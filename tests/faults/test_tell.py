"""What is decided is decided once: the projector is killed between deciding and storing."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.faults import tell

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("tell") / "filled.db"
    asyncio.run(tell.fill(path))
    return path


def test_each_consequence_is_told_once(filled: Path, tmp_path: Path) -> None:
    """400 people, each told to be a lead, an MQL and an SQL, whatever is killed."""
    whole, killed = tmp_path / "whole.db", tmp_path / "killed.db"
    for path in (whole, killed):
        shutil.copyfile(filled, path)
    assert tell.life(whole, [], 60)
    assert tell.kills(killed, [], seed=3, most=12) >= 4
    once = tell.told(killed)
    assert once == tell.told(whole)
    assert len(once) >= 3 * tell.PEOPLE
    assert set(once.values()) == {1}


def test_the_control_tells_twice(filled: Path, tmp_path: Path) -> None:
    """Stored apart and without names of their own, consequences are told again."""
    path = tmp_path / "control.db"
    shutil.copyfile(filled, path)
    assert tell.kills(path, ["--apart"], seed=3, most=12) >= 4
    whole = tmp_path / "whole.db"
    shutil.copyfile(filled, whole)
    assert tell.life(whole, [], 60)
    assert tell.told(path).total() > tell.told(whole).total()
