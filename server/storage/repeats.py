"""Events that came again after they were stored: how often, beside the entry they are of.

What an entry says (page, browser) is read where it stands, so nothing is written twice, and what
is erased there leaves no trace here.
"""

from collections.abc import Mapping

from server.storage.database import Query, Script


def add(counts: Mapping[tuple[int, bytes], int]) -> Script[None]:
    """Add counts {(site, event id): n}; an id that is not in the log, or erased, adds nothing."""
    if counts:
        yield Query(
            "INSERT INTO repeats (site_id, seq, count) SELECT site_id, seq, $3 FROM entries"
            " WHERE site_id = $1 AND event_id = $2 AND kind > 0"
            " ON CONFLICT (site_id, seq) DO UPDATE SET count = repeats.count + excluded.count",
            [(site_id, event_id, n) for (site_id, event_id), n in sorted(counts.items())],
            many=True,
        )
