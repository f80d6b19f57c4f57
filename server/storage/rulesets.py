"""A site's rulesets: one draft, and every version that was ever published."""

import hashlib
from typing import NamedTuple

from server.errors import Conflict, NotFound
from server.storage.changes import RAISED
from server.storage.database import Query, Reader, Script

DRAFT = 0
_COLUMNS = "version, base, document, author, note, at, seq, notify"


class Stored(NamedTuple):
    """A draft (version 0), or a published version with the entry that published it; `at` is ms."""

    version: int
    base: int
    document: str
    author: str
    note: str
    at: int
    seq: int
    notify: int

    @property
    def revision(self) -> str:
        """Names what was saved, by whom and when: 16 hexadecimal digits."""
        named = f"{self.base}|{self.at}|{self.author}|{self.document}"
        return hashlib.blake2b(named.encode(), digest_size=8).hexdigest()


async def read(reader: Reader, site_id: int, version: int) -> Stored | None:
    """One version, or the draft."""
    rows = await reader.fetch(
        f"SELECT {_COLUMNS} FROM rulesets WHERE site_id = $1 AND version = $2", site_id, version
    )
    return Stored._make(rows[0]) if rows else None


async def history(reader: Reader, site_id: int, before: int, limit: int) -> list[Stored]:
    """Published versions below `before`, the newest first."""
    rows = await reader.fetch(
        f"SELECT {_COLUMNS} FROM rulesets WHERE site_id = $1 AND version > 0 AND version < $2"
        " ORDER BY version DESC LIMIT $3",
        site_id,
        before,
        limit,
    )
    return [Stored._make(row) for row in rows]


async def documents(reader: Reader, site_id: int, versions: list[int]) -> dict[int, str]:
    """The documents of some versions; those that do not exist are absent."""
    found = {}
    for version in versions:
        stored = await read(reader, site_id, version)
        if stored is not None:
            found[version] = stored.document
    return found


def add_first(site_id: int, document: str, now: int) -> Script[None]:
    """The ruleset a site begins with: published, by nobody."""
    yield Query(
        "INSERT INTO rulesets (site_id, version, document, at) VALUES ($1, 1, $2, $3)",
        (site_id, document, now),
    )


def save_draft(
    site_id: int, document: str, base: int, author: str, note: str, now: int
) -> Script[None]:
    """Put the draft in place of whatever draft there was."""
    yield Query(
        f"INSERT INTO rulesets (site_id, {_COLUMNS}) VALUES ($1, 0, $2, $3, $4, $5, $6, 0, 0)"
        " ON CONFLICT (site_id, version) DO UPDATE SET base = excluded.base,"
        " document = excluded.document, author = excluded.author, note = excluded.note,"
        " at = excluded.at",
        (site_id, base, document, author, note, now),
    )


def drop_draft(site_id: int) -> Script[None]:
    """Raises `NotFound` where there is none."""
    rows = yield Query(
        "DELETE FROM rulesets WHERE site_id = $1 AND version = 0 RETURNING version", (site_id,)
    )
    if not rows:
        raise NotFound("there is no draft")


def draft(site_id: int) -> Script[Stored]:
    """The draft as a turn sees it. Raises `NotFound`."""
    rows = yield Query(
        f"SELECT {_COLUMNS} FROM rulesets WHERE site_id = $1 AND version = 0", (site_id,)
    )
    if not rows:
        raise NotFound("there is no draft to publish: save one first")
    return Stored._make(rows[0])


def next_version(site_id: int, base: int) -> Script[int]:
    """The number of the version to publish. Raises `Conflict` if the one in force is not `base`."""
    rows = yield Query("SELECT ruleset FROM sites WHERE site_id = $1", (site_id,))
    if not rows:
        raise NotFound("no such site")
    version: int = rows[0][0]
    if version != base:
        raise Conflict(
            f"version {version} was published after the draft was begun from version {base};"
            " compare the two, save the draft again and publish that"
        )
    return version + 1


def publish(site_id: int, stored: Stored) -> Script[None]:
    """Put a version in force; the draft is gone with it."""
    yield Query(
        f"INSERT INTO rulesets (site_id, {_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        (site_id, *stored),
    )
    yield Query("DELETE FROM rulesets WHERE site_id = $1 AND version = 0", (site_id,))
    yield Query(
        f"UPDATE sites SET ruleset = $2, {RAISED} WHERE site_id = $1", (site_id, stored.version)
    )
