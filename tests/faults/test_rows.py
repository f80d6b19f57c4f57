"""What the table makes of a row, and rows that must see what they are for."""

import asyncio
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from server import __version__
from tests.faults import backups, exact, readers, threats_probes
from tests.faults.__main__ import Run
from tests.faults.kill import Server
from tests.faults.load import Met, fresh
from tests.faults.row import CannotRun, Fault, Outcome
from tests.faults.totals import head

pytestmark = pytest.mark.anyio
GOOD, BAD = Outcome(5, 5, 1_000), Outcome(5, 0, 1_000, 400, 7, "lost")


def cannot() -> Outcome:
    raise CannotRun("too slow a machine")


def row(run: Callable[[], Outcome], control: Callable[[], Outcome]) -> Run:
    """One row of the table."""
    found = Run(1.0)
    found.row(Fault("R0", "a fault", 5, lambda *_: run(), lambda _: control()))
    return found


def test_a_fault_that_was_not_survived_failed_whatever_its_control_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for control in (cannot, lambda: GOOD, lambda: BAD):
        found = row(lambda: BAD, control)
        assert (found.failed, found.skipped) == (["a fault"], [])
        assert (found.lost, found.doubled) == (400, 7)
        assert "SKIPPED" not in capsys.readouterr().out


def test_a_control_that_cannot_run_leaves_a_good_row_unproven(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = row(lambda: GOOD, cannot)
    assert (found.failed, found.skipped, found.survived) == ([], ["a fault"], 5)
    assert "no control here: too slow a machine" in capsys.readouterr().out


def test_rows_and_controls_are_judged() -> None:
    assert not row(lambda: GOOD, lambda: BAD).failed
    assert row(lambda: GOOD, lambda: GOOD).failed == ["a fault"]
    skipped = row(cannot, lambda: GOOD)
    assert (skipped.failed, skipped.skipped, skipped.tried) == ([], ["a fault"], 0)


def test_a_row_that_breaks_failed_and_ends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def breaks() -> Outcome:
        raise ProcessLookupError("it ended just now")

    assert row(breaks, lambda: BAD).failed == ["a fault"]
    assert row(lambda: GOOD, breaks).failed == ["a fault"]
    assert capsys.readouterr().out.count("BROKE: ProcessLookupError") == 2


def test_the_closing_lines_count_kills_and_bad_inputs_alone() -> None:
    """The bound of losses is over kills: probes that kill nothing say nothing of them."""
    found = Run(1.0)
    for threat, name, come in (
        ("R1", "kills", Outcome(300, 300, 1_000, kills=300)),
        ("R18", "overload", Outcome(4, 1, 500)),
        ("T12", "probes", Outcome(44_064, 44_064, inputs=44_064)),
        ("T24", "addresses", Outcome(17, 17)),
    ):
        found.row(Fault(threat, name, 1, lambda *_, come=come: come, lambda _: BAD))
    found.skip(Fault("R20", "soak", 1, lambda *_: GOOD, lambda _: BAD, long=True), "it takes long")
    assert found.lines() == [
        "rows survived 3 of 5 (1 failed, 1 skipped); faults survived 44,382 of 44,385",
        "of R1 to R22 survived 1 of 3; failed: R18; not made: R20",
        "acknowledged events lost 0 of 1,500 over 300 kills under load (below 1 % a kill at 95 %)",
        "stored twice 0",
        "bad inputs tried 44,064; answered with a 5xx 0; neighbours lost 0",
    ]
    found.row(Fault("R1", "lossy", 1, lambda *_: Outcome(1, 0, 9, 2, kills=1), lambda _: BAD))
    assert "lost 2 of 1,509 over 301 kills under load" in found.lines()[2]
    assert "below" not in found.lines()[2]


def test_the_head_names_what_was_tried() -> None:
    assert f"Handraise {__version__}" in head(3)
    assert "3 faults" in head(3)


class Ends(Server):
    """A server that ends before it serves."""

    def __init__(self, data: Path, code: str) -> None:
        super().__init__("server", data)
        self.code = code

    def command(self) -> list[str]:
        return [sys.executable, "-c", self.code]


async def test_a_server_that_cannot_start_was_not_killed(tmp_path: Path) -> None:
    with pytest.raises(exact.Broken, match="status 1"):
        await exact.life(Ends(tmp_path, "raise SystemExit('malformed')"), "k", fresh(0))
    shot = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert await exact.life(Ends(tmp_path, shot), "k", fresh(0))


async def _refuse(met: Met) -> None:
    while True:
        met.statuses[503] += 1
        await asyncio.sleep(0.01)


async def test_a_server_that_refuses_everybody_while_somebody_reads_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log does not grow then, which is no lack of the machine."""
    monkeypatch.setattr(readers, "GROWS_S", 0.3)
    with closing(sqlite3.connect(tmp_path / "handraise.db")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE entries(a)")
        connection.commit()
        met = fresh(10)
        refusing = asyncio.create_task(_refuse(met))
        try:
            wrong = await readers.read_long(tmp_path, met, [])
        finally:
            refusing.cancel()
    assert wrong
    assert "503" in wrong[0]


def test_a_backup_that_takes_the_rate_away_is_seen() -> None:
    found = backups.Found(quiet=[1_000.0], during=[600.0], seconds=[3.0])
    assert not found.slow(2)
    assert "60%" in found.slow(8)
    found.during = [400.0]
    assert "40%" in found.slow(2)
    found.seconds = [0.1]
    assert not found.slow(2)


def page(words: str, status: int = 200) -> httpx2.Response:
    return httpx2.Response(status, html=f"<title>x</title><main>{words}</main>")


def test_pages_are_read_as_somebody_reads_them() -> None:
    """Ids in tags, the value itself and its way of being written do not count; words do."""
    value = "' OR 1=1 --"
    same = threats_probes.harmless(value)
    none = page(f'<p data-id="7">0 people of {same}</p>')
    assert not threats_probes._differs(page(f"<p>0 people of {value.lower()}</p>"), value, none)
    assert threats_probes._differs(page(f"<p>12 people of {value}</p>"), value, none)
    refusal = page("<h1>That did not work</h1><p>No.</p>", 400)
    assert not threats_probes._differs(refusal, value, none)
    for bad in (page("<p>0 people</p>", 400), page("<h1>That did not work</h1>", 403)):
        assert threats_probes._differs(bad, value, none)
