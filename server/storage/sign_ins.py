"""Who is signed in: one-time links and the cookies they become, stored as SHA-256 only."""

import hashlib
import secrets

from server.model import DAY_MS
from server.storage.database import Query, Reader, Script

LINK_MS = DAY_MS
IDLE_MS = 14 * DAY_MS
#: A cookie's last use is written once in this time at most.
TOUCH_MS = 3_600_000
LINK, COOKIE = "link", "cookie"


def new_secret() -> str:
    """256 random bits for a link or a cookie."""
    return secrets.token_urlsafe(32)


def secret_hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def new_link(secret: str, now: int) -> Script[None]:
    """A link for the first owner, who is made if there is none; good once and for a day."""
    owner = yield from _owner(now)
    yield from _insert(secret, owner, LINK, now, now + LINK_MS)


def open_link(link: str, cookie: str, now: int) -> Script[bool]:
    """Use a link up and sign its user in with a cookie; False if it is unknown, used or too old."""
    rows = yield Query(
        "DELETE FROM sign_ins WHERE hash = $1 AND kind = 'link' RETURNING user_id, expires_at",
        (secret_hash(link),),
    )
    yield Query("DELETE FROM sign_ins WHERE expires_at <= $1", (now,))
    if not rows or rows[0][1] <= now:
        return False
    yield from _insert(cookie, rows[0][0], COOKIE, now, now + IDLE_MS)
    return True


def touch(cookie: str, now: int) -> Script[None]:
    """The cookie was used: it is good for another fourteen days."""
    yield Query(
        "UPDATE sign_ins SET seen_at = $2, expires_at = $3 WHERE hash = $1 AND kind = 'cookie'",
        (secret_hash(cookie), now, now + IDLE_MS),
    )


def close(cookie: str) -> Script[None]:
    yield Query("DELETE FROM sign_ins WHERE hash = $1", (secret_hash(cookie),))


async def signed_in(reader: Reader, cookie: str, now: int) -> tuple[int, int] | None:
    """(user, when the cookie was last seen) of a cookie in force."""
    rows = await reader.fetch(
        "SELECT s.user_id, s.seen_at FROM sign_ins s CROSS JOIN users u WHERE s.hash = $1"
        " AND s.kind = 'cookie' AND s.expires_at > $2 AND u.user_id = s.user_id"
        " AND u.disabled_at IS NULL",
        secret_hash(cookie),
        now,
    )
    return (rows[0][0], rows[0][1]) if rows else None


def _owner(now: int) -> Script[int]:
    rows = yield Query(
        "SELECT user_id FROM users WHERE role = 'owner' AND disabled_at IS NULL"
        " ORDER BY user_id LIMIT 1"
    )
    if rows:
        owner: int = rows[0][0]
        return owner
    made = yield Query("SELECT coalesce(max(user_id), 0) + 1 FROM users")
    yield Query(
        "INSERT INTO users (user_id, email, role, created_at) VALUES ($1, 'owner', 'owner', $2)",
        (made[0][0], now),
    )
    number: int = made[0][0]
    return number


def _insert(secret: str, user_id: int, kind: str, now: int, expires: int) -> Script[None]:
    yield Query(
        "INSERT INTO sign_ins (hash, user_id, kind, created_at, seen_at, expires_at)"
        " VALUES ($1, $2, $3, $4, $4, $5)",
        (secret_hash(secret), user_id, kind, now, expires),
    )
