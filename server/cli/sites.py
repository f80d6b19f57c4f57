"""Commands about sites, their keys and secrets, their tokens, and the link to sign in."""

from typing import Any

import click

from server.cli import tables
from server.cli.client import call, connected, the_site
from server.cli.console import json_option, run, show, site_option
from server.settings import Settings


@click.group()
def site() -> None:
    """Sites: one tracked website each."""


@site.command("add")
@click.argument("name")
@click.option("--origin", "origins", multiple=True, help="page origin that may send; repeatable")
@json_option
@click.pass_obj
def site_add(settings: Settings, name: str, origins: tuple[str, ...], as_json: bool) -> None:
    """Add a site and print the tag to paste."""

    async def work() -> Any:
        async with connected(settings) as client:
            body = {"name": name, "origins": list(origins)}
            return await call(client, "POST", "/api/v1/sites", json=body)

    made = run(work())
    show(made, as_json, f"{made['name']} (id {made['id']})\n  {made['snippet']}")


@site.command("list")
@json_option
@click.pass_obj
def site_list(settings: Settings, as_json: bool) -> None:
    """List the sites."""

    async def work() -> Any:
        async with connected(settings) as client:
            return await call(client, "GET", "/api/v1/sites")

    found = run(work())
    rows = [[s["id"], s["name"], s["key"]] for s in found["items"]]
    show(found, as_json, tables.table(["id", "name", "key"], rows, "no site yet: site add NAME"))


@site.command("key")
@site_option
@click.option("--rotate", is_flag=True, help="make a new one; the one before stays good")
@json_option
@click.pass_obj
def site_key(settings: Settings, /, site: str | None, rotate: bool, as_json: bool) -> None:
    """Show the public key and the tag. A site has two good keys; rotating drops the older."""
    found = run(_asked(settings, site, "/key/rotate" if rotate else "", rotate))
    kept = {name: found[name] for name in ("key", "key_before", "snippet")}
    lines = [kept["key"], f"  {kept['snippet']}"]
    if kept["key_before"]:
        lines.append(f"  {kept['key_before']} stays good until the next rotation")
    show(kept, as_json, "\n".join(lines))


@site.command("secret")
@site_option
@click.option("--rotate", is_flag=True, help="make a new one; the one before stays good")
@json_option
@click.pass_obj
def site_secret(settings: Settings, /, site: str | None, rotate: bool, as_json: bool) -> None:
    """Show the secret that signs identify tokens. Whoever has it can say who a visitor is."""
    path = "/identify-secret/rotate" if rotate else "/identify-secret"
    found = run(_asked(settings, site, path, rotate))
    show(found, as_json, found["secret"])
    if found["before"] and not as_json:
        click.echo("the one before stays good until the next rotation", err=True)


async def _asked(settings: Settings, wanted: str | None, path: str, rotate: bool) -> Any:
    """What a route of one site answers."""
    async with connected(settings) as client:
        found = await the_site(client, wanted)
        method = "POST" if rotate else "GET"
        return await call(client, method, f"/api/v1/sites/{found['id']}{path}")


@click.group()
def token() -> None:
    """API tokens."""


@token.command("add")
@click.option("--site", "wanted", help="id or name of the site")
@click.option("--scope", type=click.Choice(["read", "write", "admin"]), default="read")
@click.option("--name", default="", help="what it is for")
@json_option
@click.pass_obj
def token_add(settings: Settings, wanted: str | None, scope: str, name: str, as_json: bool) -> None:
    """Make a token; it is shown this once."""

    async def work() -> Any:
        async with connected(settings) as client:
            found = await the_site(client, wanted)
            path = f"/api/v1/sites/{found['id']}/tokens"
            return await call(client, "POST", path, json={"scope": scope, "name": name})

    made = run(work())
    show({"token": made["token"]} if as_json else made, as_json, made["token"])


@click.command()
@click.pass_obj
def link(settings: Settings) -> None:
    """Print a new one-time link that opens the pages."""

    async def work() -> Any:
        async with connected(settings) as client:
            return await call(client, "POST", "/api/v1/operator/link")

    click.echo(run(work())["link"])
