"""How long a run will take, as far as it can be known before: figures of an idle machine of two
cores. What is filled already and kept is not filled again."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.bench import matrix
from tests.bench.reading import ASKED
from tests.bench.serving import PROBES, Plan

#: Events a second: into the log alone, and projected too; in PostgreSQL.
LOG, PROJECTED, POSTGRES = 50_000, 15_000, 15_000
REBUILT = 7_000
#: What a run has beside its load: copy, start, warm up, put requests together, stop.
AROUND_S = 6.0
OTHER_S = 8.0
PEOPLE = 100_000
READS = 30


class Size(NamedTuple):
    """What is asked for."""

    events: int
    large: int
    plan: Plan
    data: Path
    quick: bool

    def fill(self, name: str, events: int, rate: int) -> float:
        return 0.0 if (self.data / name / "done").exists() else events / rate

    def log(self) -> float:
        return self.fill(f"filled-{self.events}", self.events, LOG)

    def site(self, events: int = 0) -> float:
        events = events or self.large
        return self.fill(f"site-{events}", events, PROJECTED)

    def people(self) -> float:
        return 0.0 if self.quick else self.fill(f"people-{PEOPLE}", 2 * PEOPLE, PROJECTED // 6)


#: Groups that use the filled log, and those that use the projected site.
OF_LOG = {"append", "rebuild", "ingest", "sustained", "matrix", "growth", "live", "start", "memory"}
OF_SITE = {"reading", "disk", "growth"}


def _groups(size: Size) -> dict[str, float]:
    """Seconds of each group, without what is filled for several."""
    plan, quick = size.plan, size.quick
    run = plan.seconds + AROUND_S
    repeated = plan.runs if plan.runs > 1 else 0
    search = (PROBES + repeated) * (plan.sustained + plan.seconds / 2 + AROUND_S)
    copies = 2 * size.large / 1_000_000 * plan.runs
    large = size.fill(f"filled-{size.large}", size.large, LOG)
    cells = len(list(matrix.cells("PostgreSQL")))
    postgres = 5 + size.events / POSTGRES + search
    return {
        "ingest": plan.runs * (3 * run + 3 * (plan.seconds / 2 + AROUND_S)),
        "sustained": search,
        "matrix": plan.runs * run * (3 if quick else len(list(matrix.cells("SQLite")))),
        "growth": 5 * plan.runs * run + copies + large + size.site(size.events),
        "postgres": postgres + plan.runs * run * (3 if quick else 2 + cells),
        "rebuild": size.events / REBUILT,
        "reading": 5.0 if quick else 30 + READS * 5 + len(ASKED) * 5,
        "memory": 2 * AROUND_S + (2 if quick else 60),
        "live": 8 if quick else 25 * plan.runs,
        "start": 6 * plan.runs,
        "csv": 8 + size.people(),
        "late": 3 if quick else 25 * plan.runs,
        "rescore": 3 if quick else 60,
    }


def seconds(wanted: Sequence[str], size: Size) -> float:
    """What all of them will take."""
    groups = _groups(size)
    found = sum(groups.get(name, OTHER_S) for name in wanted)
    if OF_LOG & set(wanted):
        found += size.log()
    if OF_SITE & set(wanted):
        found += size.site()
    return found


def sizes(size: Size) -> str:
    """How much was asked for, beside what the figures are meant for."""
    plan = size.plan
    text = (
        f"{size.events:,} events stored, {size.large:,} for growth, disk and reading;"
        f" {plan.seconds:g} s a run, {plan.runs} runs"
    )
    meant = size.events >= 1_000_000 and size.large >= 10_000_000 and plan.seconds >= 60
    return text if meant else f"{text} (the figures are meant for 1,000,000, 10,000,000 and 60 s)"


def told(wanted: Sequence[str], size: Size) -> str:
    expected = seconds(wanted, size)
    length = f"{expected:.0f} s" if expected < 120 else f"{expected / 60:.0f} minutes"
    return f"expected to take {length} on an idle machine of two cores: {', '.join(wanted)}"
