"""Who is signed in: one-time links and the cookies they become, stored as SHA-256 only."""

import hashlib
import secrets
from typing import NamedTuple

from server.model import DAY_MS
from server.storage import users
from server.storage.database import Query, Reader, Row, Script
from server.storage.users import User

LINK_MS = DAY_MS
INVITE_MS = 7 * DAY_MS
#: A cookie ends after this time without use, and after the longer one whatever happens.
IDLE_MS = 14 * DAY_MS
ABSOLUTE_MS = 90 * DAY_MS
#: A cookie's last use is written once in this time at most.
TOUCH_MS = 3_600_000
_ENDS = "CASE WHEN $3 < created_at + $4 THEN $3 ELSE created_at + $4 END"


class SignedIn(NamedTuple):
    """A cookie in force: whose, and when it was last seen (ms)."""

    user: User
    seen: int


def new_secret() -> str:
    """256 random bits for a link or a cookie."""
    return secrets.token_urlsafe(32)


def secret_hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def new_link(secret: str, now: int) -> Script[None]:
    """A link for the first owner, who is made if there is none; good once and for a day."""
    owner = yield from users.first_owner(now)
    yield from _insert(secret, owner, "link", "", now, now + LINK_MS)


def invite(secret: str, user_id: int, now: int) -> Script[None]:
    """A link for a user, in place of those made before; good once and for a week."""
    yield Query("DELETE FROM sign_ins WHERE user_id = $1 AND kind = 'link'", (user_id,))
    yield from _insert(secret, user_id, "link", "", now, now + INVITE_MS)


def open_link(link: str, cookie: str, browser: str, now: int) -> Script[int]:
    """Use a link up and sign its user in with a cookie; 0 if it is unknown, used or too old."""
    rows = yield Query(
        "DELETE FROM sign_ins WHERE hash = $1 AND kind = 'link' RETURNING user_id, expires_at",
        (secret_hash(link),),
    )
    if not rows or rows[0][1] <= now:
        return 0
    user_id: int = rows[0][0]
    yield from sign_in(user_id, cookie, browser, now)
    return user_id


def sign_in(user_id: int, cookie: str, browser: str, now: int) -> Script[None]:
    """A new cookie for a user; what has ended is cleared away."""
    yield Query("DELETE FROM sign_ins WHERE expires_at <= $1", (now,))
    yield from _insert(cookie, user_id, "cookie", browser, now, now + IDLE_MS)


def touch(cookie: str, now: int) -> Script[None]:
    """The cookie was used: it is good for another fourteen days, ninety in all."""
    yield Query(
        f"UPDATE sign_ins SET seen_at = $2, expires_at = {_ENDS}"
        " WHERE hash = $1 AND kind = 'cookie'",
        (secret_hash(cookie), now, now + IDLE_MS, ABSOLUTE_MS),
    )


def close(cookie: str) -> Script[None]:
    yield Query("DELETE FROM sign_ins WHERE hash = $1", (secret_hash(cookie),))


def close_all(user_id: int) -> Script[None]:
    """End every sign-in of a user, and the links not used yet."""
    yield Query("DELETE FROM sign_ins WHERE user_id = $1", (user_id,))


def close_one(user_id: int, number: str) -> Script[None]:
    """End one by the number its list shows."""
    rows = yield Query("SELECT hash FROM sign_ins WHERE user_id = $1", (user_id,))
    ended = [(bytes(row[0]),) for row in rows if number_of(bytes(row[0])) == number]
    if ended:
        yield Query("DELETE FROM sign_ins WHERE hash = $1", ended, many=True)


def number_of(hashed: bytes) -> str:
    """What names a sign-in in a list; it opens nothing."""
    return hashed.hex()[:16]


async def of_user(reader: Reader, user_id: int, now: int) -> list[Row]:
    """(hash, browser, since, last seen) of every cookie in force, the newest use first."""
    return await reader.fetch(
        "SELECT hash, browser, created_at, seen_at FROM sign_ins WHERE user_id = $1"
        " AND kind = 'cookie' AND expires_at > $2 ORDER BY seen_at DESC, hash",
        user_id,
        now,
    )


async def signed_in(reader: Reader, cookie: str, now: int) -> SignedIn | None:
    """Whose a cookie in force is."""
    rows = await reader.fetch(
        "SELECT s.user_id, s.seen_at FROM sign_ins s CROSS JOIN users u WHERE s.hash = $1"
        " AND s.kind = 'cookie' AND s.expires_at > $2 AND u.user_id = s.user_id"
        " AND u.disabled_at IS NULL",
        secret_hash(cookie),
        now,
    )
    return SignedIn(await users.by_id(reader, rows[0][0]), rows[0][1]) if rows else None


def _insert(
    secret: str, user_id: int, kind: str, browser: str, now: int, expires: int
) -> Script[None]:
    yield Query(
        "INSERT INTO sign_ins (hash, user_id, kind, browser, created_at, seen_at, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $5, $6)",
        (secret_hash(secret), user_id, kind, browser, now, expires),
    )
