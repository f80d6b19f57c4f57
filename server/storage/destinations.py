"""Destinations: where consequences are told, and each with its cursor over the log."""

from typing import NamedTuple

import msgspec

from server.errors import NotFound
from server.storage.database import Query, Reader, Row, Script

WEBHOOK, MAIL = "webhook", "mail"


class Wants(msgspec.Struct, frozen=True, kw_only=True):
    """Which consequences are told: their kinds, the stages of moves, and the keys of thresholds;
    None is every threshold that notifies."""

    kinds: tuple[str, ...] = ("crossed", "stage_moved", "retracted")
    stages: tuple[str, ...] = ("mql", "pql", "sql", "customer")
    thresholds: tuple[str, ...] | None = None


class DestinationSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one destination is reached. `uid` makes the ids of its messages its own; the secret
    before is good until `before_until` (ms)."""

    uid: str = ""
    name: str = ""
    url: str = ""
    to: tuple[str, ...] = ()
    secret: str = ""
    secret_before: str = ""
    before_until: int = 0
    wants: Wants = Wants()

    def __repr__(self) -> str:
        """Without URL and secrets: whatever is shown ends up in a log."""
        return f"DestinationSettings(uid={self.uid!r})"

    def secrets(self, now: int) -> list[str]:
        """Those in force at `now` (ms), the newest first."""
        before = self.secret_before if now < self.before_until else ""
        return [one for one in (self.secret, before) if one]


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """A row. Everything up to entry `cursor` was told once, or is nothing to tell. `revision` rises
    with every change by people; `disabled_at` is ms."""

    site_id: int
    destination_id: int
    kind: str
    settings: DestinationSettings
    cursor: int
    revision: int
    disabled_at: int | None
    reason: str
    created_at: int

    @property
    def scope(self) -> tuple[int, int]:
        return self.site_id, self.destination_id


_COLUMNS = (
    "d.site_id, d.destination_id, d.kind, d.settings, d.cursor, d.revision, d.disabled_at,"
    " d.reason, d.created_at"
)


def _destination(row: Row) -> Destination:
    return Destination(
        site_id=row[0],
        destination_id=row[1],
        kind=row[2],
        settings=msgspec.json.decode(row[3], type=DestinationSettings, strict=False),
        cursor=row[4],
        revision=row[5],
        disabled_at=row[6],
        reason=row[7],
        created_at=row[8],
    )


def _text(settings: DestinationSettings) -> str:
    return msgspec.json.encode(settings).decode()


# ---------------------------------------------------------------- destinations


class Live(NamedTuple):
    """A destination that is told, and how far its site's tables are."""

    destination: Destination
    projected: int


async def live(reader: Reader) -> list[Live]:
    """Every enabled destination of every site."""
    rows = await reader.fetch(
        f"SELECT {_COLUMNS}, c.seq FROM destinations d"
        " JOIN sites s ON s.site_id = d.site_id"
        " JOIN cursors c ON c.site_id = s.site_id AND c.gen = s.generation"
        " WHERE d.disabled_at IS NULL AND d.deleted_at IS NULL"
        " ORDER BY d.site_id, d.destination_id"
    )
    return [Live(_destination(row[:-1]), row[-1]) for row in rows]


async def of_site(reader: Reader, site_id: int) -> list[Destination]:
    """All of a site, the oldest first."""
    rows = await reader.fetch(
        f"SELECT {_COLUMNS} FROM destinations d WHERE d.site_id = $1 AND d.deleted_at IS NULL"
        " ORDER BY d.destination_id",
        site_id,
    )
    return [_destination(row) for row in rows]


async def get(reader: Reader, site_id: int, destination_id: int) -> Destination:
    """Raises `NotFound`."""
    rows = await reader.fetch(
        f"SELECT {_COLUMNS} FROM destinations d WHERE d.site_id = $1 AND d.destination_id = $2"
        " AND d.deleted_at IS NULL",
        site_id,
        destination_id,
    )
    if not rows:
        raise NotFound("no such destination")
    return _destination(rows[0])


async def is_at(reader: Reader, site_id: int, destination_id: int, revision: int) -> bool:
    """Whether it is as it was at a revision: neither changed since, nor disabled, nor removed."""
    rows = await reader.fetch(
        "SELECT 1 FROM destinations WHERE site_id = $1 AND destination_id = $2 AND revision = $3"
        " AND disabled_at IS NULL AND deleted_at IS NULL",
        site_id,
        destination_id,
        revision,
    )
    return bool(rows)


def read(site_id: int, destination_id: int) -> Script[Destination]:
    """The same inside a turn: nobody changes it before the turn ends. Raises `NotFound`."""
    rows = yield Query(
        "UPDATE destinations SET revision = revision WHERE site_id = $1 AND destination_id = $2"
        " AND deleted_at IS NULL RETURNING site_id, destination_id, kind, settings, cursor,"
        " revision, disabled_at, reason, created_at",
        (site_id, destination_id),
    )
    if not rows:
        raise NotFound("no such destination")
    return _destination(rows[0])


