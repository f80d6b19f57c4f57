"""`handraise forms`: what is stored of each form, what would be, and saying otherwise."""

from collections.abc import Callable
from typing import Any

import click
import httpx2

from server.cli import tables
from server.cli.client import call, connected, the_site
from server.cli.console import json_option, run, show, site_option
from server.settings import Settings

NOBODY_DECIDED: dict[str, Any] = {
    "stores": "contact",
    "purpose": "lead",
    "kiosk": False,
    "deny": [],
    "rename": {},
}
_OPTIONS = (
    click.option(
        "--stores",
        type=click.Choice(["all", "contact", "nothing"]),
        help="all but what is private, contact fields only, or nothing",
    ),
    click.option("--purpose", type=click.Choice(["lead", "newsletter", "search", "login"])),
    click.option("--kiosk/--no-kiosk", default=None, help="one device that many people use"),
    click.option("--deny", multiple=True, metavar="FIELD", help="leave a field out; repeatable"),
    click.option("--allow", multiple=True, metavar="FIELD", help="no longer leave it out"),
    click.option(
        "--rename", multiple=True, metavar="OLD=NEW", help="store it as NEW; OLD= ends that"
    ),
)


@click.group()
def forms() -> None:
    """What is stored of each form, and why."""


def _changes(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say what is stored."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def changed(known: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    """The body that says it: what is in force, but for what was said. A form nobody decided about
    stores all but what is private from then on, for contact fields alone nothing is denied or
    renamed. Raises `UsageError`."""
    rename = dict(known["rename"])
    for one in said["rename"]:
        old, equals, new = one.partition("=")
        if not (old and equals):
            raise click.UsageError(f"`{one}`: write it as OLD=NEW, such as mail=email")
        rename.pop(old, None)
        if new:
            rename[old] = new
    deny = [name for name in known["deny"] if name not in said["allow"]]
    deny += [name for name in said["deny"] if name not in deny]
    contact = said["stores"] == "contact"
    return {
        "stores": said["stores"] or ("all" if known["stores"] == "contact" else known["stores"]),
        "purpose": said["purpose"] or ("lead" if contact else known["purpose"]),
        "kiosk": (known["kiosk"] and not contact) if said["kiosk"] is None else said["kiosk"],
        "deny": deny,
        "rename": rename,
    }


async def _base(client: httpx2.AsyncClient, site: str | None) -> str:
    return f"/api/v1/sites/{(await the_site(client, site))['id']}/forms"


async def _known(client: httpx2.AsyncClient, base: str, key: str) -> dict[str, Any] | None:
    items: list[dict[str, Any]] = (await call(client, "GET", base))["items"]
    return next((one for one in items if one["key"] == key), None)


async def _say(
    settings: Settings, method: str, part: str, key: str, site: str | None, said: dict[str, Any]
) -> Any:
    async with connected(settings) as client:
        base = await _base(client, site)
        known = await _known(client, base, key) or NOBODY_DECIDED
        body = {"key": key, **changed(known, said)}
        return await call(client, method, base + part, json=body)


@forms.command("list")
@site_option
@json_option
@click.pass_obj
def list_forms(settings: Settings, /, site: str | None, as_json: bool) -> None:
    """Forms that were registered, or seen in the newest 100,000 entries."""

    async def work() -> Any:
        async with connected(settings) as client:
            return await call(client, "GET", await _base(client, site))

    found = run(work())
    show(found, as_json, tables.forms(found["items"]))


@forms.command("show")
@click.argument("key")
@site_option
@json_option
@click.pass_obj
def show_form(settings: Settings, /, key: str, site: str | None, as_json: bool) -> None:
    """The fields of the form KEY: which are stored, as what, and why the others are not."""

    async def work() -> Any:
        async with connected(settings) as client:
            found = await _known(client, await _base(client, site), key)
        if found is None:
            raise click.ClickException(f"no form {key} was registered or seen lately")
        return found

    found = run(work())
    show(found, as_json, tables.form(found))


@forms.command("preview")
@click.argument("key")
@_changes
@site_option
@json_option
@click.pass_obj
def preview(settings: Settings, /, key: str, site: str | None, as_json: bool, **said: Any) -> None:
    """What would be stored of the form KEY if this were saved. Nothing is."""
    found = run(_say(settings, "POST", "/preview", key, site, said))
    show(found, as_json, tables.form(found))


@forms.command("save")
@click.argument("key")
@_changes
@site_option
@json_option
@click.pass_obj
def save(settings: Settings, /, key: str, site: str | None, as_json: bool, **said: Any) -> None:
    """Say what is stored of the form KEY from now on; what is not said stays as it is."""
    found = run(_say(settings, "PUT", "", key, site, said))
    show(found, as_json, tables.form(found))
