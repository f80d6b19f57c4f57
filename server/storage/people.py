"""What the projector reads back of persons and subjects when they are not in its memory."""

from collections.abc import Sequence
from typing import NamedTuple

from server.model import Kind
from server.storage.database import Reader, Row, chunks, in_list, padded
from server.storage.derived import LINKS, SESSION_EVENTS, SESSIONS, Walk


class SessionRow(NamedTuple):
    """The part of a session that its subject is made of."""

    session_id: int
    visitor_id: int
    start_at: int
    end_at: int
    page_views: int
    leads: int
    landing: str
    source: str
    medium: str
    campaign: str
    channel: str
    country: str
    company: str
    device: str
    browser: str
    os: str
    alone: int


#: How a session is marked whose events were thinned; the second where consent was given in it.
SEALED, GRANTED = 1, 2
SESSION_COLUMNS = ", ".join(SessionRow._fields)


async def cursor(reader: Reader, site_id: int, gen: int) -> int:
    rows = await reader.fetch(
        "SELECT seq FROM cursors WHERE site_id = $1 AND gen = $2", site_id, gen
    )
    return rows[0][0] if rows else 0


async def position(reader: Reader, site_id: int, gen: int) -> tuple[int, int]:
    """The cursor, and how often sessions were sealed: what a result is computed on."""
    rows = await reader.fetch(
        "SELECT seq, seals FROM cursors WHERE site_id = $1 AND gen = $2", site_id, gen
    )
    return (rows[0][0], rows[0][1]) if rows else (0, 0)


async def identifiers(reader: Reader, site_id: int, gen: int, values: Sequence[str]) -> list[Row]:
    """(type, value, person_id, level, at, seq) of values of any type."""
    found: list[Row] = []
    for part in chunks(values):
        found += await reader.fetch(
            "SELECT type, value, person_id, level, at, seq FROM identifiers"
            " WHERE site_id = $1 AND gen = $2 AND type IN ('email', 'phone', 'user_id')"
            " AND value IN " + in_list(part, 3),
            site_id,
            gen,
            *padded(part),
        )
    return found


async def identifiers_of(reader: Reader, site_id: int, gen: int, person_id: int) -> list[Row]:
    """(type, value, level, at, seq) of one person, strongest first."""
    return await reader.fetch(
        "SELECT type, value, level, at, seq FROM identifiers"
        " WHERE site_id = $1 AND gen = $2 AND person_id = $3 ORDER BY level DESC, at, seq",
        site_id,
        gen,
        person_id,
    )


async def person(reader: Reader, site_id: int, gen: int, person_id: int) -> Row | None:
    """(level, created_at, owner, do_not_contact, tags, standing) of a person, or None."""
    rows = await reader.fetch(
        "SELECT level, created_at, owner, do_not_contact, tags, standing FROM persons"
        " WHERE site_id = $1 AND gen = $2 AND person_id = $3",
        site_id,
        gen,
        person_id,
    )
    return rows[0] if rows else None


class Known(NamedTuple):
    """What the tables hold of some persons. Every row begins with the person's id.

    `persons`: level, created_at, owner, do_not_contact, tags, standing. `stages`: seq, stage_from,
    stage_to, at, cause. `identifiers`: type, value, level, at, seq. `traits`: name, seq, value,
    level, at. `sessions`: state, sealed, then the columns of `SessionRow`.
    """

    persons: list[Row]
    stages: list[Row]
    identifiers: list[Row]
    traits: list[Row]
    sessions: list[Row]


_KNOWN = (
    ("persons", "level, created_at, owner, do_not_contact, tags, standing"),
    ("stages", "seq, stage_from, stage_to, at, cause"),
    ("identifiers", "type, value, level, at, seq"),
    ("traits", "name, seq, value, level, at"),
    ("sessions", f"state, sealed, {SESSION_COLUMNS}"),
)


async def known(reader: Reader, site_id: int, gen: int, person_ids: Sequence[int]) -> Known:
    """Persons with everything a score is made of but signals, in no order."""
    found: list[list[Row]] = []
    for table, columns in _KNOWN:
        rows: list[Row] = []
        for part in chunks(person_ids):
            rows += await reader.fetch(
                f"SELECT person_id, {columns} FROM {table} WHERE site_id = $1 AND gen = $2"
                " AND person_id IN " + in_list(part, 3),
                site_id,
                gen,
                *padded(part),
            )
        found.append(rows)
    return Known(*found)


