"""Everybody who may sign in, for owners of the whole server; and one's own sign-ins."""

from msgspec import UNSET
from starlette.responses import Response

from server.errors import BadRequest, Conflict, Forbidden, NotFound
from server.reports.shapes import iso
from server.storage import audit, sign_ins, users
from server.storage.database import Reader, Script
from server.storage.users import User
from server.web.access import cookie_of, need_operator
from server.web.invitations import mail_link
from server.web.member_bodies import (
    Me,
    NewLink,
    NewUser,
    SignInLink,
    SignInRow,
    SignIns,
    SiteRole,
    UserChange,
    UserRow,
    Users,
)
from server.web.members import EMPTY, address
from server.web.operations import Call

SERVER = 0  # the site whose audit holds acts on the whole server


async def list_users(call: Call) -> Users:
    need_operator(call.caller)
    async with call.state.database.snapshot() as reader:
        known = [user for user in await users.everybody(reader) if not user.gone]
        return Users(items=await _rows(call, reader, known))


async def _rows(call: Call, reader: Reader, known: list[User]) -> list[UserRow]:
    seen = await sign_ins.last_seen(reader, [user.user_id for user in known])
    return [
        UserRow(
            id=f"u{user.user_id}",
            email=user.email,
            name=user.name,
            role=user.role,
            sites=_roles(call, user),
            password=user.password,
            disabled=user.disabled,
            seen_at=iso(seen[user.user_id]) if user.user_id in seen else None,
        )
        for user in known
    ]


def _roles(call: Call, user: User) -> list[SiteRole]:
    """The sites of a user; an owner of the server has all."""
    return [
        SiteRole(
            site=str(site.site_id),
            name=site.name,
            role="owner" if user.owner else user.sites[site.site_id],
        )
        for site in call.state.sites.all
        if user.scope(site.site_id)
    ]


async def add_user(call: Call) -> SignInLink:
    need_operator(call.caller)
    body: NewUser = call.body
    state, now, author = call.state, call.state.clock(), call.caller.author
    email, secret = address(body.email), sign_ins.new_secret()

    def script() -> Script[tuple[int, int]]:
        user_id = yield from users.add(email, "", body.role, now)
        expires = yield from sign_ins.invite(secret, user_id, now)
        yield from audit.add(SERVER, author, "user_added", f"u{user_id} {body.role}", now)
        return user_id, expires

    user_id, expires = await state.writer.run(script, moves=False)
    return await _link(call, user_id, email, secret, expires)


async def change_user(call: Call) -> UserRow:
    need_operator(call.caller)
    body: UserChange = call.body
    user_id, now, author = call.path_id("user_id", "u"), call.state.clock(), call.caller.author
    if body.role is UNSET and body.disabled is UNSET:
        raise BadRequest("name at least one thing to change: `role` or `disabled`")
    await _known(call, user_id)

    def script() -> Script[None]:
        if body.role is not UNSET:
            yield from users.set_role(user_id, body.role)
            yield from audit.add(SERVER, author, "user_role", f"u{user_id} {body.role}", now)
        if body.disabled is not UNSET:
            yield from users.disable(user_id, now if body.disabled else None)
            did = "user_disabled" if body.disabled else "user_enabled"
            yield from audit.add(SERVER, author, did, f"u{user_id}", now)
        if body.disabled is True:
            yield from sign_ins.close_all(user_id)

    await call.state.writer.run(script, moves=False)
    call.state.live.hang_up()
    async with call.state.database.snapshot() as reader:
        found = [await users.by_id(reader, user_id)]
        return (await _rows(call, reader, found))[0]


async def _known(call: Call, user_id: int) -> User:
    """Raises `NotFound` for a user who is not there, or not any more."""
    async with call.state.database.snapshot() as reader:
        user = await users.by_id(reader, user_id)
    if user.gone:
        raise NotFound("no such user")
    return user


async def link_user(call: Call) -> SignInLink:
    need_operator(call.caller)
    body: NewLink = call.body
    state, now, author = call.state, call.state.clock(), call.caller.author
    user = await _known(call, call.path_id("user_id", "u"))
    if user.disabled:
        raise Conflict("this user is disabled: enable them first")
    secret = sign_ins.new_secret()

    def script() -> Script[int]:
        if body.forget_password:
            yield from users.forget_password(user.user_id)
            yield from sign_ins.close_all(user.user_id)
        did = "password_forgotten" if body.forget_password else "user_link"
        yield from audit.add(SERVER, author, did, f"u{user.user_id}", now)
        return (yield from sign_ins.invite(secret, user.user_id, now))

    expires = await state.writer.run(script, moves=False)
    state.live.hang_up()
    return await _link(call, user.user_id, user.email, secret, expires)


async def _link(call: Call, user_id: int, email: str, secret: str, expires: int) -> SignInLink:
    link = f"{call.state.base_url}/open/{secret}"
    lines = ("This link signs you in to Handraise. It opens once, within a week:", "", link)
    mailed, words = False, "this user has no e-mail yet"
    if email:
        mailed, words = await mail_link(call.state, email, "Your link to Handraise", lines)
    return SignInLink(
        id=f"u{user_id}",
        email=email,
        link=link,
        expires_at=iso(expires),
        mailed=mailed,
        mail=words,
    )


# ---------------------------------------------------------------- oneself


def _me(call: Call) -> User:
    """Who is signed in. Raises `Forbidden` for tokens and operators."""
    if call.caller.user is None:
        raise Forbidden("this is about whoever is signed in: sign in with a browser")
    return call.caller.user


async def get_me(call: Call) -> Me:
    user = _me(call)
    return Me(
        id=f"u{user.user_id}",
        email=user.email,
        name=user.name,
        role=user.role,
        sites=_roles(call, user),
    )


async def list_sign_ins(call: Call) -> SignIns:
    user, now = _me(call), call.state.clock()
    mine = sign_ins.number_of(sign_ins.secret_hash(cookie_of(call.state, call.request)))
    async with call.state.database.snapshot() as reader:
        rows = await sign_ins.of_user(reader, user.user_id, now)
    return SignIns(
        items=[
            SignInRow(
                id=(number := sign_ins.number_of(bytes(hashed))),
                browser=browser,
                since=iso(since),
                seen_at=iso(seen),
                this=number == mine,
            )
            for hashed, browser, since, seen in rows
        ]
    )


async def end_sign_in(call: Call) -> Response:
    user, number = _me(call), call.request.path_params["sign_in_id"]
    await call.state.writer.run(lambda: sign_ins.close_one(user.user_id, number), moves=False)
    call.state.live.hang_up()
    return EMPTY


async def end_other_sign_ins(call: Call) -> Response:
    """All but the one that asks."""
    user, cookie = _me(call), cookie_of(call.state, call.request)
    await call.state.writer.run(lambda: sign_ins.close_others(user.user_id, cookie), moves=False)
    call.state.live.hang_up()
    return EMPTY
