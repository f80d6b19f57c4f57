"""What the tables hold of identity: claims, what was said of persons, conflicts, classes."""

from collections.abc import Iterable, Sequence

from server.model import Identifier
from server.storage.database import Reader, Row, chunks, in_list, padded

CLAIM_COLUMNS = "seq, type, value, visitor_id, at, level, state, person_id"


async def claims_naming(
    reader: Reader, site_id: int, gen: int, identifiers: Iterable[Identifier]
) -> list[Row]:
    """Claims of these identifiers: (seq, type, value, visitor_id, at, level, state, person_id)."""
    found: list[Row] = []
    kinds: dict[str, list[str]] = {}
    for identifier in sorted(identifiers):
        kinds.setdefault(identifier.type, []).append(identifier.value)
    for kind, values in kinds.items():
        for part in chunks(values):
            found += await reader.fetch(
                f"SELECT {CLAIM_COLUMNS} FROM claims WHERE site_id = $1 AND gen = $2 AND type = $3"
                " AND value IN " + in_list(part, 4),
                site_id,
                gen,
                kind,
                *padded(part),
            )
    return found


async def claims_at(reader: Reader, site_id: int, gen: int, seqs: Sequence[int]) -> list[Row]:
    """The claims with these numbers, in the same columns."""
    return await _in(reader, site_id, gen, f"SELECT {CLAIM_COLUMNS} FROM claims", "seq", seqs)


async def claims_of(reader: Reader, site_id: int, gen: int, person_id: int) -> list[int]:
    """The numbers of a person's claims, the oldest first."""
    rows = await reader.fetch(
        "SELECT DISTINCT seq FROM claims WHERE site_id = $1 AND gen = $2 AND person_id = $3"
        " ORDER BY seq",
        site_id,
        gen,
        person_id,
    )
    return [row[0] for row in rows]


async def owner_of(reader: Reader, site_id: int, gen: int, claim: int) -> int:
    """Whose a claim is now, 0 if nobody's: an id that once named a person leads there."""
    rows = await claims_at(reader, site_id, gen, [claim])
    return max((row[7] for row in rows), default=0)


async def identifiers_of(
    reader: Reader, site_id: int, gen: int, persons: Sequence[int]
) -> list[Row]:
    """(type, value, person_id, level, at, seq) of persons."""
    columns = "SELECT type, value, person_id, level, at, seq FROM identifiers"
    return await _in(reader, site_id, gen, columns, "person_id", persons)


async def traits_of(reader: Reader, site_id: int, gen: int, persons: Sequence[int]) -> list[Row]:
    """(person_id, name, seq, value, type, level, at) of persons."""
    columns = "SELECT person_id, name, seq, value, type, level, at FROM traits"
    return await _in(reader, site_id, gen, columns, "person_id", persons)


async def conflicts_at(reader: Reader, site_id: int, gen: int, claims: Sequence[int]) -> list[Row]:
    """(seq, kind, other_id, person_id, state, at, evidence) of what these claims gave rise to."""
    columns = "SELECT seq, kind, other_id, person_id, state, at, evidence FROM conflicts"
    return await _in(reader, site_id, gen, columns, "seq", claims)


async def said_of_claims(
    reader: Reader, site_id: int, gen: int, claims: Sequence[int]
) -> list[Row]:
    """(claim, seq, kind, at, person_id) of decisions and consequences that name these claims."""
    columns = "SELECT claim, seq, kind, at, person_id FROM person_entries"
    return await _in(reader, site_id, gen, columns, "claim", claims)


async def said_of(reader: Reader, site_id: int, gen: int, person_id: int) -> list[Row]:
    """(claim, seq, kind, at, person_id) of decisions and consequences about a person."""
    columns = "SELECT claim, seq, kind, at, person_id FROM person_entries"
    return await _in(reader, site_id, gen, columns, "person_id", [person_id])


async def classes(reader: Reader, site_id: int, gen: int) -> list[Row]:
    """(kind, target, class, seq) of every visitor (0) and event (1): what was said last."""
    rows = await reader.fetch(
        "SELECT kind, target, class, seq FROM classes WHERE site_id = $1 AND gen = $2",
        site_id,
        gen,
    )
    last = {row[:2]: row for row in sorted(rows, key=lambda row: row[3])}
    return [row for row in last.values() if row[2] >= 0]


async def classifying(
    reader: Reader, site_id: int, gen: int, kind: int, targets: Sequence[int]
) -> set[int]:
    """The decisions, ever, on what these visitors (0) or events (1) are."""
    column = f"kind = {int(kind)} AND target"
    rows = await _in(reader, site_id, gen, "SELECT seq FROM classes", column, targets)
    return {row[0] for row in rows}


async def _in(
    reader: Reader, site_id: int, gen: int, select: str, column: str, values: Sequence[int]
) -> list[Row]:
    found: list[Row] = []
    for part in chunks(values):
        found += await reader.fetch(
            f"{select} WHERE site_id = $1 AND gen = $2 AND {column} IN " + in_list(part, 3),
            site_id,
            gen,
            *padded(part),
        )
    return found