async def free_sessions(
    reader: Reader, site_id: int, gen: int, visitor_ids: Sequence[int]
) -> list[Row]:
    """The unowned visits of visitors, in no order, each with whether it is sealed first. A
    submission alone that was refused is nobody's visit."""
    found: list[Row] = []
    for part in chunks(visitor_ids):
        found += await reader.fetch(
            f"SELECT sealed, {SESSION_COLUMNS} FROM sessions WHERE site_id = $1 AND gen = $2"
            " AND +person_id = 0 AND alone = 0 AND visitor_id IN " + in_list(part, 3),
            site_id,
            gen,
            *padded(part),
        )
    return found


async def traits(reader: Reader, site_id: int, gen: int, person_id: int) -> list[Row]:
    """(name, seq, value, type, level, at) of a person, oldest first."""
    return await reader.fetch(
        "SELECT name, seq, value, type, level, at FROM traits"
        " WHERE site_id = $1 AND gen = $2 AND person_id = $3 ORDER BY at, seq, name",
        site_id,
        gen,
        person_id,
    )


async def person_sessions(
    reader: Reader, site_id: int, gen: int, person_id: int
) -> list[SessionRow]:
    """All sessions of a person that count, earliest first: none in quarantine."""
    rows = await reader.fetch(
        f"SELECT {SESSION_COLUMNS} FROM sessions"
        " WHERE site_id = $1 AND gen = $2 AND person_id = $3 AND state = 0"
        " ORDER BY start_at, session_id",
        site_id,
        gen,
        person_id,
    )
    return [SessionRow._make(row) for row in rows]


async def visitor_sessions(
    reader: Reader, site_id: int, gen: int, visitor_id: int, *, sealed: bool = False
) -> list[SessionRow]:
    """The unowned sessions of a visitor, earliest first; all, or only those that are sealed."""
    rows = await reader.fetch(
        f"SELECT {SESSION_COLUMNS} FROM sessions"
        " WHERE site_id = $1 AND gen = $2 AND visitor_id = $3 AND +person_id = 0"
        " AND sealed >= $4 ORDER BY start_at, session_id",
        site_id,
        gen,
        visitor_id,
        int(sealed),
    )
    return [SessionRow._make(row) for row in rows]


async def stages(reader: Reader, site_id: int, gen: int, person_id: int) -> list[Row]:
    """(seq, stage_from, stage_to, at, cause) of a person's moves, in the order of the log."""
    return await reader.fetch(
        "SELECT seq, stage_from, stage_to, at, cause FROM stages"
        " WHERE site_id = $1 AND gen = $2 AND person_id = $3 ORDER BY seq, stage_to",
        site_id,
        gen,
        person_id,
    )


async def sessions(reader: Reader, site_id: int, gen: int, session_ids: Sequence[int]) -> list[Row]:
    """Whole rows of sessions, in the columns of the table without site and generation."""
    found: list[Row] = []
    for part in chunks(session_ids):
        found += await reader.fetch(
            f"SELECT {', '.join(SESSIONS.columns[2:])} FROM sessions"
            " WHERE site_id = $1 AND gen = $2 AND session_id IN " + in_list(part, 3),
            site_id,
            gen,
            *padded(part),
        )
    return found


async def sessions_of(reader: Reader, site_id: int, gen: int, visitor_id: int) -> list[Row]:
    """Whole rows of all sessions of a visitor, earliest first."""
    return await reader.fetch(
        f"SELECT {', '.join(SESSIONS.columns[2:])} FROM sessions"
        " WHERE site_id = $1 AND gen = $2 AND visitor_id = $3 ORDER BY start_at, session_id",
        site_id,
        gen,
        visitor_id,
    )


async def event_rows(reader: Reader, site_id: int, gen: int, visitor_id: int) -> list[Row]:
    """Whole rows of a visitor's events, in the order of rules."""
    return await reader.fetch(
        f"SELECT {', '.join(SESSION_EVENTS.columns[2:])} FROM session_events"
        " WHERE site_id = $1 AND gen = $2 AND visitor_id = $3 ORDER BY at, q, seq",
        site_id,
        gen,
        visitor_id,
    )


async def sessions_reading(
    reader: Reader, site_id: int, gen: int, visitor_id: int, views: Sequence[bytes]
) -> list[int]:
    """In which sessions a visitor's engagement counts that tells of these page views."""
    found: list[int] = []
    for part in chunks(views):
        rows = await reader.fetch(
            "SELECT DISTINCT s.session_id FROM session_events s JOIN entries e"
            " ON e.site_id = s.site_id AND e.seq = s.seq"
            " WHERE s.site_id = $1 AND s.gen = $2 AND s.visitor_id = $3 AND s.kind = $4"
            " AND e.page_view IN " + in_list(part, 5),
            site_id,
            gen,
            visitor_id,
            int(Kind.ENGAGEMENT),
            *padded(part),
        )
        found += [row[0] for row in rows]
    return found


