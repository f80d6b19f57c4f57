"""API tokens: random, shown once, stored as SHA-256, scoped. Scopes nest: admin ⊃ write ⊃ read."""

import hashlib
import secrets
from typing import NamedTuple

from server.storage import changes
from server.storage.database import Query, Reader, Row, Script

SCOPES = ("read", "write", "admin")
#: A token's last use is written once in this time at most.
TOUCH_MS = 3_600_000


class Token(NamedTuple):
    """What a bearer of this token may do on one site."""

    site_id: int
    token_id: int
    scope: str

    def allows(self, scope: str) -> bool:
        return SCOPES.index(self.scope) >= SCOPES.index(scope)


def new_token() -> str:
    """`hr_` and 256 random bits: a shape that secret scanners can match."""
    return "hr_" + secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def add(site_id: int, token: str, scope: str, name: str, author: str, now: int) -> Script[Token]:
    rows = yield Query(
        "SELECT coalesce(max(token_id), 0) + 1 FROM tokens WHERE site_id = $1", (site_id,)
    )
    token_id = rows[0][0]
    yield Query(
        "INSERT INTO tokens (site_id, token_id, hash, prefix, scope, name, author, created_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        (site_id, token_id, token_hash(token), token[:8], scope, name, author, now),
    )
    yield from changes.changed(site_id)
    return Token(site_id, token_id, scope)


def revoke(site_id: int, token_id: int, now: int) -> Script[bool]:
    """Good for nothing from now on; False if it is not there or was revoked before."""
    rows = yield Query(
        "UPDATE tokens SET revoked_at = $3 WHERE site_id = $1 AND token_id = $2"
        " AND revoked_at IS NULL RETURNING token_id",
        (site_id, token_id, now),
    )
    yield from changes.changed(site_id)
    return bool(rows)


def touch(token: Token, now: int) -> Script[None]:
    """The token was used; written once an hour at most."""
    yield Query(
        "UPDATE tokens SET used_at = $3 WHERE site_id = $1 AND token_id = $2"
        " AND (used_at IS NULL OR used_at <= $4)",
        (token.site_id, token.token_id, now, now - TOUCH_MS),
    )


async def names(reader: Reader, site_id: int) -> list[Row]:
    """(number, name) of every token a site ever had."""
    return await reader.fetch("SELECT token_id, name FROM tokens WHERE site_id = $1", site_id)


async def live(reader: Reader) -> dict[bytes, Token]:
    """Every token in force, by hash; kept in memory and read again after a change."""
    rows = await reader.fetch(
        "SELECT hash, site_id, token_id, scope FROM tokens WHERE revoked_at IS NULL"
        " ORDER BY site_id, token_id"
    )
    return {bytes(row[0]): Token(row[1], row[2], row[3]) for row in rows}
