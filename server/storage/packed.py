"""Days that are over, packed for filtered figures: a row a day, while nothing of it changes.

Whoever packs a day takes a place for it first, reads the tables after that, and fills the place if
it is still there: the projector takes it away with whatever it writes of that day. A place is known
by the number its packer has drawn, so nobody fills one that was taken by somebody else since.
"""

from server.storage.database import Query, Reader, Script

#: Which columns a pack has; any other counts as none. Raise it with whatever changes in the columns
#: of `reports.days`, or in what they say.
LAYOUT = 4
_ORDER = "UPDATE heads SET decided = decided WHERE site_id = $1"


async def packers(reader: Reader, site_id: int, gen: int, first: int, last: int) -> dict[int, int]:
    """Who packed which days of a span. A packer never draws a number again: two packs of a day that
    have the same one are the same."""
    rows = await reader.fetch(
        "SELECT day, packer FROM packed_days WHERE site_id = $1 AND gen = $2 AND day >= $3"
        " AND day <= $4 AND length(pack) > 0 AND layout = $5",
        *(site_id, gen, first, last, LAYOUT),
    )
    return {day: packer for day, packer in rows}


async def of_days(
    reader: Reader, site_id: int, gen: int, first: int, last: int
) -> dict[int, bytes]:
    """The packs of a span of days, as far as there are any."""
    rows = await reader.fetch(
        "SELECT day, pack FROM packed_days WHERE site_id = $1 AND gen = $2 AND day >= $3"
        " AND day <= $4 AND length(pack) > 0 AND layout = $5",
        site_id,
        gen,
        first,
        last,
        LAYOUT,
    )
    return {day: bytes(pack) for day, pack in rows}


async def days_packed(reader: Reader, site_id: int, gen: int) -> list[int]:
    """The days of which there is a pack that is read."""
    rows = await reader.fetch(
        "SELECT day FROM packed_days WHERE site_id = $1 AND gen = $2 AND layout = $3"
        " AND length(pack) > 0 ORDER BY day",
        site_id,
        gen,
        LAYOUT,
    )
    return [row[0] for row in rows]


async def lacking(reader: Reader, site_id: int, gen: int, before: int) -> list[int]:
    """Days before a day on which there were visits and that are not packed, the newest first."""
    rows = await reader.fetch(
        "SELECT r.day FROM rollups r WHERE r.site_id = $1 AND r.gen = $2 AND r.name = 'sessions'"
        " AND r.day < $3 AND NOT EXISTS (SELECT 1 FROM packed_days p WHERE p.site_id = $1"
        " AND p.gen = $2 AND p.day = r.day AND length(p.pack) > 0 AND p.layout = $4)"
        " GROUP BY r.day HAVING sum(r.value) > 0 ORDER BY r.day DESC",
        site_id,
        gen,
        before,
        LAYOUT,
    )
    return [row[0] for row in rows]


def take_place(site_id: int, gen: int, day: int, packer: int) -> Script[None]:
    """A place for the pack of a day, if the generation is the one that is served: where there is
    none, where another packer's is empty, and in place of a pack of another layout. `packer` is a
    number that nobody has drawn before."""
    yield Query(_ORDER, (site_id,))  # whoever wrote of the day has finished, or comes after this
    yield Query(
        "INSERT INTO packed_days (site_id, gen, day, layout, packer, pack)"
        " SELECT site_id, $2, $3, $4, $5, $6 FROM sites WHERE site_id = $1 AND generation = $2"
        " ON CONFLICT (site_id, gen, day) DO UPDATE SET layout = excluded.layout,"
        " packer = excluded.packer, pack = excluded.pack"
        " WHERE length(packed_days.pack) = 0 OR packed_days.layout <> excluded.layout",
        (site_id, gen, day, LAYOUT, packer, b""),
    )


def keep(site_id: int, gen: int, day: int, packer: int, pack: bytes) -> Script[bool]:
    """Fill the packer's place; False if something of the day was written meanwhile, or another
    packer has taken a place since."""
    yield Query(_ORDER, (site_id,))
    kept = yield Query(
        "UPDATE packed_days SET pack = $5 WHERE site_id = $1 AND gen = $2 AND day = $3"
        " AND packer = $4 AND length(pack) = 0 RETURNING day",
        (site_id, gen, day, packer, pack),
    )
    return bool(kept)
