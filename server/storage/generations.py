"""Generations of the derived tables: a second one beside the first, their exchange, their end.

A generation above the site's own is a rebuild under way; one below zero is only compared and thrown
away. Each has a cursor of its own, so both survive a kill at any moment.
"""

from collections.abc import Sequence
from typing import NamedTuple

from server.storage.changes import RAISED
from server.storage.database import Query, Reader, Row, Script
from server.storage.derived import TABLES, Table

#: Its rows hold no table of its own, but a value that may be zero.
ROLLUPS = Table("rollups", "name day key", "value")
#: Made from the others whenever there is time for it: nothing to compare, but to be taken away.
PACKED_DAYS = Table("packed_days", "day", "layout packer pack")
#: Not the same at two moments, though they mean the same.
PASSING = {"subjects": frozenset({"score_day"})}


#: In place of the settings' number, while a generation is deleted.
NOT_WHOLE = -1


class Generation(NamedTuple):
    """How far a generation is, and under which settings it is derived."""

    gen: int
    seq: int
    settings_seq: int
    ruleset: int


async def of_site(reader: Reader, site_id: int) -> list[Generation]:
    """Every generation there is of a site, the newest first."""
    found = await reader.fetch(
        "SELECT gen, seq, settings_seq, ruleset FROM cursors WHERE site_id = $1 ORDER BY gen DESC",
        site_id,
    )
    return [Generation._make(row) for row in found]


async def settings_seq(reader: Reader, site_id: int) -> int:
    """How often the site's settings were changed."""
    found = await reader.fetch("SELECT settings_seq FROM sites WHERE site_id = $1", site_id)
    return int(found[0][0]) if found else 0


async def ruleset(reader: Reader, site_id: int) -> int:
    """The version that is published."""
    found = await reader.fetch("SELECT ruleset FROM sites WHERE site_id = $1", site_id)
    return int(found[0][0]) if found else 0


def begin(
    site_id: int, gen: int, seq: int = 0, settings_seq: int = 0, ruleset: int = 1
) -> Script[None]:
    """An empty generation, under the settings and the ruleset with these numbers; the same one
    where another node has begun it.

    With a `seq` below zero it is first to get what was sealed. While there are two generations
    nothing is sealed; the head keeps order.
    """
    yield Query("UPDATE heads SET decided = decided WHERE site_id = $1", (site_id,))
    yield Query(
        "INSERT INTO cursors (site_id, gen, seq, settings_seq, ruleset, seals) SELECT $1, $2, $3,"
        " $4, $5, c.seals FROM sites s JOIN cursors c ON c.site_id = s.site_id"
        " AND c.gen = s.generation WHERE s.site_id = $1 ON CONFLICT (site_id, gen) DO NOTHING",
        (site_id, gen, seq, settings_seq, ruleset),
    )


def swap(site_id: int, old: int, new: int) -> Script[bool]:
    """Put one generation in place of the other, if both have read the same entries under the
    settings of now. False: one of them has not, or somebody was faster."""
    yield Query("UPDATE heads SET decided = decided WHERE site_id = $1", (site_id,))
    found = yield Query(
        "SELECT count(DISTINCT c.seq), count(*) FROM cursors c WHERE c.site_id = $1"
        " AND c.gen IN ($2, $3)",
        (site_id, old, new),
    )
    if tuple(found[0]) != (1, 2):
        return False
    swapped = yield Query(
        f"UPDATE sites SET generation = $3, {RAISED} WHERE site_id = $1 AND generation = $2"
        " AND settings_seq = (SELECT settings_seq FROM cursors WHERE site_id = $1 AND gen = $3)"
        " RETURNING site_id",
        (site_id, old, new),
    )
    return bool(swapped)


def drop_some(site_id: int, gen: int, limit: int) -> Script[bool]:
    """Delete some rows of a generation; True while there are more. The cursor goes last: as long as
    there is one, a kill leaves something to find. Settings of no number say to other nodes that it
    is not whole any more."""
    yield Query(
        "UPDATE cursors SET settings_seq = $3 WHERE site_id = $1 AND gen = $2",
        (site_id, gen, NOT_WHOLE),
    )
    for table in (*TABLES, ROLLUPS, PACKED_DAYS):
        keys = ", ".join(table.key)
        gone = yield Query(
            f"DELETE FROM {table.name} WHERE ({keys}) IN (SELECT {keys} FROM {table.name}"
            f" WHERE site_id = $1 AND gen = $2 LIMIT $3) RETURNING site_id",
            (site_id, gen, limit),
        )
        if gone:
            return True
    yield Query("DELETE FROM cursors WHERE site_id = $1 AND gen = $2", (site_id, gen))
    return False


async def page(
    reader: Reader, table: Table, site_id: int, gen: int, after: Row | None, limit: int
) -> list[Row]:
    """Rows of a generation in the order of the key, without what passes; keys come first."""
    keys = table.key[2:]
    left_out = PASSING.get(table.name, frozenset())
    columns = ", ".join(name for name in table.columns[2:] if name not in left_out)
    where, args = "", [site_id, gen, limit]
    if after is not None:
        marks = ", ".join(f"${i + 4}" for i in range(len(keys)))
        where = f" AND ({', '.join(keys)}) > ({marks})"
        args += after[: len(keys)]
    return await reader.fetch(
        f"SELECT {columns} FROM {table.name} WHERE site_id = $1 AND gen = $2{where}"
        f" ORDER BY {', '.join(keys)} LIMIT $3",
        *args,
    )


async def differing(
    reader: Reader, table: Table, site_id: int, gens: Sequence[int], size: int = 2_000
) -> tuple[int, list[Row]]:
    """How many rows of a table two generations do not share, and the first few of them."""
    count = 0
    few: list[Row] = []
    after: Row | None = None
    while True:
        one, other = [await page(reader, table, site_id, g, after, size) for g in gens]
        if not one and not other:
            return count, few
        width = len(table.key) - 2
        ends = [rows[-1][:width] for rows in (one, other) if len(rows) == size]
        last = min(ends, default=None)
        mine, theirs = (
            {row for row in rows if last is None or row[:width] <= last} for rows in (one, other)
        )
        unlike = {row for row in mine ^ theirs if table.name != "rollups" or row[-1]}
        count += len(unlike)
        few += sorted(unlike)[: max(0, 10 - len(few))]
        if last is None:
            return count, few
        after = last
