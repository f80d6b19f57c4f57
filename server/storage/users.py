"""Who may sign in: owners of the whole server, and members of single sites with a role each."""

from collections.abc import Mapping
from typing import NamedTuple

from server.errors import Conflict, NotFound
from server.storage.database import Query, Reader, Row, Script

OWNER, MEMBER = "owner", "member"
#: What each role may do, as the scope of a token. Scopes nest: admin ⊃ write ⊃ read.
ROLE_SCOPES = {"owner": "admin", "marketer": "write", "viewer": "read"}
ROLES = tuple(ROLE_SCOPES)


class User(NamedTuple):
    """Somebody who may sign in. `sites` are the roles of a member; an owner has every site."""

    user_id: int
    email: str
    name: str
    role: str
    sites: Mapping[int, str]
    password: bool  # whether one was chosen
    disabled: bool = False

    @property
    def owner(self) -> bool:
        return self.role == OWNER

    @property
    def gone(self) -> bool:
        """Whether only the number is left; see `forget`."""
        return self.disabled and self.email == f"gone {self.user_id}"

    @property
    def called(self) -> str:
        return self.name or self.email or "the owner"

    def scope(self, site_id: int) -> str:
        """What this user may do on a site, as a token's scope; empty: nothing."""
        return "admin" if self.owner else ROLE_SCOPES.get(self.sites.get(site_id, ""), "")


_COLUMNS = "u.user_id, u.email, u.name, u.role, u.password_hash IS NOT NULL, u.disabled_at"


async def by_id(reader: Reader, user_id: int) -> User:
    """Raises `NotFound`."""
    rows = await reader.fetch(f"SELECT {_COLUMNS} FROM users u WHERE u.user_id = $1", user_id)
    if not rows:
        raise NotFound("no such user")
    return (await _with_sites(reader, rows))[0]


async def everybody(reader: Reader) -> list[User]:
    """Every user, the first one first."""
    rows = await reader.fetch(f"SELECT {_COLUMNS} FROM users u ORDER BY u.user_id")
    return await _with_sites(reader, rows)


async def owners(reader: Reader) -> list[User]:
    """The owners of the whole server who may sign in, the first one first."""
    rows = await reader.fetch(
        f"SELECT {_COLUMNS} FROM users u WHERE u.role = 'owner' AND u.disabled_at IS NULL"
        " ORDER BY u.user_id"
    )
    return await _with_sites(reader, rows) if rows else []


async def _with_sites(reader: Reader, rows: list[Row]) -> list[User]:
    one = rows[0][0] if len(rows) == 1 else None  # who asks for a page is looked up every time
    members = await (
        reader.fetch(
            "SELECT user_id, site_id, role FROM members WHERE accepted = 1 AND user_id = $1", one
        )
        if one is not None
        else reader.fetch(
            "SELECT user_id, site_id, role FROM members WHERE accepted = 1"
            " ORDER BY user_id, site_id"
        )
    )
    found: dict[int, dict[int, str]] = {}
    for user_id, site_id, role in members:
        found.setdefault(user_id, {})[site_id] = role
    return [
        User(
            user_id=row[0],
            email=row[1],
            name=row[2],
            role=row[3],
            sites=found.get(row[0], {}),
            password=bool(row[4]),
            disabled=row[5] is not None,
        )
        for row in rows
    ]


async def password_of(reader: Reader, email: str) -> tuple[int, str | None]:
    """(user, hash of the password) of an e-mail in force; (0, None) where there is none."""
    rows = await reader.fetch(
        "SELECT user_id, password_hash FROM users WHERE email = $1 AND disabled_at IS NULL", email
    )
    return (rows[0][0], rows[0][1]) if rows and email else (0, None)


async def anybody_has_a_password(reader: Reader) -> bool:
    rows = await reader.fetch("SELECT 1 FROM users WHERE password_hash IS NOT NULL LIMIT 1")
    return bool(rows)


def first_owner(now: int) -> Script[int]:
    """The owner with the lowest number, who is made if there is none."""
    rows = yield Query(
        "SELECT user_id FROM users WHERE role = 'owner' AND disabled_at IS NULL"
        " ORDER BY user_id LIMIT 1"
    )
    if rows:
        owner: int = rows[0][0]
        return owner
    return (yield from _insert("", "", OWNER, now))


