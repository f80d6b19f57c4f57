"""Who has a role on a site, and what was done to it.

A member of one site never learns of other sites, or of users who are on none of theirs: an
invitation is answered alike whether the address is known elsewhere or not.
"""

from msgspec import structs
from starlette.responses import Response

from server.errors import BadRequest
from server.ingest.emails import normalise_email
from server.reports.audit import acts, decisions
from server.reports.shapes import iso
from server.storage import members, sign_ins, users
from server.storage.database import Reader
from server.web.invitations import mail_link
from server.web.member_bodies import (
    Audit,
    AuditRow,
    Invitation,
    Invite,
    MemberRow,
    Members,
    RoleChange,
)
from server.web.operations import Call
from server.web.queries import AuditQuery

EMPTY = Response(status_code=204, headers={"Cache-Control": "no-store"})


def address(text: str) -> str:
    """The one form of an e-mail. Raises `BadRequest`."""
    found = normalise_email(text)
    if found is None:
        raise BadRequest("this is no e-mail address: one looks like ada@yourcompany.com")
    return found


async def list_members(call: Call) -> Members:
    async with call.state.database.snapshot() as reader:
        return Members(items=await member_rows(reader, call.site.site_id))


async def member_rows(reader: Reader, site_id: int) -> list[MemberRow]:
    """Owners of the server first, then members, then whoever was invited and has not come."""
    owners = await users.owners(reader)
    known = await members.of_site(reader, site_id)
    seen = await sign_ins.last_seen(
        reader, [u.user_id for u in owners] + [m.user_id for m in known if m.accepted]
    )
    rows = [
        MemberRow(
            id=f"u{user.user_id}",
            email=user.email,
            name=user.name,
            role="owner",
            server_owner=True,
            invited=False,
            disabled=False,
            seen_at=_time(seen.get(user.user_id)),
        )
        for user in owners
    ]
    rows += [
        MemberRow(
            id=f"u{one.user_id}",
            email=one.email,
            name=one.name,
            role=one.role,
            server_owner=False,
            invited=not one.accepted,
            disabled=one.accepted and one.disabled,
            seen_at=_time(seen.get(one.user_id)),
        )
        for one in sorted(known, key=lambda one: (not one.accepted, one.user_id))
    ]
    return rows


def _time(at: int | None) -> str | None:
    return iso(at) if at is not None else None


async def invite_member(call: Call) -> Invitation:
    body: Invite = call.body
    state, now, author = call.state, call.state.clock(), call.caller.author
    email, site_id, secret = address(body.email), call.site.site_id, sign_ins.new_secret()
    made = await state.writer.run(
        lambda: members.invite(site_id, email, body.role, secret, author, now), moves=False
    )
    return await _invitation(call, made, email, body.role, secret)


async def invite_again(call: Call) -> Invitation:
    user_id, site_id = call.path_id("user_id", "u"), call.site.site_id
    state, now, author = call.state, call.state.clock(), call.caller.author
    secret = sign_ins.new_secret()
    made = await state.writer.run(
        lambda: members.invite_again(site_id, user_id, secret, author, now), moves=False
    )
    async with state.database.snapshot() as reader:
        known = await members.of_site(reader, site_id)
    one = next(member for member in known if member.user_id == user_id)
    return await _invitation(call, made, one.email, one.role, secret)


async def _invitation(
    call: Call, made: members.Invited, email: str, role: str, secret: str
) -> Invitation:
    link = f"{call.state.base_url}/open/{secret}"
    mailed = await mail_link(
        call.state,
        email,
        f"You are invited to {call.site.name}",
        (
            f"You are invited to see {call.site.name} in Handraise, as its {role}.",
            "",
            "This link opens once, within a week:",
            "",
            link,
        ),
    )
    return Invitation(
        id=f"u{made.user_id}",
        email=email,
        role=role,
        link=link,
        expires_at=iso(made.expires_at),
        mailed=mailed.taken,
        mail=mailed.words,
    )


async def change_member(call: Call) -> MemberRow:
    body: RoleChange = call.body
    user_id, site_id = call.path_id("user_id", "u"), call.site.site_id
    now, author = call.state.clock(), call.caller.author
    await call.state.writer.run(
        lambda: members.change(site_id, user_id, body.role, author, now), moves=False
    )
    call.state.live.hang_up()
    async with call.state.database.snapshot() as reader:
        rows = await member_rows(reader, site_id)
    return next(row for row in rows if row.id == f"u{user_id}")


async def remove_member(call: Call) -> Response:
    user_id, site_id = call.path_id("user_id", "u"), call.site.site_id
    now, author = call.state.clock(), call.caller.author
    await call.state.writer.run(lambda: members.remove(site_id, user_id, author, now), moves=False)
    call.state.live.hang_up()
    return EMPTY


async def list_audit(call: Call) -> Audit:
    """Acts of administration, or with `what=decisions` what was decided about people."""
    query: AuditQuery = call.query
    read = decisions if query.what == "decisions" else acts
    async with call.state.database.snapshot() as reader:
        found = await read(reader, call.site, query.limit, query.cursor)
    return Audit(items=[AuditRow(**structs.asdict(one)) for one in found.items], next=found.next)
