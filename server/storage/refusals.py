"""Refused events, counted by reason and hour, with a few samples that hold nothing personal."""

from collections.abc import Mapping
from typing import Any

from server.storage.database import Query, Reader, Script

SAMPLES = 100


def add(
    counts: Mapping[tuple[int, str, int], int],
    samples: Mapping[tuple[int, str], list[tuple[int, str]]],
) -> Script[None]:
    """Add counts {(site, reason, hour): n} and samples {(site, reason): [(at, text)]}."""
    for (site_id, reason, hour), count in sorted(counts.items()):
        yield Query(
            "INSERT INTO refusals (site_id, reason, hour, count) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (site_id, reason, hour)"
            " DO UPDATE SET count = refusals.count + excluded.count",
            (site_id, reason, hour, count),
        )
    for (site_id, reason), rows in sorted(samples.items()):
        yield Query(
            "INSERT INTO refused_samples (site_id, reason, slot, at, sample)"
            " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (site_id, reason, slot)"
            " DO UPDATE SET at = excluded.at, sample = excluded.sample",
            [(site_id, reason, at % SAMPLES, at, text) for at, text in rows],
            many=True,
        )


async def by_reason(reader: Reader, site_id: int, since_hour: int) -> list[tuple[Any, ...]]:
    """(reason, count, newest hour) since an hour, most first."""
    return await reader.fetch(
        "SELECT reason, sum(count), max(hour) FROM refusals WHERE site_id = $1 AND hour >= $2"
        " GROUP BY reason ORDER BY sum(count) DESC, reason",
        site_id,
        since_hour,
    )


async def samples(reader: Reader, site_id: int, reason: str) -> list[tuple[Any, ...]]:
    """(at, sample) of one reason, newest first."""
    return await reader.fetch(
        "SELECT at, sample FROM refused_samples WHERE site_id = $1 AND reason = $2"
        " ORDER BY at DESC, slot",
        site_id,
        reason,
    )
