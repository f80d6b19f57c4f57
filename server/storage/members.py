"""Who has a role on a site: invited, changed, removed.

Each is a script of one writer turn, with its row of the audit, which names users by number only.
"""

from typing import NamedTuple

from server.errors import Conflict, NotFound
from server.starting import command
from server.storage import audit, sign_ins, users
from server.storage.database import Query, Reader, Script

MOST = 500  # of a site, invitations included


class Member(NamedTuple):
    """A row. Of somebody who has not accepted yet only the e-mail is known here: everything else
    may come from another site."""

    user_id: int
    email: str
    name: str
    role: str
    accepted: bool
    disabled: bool


class Invited(NamedTuple):
    """Who was invited, and until when (ms) the link is good."""

    user_id: int
    expires_at: int


async def of_site(reader: Reader, site_id: int) -> list[Member]:
    """Everybody with a role on a site, the first one first; owners of the server have none."""
    rows = await reader.fetch(
        "SELECT u.user_id, u.email, u.name, m.role, m.accepted, u.disabled_at FROM members m"
        " JOIN users u ON u.user_id = m.user_id WHERE m.site_id = $1 ORDER BY u.user_id",
        site_id,
    )
    return [
        Member(row[0], row[1], row[2] if row[4] else "", row[3], bool(row[4]), row[5] is not None)
        for row in rows
    ]


def invite(
    site_id: int, email: str, role: str, secret: str, author: str, now: int
) -> Script[Invited]:
    """A role on a site for whoever opens the link, and for nobody before that.

    Raises `Conflict` for somebody who is a member or an owner of the server already.
    """
    rows = yield Query("SELECT count(*) FROM members WHERE site_id = $1", (site_id,))
    if rows[0][0] >= MOST:
        raise Conflict(f"a site has at most {MOST} members: remove one who has left")
    found = yield Query("SELECT user_id, role FROM users WHERE email = $1", (email,))
    if found and found[0][1] == users.OWNER:
        raise Conflict("this is an owner of the whole server, who has every site", code="owner")
    user_id: int = found[0][0] if found else (yield from users.add(email, "", users.MEMBER, now))
    known = yield Query(
        "SELECT accepted FROM members WHERE user_id = $1 AND site_id = $2", (user_id, site_id)
    )
    if known and known[0][0]:
        raise Conflict("this is a member already: change the role in the list", code="member")
    yield Query(
        "INSERT INTO members (user_id, site_id, role, accepted) VALUES ($1, $2, $3, 0)"
        " ON CONFLICT (user_id, site_id) DO UPDATE SET role = excluded.role",
        (user_id, site_id, role),
    )
    expires = yield from sign_ins.invite(secret, user_id, now, site_id)
    yield from audit.add(site_id, author, "member_invited", f"u{user_id} {role}", now)
    return Invited(user_id, expires)


def invite_again(site_id: int, user_id: int, secret: str, author: str, now: int) -> Script[Invited]:
    """Another link in place of the one before, for a member who has not come yet.

    Raises `NotFound` and `Conflict`.
    """
    rows = yield Query(
        "SELECT accepted FROM members WHERE user_id = $1 AND site_id = $2", (user_id, site_id)
    )
    if not rows:
        raise NotFound("no such member")
    if rows[0][0]:
        own = yield Query(
            "SELECT password_hash IS NOT NULL FROM users WHERE user_id = $1", (user_id,)
        )
        if own and own[0][0]:
            raise Conflict(
                "they have a password already; if it is lost, an owner of the server lets them"
                f" choose another: `{command('users link', to_all=True)}`",
                code="has_password",
            )
    expires = yield from sign_ins.invite(secret, user_id, now, site_id)
    yield from audit.add(site_id, author, "member_invited_again", f"u{user_id}", now)
    return Invited(user_id, expires)


def change(site_id: int, user_id: int, role: str, author: str, now: int) -> Script[None]:
    """Another role, from the next request on. Raises `NotFound`."""
    rows = yield Query(
        "UPDATE members SET role = $3 WHERE user_id = $1 AND site_id = $2 RETURNING user_id",
        (user_id, site_id, role),
    )
    if not rows:
        raise NotFound("no such member")
    yield from audit.add(site_id, author, "member_changed", f"u{user_id} {role}", now)


def remove(site_id: int, user_id: int, author: str, now: int) -> Script[None]:
    """No role on this site from the next request on; whoever is left with nothing is forgotten.

    Raises `NotFound`.
    """
    rows = yield Query(
        "DELETE FROM members WHERE user_id = $1 AND site_id = $2 RETURNING user_id",
        (user_id, site_id),
    )
    if not rows:
        raise NotFound("no such member")
    yield Query(
        "DELETE FROM sign_ins WHERE user_id = $1 AND kind = 'link' AND site_id = $2",
        (user_id, site_id),
    )
    yield from audit.add(site_id, author, "member_removed", f"u{user_id}", now)
    left = yield Query(
        "SELECT 1 FROM users WHERE user_id = $1 AND (role = 'owner' OR password_hash IS NOT NULL)"
        " UNION ALL SELECT 1 FROM members WHERE user_id = $1",
        (user_id,),
    )
    if not left:
        yield from users.forget(user_id, now)
        yield Query("DELETE FROM sign_ins WHERE user_id = $1", (user_id,))
