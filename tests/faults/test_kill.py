"""Nothing acknowledged is lost, nothing is stored twice: kill -9 under load."""

from pathlib import Path

import pytest

from tests.faults import kill
from tests.faults.remains import look

pytestmark = [pytest.mark.slow, pytest.mark.anyio, pytest.mark.timeout(400)]


async def test_kill_9_loses_no_acknowledged_event(tmp_path: Path) -> None:
    """50,000 events, 20 kills, most with requests in flight; resends store nothing twice."""
    key = kill.key_of(tmp_path)
    ledger = await kill.run("server", tmp_path, key, events=50_000, kills=20, seed=7)
    in_flight = [count for count in ledger.kills_in_flight if count]
    assert len(ledger.kills_in_flight) == 20
    assert len(in_flight) >= 10
    left = look(tmp_path / "handraise.db", ledger.acknowledged)
    assert len(ledger.acknowledged) == 50_000
    assert len(ledger.back_s) == 20
    assert (left.lost, left.doubled, left.gaps, left.sound) == (0, 0, 0, "ok")


async def test_the_control_loses_events(tmp_path: Path) -> None:
    """A server that answers before the commit is caught: this test can see the fault."""
    key = kill.key_of(tmp_path)
    ledger = await kill.run("tests.faults.early", tmp_path, key, events=20_000, kills=6, seed=7)
    assert look(tmp_path / "handraise.db", ledger.acknowledged).lost > 0
