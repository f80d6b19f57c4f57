"""`rebuild` and `verify`: the tables made again from the log, or compared with it."""

import asyncio
import sys
from typing import Any

import click
import httpx2

from server.cli.client import call, connected, the_site
from server.cli.console import json_option, run, show, site_option
from server.settings import Settings
from server.starting import command

POLL_S = 0.1
STEPS = 1_000


@click.command()
@site_option
@json_option
@click.pass_obj
def rebuild(settings: Settings, site: str | None, as_json: bool) -> None:
    """Make all derived tables again from the log, also while the server serves.

    Settings that were changed are applied to the past. A rebuild that was interrupted goes on.
    """
    found = run(_work(settings, site, "rebuild", quiet=as_json))
    lines = [f"{one['site']}: {one['state']}, {one['done']:,} entries" for one in found]
    show(found, as_json, "\n".join(lines))
    _exit(found)


@click.command()
@site_option
@json_option
@click.pass_obj
def verify(settings: Settings, site: str | None, as_json: bool) -> None:
    """Read the log again and compare: exits 1 if the tables say anything else."""
    found = run(_work(settings, site, "verify", quiet=as_json))
    show(found, as_json, "\n".join(_verdict(one) for one in found))
    _exit(found)


def _verdict(one: dict[str, Any]) -> str:
    if one["state"] != "done":
        return f"✗ {one['site']}: {one['detail']}"
    if not one["unlike"]:
        return f"✓ {one['site']}: {one['done']:,} entries give exactly these tables"
    rows = ", ".join(f"{part['rows']} in {part['table']}" for part in one["unlike"])
    return f"✗ {one['site']}: rows that differ: {rows}. `{command('rebuild')}` makes them again"


def _exit(found: list[dict[str, Any]]) -> None:
    if any(one["state"] != "done" or one["unlike"] for one in found):
        raise click.exceptions.Exit(1)


async def _work(
    settings: Settings, wanted: str | None, kind: str, *, quiet: bool
) -> list[dict[str, Any]]:
    """Every site, or the one that is named, one after the other."""
    async with connected(settings) as client:
        if wanted is None:
            sites = (await call(client, "GET", "/api/v1/sites"))["items"]
        else:
            sites = [await the_site(client, wanted)]
        return [await _one(client, site, kind, quiet) for site in sites]


async def _one(
    client: httpx2.AsyncClient, site: dict[str, Any], kind: str, quiet: bool
) -> dict[str, Any]:
    path = f"/api/v1/sites/{site['id']}/{kind}"
    status = await call(client, "POST", path)
    bar = click.progressbar(
        range(STEPS),
        label=f"{kind} {site['name']}",
        hidden=quiet,
        file=sys.stderr,
    )
    with bar:
        while status["state"] in {"waiting", "running"}:
            await asyncio.sleep(POLL_S)
            status = await call(client, "GET", path)
            bar.update(STEPS * status["done"] // max(status["total"], 1) - bar.pos)
        bar.update(STEPS - bar.pos)
    return {"site": site["name"], **status}
