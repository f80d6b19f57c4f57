"""The benchmark runs; what it finds is for `make bench`."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def bench(*arguments: str) -> str:
    command = [sys.executable, "-m", "tests.bench", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=240).stdout


def test_the_parts_in_process_print_a_table() -> None:
    told = bench("--quick", "--only", "decode,scoring,fsync,reading")
    assert "what" in told.splitlines()[0]
    for row in ("decode alone", "score a person", "match an event", "fsync p99", "overview"):
        assert row in told


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_server_and_the_generator_meet() -> None:
    told = bench("--quick", "--only", "ingest,start")
    assert "ingest, one event a request, FULL" in told
    assert "back after kill -9" in told
    refused = next(line for line in told.splitlines() if "refused" in line)
    assert "| met" in refused
