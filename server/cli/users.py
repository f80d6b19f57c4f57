"""`handraise users`: who may sign in, with which role on which site.

WHO is an e-mail or an id (u3). Owners of the server have every site; everybody else has a role on
single ones: owner, marketer or viewer.
"""

from typing import Any

import click
import httpx2

from server.cli import tables
from server.cli.client import call, connected, the_site
from server.cli.console import json_option, run, show, site_option
from server.settings import Settings
from server.starting import command

USERS = "/api/v1/users"
ROLES = ("owner", "marketer", "viewer")


@click.group()
def users() -> None:
    """Who may sign in, and their roles."""


async def _user(client: httpx2.AsyncClient, who: str) -> dict[str, Any]:
    """Raises `ClickException` for somebody unknown."""
    items: list[dict[str, Any]] = (await call(client, "GET", USERS))["items"]
    wanted = who.strip().casefold()
    found = next((one for one in items if wanted in {one["id"], one["email"].casefold()}), None)
    if found is None:
        raise click.ClickException(f"there is no user {who}: see `{command('users list')}`")
    return found


async def _members(client: httpx2.AsyncClient, site: str | None) -> str:
    return f"/api/v1/sites/{(await the_site(client, site))['id']}/members"


@users.command("list")
@json_option
@click.pass_obj
def list_command(settings: Settings, as_json: bool) -> None:
    """Everybody who may sign in."""

    async def work() -> Any:
        async with connected(settings) as client:
            return await call(client, "GET", USERS)

    found = run(work())
    rows = [
        [one["id"], one["email"] or "–", one["name"], _roles(one), _state(one)]
        for one in found["items"]
    ]
    empty = f"nobody yet: `{command('link')}` lets the first owner in"
    show(found, as_json, tables.table(["id", "e-mail", "name", "roles", ""], rows, empty))


def _roles(user: dict[str, Any]) -> str:
    if user["role"] == "owner":
        return "owner of the server"
    return ", ".join(f"{one['role']} of {one['name']}" for one in user["sites"]) or "no site"


def _state(user: dict[str, Any]) -> str:
    if user["disabled"]:
        return "shut out"
    return "" if user["password"] else "no password yet"


@users.command("invite")
@click.argument("email")
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True)
@click.option("--server-owner", is_flag=True, help="an owner of the whole server, with every site")
@site_option
@json_option
@click.pass_obj
def invite_command(
    settings: Settings,
    /,
    email: str,
    role: str,
    server_owner: bool,
    site: str | None,
    as_json: bool,
) -> None:
    """Make a link by which EMAIL comes in; it opens once, within a week."""

    async def work() -> Any:
        async with connected(settings) as client:
            if server_owner:
                return await call(client, "POST", USERS, json={"email": email})
            body = {"email": email, "role": role}
            return await call(client, "POST", await _members(client, site), json=body)

    _show_link(run(work()), as_json)


def _show_link(made: dict[str, Any], as_json: bool) -> None:
    told = "mailed" if made["mailed"] else f"not mailed: {made['mail']}"
    show(made, as_json, made["link"])
    if not as_json:
        click.echo(tables.printable(told, 300), err=True)


@users.command("role")
@click.argument("who")
@click.argument("role", type=click.Choice([*ROLES, "server-owner", "member"]))
@site_option
@json_option
@click.pass_obj
def role_command(
    settings: Settings, /, who: str, role: str, site: str | None, as_json: bool
) -> None:
    """Give WHO another role on a site; `server-owner` and `member` are for the whole server."""

    async def work() -> Any:
        async with connected(settings) as client:
            user = await _user(client, who)
            if role in {"server-owner", "member"}:
                body = {"role": "owner" if role == "server-owner" else "member"}
                return await call(client, "PATCH", f"{USERS}/{user['id']}", json=body)
            path = f"{await _members(client, site)}/{user['id']}"
            return await call(client, "PATCH", path, json={"role": role})

    found = run(work())
    show(found, as_json, f"{found['email']} is {role} from now on")


@users.command("remove")
@click.argument("who")
@site_option
@json_option
@click.pass_obj
def remove_command(settings: Settings, who: str, site: str | None, as_json: bool) -> None:
    """Take the role of WHO on a site away, at once."""

    async def work() -> None:
        async with connected(settings) as client:
            user = await _user(client, who)
            await call(client, "DELETE", f"{await _members(client, site)}/{user['id']}")

    run(work())
    show({"removed": True}, as_json, "removed: this site is closed to them")


@users.command("link")
@click.argument("who")
@click.option("--forget-password", is_flag=True, help="for a lost one: the link chooses another")
@json_option
@click.pass_obj
def link_command(settings: Settings, who: str, forget_password: bool, as_json: bool) -> None:
    """Make a link that signs WHO in; it opens once, within a week."""

    async def work() -> Any:
        async with connected(settings) as client:
            path = f"{USERS}/{(await _user(client, who))['id']}/link"
            return await call(client, "POST", path, json={"forget_password": forget_password})

    _show_link(run(work()), as_json)


def _shut(settings: Settings, who: str, disabled: bool) -> Any:
    async def work() -> Any:
        async with connected(settings) as client:
            path = f"{USERS}/{(await _user(client, who))['id']}"
            return await call(client, "PATCH", path, json={"disabled": disabled})

    return run(work())


@users.command("disable")
@click.argument("who")
@json_option
@click.pass_obj
def disable_command(settings: Settings, who: str, as_json: bool) -> None:
    """Shut WHO out of everything at once; every sign-in ends."""
    found = _shut(settings, who, True)
    show(found, as_json, f"{found['email']} is shut out")


@users.command("enable")
@click.argument("who")
@json_option
@click.pass_obj
def enable_command(settings: Settings, who: str, as_json: bool) -> None:
    """Let WHO in again."""
    found = _shut(settings, who, False)
    show(found, as_json, f"{found['email']} may sign in again")
