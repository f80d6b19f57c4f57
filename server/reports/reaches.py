"""People who reached a stage in a span of days, each at the first time, with what brought them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median_low
from typing import NamedTuple

from server.model import STAGE_RANK, Site
from server.project.rollups import DIMENSIONS
from server.reports.paging import Where
from server.reports.spans import Span, bounds, day_of
from server.storage.database import Reader

LEAD = "lead"
#: By day, how long it took (ms) each who became a lead then, from the first visit on.
Waits = Mapping[int, Sequence[int]]
#: The steps of the funnel, and what the figures call those who reached them.
COUNTED = {LEAD: "leads", "mql": "mqls", "sql": "sqls", "customer": "customers"}
#: A move `m` to a stage where its person never was before. The plus keeps SQLite to the person's
#: few rows: by the index of times it would read everybody who ever reached the stage.
FIRST_TIME = (
    "NOT EXISTS (SELECT 1 FROM stages e WHERE e.site_id = $1 AND e.gen = $2"
    " AND e.person_id = m.person_id AND +e.stage_to = m.stage_to"
    " AND (e.at < m.at OR (e.at = m.at AND e.seq < m.seq)))"
)


def first_session(person: str) -> str:
    """Joins `f`, the earliest session of a person that counts: the first touch. `person` is a
    column; $1 and $2 are the site and the generation."""
    return (
        "LEFT JOIN sessions f ON f.site_id = $1 AND f.gen = $2 AND f.session_id ="
        " (SELECT x.session_id FROM sessions x WHERE x.site_id = $1 AND x.gen = $2"
        f" AND x.person_id = {person} AND x.state = 0 ORDER BY x.start_at, x.session_id LIMIT 1)"
    )


class Reach(NamedTuple):
    """Somebody who first reached a stage: the day of it in the site's zone, how long after the
    first session (ms, None if that is no visit), and what that session was, in the order of
    `DIMENSIONS`; nothing without a session."""

    stage: str
    day: int
    after_ms: int | None
    names: tuple[str, ...]


async def reaches(reader: Reader, site: Site, span: Span) -> list[Reach]:
    """Whoever first reached a stage that is counted in the span."""
    since, until = bounds(site.settings.zone, span)
    where = Where("m.site_id = $1 AND m.gen = $2 AND m.at >= $3 AND m.at < $4")
    where.args += [site.site_id, site.generation, since, until]
    marks = ", ".join(where.arg(STAGE_RANK[stage]) for stage in COUNTED)
    where.add(f"m.stage_to IN ({marks})")
    where.add(FIRST_TIME)
    columns = "".join(f", f.{name}" for name in DIMENSIONS)
    rows = await reader.fetch(
        f"SELECT m.stage_to, m.at, f.start_at, f.alone{columns} FROM stages m"
        f" {first_session('m.person_id')} WHERE {where} ORDER BY m.at, m.seq, m.person_id",
        *where.args,
    )
    words = {STAGE_RANK[stage]: stage for stage in COUNTED}
    day = day_of(site.settings.zone, span)
    return [
        Reach(words[stage], day(at), None, ())
        if start is None
        else Reach(words[stage], day(at), None if alone else max(0, at - start), tuple(names))
        for stage, at, start, alone, *names in rows
    ]


async def stage_cells(reader: Reader, site: Site, span: Span) -> Counter[tuple[str, int]]:
    """How many people first reached each stage on each day, by (stage, day), from the cells."""
    rows = await reader.fetch(
        "SELECT key, day, sum(value) FROM rollups WHERE site_id = $1 AND gen = $2"
        " AND name = 'stage' AND day >= $3 AND day <= $4 GROUP BY key, day",
        site.site_id,
        site.generation,
        span.first,
        span.last,
    )
    return Counter({(stage, day): int(count) for stage, day, count in rows})


async def wait_cells(reader: Reader, site: Site, span: Span) -> Waits:
    """How long it took the leads of each day, from the cells."""
    rows = await reader.fetch(
        "SELECT day, key, value FROM rollups WHERE site_id = $1 AND gen = $2"
        " AND name = 'lead_after' AND day >= $3 AND day <= $4",
        site.site_id,
        site.generation,
        span.first,
        span.last,
    )
    found: dict[int, list[int]] = {}
    for day, after, count in rows:
        found.setdefault(day, []).extend([int(after)] * int(count))
    return found


def time_to_lead(found: Waits, days: Iterable[int]) -> int | None:
    """The median of how long it took the leads of these days (ms), the lower of two in the middle;
    None without any."""
    known = [after for day in days for after in found.get(day, ())]
    return median_low(known) if known else None
