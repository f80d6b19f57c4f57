"""Leases: which node does what only one should do. A holder counts a number up while it lives.

No clock is compared: whoever sees that the number has not moved for a while, by its own clock,
takes over. A holder that only slept finds its lease gone; what it does must be safe twice.
"""

from typing import NamedTuple

from server.storage.database import Query, Script


class Lease(NamedTuple):
    """Who holds it, and the number that moves while the holder lives."""

    holder: str
    beat: int


def take(name: str, holder: str, idle: Lease | None) -> Script[Lease]:
    """Take or keep a lease: one that is free, one's own, or one seen to be `idle`; who has it."""
    rows = yield Query(
        "INSERT INTO leases (name, holder, beat) VALUES ($1, $2, 1)"
        " ON CONFLICT (name) DO UPDATE SET holder = $2, beat = leases.beat + 1"
        " WHERE leases.holder = $2 OR (leases.holder = $3 AND leases.beat = $4)"
        " RETURNING holder, beat",
        (name, holder, idle.holder if idle else "", idle.beat if idle else -1),
    )
    if not rows:
        rows = yield Query("SELECT holder, beat FROM leases WHERE name = $1", (name,))
    return Lease(*rows[0]) if rows else Lease("", 0)


def release(name: str, holder: str) -> Script[None]:
    """Give one's own lease up, so that nobody has to wait."""
    yield Query("DELETE FROM leases WHERE name = $1 AND holder = $2", (name, holder))
