"""The benchmark runs; what it finds is for `make bench`."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def bench(*arguments: str) -> str:
    command = [sys.executable, "-m", "tests.bench", "--quick", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=240).stdout


def line_of(told: str, what: str) -> str:
    return next(line for line in told.splitlines() if what in line)


def test_the_parts_in_process_print_a_table() -> None:
    told = bench("--only", "decode,scoring,fsync,reading,disk")
    lines = told.splitlines()
    assert lines[0].startswith("Handraise ")
    assert any(line.startswith("what ") for line in lines)
    assert "\nfigure " in told
    assert "NOT MEASURED" in line_of(told, "PostgreSQL: sustained")
    for row in ("decode alone", "score a person", "match an event", "fsync p99", "overview"):
        assert row in told
    for row in ("people list by -score", "people list filtered by trait", "session_events"):
        assert row in told


def test_a_server_and_the_generator_meet() -> None:
    told = bench("--only", "ingest,start")
    assert "ingest, one event a request, FULL" in told
    assert "back after kill -9" in told
    assert "| met" in line_of(told, "refused")


def test_every_way_to_be_loaded_and_a_log_that_grows() -> None:
    told = bench("--only", "matrix,growth")
    for row in ("1 event, 8 connections, NORMAL", "1 event, 8 connections, not projecting"):
        assert "s of work for 1,000" in line_of(told, row)
    assert "REFUSED" not in told
    assert "ingest at 10,000 against 5,000 events (log only, nothing derived)" in told
    assert "ingest at 10,000 against 5,000 events, all derived" in told


def test_listeners_see_everything_and_everybody_fits_in_a_file() -> None:
    told = bench("--only", "live,csv")
    for row in ("not seen by somebody", "seen twice by somebody", "memory for it"):
        assert "| met" in line_of(told, row)
    assert "CSV of 500 people" in told


def test_a_flame_graph_is_drawn(tmp_path: Path) -> None:
    picture = tmp_path / "flame.svg"
    bench("--flame", str(picture), "--flame-by", "own")
    drawn = picture.read_text()
    assert drawn.startswith("<svg")
    assert "server.storage.writer" in drawn  # ours looks where the interpreter is let go
