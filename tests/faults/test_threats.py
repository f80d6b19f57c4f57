"""The threats of strangers, each in a short form; the controls are `make faults`'s."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from server.project.patterns import fits
from tests.engines import sqlite_place
from tests.faults import (
    hurried,
    threats_bodies,
    threats_bodies_sql,
    threats_forwarded,
    threats_http,
    threats_paths,
    threats_patterns,
    threats_probes,
    threats_secrets,
    threats_slow,
)
from tests.faults.row import Outcome

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
ROWS: dict[str, Callable[[Path], Outcome]] = {
    "T7 bodies": lambda data: threats_bodies.run("server", data, threats_bodies.bodies),
    "T8 packed": lambda data: threats_bodies.run("server", data, threats_bodies.coded),
    "T10 http": lambda data: threats_http.run("server", data),
    "T12 sql": lambda data: threats_probes.outcome(sqlite_place(data), data, every=30),
    "T12 bodies": lambda data: threats_bodies_sql.outcome(sqlite_place(data), data, every=30),
    "T24 forwarded": lambda data: threats_forwarded.outcome(
        "tests.faults.afar", data, threats_forwarded.FORGERIES[:2]
    ),
    "T25 secrets": lambda data: threats_secrets.search("server", data, ({},)),
    "T30 paths": lambda data: threats_paths.run("server", data),
    "T35 erased": lambda data: asyncio.run(threats_secrets.leave(data, clean=True)),
}


@pytest.mark.parametrize("row", ROWS)
def test_nothing_comes_of_it(row: str, tmp_path: Path) -> None:
    found = ROWS[row](tmp_path)
    assert found.whole, found.note


def test_sql_in_bodies_is_seen_where_it_is_written_into_statements(tmp_path: Path) -> None:
    found = threats_bodies_sql.FAULTS[0].control(tmp_path)
    assert not found.whole
    assert found.fives, found.note


def test_bombs_for_patterns() -> None:
    found = threats_patterns.run(fits)
    assert found.whole, found.note


def test_a_backtracking_pattern_is_seen() -> None:
    assert not threats_patterns.run(threats_patterns.by_expression).whole


def test_slow_sockets_are_closed_on_time(tmp_path: Path) -> None:
    """160 of five kinds, with short deadlines."""
    seen = asyncio.run(threats_slow.run("tests.faults.hurried", tmp_path, 160, hurried.SHORT, 0))
    found = seen.outcome(hurried.SHORT, judged=False)
    assert found.whole, found.note


def test_without_deadlines_they_stay(tmp_path: Path) -> None:
    module = "tests.faults.unguarded"
    seen = asyncio.run(threats_slow.run(module, tmp_path, 40, hurried.SHORT, 0))
    found = seen.outcome(hurried.SHORT, judged=False)
    assert found.survived <= 5, found.note  # the five readers: their files fit into its buffers
