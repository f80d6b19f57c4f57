"""Thinning: what may go, found by indexes, and the one script that takes it out of log and tables.

Nothing is written down of how far it is: what was thinned is no candidate any more.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from server.storage import erasing
from server.storage.database import Query, Reader, Row, Script, chunks, in_list, padded
from server.storage.derived import ROLLUP
from server.storage.people import SESSION_COLUMNS, SessionRow

#: Sessions that are passed in one query.
PASSED = 2_000
#: The place of events that no human did.
UNCOUNTED = -2


async def old_visits(
    reader: Reader, site_id: int, gen: int, before: int, after: tuple[int, int], limit: int
) -> list[Row]:
    """(day, session_id, visitor_id, start_at) of visits of nobody's before a day, that are not
    sealed, in order from (day, session_id) `after` on."""
    return await reader.fetch(
        "SELECT day, session_id, visitor_id, start_at FROM sessions"
        " WHERE site_id = $1 AND gen = $2 AND sealed = 0 AND person_id = 0"
        " AND day < $3 AND (day, session_id) > ($4, $5)"
        " AND state = 0 AND alone = 0 ORDER BY day, session_id LIMIT $6",
        site_id,
        gen,
        before,
        *after,
        limit,
    )


async def loose_events(
    reader: Reader, site_id: int, gen: int, place: int, before: int, limit: int
) -> list[Row]:
    """(visitor_id, at, q, seq, kind) of events at a place that is no session, before a moment (ms),
    of visitors who are nobody's: what no human did (`place` −2) is nobody's anyway."""
    unowned = (
        ""
        if place == UNCOUNTED
        else " AND (e.visitor_id = 0 OR NOT EXISTS (SELECT 1 FROM sessions s WHERE s.site_id ="
        " e.site_id AND s.gen = e.gen AND s.visitor_id = e.visitor_id AND s.person_id <> 0))"
    )
    return await reader.fetch(
        "SELECT e.visitor_id, e.at, e.q, e.seq, e.kind FROM session_events e"
        " WHERE e.site_id = $1 AND e.gen = $2 AND e.session_id <= 0 AND e.session_id = $3"
        f" AND e.kind IN (1, 2, 3, 4, 5, 9, 11) AND e.at < $4{unowned} ORDER BY e.at LIMIT $5",
        site_id,
        gen,
        place,
        before,
        limit,
    )


async def lone_rows(reader: Reader, site_id: int, gen: int, events: Sequence[Row]) -> list[Row]:
    """Rows of events of nobody's browser by (at, seq), in the columns of `event_rows`."""
    found: list[Row] = []
    for at, seq in events:
        found += await reader.fetch(
            "SELECT visitor_id, at, q, seq, session_id, kind, ms, scroll FROM session_events"
            " WHERE site_id = $1 AND gen = $2 AND visitor_id = 0 AND at = $3 AND seq = $4",
            site_id,
            gen,
            at,
            seq,
        )
    return found


@dataclass
class Thinning:
    """What one turn takes. `rows` and `kept` are keys (visitor, at, q, seq): events that go, and
    such as stay in the log but in no session. `sessions` are (id, mark), `views` by day."""

    stubs: list[int] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    kept: list[Row] = field(default_factory=list)
    sessions: list[tuple[int, int]] = field(default_factory=list)
    visitors: set[int] = field(default_factory=set)
    strings: set[int] = field(default_factory=set)
    views: Counter[int] = field(default_factory=Counter)

    def __bool__(self) -> bool:
        return bool(self.stubs or self.sessions)


def thin(
    site_id: int, gen: int, position: tuple[int, int], settings: str, plan: Thinning, views: str
) -> Script[bool]:
    """Empty entries, take them out of the tables, seal their sessions; `views` names the cells.

    False, and nothing is done, if the tables are not at `position` any more, if the site's settings
    are not `settings` (as they are written) any more, if another generation has taken their place,
    or if there is another one: it may have read what would go.
    """
    yield Query("UPDATE heads SET decided = decided WHERE site_id = $1", (site_id,))
    mine = yield Query(
        "UPDATE cursors SET seals = seals + 1 WHERE site_id = $1 AND gen = $2 AND seq = $3"
        " AND seals = $4"
        " AND gen = (SELECT generation FROM sites WHERE site_id = $1 AND settings = $5)"
        " AND (SELECT count(*) FROM cursors c WHERE c.site_id = $1) = 1 RETURNING gen",
        (site_id, gen, *position, settings),
    )
    if not mine:
        return False
    yield from erasing.stub(site_id, plan.stubs, ())
    event = (
        " WHERE site_id = $1 AND gen = $2 AND visitor_id = $3 AND at = $4 AND q = $5 AND seq = $6"
    )
    for sql, keys in (
        (f"DELETE FROM session_events{event}", plan.rows),
        (f"UPDATE session_events SET session_id = 0{event}", plan.kept),
    ):
        if keys:
            yield Query(sql, [(site_id, gen, *key) for key in keys], many=True)
    if plan.sessions:
        yield Query(
            "UPDATE sessions SET sealed = $4 WHERE site_id = $1 AND gen = $2 AND session_id = $3",
            [(site_id, gen, *session) for session in plan.sessions],
            many=True,
        )
    if plan.views:
        cells = [(site_id, gen, views, day, "", n) for day, n in sorted(plan.views.items())]
        yield Query(ROLLUP, cells, many=True)
    return True


# ---------------------------------------------------------------- copying


async def sealed_after(
    reader: Reader, site_id: int, gen: int, session_id: int, limit: int
) -> tuple[list[int], int]:
    """The next sealed sessions by id, and up to which id that is all; 0: there are no more."""
    rows = await reader.fetch(
        "SELECT session_id, sealed FROM sessions WHERE site_id = $1 AND gen = $2"
        " AND session_id > $3 ORDER BY session_id LIMIT $4",
        site_id,
        gen,
        session_id,
        PASSED,
    )
    found = [row[0] for row in rows if row[1]][:limit]
    if len(found) == limit:
        return found, found[-1]
    return found, rows[-1][0] if rows else 0


async def sealed_of(
    reader: Reader, site_id: int, gen: int, visitors: Sequence[int]
) -> list[SessionRow]:
    """The sealed sessions of visitors."""
    found: list[SessionRow] = []
    for part in chunks(visitors):
        rows = await reader.fetch(
            f"SELECT {SESSION_COLUMNS} FROM sessions WHERE site_id = $1 AND gen = $2"
            " AND sealed >= 1 AND visitor_id IN " + in_list(part, 3),
            site_id,
            gen,
            *padded(part),
        )
        found += [SessionRow._make(row) for row in rows]
    return found


async def cells(reader: Reader, site_id: int, gen: int, name: str) -> list[Row]:
    """(day, value) of a daily figure."""
    return await reader.fetch(
        "SELECT day, value FROM rollups WHERE site_id = $1 AND gen = $2 AND name = $3 ORDER BY day",
        site_id,
        gen,
        name,
    )
