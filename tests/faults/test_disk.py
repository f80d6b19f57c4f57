"""The disk fails, is full, slow, or somebody else's: short forms of the rows of `make faults`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import again, disk, exact, full, locks, power, readers, slow
from tests.faults.row import CannotRun, Outcome

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def made(make: Callable[[], Outcome]) -> Outcome:
    """What came of a fault; skipped where this machine cannot make it."""
    try:
        found = make()
    except CannotRun as error:
        pytest.skip(str(error))
    assert found.tried > 0
    assert found.acknowledged > 0
    return found


def survived(make: Callable[[], Outcome]) -> None:
    found = made(make)
    assert found.whole, found


def fails(make: Callable[[], Outcome]) -> None:
    """A control: the row sees its fault where a server is broken on purpose."""
    found = made(make)
    assert not found.whole, found


def test_kills_before_exact_calls(tmp_path: Path) -> None:
    survived(lambda: exact.outcome("server", tmp_path / "sound", 4))
    fails(lambda: exact.outcome("tests.faults.early", tmp_path / "control", 4))


def test_sync_and_write_errors(tmp_path: Path) -> None:
    survived(lambda: disk.outcome(tmp_path / "sound", disk.BROKEN, 2))
    fails(lambda: disk.outcome(tmp_path / "control", disk.BROKEN, 1, "deaf"))


def test_no_space_for_a_write(tmp_path: Path) -> None:
    survived(lambda: disk.outcome(tmp_path, disk.FULL, 1))


def test_a_log_that_cannot_be_written_back(tmp_path: Path) -> None:
    survived(lambda: disk.outcome(tmp_path, disk.BACK, 1, name=disk.FILE))


def test_a_lock_of_another_process(tmp_path: Path) -> None:
    survived(lambda: locks.outcome(tmp_path / "sound", 2))
    fails(lambda: locks.outcome(tmp_path / "control", 1, "hasty"))


def test_a_disk_that_stalls(tmp_path: Path) -> None:
    survived(lambda: slow.outcome(tmp_path, [slow.STALL]))


def test_events_sent_again(tmp_path: Path) -> None:
    survived(lambda: again.outcome(tmp_path / "sound", 1))
    fails(lambda: again.outcome(tmp_path / "control", 1, "forgetful"))


def test_a_long_reader(tmp_path: Path) -> None:
    survived(lambda: readers.outcome(tmp_path, 1))


def test_power_cuts(tmp_path: Path) -> None:
    survived(lambda: power.outcome(tmp_path / "sound", 1))
    fails(lambda: power.outcome(tmp_path / "control", 1, "normal"))


def test_a_full_disk(tmp_path: Path) -> None:
    """Below the floor nothing is stored, and people can sign in."""
    survived(lambda: full.outcome(tmp_path, 1, full.FLOOR_MB, full.BELOW_MB))
