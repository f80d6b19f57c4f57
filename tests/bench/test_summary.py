"""What is said of the figures at the end; and what is repeated, and how it is counted."""

from pathlib import Path

from tests.bench import lengths, listening, matrix, rivals, summary
from tests.bench.serving import PROBES, Plan, Sqlite, Sustained
from tests.bench.table import Row


def cells_of(told: str, figure: str) -> list[str]:
    (line,) = (line for line in told.splitlines() if line.startswith(figure))
    return [cell.strip() for cell in line.split("|")]


def test_every_figure_stands_in_the_summary_measured_or_not() -> None:
    told = summary.summary([], {"postgres": "it is not installed"}, ["postgres", "fsync"])
    lines = told.splitlines()
    assert len(lines) == 1 + len(summary.FIGURES)
    assert all("NOT MEASURED" in line for line in lines[1:])
    assert cells_of(told, "PostgreSQL: sustained")[-1] == "it is not installed"
    assert cells_of(told, "timeline page")[-1] == "not asked for: --only reading"


def test_the_worst_row_speaks_for_a_figure() -> None:
    rows = [
        Row("people by score", 8.0, 20, 5, "ms", "", False, "people"),
        Row("people by trait", 28.9, 20, 5, "ms", "", False, "people"),
        Row("growth, log only", 0.95, 0.8, unit="×", figure="growth"),
        Row("growth, derived", 0.82, 0.8, unit="×", figure="growth"),
    ]
    told = summary.summary(rows, {}, ["reading", "growth"])
    assert cells_of(told, "people list")[3:] == [
        *("28.9 ms", "MISSED, 1.44 of the figure", "people by trait, the worst of 2")
    ]
    assert cells_of(told, "ingest at 10 million")[3:5] == ["0.82 ×", "met"]


def test_a_figure_made_of_the_run_is_told_with_what_it_came_to() -> None:
    row = Row("  its p99", 15.8, 12.1, 8.0, "ms", "", False, "p99")
    assert cells_of(summary.summary([row], {}, ["ingest"]), "its p99")[3] == "15.8 ms of 12.1 ms"


def test_the_last_line_counts_what_was_not_measured() -> None:
    good, bad = Row("good", 2.0, 1), Row(" bad", 0.5, 1)
    assert summary.ending([good], {}) == "every figure that was measured is met"
    assert summary.ending([good, bad], {"widget": "no Chromium", "postgres": "none"}) == (
        "missed: bad; 2 NOT MEASURED: widget; postgres"
    )


def test_the_head_names_program_and_machine() -> None:
    head = summary.head("3 events").splitlines()
    assert head[0].startswith("Handraise ")
    assert "Python" in head[1]
    assert head[2] == "3 events"


class Search(Sustained):
    """Holds below a rate, and as it is told once that many probes were made."""

    def __init__(self, runs: int, limit: float, later: list[bool]) -> None:
        super().__init__(Sqlite.__new__(Sqlite), Plan(runs, 1, 2))
        self.limit, self.later = limit, later

    def look(self) -> None:
        self.noops.append(1_000.0)

    def holds(self, rate: float) -> bool:
        if len(self.noops) > PROBES and self.later:
            return self.later.pop(0)
        return rate < self.limit


def test_what_held_once_counts_if_most_of_its_repetitions_hold() -> None:
    assert Search(1, 120, []).find(0.1, 0.3) == 0.1125
    assert Search(3, 120, [True, False, True]).find(0.1, 0.3) == 0.1125
    assert Search(3, 120, [False, True, False]).find(0.1, 0.3) == 0.1
    assert Search(3, 0, []).find(0.1, 0.3) == 0


def test_what_goes_wrong_with_a_listener_in_any_run_is_told() -> None:
    found = [listening.Seen([0.1, 0.2], bad, 0, 90.0, 100.0 + bad) for bad in (0, 3, 0)]
    late, missed, doubled, memory = listening.rows(listening.Asked(2, 1, 3, "here"), found)
    assert late.measured == 200
    assert "3 runs" in late.note
    assert (missed.measured, doubled.measured, memory.measured) == (3, 0, 103)


def test_both_databases_are_measured_without_projecting() -> None:
    ways = {cell.how for cell in matrix.cells("PostgreSQL")}
    assert ways == {"", "not projecting"}
    assert {cell.how for cell in matrix.cells("SQLite")} == ways | {"NORMAL"}


def test_other_trackers_are_told_as_medians_with_their_spread() -> None:
    runs = [
        {"rate": rate, "p50": 0.001, "p99": 0.002, "p999": 0.003, "refused": 1.0}
        for rate in (100.0, 300.0, 200.0)
    ]
    told = rivals.told("umami", runs)
    assert "200 (100–300) events/s" in told
    assert "p99 2 (2–2)" in told
    assert told.endswith("3 refused or dropped; 3 runs")


def test_small_sizes_are_told_beside_those_that_are_meant(tmp_path: Path) -> None:
    small = lengths.Size(5_000, 10_000, Plan(1, 1, 2), tmp_path, True)
    assert "are meant for" in lengths.sizes(small)
    whole = lengths.Size(1_000_000, 10_000_000, Plan(3, 60, 120), tmp_path, False)
    assert "are meant for" not in lengths.sizes(whole)
