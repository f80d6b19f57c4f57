"""The process and its neighbours, briefly; `make faults` does the same for longer."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from server.app import Handraise
from server.settings import Settings
from tests.engines import MIGRATED, CannotStart, cluster
from tests.faults import backups, lives, migrations, overload, postgres, roles
from tests.faults.row import CannotRun, Outcome

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def survived(outcome: Outcome) -> None:
    """Every promise held, and something was put at risk."""
    assert outcome.whole, outcome
    assert outcome.acknowledged > 0


def test_sigterm_under_load(tmp_path: Path) -> None:
    """What was acknowledged is there, and each life ends in time with status 0."""
    survived(lives.sound(tmp_path, 3))


def test_the_control_of_sigterm(tmp_path: Path) -> None:
    """A server that answers before the commit loses what it answered."""
    assert lives.early(tmp_path).lost > 0


@pytest.mark.parametrize(
    ("weakness", "seen"), [("abrupt", "under way were cut"), ("healthy", "not ready")]
)
def test_a_server_that_ends_badly_is_seen(weakness: str, seen: str, tmp_path: Path) -> None:
    """One that ends at once, and one that says it is ready to its end."""
    found = lives.weak(tmp_path, weakness)
    assert not found.whole
    assert f"; {found.note}".rpartition("odd answers")[2].count(seen), found.note


def test_a_task_that_dies_takes_the_process_with_it(tmp_path: Path) -> None:
    """By an error or by ending, the listening server included."""
    survived(
        roles.outcome(
            tmp_path, [("writer", "raises"), ("projector", "raises"), ("http", "returns")]
        )
    )


async def started(database: str, data: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of what the app starts in the background, and of the server itself."""
    names = {"http"}
    begin = Handraise._begin

    def _begin(self: Handraise, name: str, work: Callable[[], Awaitable[None]]) -> None:
        names.add(name)
        begin(self, name, work)

    monkeypatch.setattr(Handraise, "_begin", _begin)
    app = Handraise(Settings(data=str(data), database=database))
    try:
        await app.start()
    finally:
        await app.stop()
    return names


def test_every_task_is_one_that_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that the app starts and no row kills is a gap."""
    assert asyncio.run(started("", tmp_path, monkeypatch)) == set(roles.TASKS)


def test_every_task_of_several_nodes_is_one_that_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        with cluster() as running:
            asyncio.run(running.execute(f"CREATE DATABASE {MIGRATED}"))
            names = asyncio.run(started(running.url(MIGRATED), tmp_path, monkeypatch))
    except CannotStart as error:
        pytest.skip(f"PostgreSQL cannot start here: {error}")
    assert names == {*roles.TASKS, *roles.NODES}


def test_a_death_that_nobody_watches_is_seen(tmp_path: Path) -> None:
    """The control: health stays green and the process goes on."""
    assert not roles.outcome(tmp_path, [("projector", "unwatched")], 0.5).survived


def test_backups_under_load(tmp_path: Path) -> None:
    """Restored, each holds all that was acknowledged before it began. What is left of the rate is
    for `make faults`, which has the machine to itself."""
    survived(backups.outcome(tmp_path, 2, judged=False))


def test_a_plain_copy_is_no_backup(tmp_path: Path) -> None:
    """The control: the newest events are not in the file itself."""
    assert not backups.outcome(tmp_path, 2, backups.plain_copy).whole


def test_a_migration_in_which_every_statement_counts_for_itself(tmp_path: Path) -> None:
    """The control of the killed migrations, whose own test is in tests/storage: one is seen by
    its tables, one by its rows alone."""
    found = migrations.run(str(tmp_path / "killed.db"), "--apart")
    assert not found.whole
    assert "9998_rows_alone" in found.note
    assert "9999_more" in found.note


def test_postgresql_crashes_under_load(tmp_path: Path) -> None:
    """Nothing acknowledged is lost; the server takes events again by itself."""
    try:
        survived(postgres.outcome(tmp_path, 2, postgres.crash))
    except CannotRun as error:
        pytest.skip(f"PostgreSQL cannot start here: {error}")


def test_overload_loses_nothing_and_passes(tmp_path: Path) -> None:
    """How fast it refuses depends on the machine: `make faults` judges that."""
    found = overload.overload_once(tmp_path, 3.0, 1.5)
    step = found.steps[0]
    assert step.told["statuses"]["202"] > 0
    assert set(step.told["statuses"]) <= {"202", "503"}
    assert step.told["bare"] == 0
    assert step.memory_mb < overload.MOST_MB
    assert step.back_s < overload.BACK_S
    assert overload.missing(tmp_path, found) == 0


@pytest.mark.browser
def test_ten_minutes_without_a_server() -> None:
    """In a process of its own: two drivers of a browser do not live in one."""
    command = [sys.executable, "-m", "tests.faults", "--only", "ten minutes", "--scale", "0.2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "SKIPPED" in done.stdout:
        pytest.skip(f"NOT RUN: {done.stdout.partition('SKIPPED: ')[2].splitlines()[0]}")
    assert done.returncode == 0, done.stdout + done.stderr
