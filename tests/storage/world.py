"""What the storage tests share: events by number, a site, and ways to run and to break a script."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from server.errors import HandraiseError
from server.model import Class, Consent, Door, Event, Flag, Kind, SiteSettings
from server.storage import entries, sites
from server.storage.database import Database, Query, Row, Script, ScriptMaker
from server.storage.names import Names
from tests.engines import Cluster, Place

NOW = 1_800_000_000_000


def event(number: int, **changes: Any) -> Event:
    """The same number gives the same event id; every field is filled."""
    fields: dict[str, Any] = {
        "event_id": number.to_bytes(16, "big"),
        "kind": Kind.PAGE_VIEW,
        "at": NOW + number,
        "received": NOW + number + 40,
        "visitor": (number % 3).to_bytes(16, "little"),
        "tab": 2**63 - 1,
        "q": number,
        "url": f"https://example.com/{number % 5}",
        "title": "Prices – Übersicht",
        "referrer": "https://search.example/",
        "agent": "Firefox",
        "campaign": "",
        "place": "DE",
        "screen": "390x844",
        "page_view": b"\x00\xff" * 8,
        "class_": Class.HUMAN,
        "reason": "",
        "door": Door.COLLECT,
        "consent": Consent.GRANTED,
        "flags": int(Flag.NEW_VISITOR | Flag.LATE),
        "data": '{"name":"Zoë"}',
    }
    return Event(**(fields | changes))


async def run(database: Database, maker: ScriptMaker) -> Any:
    """One script in a turn of its own: its value, or its error."""
    (outcome,) = await database.turn([maker])
    if outcome.error is not None:
        raise outcome.error
    return outcome.value


async def add_site(database: Database) -> int:
    maker: ScriptMaker = lambda: sites.add("Acme", sites.new_key(), "secret", SiteSettings(), NOW)  # noqa: E731
    site_id: int = (await run(database, maker)).site_id
    return site_id


async def log(database: Database, site_id: int) -> list[entries.Entry]:
    return await entries.after(database, site_id, 0, 100_000)


async def assert_gapless(database: Database, site_id: int) -> list[int]:
    """The log's event numbers in order, having checked that seq counts 1, 2, 3 … to the head."""
    found = await log(database, site_id)
    assert [entry.seq for entry in found] == list(range(1, len(found) + 1))
    assert await entries.head(database, site_id) == len(found)
    ids = [entry.event_id for entry in found]
    assert len(set(ids)) == len(ids)
    return [int.from_bytes(event_id, "big") for event_id in ids]


def statement(sql: str, *args: Any) -> Script[Any]:
    """A script of one statement."""
    return (yield Query(sql, args))


def bulk(sql: str, rows: Sequence[Row]) -> Script[int]:
    """A script of one statement for many rows: how many changed."""
    ((changed,),) = yield Query(sql, rows, many=True)
    return int(changed)


def failing(error: Exception, *before: str) -> Script[None]:
    """A script that runs statements and then fails of itself."""
    for sql in before:
        yield Query(sql)
    raise error


def crash(engine: str) -> Script[None]:
    """A storage fault in the middle of a turn: a disk error, or the server ends the session."""
    if engine == "sqlite":
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error
    yield Query("SELECT pg_terminate_backend(pg_backend_pid())")


def cluster_of(place: Place) -> Cluster:
    assert place.cluster is not None
    return place.cluster


@asynccontextmanager
async def another(place: Place, **options: Any) -> AsyncIterator[Database]:
    """One more node on the database of a place."""
    database = place.make(**options)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def appending(site_id: int, *numbers: int) -> ScriptMaker:
    """Append events without a cache, as a node does that has just started."""
    return lambda: entries.append(site_id, [event(n) for n in numbers], Names())


class Stopped(HandraiseError):
    """The failure of a script under test."""
