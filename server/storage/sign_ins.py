"""Who is signed in: one-time links and the cookies they become, stored as SHA-256 only."""

import hashlib
import secrets
from collections.abc import Sequence
from typing import NamedTuple

from server.errors import NotFound
from server.model import DAY_MS
from server.storage import users
from server.storage.database import Query, Reader, Row, Script, chunks, in_list, padded
from server.storage.users import User

LINK_MS = DAY_MS
INVITE_MS = 7 * DAY_MS
#: A cookie ends after this time without use, and after the longer one whatever happens.
IDLE_MS = 14 * DAY_MS
ABSOLUTE_MS = 90 * DAY_MS
#: A cookie's last use is written once in this time at most.
TOUCH_MS = 3_600_000
_ENDS = "CASE WHEN $3 < created_at + $4 THEN $3 ELSE created_at + $4 END"


class Opened(NamedTuple):
    """What came of a link: whose it is (0: nobody's), and what is left to do."""

    user_id: int
    waits: bool = False  # it is good only for its user, who has to sign in first
    inside: bool = False  # its user was signed in already: no cookie was made


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


def invite(secret: str, user_id: int, now: int, site_id: int = 0) -> Script[int]:
    """A link for a user to one site, or to all that is theirs (0), in place of the one made before.

    Good once and for a week; until when (ms) is returned.
    """
    yield Query(
        "DELETE FROM sign_ins WHERE user_id = $1 AND kind = 'link' AND site_id = $2",
        (user_id, site_id),
    )
    yield from _insert(secret, user_id, "link", "", now, now + INVITE_MS, site_id)
    return now + INVITE_MS


def open_link(link: str, cookie: str, browser: str, now: int, inside: int = 0) -> Script[Opened]:
    """Use a link up: accept its invitation, and sign its user in with a cookie.

    `inside` is who is signed in already. An invitation to one site lets nobody into an account that
    has a password or other sites: whoever made it, or got hold of it, would get all of that.
    """
    hashed = secret_hash(link)
    rows = yield Query(
        "SELECT s.user_id, s.expires_at, s.site_id, u.role, u.password_hash IS NOT NULL,"
        " u.disabled_at FROM sign_ins s CROSS JOIN users u WHERE s.hash = $1 AND s.kind = 'link'"
        " AND u.user_id = s.user_id",
        (hashed,),
    )
    if not rows or rows[0][1] <= now or rows[0][5] is not None:
        return Opened(0)
    user_id, _, site_id, role, password, _ = rows[0]
    if site_id and inside != user_id:
        others = yield Query(
            "SELECT 1 FROM members WHERE user_id = $1 AND site_id <> $2 AND accepted = 1 LIMIT 1",
            (user_id, site_id),
        )
        if password or others or role == users.OWNER:
            return Opened(user_id, waits=True)
    used = yield Query("DELETE FROM sign_ins WHERE hash = $1 RETURNING user_id", (hashed,))
    if not used:
        return Opened(0)
    if site_id:
        yield Query(
            "UPDATE members SET accepted = 1 WHERE user_id = $1 AND site_id = $2",
            (user_id, site_id),
        )
        if inside == user_id:
            return Opened(user_id, inside=True)
    yield from sign_in(user_id, cookie, browser, now)
    return Opened(user_id)


async def site_of_link(reader: Reader, link: str) -> int:
    """The site an invitation is to; 0 for a link that signs in, and for none."""
    rows = await reader.fetch(
        "SELECT site_id FROM sign_ins WHERE hash = $1 AND kind = 'link'", secret_hash(link)
    )
    return rows[0][0] if rows else 0


async def is_link(reader: Reader, link: str) -> bool:
    """Whether a link may be good: one that nobody made is not."""
    rows = await reader.fetch(
        "SELECT 1 FROM sign_ins WHERE hash = $1 AND kind = 'link'", secret_hash(link)
    )
    return bool(rows)


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
    """End every sign-in of a user, and the links that sign in; invitations to sites stay."""
    yield Query(
        "DELETE FROM sign_ins WHERE user_id = $1 AND (kind = 'cookie' OR site_id = 0)", (user_id,)
    )


def close_one(user_id: int, number: str) -> Script[None]:
    """End one by the number its list shows. Raises `NotFound`."""
    rows = yield Query(
        "SELECT hash FROM sign_ins WHERE user_id = $1 AND kind = 'cookie'", (user_id,)
    )
    ended = [(bytes(row[0]),) for row in rows if number_of(bytes(row[0])) == number]
    if not ended:
        raise NotFound("no such sign-in: it has ended already")
    yield Query("DELETE FROM sign_ins WHERE hash = $1", ended, many=True)


def close_others(user_id: int, cookie: str) -> Script[None]:
    """End every sign-in of a user but the one with this cookie."""
    yield Query(
        "DELETE FROM sign_ins WHERE user_id = $1 AND kind = 'cookie' AND hash <> $2",
        (user_id, secret_hash(cookie)),
    )


def number_of(hashed: bytes) -> str:
    """What names a sign-in in a list; it opens nothing."""
    return hashed.hex()[:16]


async def last_seen(reader: Reader, user_ids: Sequence[int]) -> dict[int, int]:
    """When users were last here (ms), for those who are signed in somewhere."""
    found: dict[int, int] = {}
    for part in chunks(user_ids):
        rows = await reader.fetch(
            "SELECT user_id, max(seen_at) FROM sign_ins WHERE kind = 'cookie' AND user_id IN "
            + in_list(part, 1)
            + " GROUP BY user_id",
            *padded(part),
        )
        found.update(dict(rows))
    return found


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
    secret: str, user_id: int, kind: str, browser: str, now: int, expires: int, site_id: int = 0
) -> Script[None]:
    yield Query(
        "INSERT INTO sign_ins (hash, user_id, kind, browser, created_at, seen_at, expires_at,"
        " site_id) VALUES ($1, $2, $3, $4, $5, $5, $6, $7)",
        (secret_hash(secret), user_id, kind, browser, now, expires, site_id),
    )
