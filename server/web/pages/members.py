"""Settings about people who use Handraise: members of the site, users of the server, oneself."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from starlette.responses import Response

from server.errors import BadRequest, Conflict
from server.web import member_bodies as bodies
from server.web import members, users
from server.web.access import need_operator
from server.web.page_queries import PageQuery
from server.web.pages.deeds import call_of
from server.web.pages.settings import section
from server.web.pages.view import View

ROLES = (
    ("owner", "Owner", "everything, with settings, members and erasing"),
    ("marketer", "Marketer", "sees and decides about people, edits segments and rules"),
    ("viewer", "Viewer", "sees everything, changes nothing"),
)


class InviteForm(Struct, frozen=True, kw_only=True):
    email: Annotated[str, Meta(max_length=320)] = ""
    role: Literal["owner", "marketer", "viewer"] = "viewer"


class RoleForm(Struct, frozen=True, kw_only=True):
    role: Literal["owner", "marketer", "viewer"]


class UserForm(Struct, frozen=True, kw_only=True):
    """What was pressed beside a user."""

    do: Literal["owner", "member", "disable", "enable", "link", "forget"]


class OwnerForm(Struct, frozen=True, kw_only=True):
    email: Annotated[str, Meta(max_length=320)] = ""


class Nothing(Struct, frozen=True):
    """A form of one button."""


# ---------------------------------------------------------------- members of the site


async def list_members(view: View) -> Response:
    view.query(PageQuery)
    return await _members(view)


async def _members(view: View, status: int = 200, **values: Any) -> Response:
    found = await members.list_members(call_of(view, None))
    answer: Response = section(
        view,
        "settings_members.html",
        "/settings/members",
        status,
        members=found.items,
        roles=ROLES,
        **{"invitation": None, "email": "", "role": "viewer", **values},
    )
    return answer


async def invite(view: View) -> Response:
    """The page itself, once, with the link on it: no address ever holds it."""
    form = await view.form(InviteForm)
    body = bodies.Invite(email=form.email, role=form.role)
    try:
        invitation = await members.invite_member(call_of(view, body))
    except (BadRequest, Conflict) as error:
        return await _members(
            view, error.status, wrong=error.detail, email=form.email, role=form.role
        )
    return await _members(view, invitation=invitation)


async def invite_again(view: View) -> Response:
    await view.form(Nothing)
    try:
        invitation = await members.invite_again(call_of(view, None))
    except Conflict as error:
        return await _members(view, error.status, wrong=error.detail)
    return await _members(view, invitation=invitation)


async def change_role(view: View) -> Response:
    form = await view.form(RoleForm)
    await members.change_member(call_of(view, bodies.RoleChange(role=form.role)))
    return _back(view, "role")


async def remove(view: View) -> Response:
    await view.form(Nothing)
    await members.remove_member(call_of(view, None))
    return _back(view, "removed")


def _back(view: View, said: str) -> Response:
    """To the list; whoever changed their own role comes where they still may."""
    mine = view.request.path_params["user_id"] == f"u{view.user.user_id}"
    return view.go("/settings" if mine else "/settings/members", said)


# ---------------------------------------------------------------- users of the server


async def list_users(view: View) -> Response:
    view.query(PageQuery)
    need_operator(view.caller)
    return await _users(view)


async def _users(view: View, status: int = 200, **values: Any) -> Response:
    found = await users.list_users(call_of(view, None))
    answer: Response = section(
        view,
        "settings_users.html",
        "/settings/users",
        status,
        users=found.items,
        me=f"u{view.user.user_id}",
        **{"link": None, "email": "", **values},
    )
    return answer


async def add_owner(view: View) -> Response:
    need_operator(view.caller)
    form = await view.form(OwnerForm)
    try:
        link = await users.add_user(call_of(view, bodies.NewUser(email=form.email)))
    except (BadRequest, Conflict) as error:
        return await _users(view, error.status, wrong=error.detail, email=form.email)
    return await _users(view, link=link)


async def change_user(view: View) -> Response:
    need_operator(view.caller)
    form = await view.form(UserForm)
    try:
        if form.do in {"link", "forget"}:
            body = bodies.NewLink(forget_password=form.do == "forget")
            return await _users(view, link=await users.link_user(call_of(view, body)))
        change = (
            bodies.UserChange(role=form.do)
            if form.do in {"owner", "member"}
            else bodies.UserChange(disabled=form.do == "disable")
        )
        await users.change_user(call_of(view, change))
    except Conflict as error:
        return await _users(view, error.status, wrong=error.detail)
    return view.go("/settings/users", "saved")


# ---------------------------------------------------------------- oneself


async def account(view: View) -> Response:
    view.query(PageQuery)
    call = call_of(view, None)
    answer: Response = section(
        view,
        "settings_account.html",
        "/settings/account",
        me=await users.get_me(call),
        sign_ins=(await users.list_sign_ins(call)).items,
    )
    return answer


async def end_sign_in(view: View) -> Response:
    await view.form(Nothing)
    await users.end_sign_in(call_of(view, None))
    return view.go("/settings/account", "ended")


async def end_others(view: View) -> Response:
    await view.form(Nothing)
    await users.end_other_sign_ins(call_of(view, None))
    return view.go("/settings/account", "ended")


Handler = Callable[[View], Awaitable[Response]]
#: (method, path, scope, handler)
ROUTES: tuple[tuple[str, str, str, Handler], ...] = (
    ("GET", "/settings/members", "admin", list_members),
    ("POST", "/settings/members", "admin", invite),
    ("POST", "/settings/members/{user_id}/role", "admin", change_role),
    ("POST", "/settings/members/{user_id}/remove", "admin", remove),
    ("POST", "/settings/members/{user_id}/link", "admin", invite_again),
    ("GET", "/settings/users", "read", list_users),
    ("POST", "/settings/users", "read", add_owner),
    ("POST", "/settings/users/{user_id}", "read", change_user),
    ("GET", "/settings/account", "read", account),
    ("POST", "/settings/account/end-others", "read", end_others),
    ("POST", "/settings/account/{sign_in_id}/end", "read", end_sign_in),
)
