"""What a long log costs: ingest into an empty one, a full one, one ten times as full; and where the
bytes of a projected site lie.

These logs are only long: nothing was derived from what they hold (`place.fill`), so the tables of
visits and people are empty when a run begins. The last rows load sites of which all is derived.
"""

import sqlite3
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench.matrix import Cell, measure
from tests.bench.place import Copies, filled, used_bytes
from tests.bench.runs import Load
from tests.bench.serving import WAL_MB, Plan, Sqlite
from tests.bench.table import Row, number, say, spread

LEVEL = Cell(1, 64)
LOG_ONLY, DERIVED = " (log only, nothing derived)", ", all derived"
#: Of the tables, so many are told one by one.
TOLD = 12


def growth(data: Path, scratch: Path, levels: Sequence[int], plan: Plan) -> list[Row]:
    """The same run at each number of stored events, in turns; the last against the one before."""
    places = {}
    for number_ in levels:
        say(f"  filling a database with {number_:,} events, unless it is kept")
        copies = Copies(filled(data, number_), scratch / f"level-{number_}")
        places[number_] = Sqlite(copies)
    found: dict[int, list[Load]] = {level: [] for level in levels}
    for turn in range(plan.runs):
        for level, place in places.items():
            say(f"  run {turn + 1} of {plan.runs}, {level:,} events stored")
            found[level].append(measure(place, LEVEL, plan.seconds, 500 + turn))
            place.copies.drop()  # a large copy: only one at a time
    rows = [_row(f"ingest at {level:,} events{LOG_ONLY}", loads) for level, loads in found.items()]
    wal = max(place.wal for place in places.values()) / 1e6
    rows.append(Row("  its write-ahead log", wal, WAL_MB, None, "MB", "4–16 MB", False))
    return [*rows, *_against(found, levels[-1], levels[-2], LOG_ONLY)]


def projected(sites: Mapping[int, Path], scratch: Path, plan: Plan) -> list[Row]:
    """The same run on sites of which everything is derived: visits, people, cells."""
    levels = list(sites)
    places = {level: Sqlite(Copies(site, scratch / "projected")) for level, site in sites.items()}
    found: dict[int, list[Load]] = {level: [] for level in levels}
    for turn in range(plan.runs):
        for level, place in places.items():
            say(f"  run {turn + 1} of {plan.runs}, {level:,} events stored and derived")
            found[level].append(measure(place, LEVEL, plan.seconds, 500 + turn))
            place.copies.drop()  # a large copy: only one at a time
    rows = [_row(f"ingest at {level:,} events{DERIVED}", loads) for level, loads in found.items()]
    return [*rows, *_against(found, levels[-1], levels[-2], DERIVED)]


def _row(what: str, loads: Sequence[Load]) -> Row:
    rates = [load["rate"] for load in loads]
    p99 = statistics.median(load["p99"] for load in loads) * 1e3
    note = f"{spread(rates)}; p99 {number(p99)} ms"
    return Row(what, statistics.median(rates), unit="/s", note=note)


def _against(found: dict[int, list[Load]], large: int, small: int, how: str) -> list[Row]:
    pairs = [
        one["rate"] / other["rate"] for one, other in zip(found[large], found[small], strict=True)
    ]
    peak = max(load["mb"] for load in found[large])
    what, memory = f"ingest at {large:,} against {small:,} events{how}", f"peak memory at {large:,}"
    return [
        Row(what, statistics.median(pairs), 0.8, None, "×", spread(pairs), figure="growth"),
        Row(f"{memory} events{how}", peak, 150, None, "MB", "", False, "memory"),
    ]


# ---------------------------------------------------------------- bytes


def table_bytes(path: Path) -> dict[str, int]:
    """The bytes of each table and index; empty where SQLite was built without `dbstat`."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        rows = connection.execute(
            "SELECT name, sum(pgsize) FROM dbstat WHERE aggregate = 1 GROUP BY name ORDER BY 2 DESC"
        ).fetchall()
    except sqlite3.OperationalError:
        return {}
    finally:
        connection.close()
    return {name: int(size) for name, size in rows}


def disk(path: Path, events: int) -> list[Row]:
    """Bytes an event of a projected site, everything in, then by table and index."""
    rows = [
        Row(
            f"disk at {events:,} events",
            used_bytes(path) / events,
            *(250, 160, "B/event", "", False, "disk"),
        )
    ]
    sizes = table_bytes(path)
    if not sizes:
        say("  this SQLite has no dbstat: bytes by table are not told")
    for name, size in list(sizes.items())[:TOLD]:
        rows.append(Row(f"  {name}", size / events, unit="B/event"))
    rest = sum(list(sizes.values())[TOLD:])
    if rest:
        rows.append(Row("  all others", rest / events, unit="B/event"))
    return rows
