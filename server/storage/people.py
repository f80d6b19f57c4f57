"""What the projector reads back of persons and subjects when they are not in its memory."""

from collections.abc import Sequence
from typing import NamedTuple

from server.storage.database import Reader, Row, chunks, in_list, padded


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


SESSION_COLUMNS = ", ".join(SessionRow._fields)


async def cursor(reader: Reader, site_id: int, gen: int) -> int:
    rows = await reader.fetch(
        "SELECT seq FROM cursors WHERE site_id = $1 AND gen = $2", site_id, gen
    )
    return rows[0][0] if rows else 0


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
    """(email, name, company, company_domain, level, created_at, merged_into, owner,
    do_not_contact, standing) of a person, or None."""
    rows = await reader.fetch(
        "SELECT email, name, company, company_domain, level, created_at, merged_into, owner,"
        " do_not_contact, standing FROM persons"
        " WHERE site_id = $1 AND gen = $2 AND person_id = $3",
        site_id,
        gen,
        person_id,
    )
    return rows[0] if rows else None


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
    """All sessions a person owns, earliest first."""
    rows = await reader.fetch(
        f"SELECT {SESSION_COLUMNS} FROM sessions"
        " WHERE site_id = $1 AND gen = $2 AND person_id = $3 ORDER BY start_at, session_id",
        site_id,
        gen,
        person_id,
    )
    return [SessionRow._make(row) for row in rows]


async def visitor_sessions(
    reader: Reader, site_id: int, gen: int, visitor_id: int
) -> list[SessionRow]:
    """The unowned sessions of a visitor, earliest first."""
    rows = await reader.fetch(
        f"SELECT {SESSION_COLUMNS} FROM sessions"
        " WHERE site_id = $1 AND gen = $2 AND visitor_id = $3 AND person_id = 0"
        " ORDER BY start_at, session_id",
        site_id,
        gen,
        visitor_id,
    )
    return [SessionRow._make(row) for row in rows]


async def claims(reader: Reader, site_id: int, gen: int, visitor_id: int) -> dict[int, int]:
    """To which person each claim of a visitor was given, by seq."""
    rows = await reader.fetch(
        "SELECT seq, person_id FROM claims WHERE site_id = $1 AND gen = $2 AND visitor_id = $3",
        site_id,
        gen,
        visitor_id,
    )
    return {seq: person_id for seq, person_id in rows}


async def counted_sessions(reader: Reader, site_id: int, gen: int, visitor_id: int) -> list[Row]:
    """(session_id, day, prev_day, page_views, engaged_ms, leads, channel, source, landing) of a
    visitor's sessions: what the rollups hold of them."""
    return await reader.fetch(
        "SELECT session_id, day, prev_day, page_views, engaged_ms, leads, channel, source, landing"
        " FROM sessions WHERE site_id = $1 AND gen = $2 AND visitor_id = $3",
        site_id,
        gen,
        visitor_id,
    )


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


async def due(reader: Reader, site_id: int, gen: int, day: int, limit: int) -> list[Row]:
    """(kind, subject_id) whose score changes on or before a UTC day."""
    return await reader.fetch(
        "SELECT kind, subject_id FROM subjects WHERE site_id = $1 AND gen = $2"
        " AND next_change_day > 0 AND next_change_day <= $3"
        " ORDER BY next_change_day LIMIT $4",
        site_id,
        gen,
        day,
        limit,
    )
