"""Tombstones in the database: keyed hashes of who was erased, per site.

Rows of site 0, which is no site, hold the witness of the erasure key in use: by it a wrong key is
known before it makes everybody who was erased a stranger.
"""

from collections.abc import Iterable, Sequence

from server.errors import Conflict
from server.ingest.tombstones import Tombstone
from server.storage.database import Query, Reader, Script

WITNESS_SITE = 0
WRONG_KEY = (
    "this erasure key is not the one with which people were erased here: put back the erasure.key"
    " of this data folder, or set HANDRAISE_ERASURE_KEY to what it was, the same on every node"
)


async def load(reader: Reader) -> list[Tombstone]:
    """Every tombstone of every site, the witness included."""
    rows = await reader.fetch(
        "SELECT site_id, hash, erased_at FROM tombstones ORDER BY site_id, hash"
    )
    return [Tombstone(row[0], bytes(row[1]), row[2]) for row in rows]


def add(site_id: int, marks: Sequence[tuple[bytes, int]]) -> Script[None]:
    """Add (hash, erased_at) of one site; of two erasures of one hash the later one is kept."""
    if not marks:
        return
    yield Query(
        "INSERT INTO tombstones (site_id, hash, erased_at) VALUES ($1, $2, $3)"
        " ON CONFLICT (site_id, hash) DO UPDATE SET erased_at = excluded.erased_at"
        " WHERE tombstones.erased_at < excluded.erased_at",
        [(site_id, digest, erased_at) for digest, erased_at in sorted(marks)],
        many=True,
    )


def add_all(tombstones: Sequence[Tombstone]) -> Script[None]:
    """Add tombstones of several sites."""
    by_site: dict[int, list[tuple[bytes, int]]] = {}
    for site_id, digest, erased_at in tombstones:
        by_site.setdefault(site_id, []).append((digest, erased_at))
    for site_id, marks in sorted(by_site.items()):
        yield from add(site_id, marks)


def vouched(tombstones: Iterable[Tombstone], witness: bytes) -> bool:
    """Whether no other key was ever at work."""
    return all(t.hash == witness for t in tombstones if t.site_id == WITNESS_SITE)


def vouch(witness: bytes) -> Script[None]:
    """Write down whose key it is, once. Raises `Conflict` where another key was at work."""
    rows = yield Query("SELECT hash FROM tombstones WHERE site_id = $1", (WITNESS_SITE,))
    if any(bytes(row[0]) != witness for row in rows):
        raise Conflict(WRONG_KEY, code="erasure_key")
    if not rows:
        yield from add(WITNESS_SITE, [(witness, 0)])