async def links(reader: Reader, site_id: int, gen: int, visitor_id: int) -> list[Row]:
    """Whole rows of a visitor's links, in the columns of the table."""
    return await reader.fetch(
        f"SELECT {', '.join(LINKS.columns[2:])} FROM links"
        " WHERE site_id = $1 AND gen = $2 AND visitor_id = $3",
        site_id,
        gen,
        visitor_id,
    )


async def sealed(reader: Reader, site_id: int, gen: int, visitor_id: int) -> list[Row]:
    """(start_at, device, browser, os, sealed) of the sessions whose events were thinned, the last
    first."""
    return await reader.fetch(
        "SELECT start_at, device, browser, os, sealed FROM sessions WHERE site_id = $1 AND gen = $2"
        " AND visitor_id = $3 AND sealed >= 1 ORDER BY start_at DESC, session_id DESC",
        site_id,
        gen,
        visitor_id,
    )


async def sealed_visitors(
    reader: Reader, site_id: int, gen: int, visitors: Sequence[int]
) -> set[int]:
    """Those of the visitors who have sessions whose events were thinned."""
    found: set[int] = set()
    for part in chunks(visitors):
        rows = await reader.fetch(
            "SELECT visitor_id FROM sessions WHERE site_id = $1 AND gen = $2 AND sealed >= 1"
            " AND visitor_id IN " + in_list(part, 3),
            site_id,
            gen,
            *padded(part),
        )
        found.update(row[0] for row in rows)
    return found


async def signals(reader: Reader, site_id: int, gen: int, session_ids: Sequence[int]) -> list[Row]:
    """(session_id, rule, seq, key, at, pending) of sessions."""
    found: list[Row] = []
    for part in chunks(session_ids):
        found += await reader.fetch(
            "SELECT session_id, rule, seq, key, at, pending FROM signals"
            " WHERE site_id = $1 AND gen = $2 AND session_id IN "
            + in_list(part, 3)
            + " ORDER BY at, seq, rule",
            site_id,
            gen,
            *padded(part),
        )
    return found


async def subjects(
    reader: Reader, site_id: int, gen: int, kind: int, ids: Sequence[int]
) -> list[Row]:
    """(kind, subject_id, ruleset) of those that there are."""
    found: list[Row] = []
    for part in chunks(ids):
        found += await reader.fetch(
            "SELECT kind, subject_id, ruleset FROM subjects WHERE site_id = $1 AND gen = $2"
            " AND kind = $3 AND subject_id IN " + in_list(part, 4),
            site_id,
            gen,
            kind,
            *padded(part),
        )
    return found


async def subjects_after(
    reader: Reader, site_id: int, gen: int, kind: int, after: int, limit: int
) -> list[Row]:
    """(kind, subject_id, ruleset) of the next subjects of a kind, by id."""
    return await reader.fetch(
        "SELECT kind, subject_id, ruleset FROM subjects WHERE site_id = $1 AND gen = $2"
        " AND kind = $3 AND subject_id > $4 ORDER BY subject_id LIMIT $5",
        site_id,
        gen,
        kind,
        after,
        limit,
    )


async def subject_count(reader: Reader, site_id: int, gen: int) -> int:
    found = await reader.fetch(
        "SELECT count(*) FROM subjects WHERE site_id = $1 AND gen = $2", site_id, gen
    )
    count: int = found[0][0]
    return count


async def walk(reader: Reader, site_id: int, gen: int) -> tuple[int, Walk]:
    """By which version everybody is scored at least, and how far the way to a newer one is."""
    rows = await reader.fetch(
        "SELECT ruleset, walk_to, walk_kind, walk_id, walk_done, walk_total FROM cursors"
        " WHERE site_id = $1 AND gen = $2",
        site_id,
        gen,
    )
    return (rows[0][0], Walk._make(rows[0][1:])) if rows else (0, Walk())


async def due(reader: Reader, site_id: int, gen: int, day: int, limit: int) -> list[Row]:
    """(kind, subject_id, ruleset) whose score changes on or before a UTC day."""
    return await reader.fetch(
        "SELECT kind, subject_id, ruleset FROM subjects WHERE site_id = $1 AND gen = $2"
        " AND next_change_day > 0 AND next_change_day <= $3"
        " ORDER BY next_change_day LIMIT $4",
        site_id,
        gen,
        day,
        limit,
    )
