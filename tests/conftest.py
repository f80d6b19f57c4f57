"""Fixtures of every test: the event loop, and both databases behind one name."""

import os
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from server.app import Handraise, running
from server.settings import Settings
from server.storage.database import Database
from tests.constants import changed, constants
from tests.engines import (
    CannotStart,
    Cluster,
    Place,
    cluster,
    opened,
    postgres_place,
    postgres_version,
    sqlite_place,
)

# `make quick` looks for new examples each time; `make test` proves a tree, the same way each time.
settings.register_profile("new", deadline=None)
settings.register_profile("same", deadline=None, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "new"))

MISSING = "PostgreSQL cannot start here: "
NOT_RUN = "NOT RUN: "
BEGUN = time.monotonic()
BROWSER_S = 360  # what the browser run may take on two cores


def pytest_report_header() -> str:
    return f"databases: SQLite {sqlite3.sqlite_version}, PostgreSQL {postgres_version()}"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Half of the tests not run is nothing to pass over in silence."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = [str(report.longrepr) for report in skipped if MISSING in str(report.longrepr)]
    if reasons:
        reason = reasons[0].split(MISSING)[1].strip("')\n ")
        terminalreporter.write_line(
            f"PostgreSQL tests skipped: {len(reasons)} ({reason})", red=True
        )
    told = [str(report.longrepr) for report in skipped if NOT_RUN in str(report.longrepr)]
    for reason, count in Counter(one.split(NOT_RUN)[1].strip("')\n ") for one in told).items():
        terminalreporter.write_line(f"{NOT_RUN}{reason} ({count})", red=True)
    if terminalreporter.config.option.markexpr == "browser":
        took = time.monotonic() - BEGUN
        terminalreporter.write_line(
            f"browser run: {took:.0f} s of the {BROWSER_S} s it may take on two cores",
            red=took > BROWSER_S,
        )


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """The command line sets its own, which is the whole process's: PostgreSQL could not read."""
    os.umask(0o022)
    yield
    os.umask(0o022)


@pytest.fixture(autouse=True, scope="module")
def same_program() -> Iterator[None]:
    """The tests of a module leave the program to the next as they found it."""
    before = constants()
    yield
    assert not changed(before, constants()), "a test left another value behind"


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return ("asyncio", {"use_uvloop": True})


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Cluster | CannotStart]:
    """The server of this test process, started by the first test that needs it."""
    with ExitStack() as stack:
        try:
            server: Cluster | CannotStart = stack.enter_context(cluster())
        except CannotStart as error:
            server = error
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where the test's database lies; parametrise indirectly with one engine if only it matters."""
    if request.param == "sqlite":
        return sqlite_place(tmp_path)
    server = request.getfixturevalue("postgres_server")
    if isinstance(server, CannotStart):
        pytest.skip(f"{MISSING}{server}")
    return postgres_place(server)


@pytest.fixture
async def database(place: Place) -> AsyncIterator[Database]:
    """An open, migrated, empty database, on each engine in turn."""
    async with opened(place) as ready:
        yield ready


@pytest.fixture
async def app(place: Place, tmp_path: Path) -> AsyncIterator[Handraise]:
    """The whole program, started, on each engine in turn; not listening."""
    if place.cluster:
        await place.cluster.empty()
    settings = Settings(data=str(tmp_path / "data"), disk_floor_mb=1)
    async with running(Handraise(settings, database=place.make())) as ready:
        yield ready
