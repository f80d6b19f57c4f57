"""The derived tables, written only by the projector: rows by key, and the cursor that proves order.

A projection result is whole or not at all: its rows, the rollups' changes, the consequences it
appends to the log and the cursor's compare-and-set are one script of one writer turn.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from server.errors import Conflict
from server.model import Event
from server.storage import entries, erasing
from server.storage.database import Query, Row, Script
from server.storage.names import Names


class Table:
    """A derived table: its SQL is made once, from its columns; site_id and gen lead them."""

    def __init__(self, name: str, key: str, columns: str) -> None:
        self.name = name
        self.key = ("site_id", "gen", *key.split())
        self.columns = (*self.key, *columns.split())
        marks = ", ".join(f"${i + 1}" for i in range(len(self.columns)))
        changes = ", ".join(f"{c} = excluded.{c}" for c in self.columns if c not in self.key)
        action = f"UPDATE SET {changes}" if changes else "NOTHING"
        self.upsert = (
            f"INSERT INTO {name} ({', '.join(self.columns)}) VALUES ({marks})"
            f" ON CONFLICT ({', '.join(self.key)}) DO {action}"
        )
        where = " AND ".join(f"{name} = ${i + 1}" for i, name in enumerate(self.key))
        self.delete = f"DELETE FROM {name} WHERE {where}"


SESSIONS = Table(
    "sessions",
    "session_id",
    "visitor_id person_id state start_at end_at day prev_day page_views events engaged_ms leads"
    " landing exit_page source medium campaign channel referrer country company device browser os"
    " language alone sealed",
)
SESSION_EVENTS = Table("session_events", "visitor_id at q seq", "session_id kind ms scroll")
SIGNALS = Table("signals", "session_id rule seq key", "at pending")
CLAIMS = Table("claims", "seq type", "value visitor_id at level state person_id")
PERSON_ENTRIES = Table("person_entries", "claim seq", "kind at person_id")
CLASSES = Table("classes", "kind target seq", "class")
SUBJECTS = Table(
    "subjects",
    "kind subject_id",
    "score fit engagement grade score_day next_change_day ruleset stage first_seen last_seen"
    " sessions page_views source medium campaign channel lead_source lead_channel last_source"
    " last_channel country company signals",
)
CONTRIBUTIONS = Table(
    "contributions", "kind subject_id line", "rule axis points base factor at seq expires times"
)
PERSONS = Table(
    "persons",
    "person_id",
    "email name company company_domain level created_at owner do_not_contact tags standing",
)
PERSON_WORDS = Table("person_words", "word person_id", "")
IDENTIFIERS = Table("identifiers", "type value", "person_id level at seq")
LINKS = Table("links", "visitor_id evidence person_id", "from_at to_at level state reason")
TRAITS = Table("traits", "person_id name seq", "value type level at")
STAGES = Table("stages", "person_id seq stage_to", "stage_from at cause")
COMPANIES = Table("companies", "domain", "name persons first_seen last_seen")
CONFLICTS = Table("conflicts", "seq kind other_id", "person_id state at evidence")

#: The order of writing; no table refers to another by a foreign key.
TABLES = (
    SESSIONS,
    SESSION_EVENTS,
    SIGNALS,
    CLAIMS,
    PERSON_ENTRIES,
    CLASSES,
    SUBJECTS,
    CONTRIBUTIONS,
    PERSONS,
    PERSON_WORDS,
    IDENTIFIERS,
    LINKS,
    TRAITS,
    STAGES,
    COMPANIES,
    CONFLICTS,
)


class Walk(NamedTuple):
    """How far scoring everybody by the ruleset `to` is: the last subject that was looked at, in
    the order persons (kind 1) before visitors, and how many of how many. Version `done` holds."""

    to: int = 0
    kind: int = 0
    subject_id: int = 0
    done: int = 0
    total: int = 0


@dataclass
class Changes:
    """What one projection result writes. Rows are without site and generation, key first."""

    rows: dict[str, dict[tuple[Any, ...], Row]] = field(default_factory=dict)
    #: By statement: what each of them is done with, before anything else is written.
    deletes: dict[str, list[Row]] = field(default_factory=dict)
    removed: dict[str, dict[Row, None]] = field(default_factory=dict)
    rollups: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    #: Days of which the columns are others now: what was packed of them is void.
    unpacked: set[int] = field(default_factory=set)
    consequences: list[Event] = field(default_factory=list)
    #: Consent withdrawn where that erases: entry → visitor and moment (ms).
    withdrawn: dict[int, tuple[int, int]] = field(default_factory=dict)
    walk: Walk | None = None
    walked: int = 0  # the version by which everybody is scored from now on
    seconds: float = 0.0  # that the writing took, without the commit

    def put(self, table: Table, row: Row) -> None:
        """Insert or replace a row by its key."""
        key = row[: len(table.key) - 2]
        self.rows.setdefault(table.name, {})[key] = row

    def remove(self, table: Table, key: Row) -> None:
        """Delete one row by its key, whatever was put there before."""
        self.rows.get(table.name, {}).pop(key, None)
        self.removed.setdefault(table.name, {})[key] = None

    def against(self, table: Table, old: Mapping[Row, Row]) -> None:
        """Of what the table holds, delete what was not put again and leave alone what is equal."""
        new = self.rows.get(table.name, {})
        for key, row in old.items():
            if key not in new:
                self.remove(table, key)
            elif new[key] == row:
                del new[key]

    def replace(self, table: Table, old: Mapping[Row, Row], new: Mapping[Row, Row]) -> None:
        """Write only what differs; rows by their keys."""
        for key in old.keys() - new.keys():
            self.remove(table, key)
        for key, row in new.items():
            if old.get(key) != row:
                self.put(table, row)

    def drop(self, table: Table, where: str, *args: Any) -> None:
        """Delete rows of this site and generation: `where` names columns, `$3` is the first."""
        sql = f"DELETE FROM {table.name} WHERE site_id = $1 AND gen = $2 AND {where}"
        self.deletes.setdefault(sql, []).append(args)

    def __bool__(self) -> bool:
        return bool(
            self.rows
            or self.deletes
            or self.removed
            or self.rollups
            or self.unpacked
            or self.consequences
            or self.withdrawn
            or self.walk
        )


ROLLUP = (
    "INSERT INTO rollups (site_id, gen, name, day, key, value) VALUES ($1, $2, $3, $4, $5, $6)"
    " ON CONFLICT (site_id, gen, name, day, key)"
    " DO UPDATE SET value = rollups.value + excluded.value"
)

NO_ROLLUP = (
    "DELETE FROM rollups WHERE site_id = $1 AND gen = $2 AND name = $3 AND day = $4 AND key = $5"
    " AND value = 0"
)
UNPACK = "DELETE FROM packed_days WHERE site_id = $1 AND gen = $2 AND day = $3"


WALK = (
    "UPDATE cursors SET walk_to = $3, walk_kind = $4, walk_id = $5, walk_done = $6,"
    " walk_total = $7, ruleset = CASE WHEN $8 > 0 THEN $8 ELSE ruleset END"
    " WHERE site_id = $1 AND gen = $2"
)


def apply(
    site_id: int,
    gen: int,
    old: int,
    new: int,
    changes: Changes,
    *,
    decides: bool = True,
    seals: int = -1,
    ruleset: int = 0,
) -> Script[None]:
    """Write a projection result and move the cursor from `old` to `new`.

    `decides` is false for a generation that only reads the log again. Raises `Conflict` if another
    projector was here (the cursor is not at `old`), if another generation is served by now and this
    one is being deleted, if another ruleset than `ruleset` was published (0: it does not matter),
    or if sessions were sealed since: `seals` is how often that had happened when they were read, -1
    where nothing was.
    """
    started = time.perf_counter()
    # The head first, as appending does: two nodes then never wait for each other.
    decided = new if decides else 0
    yield Query(
        "UPDATE heads SET decided = $2 WHERE site_id = $1 AND decided < $2", (site_id, decided)
    )
    moved = yield Query(
        "UPDATE cursors SET seq = $4 WHERE site_id = $1 AND gen = $2 AND seq = $3"
        " AND ($5 < 0 OR seals = $5)"
        " AND ($6 = 0 OR EXISTS (SELECT 1 FROM sites WHERE site_id = $1 AND generation = $2"
        " AND ($7 = 0 OR ruleset = $7))) RETURNING seq",
        (site_id, gen, old, new, seals, int(decides), ruleset),
    )
    if not moved:
        raise Conflict("another projector has passed this point")
    yield from write(site_id, gen, changes)
    if changes.walk is not None:
        yield Query(WALK, (site_id, gen, *changes.walk, changes.walked))
    if changes.consequences:
        yield from entries.append(site_id, changes.consequences, Names())
    for seq, (visitor_id, at) in changes.withdrawn.items():  # a number below zero: once an entry
        yield Query(erasing.ASK, (site_id, -seq, f"v{visitor_id}", "consent withdrawn", at))
    changes.seconds = time.perf_counter() - started


def write(site_id: int, gen: int, changes: Changes) -> Script[None]:
    """The rows alone."""
    for sql, which in changes.deletes.items():
        yield Query(sql, _scoped(site_id, gen, which), many=True)
    for table in TABLES:
        removed = changes.removed.get(table.name)
        if removed:
            yield Query(table.delete, _scoped(site_id, gen, removed), many=True)
        rows = changes.rows.get(table.name)
        if rows:
            yield Query(table.upsert, _scoped(site_id, gen, rows.values()), many=True)
    if changes.rollups:
        cells = sorted(changes.rollups.items())
        yield Query(ROLLUP, [(site_id, gen, *cell, n) for cell, n in cells], many=True)
        taken = [(site_id, gen, *cell) for cell, n in cells if n < 0]
        if taken:  # what is left of a page that only somebody erased has seen is its name
            yield Query(NO_ROLLUP, taken, many=True)
    if changes.unpacked:
        days = [(site_id, gen, day) for day in sorted(changes.unpacked)]
        yield Query(UNPACK, days, many=True)


def _scoped(site_id: int, gen: int, rows: Iterable[Row]) -> Sequence[Row]:
    return [(site_id, gen, *row) for row in rows]