def add(site_id: int, kind: str, settings: DestinationSettings, now: int) -> Script[int]:
    """A new destination, at the head of the log; its number, which nobody had before."""
    rows = yield Query("UPDATE heads SET seq = seq WHERE site_id = $1 RETURNING seq", (site_id,))
    if not rows:
        raise NotFound("no such site")
    head = rows[0][0]
    rows = yield Query(
        "SELECT coalesce(max(destination_id), 0) + 1 FROM destinations WHERE site_id = $1",
        (site_id,),
    )
    number: int = rows[0][0]
    yield Query(
        "INSERT INTO destinations (site_id, destination_id, kind, settings, cursor, created_at)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        (site_id, number, kind, _text(settings), head, now),
    )
    return number


def change(site_id: int, destination_id: int, settings: DestinationSettings) -> Script[None]:
    yield Query(
        "UPDATE destinations SET settings = $3, revision = revision + 1"
        " WHERE site_id = $1 AND destination_id = $2",
        (site_id, destination_id, _text(settings)),
    )


def disable(site_id: int, destination_id: int, reason: str, now: int) -> Script[bool]:
    """Tell it nothing more for now; False if that is so already."""
    rows = yield Query(
        "UPDATE destinations SET disabled_at = $3, reason = $4, revision = revision + 1"
        " WHERE site_id = $1 AND destination_id = $2 AND disabled_at IS NULL"
        " AND deleted_at IS NULL RETURNING destination_id",
        (site_id, destination_id, now, reason),
    )
    return bool(rows)


def enable(site_id: int, destination_id: int, now: int, *, catch_up: bool) -> Script[None]:
    """Go on: where it stopped, with what waits at once, or else at the head and with nothing."""
    scope = (site_id, destination_id)
    yield Query(
        "UPDATE destinations SET disabled_at = NULL, reason = '', revision = revision + 1"
        " WHERE site_id = $1 AND destination_id = $2",
        scope,
    )
    if catch_up:
        yield Query(
            "UPDATE deliveries SET next_at = $3 WHERE site_id = $1 AND destination_id = $2"
            " AND state = 'waiting'",
            (*scope, now),
        )
        return
    yield Query(
        "UPDATE destinations SET cursor = (SELECT seq FROM heads WHERE site_id = $1)"
        " WHERE site_id = $1 AND destination_id = $2",
        scope,
    )
    yield Query(
        "UPDATE deliveries SET state = 'dropped', next_at = 0, words = $3 WHERE site_id = $1"
        " AND destination_id = $2 AND state = 'waiting'",
        (*scope, "passed over when the destination was enabled again"),
    )


def remove(site_id: int, destination_id: int, now: int) -> Script[None]:
    """Delete it with its secrets and deliveries; the number stays taken."""
    scope = (site_id, destination_id)
    yield Query(
        "UPDATE destinations SET deleted_at = $3, settings = '{}', revision = revision + 1"
        " WHERE site_id = $1 AND destination_id = $2",
        (*scope, now),
    )
    yield Query("DELETE FROM deliveries WHERE site_id = $1 AND destination_id = $2", scope)


def rewind(site_id: int, destination_id: int, cursor: int) -> Script[bool]:
    """Tell everything after entry `cursor` again; False if the cursor is not beyond it yet."""
    rows = yield Query(
        "UPDATE destinations SET cursor = $3, revision = revision + 1"
        " WHERE site_id = $1 AND destination_id = $2 AND cursor > $3 RETURNING destination_id",
        (site_id, destination_id, cursor),
    )
    return bool(rows)


def move(site_id: int, destination_id: int, old: int, new: int) -> Script[bool]:
    """Put the cursor on; False if it is not where it was: somebody else tells this destination."""
    rows = yield Query(
        "UPDATE destinations SET cursor = $4 WHERE site_id = $1 AND destination_id = $2"
        " AND cursor = $3 AND deleted_at IS NULL RETURNING cursor",
        (site_id, destination_id, old, new),
    )
    return bool(rows)


# ---------------------------------------------------------------- the log


async def consequences(
    reader: Reader, site_id: int, after: int, until: int, limit: int
) -> list[Row]:
    """(seq, kind, at, event_id, data) of consequences after one entry, up to another."""
    return await reader.fetch(
        "SELECT seq, kind, at, event_id, data FROM entries WHERE site_id = $1 AND seq > $2"
        " AND seq <= $3 AND kind >= 128 ORDER BY seq LIMIT $4",
        site_id,
        after,
        until,
        limit,
    )


async def seq_at(reader: Reader, site_id: int, at: int) -> int:
    """The last entry that was received before a moment (ms); 0 if there is none.

    Entries are stored in the order in which they are received. What was erased has no time: the
    next one that has is asked.
    """
    rows = await reader.fetch("SELECT seq FROM heads WHERE site_id = $1", site_id)
    low, high = 0, rows[0][0] if rows else 0
    while low < high:
        middle = (low + high + 1) // 2
        found = await reader.fetch(
            "SELECT seq, at + lag FROM entries WHERE site_id = $1 AND seq >= $2 AND seq <= $3"
            " AND kind > 0 ORDER BY seq LIMIT 1",
            site_id,
            middle,
            high,
        )
        if found and found[0][1] < at:
            low = found[0][0]
        else:
            high = middle - 1
    return low
