"""Files, rights, clocks, receivers and the host: short forms of the rows of `make faults`."""

import os
from pathlib import Path

import pytest

from tests.faults import (
    clocks,
    damaged,
    receivers,
    starved,
    threats_flood,
    unwritable,
    versions,
)
from tests.faults.row import CannotRun
from tests.faults.test_disk import fails, survived

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_what_was_damaged_or_is_gone(tmp_path: Path) -> None:
    survived(lambda: damaged.outcome(tmp_path, ["missing", "last page torn", "log missing"]))


def test_a_server_that_makes_a_new_database_is_seen(tmp_path: Path) -> None:
    fails(lambda: damaged.outcome(tmp_path, ["missing"], "fresh"))


def test_what_may_not_be_written(tmp_path: Path) -> None:
    survived(lambda: unwritable.outcome(tmp_path, ["folder", "log and index"]))


def test_rows_for_root_are_skipped_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What others cannot do is a row that cannot run, not less of another."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(CannotRun):
        unwritable.by_root(tmp_path, list(unwritable.OF_ROOT))
    with pytest.raises(CannotRun):
        clocks.by_root(tmp_path, 1)
    assert not {*unwritable.OF_ROOT} & {*unwritable.turns(unwritable.OWN, 100)}


def test_one_writer(tmp_path: Path) -> None:
    survived(lambda: versions.outcome(tmp_path / "sound", list(versions.DEEDS[:3])))
    fails(lambda: versions.outcome(tmp_path / "control", [versions.DEEDS[0]], "unlocked"))


def test_a_clock_that_jumps(tmp_path: Path) -> None:
    survived(lambda: clocks.outcome(tmp_path, [-clocks.HOUR, clocks.DAY]))


def test_a_receiver_that_is_off_and_lies(tmp_path: Path) -> None:
    survived(lambda: receivers.outcome(tmp_path, 2))


@pytest.mark.parametrize("dry", [starved.files, starved.temporary, starved.names])
def test_a_host_that_runs_dry(dry: starved.Dry, tmp_path: Path) -> None:
    survived(lambda: starved.outcome(tmp_path, dry, 1))


def test_a_flood_of_junk(tmp_path: Path) -> None:
    survived(lambda: threats_flood.outcome(tmp_path, 4))
