"""Who did what to a site, beside its log: rotations and other acts that change no derived row."""

from server.storage.database import Query, Reader, Row, Script


def add(site_id: int, author: str, action: str, detail: str, now: int) -> Script[None]:
    """Record an act. `detail` never holds a secret or an identifier."""
    rows = yield Query(
        "SELECT coalesce(max(audit_id), 0) + 1 FROM audit WHERE site_id = $1", (site_id,)
    )
    yield Query(
        "INSERT INTO audit (site_id, audit_id, at, author, action, detail)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        (site_id, rows[0][0], now, author, action, detail),
    )


async def newest(reader: Reader, site_id: int, limit: int, before: int = 2**62) -> list[Row]:
    """(id, at, author, action, detail) below an id, the newest first."""
    return await reader.fetch(
        "SELECT audit_id, at, author, action, detail FROM audit WHERE site_id = $1"
        " AND audit_id < $3 ORDER BY audit_id DESC LIMIT $2",
        site_id,
        limit,
        before,
    )
