"""A program that cannot start, or ends, breaks its group in words and at once: nobody waits."""

import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.bench.place import NAME, filled, kept
from tests.bench.runs import generate, host
from tests.bench.table import CannotMeasure, Row, shown

EVENTS = 20
SOON_S = 30.0  # on a machine that does much else; a healthy one needs two


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A kept folder whose schema had another text."""
    folder = tmp_path / "kept"
    with closing(sqlite3.connect(filled(folder, EVENTS) / NAME)) as connection:
        connection.execute("UPDATE schema_versions SET checksum = 'of another text'")
        connection.commit()
    return folder


def test_what_is_kept_is_used_again_only_by_its_own_schema(tmp_path: Path) -> None:
    place = filled(tmp_path, EVENTS)
    assert kept(place, "done")
    assert not kept(place, "appended")
    with closing(sqlite3.connect(place / NAME)) as connection:
        connection.execute("DELETE FROM schema_versions")
        connection.commit()
    with pytest.raises(CannotMeasure, match="lacks 0001_first"):
        filled(tmp_path, EVENTS)
    (place / NAME).unlink()
    with pytest.raises(CannotMeasure, match="cannot be used again"):
        filled(tmp_path, EVENTS)


def test_the_table_ends_with_the_groups_that_broke() -> None:
    lines = shown([Row("decode alone", 2.0)], {"rebuild": "the disk is full"}).splitlines()
    assert [cell.strip() for cell in lines[-1].split("|")] == [
        *("rebuild", "", "", "", "NOT MEASURED", "the disk is full")
    ]


@pytest.mark.slow
def test_a_server_that_refuses_its_database_is_not_waited_for(old: Path) -> None:
    began = time.monotonic()
    with (
        pytest.raises(CannotMeasure, match=r"did not start, it ended with 1: .*another text"),
        host("app", "--data", str(old / f"filled-{EVENTS}")),
    ):
        pass
    assert time.monotonic() - began < SOON_S


@pytest.mark.slow
def test_a_floor_that_cannot_start_is_not_waited_for() -> None:
    with (
        pytest.raises(CannotMeasure, match=r"\(noop\) did not start, it ended with 1: .*OSError"),
        host("noop", "--core", "1000"),
    ):
        pass


@pytest.mark.slow
def test_a_server_that_dies_is_told_by_whoever_asks_next() -> None:
    with host("noop") as running:
        assert running.ask()["peak_mb"] > 0
        running.kill()
        with pytest.raises(CannotMeasure, match="answers no more, it ended with -9"):
            running.ask()


@pytest.mark.slow
def test_a_generator_without_a_server_says_so() -> None:
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))  # and nobody listens
        with pytest.raises(CannotMeasure, match=r"generator ended with 1: .*refused"):
            generate(bound.getsockname()[1], 1, requests=100)


@pytest.mark.slow
def test_the_other_groups_are_measured_all_the_same(old: Path) -> None:
    command = [sys.executable, "-m", "tests.bench", "--quick", "--data", str(old)]
    command += ["--events", str(EVENTS), "--only", "rebuild,start,fsync"]
    began = time.monotonic()
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    assert time.monotonic() - began < SOON_S
    assert done.returncode == 1
    table = done.stdout.splitlines()
    assert any(line.startswith("fsync p99") for line in table)
    for group in ("rebuild", "start"):
        line = next(line for line in table if line.startswith(f"{group} "))
        assert "NOT MEASURED" in line
        assert "applied from another text" in line
        assert "--data with an empty folder" in line
    assert "Traceback" not in done.stderr
    assert "not measured, see above: rebuild, start" in done.stderr