def add(email: str, name: str, role: str, now: int) -> Script[int]:
    """A new user's number. Raises `Conflict` where the e-mail is somebody's already."""
    yield from _free(email, 0)
    return (yield from _insert(email, name, role, now))


def choose(user_id: int, email: str, name: str, password_hash: str) -> Script[None]:
    """Set how a user signs in from now on. Raises `Conflict` for an e-mail of somebody else."""
    yield from _free(email, user_id)
    before = yield Query("SELECT email FROM users WHERE user_id = $1", (user_id,))
    if before and before[0][0] != email:  # whoever was invited had the address of then
        yield Query("DELETE FROM members WHERE user_id = $1 AND accepted = 0", (user_id,))
        yield Query(
            "DELETE FROM sign_ins WHERE user_id = $1 AND kind = 'link' AND site_id > 0", (user_id,)
        )
    yield Query(
        "UPDATE users SET email = $2, name = $3, password_hash = $4 WHERE user_id = $1",
        (user_id, email, name, password_hash),
    )


def rehash(user_id: int, before: str, after: str) -> Script[None]:
    """The same password, hashed by today's measure."""
    yield Query(
        "UPDATE users SET password_hash = $3 WHERE user_id = $1 AND password_hash = $2",
        (user_id, before, after),
    )


def give(user_id: int, site_id: int, role: str) -> Script[None]:
    """A role on a site, in force at once; an empty one takes it away."""
    if not role:
        yield Query("DELETE FROM members WHERE user_id = $1 AND site_id = $2", (user_id, site_id))
        return
    yield Query(
        "INSERT INTO members (user_id, site_id, role) VALUES ($1, $2, $3)"
        " ON CONFLICT (user_id, site_id) DO UPDATE SET role = excluded.role, accepted = 1",
        (user_id, site_id, role),
    )


def disable(user_id: int, now: int | None) -> Script[None]:
    """Nobody signs in as this user any more; None lets them in again.

    Raises `NotFound`, and `Conflict` where no owner would be left.
    """
    if now is not None:
        yield from _owner_beside(user_id)
    rows = yield Query(
        "UPDATE users SET disabled_at = $2 WHERE user_id = $1 RETURNING user_id", (user_id, now)
    )
    if not rows:
        raise NotFound("no such user")


def set_role(user_id: int, role: str) -> Script[None]:
    """Owner of the whole server, or member of single sites.

    Raises `NotFound`, and `Conflict` where no owner would be left.
    """
    if role != OWNER:
        yield from _owner_beside(user_id)
    rows = yield Query(
        "UPDATE users SET role = $2 WHERE user_id = $1 RETURNING user_id", (user_id, role)
    )
    if not rows:
        raise NotFound("no such user")


def forget_password(user_id: int) -> Script[None]:
    """The password opens nothing any more; another is chosen by a link."""
    yield Query("UPDATE users SET password_hash = NULL WHERE user_id = $1", (user_id,))


def forget(user_id: int, now: int) -> Script[None]:
    """Keep nothing of a user but the number, which acts are recorded by."""
    yield Query(
        "UPDATE users SET email = $2, name = '', password_hash = NULL, disabled_at = $3"
        " WHERE user_id = $1",
        (user_id, f"gone {user_id}", now),
    )


def _owner_beside(user_id: int) -> Script[None]:
    """Raises `Conflict` where no other owner of the server could sign in."""
    rows = yield Query(
        "SELECT 1 FROM users WHERE role = 'owner' AND disabled_at IS NULL"
        " AND user_id <> $1 LIMIT 1",
        (user_id,),
    )
    if not rows:
        raise Conflict(
            "one owner of the server must remain: make somebody else an owner first",
            code="last_owner",
        )


def _free(email: str, user_id: int) -> Script[None]:
    rows = yield Query(
        "SELECT 1 FROM users WHERE email = $1 AND user_id <> $2 LIMIT 1", (email, user_id)
    )
    if rows:
        raise Conflict("somebody signs in with this e-mail already", code="email_taken")


def _insert(email: str, name: str, role: str, now: int) -> Script[int]:
    made = yield Query("SELECT coalesce(max(user_id), 0) + 1 FROM users")
    yield Query(
        "INSERT INTO users (user_id, email, name, role, created_at) VALUES ($1, $2, $3, $4, $5)",
        (made[0][0], email, name, role, now),
    )
    number: int = made[0][0]
    return number
