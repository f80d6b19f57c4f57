"""What a migration finds and must leave whole: rows of the first schema, and every row there is."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from server.storage.database import Database, Query, Row, Script
from server.storage.postgres import PostgresDatabase
from server.storage.sqlite import SqliteDatabase

EVENTS = 2_000
AT = 1_790_000_000_000
SCHEMA = {
    "sqlite": "SELECT m.name, coalesce(p.name, '') FROM sqlite_schema m"
    " LEFT JOIN pragma_table_info(m.name) p ORDER BY 1, 2",
    "postgres": "SELECT table_name::text, column_name::text FROM information_schema.columns"
    " WHERE table_schema = 'public' UNION ALL"
    " SELECT indexname::text, '' FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2",
}
TABLES = {
    "sqlite": "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1",
    "postgres": "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1",
}


def make(place: str) -> Database:
    if place.startswith("postgresql://"):
        return PostgresDatabase(place, readers=1, read_limit_s=20)
    return SqliteDatabase(Path(place), readers=1)


@asynccontextmanager
async def opened(place: str) -> AsyncIterator[Database]:
    database = make(place)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def state(place: str) -> list[Row]:
    """Every table, column and index; of each table how many rows there are, and a hash of them."""
    async with opened(place) as database:
        found = await database.fetch(SCHEMA[database.engine])
        for (table,) in await database.fetch(TABLES[database.engine]):
            rows = await database.fetch(f"SELECT * FROM {table}")
            lines = "\n".join(sorted(map(repr, rows)))
            found.append((table, len(rows), hashlib.sha256(lines.encode()).hexdigest()))
        return found


def rows() -> Script[None]:
    """A site with a log, by plain SQL of the first schema: what writes it now may know a later."""
    yield Query(
        "INSERT INTO sites (site_id, name, key, identify_secret, settings, created_at)"
        " VALUES (1, 'Acme', 'k1', 'secret', '{}', $1)",
        (AT,),
    )
    yield Query("INSERT INTO heads (site_id, seq, strings) VALUES (1, $1, 50)", (EVENTS,))
    for number in range(1, 51):
        name = number.to_bytes(16, "big")
        url = f"https://acme.example/{number}"
        yield Query("INSERT INTO strings VALUES (1, $1, $2, $3)", (number, name, url))
        yield Query("INSERT INTO visitors VALUES (1, $1, $2)", (number, name))
    for seq in range(1, EVENTS + 1):
        yield Query(
            "INSERT INTO entries (site_id, seq, event_id, kind, at, visitor_id, url_id, data)"
            " VALUES (1, $1, $2, 1, $3, $4, $4, '{}')",
            (seq, seq.to_bytes(16, "big"), AT + seq, 1 + seq % 50),
        )
    for hour in range(24):
        for reason in ("duplicate", "bot", "origin"):
            yield Query("INSERT INTO refusals VALUES (1, $1, $2, 7)", (reason, hour))


async def fill(place: str) -> None:
    """Those rows, into a database that has the first schema alone."""
    async with opened(place) as database:
        (outcome,) = await database.turn([rows])
        if outcome.error:
            raise outcome.error
