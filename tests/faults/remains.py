"""What is left in the database, compared with what an outside ledger knows as acknowledged."""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Remains:
    """What the database holds: acknowledged events that are missing, ids stored more than once,
    events, numbers that are missing in the log, and what the full check says."""

    lost: int
    doubled: int
    stored: int
    gaps: int
    sound: str


def compare(ids: Collection[bytes], acknowledged: Collection[bytes]) -> tuple[int, int]:
    """How many acknowledged events are not stored, and how many ids are stored more than once."""
    stored = set(ids)
    return len(set(acknowledged) - stored), len(ids) - len(stored)


def look(database: Path, acknowledged: Collection[bytes]) -> Remains:
    """Compare a file with the ledger; it is not written."""
    connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)
    try:
        ids = [row[0] for row in connection.execute("SELECT event_id FROM entries WHERE kind = 1")]
        first, last, count = connection.execute(
            "SELECT coalesce(min(seq), 1), coalesce(max(seq), 0), count(*) FROM entries"
        ).fetchone()
        sound = connection.execute("PRAGMA integrity_check").fetchone()[0]
    finally:
        connection.close()
    lost, doubled = compare(ids, acknowledged)
    return Remains(lost, doubled, len(set(ids)), last - first + 1 - count, sound)
