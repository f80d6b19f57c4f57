"""`handraise destination`: where consequences are told, and how it went."""

from collections.abc import Sequence
from typing import Any

import click

from server.cli.client import call, connected, the_site
from server.cli.console import json_option, run, show, site_option
from server.cli.tables import printable, table
from server.settings import Settings
from server.starting import command

KINDS = ("crossed", "stage_moved", "rearmed", "retracted")
STATES = ("waiting", "delivered", "dead", "dropped")


@click.group()
def destination() -> None:
    """Where it is told who became what: webhooks and mails."""


@destination.command("list")
@site_option
@json_option
@click.pass_obj
def list_command(settings: Settings, /, site: str | None, as_json: bool) -> None:
    """List the destinations."""
    found = run(_ask(settings, site, "GET", ""))
    rows = [_row(one) for one in found["items"]]
    heads = ["id", "kind", "name", "where", "state", "waiting", "delivered", "dead"]
    empty = "nowhere yet: destination add https://… or an e-mail address"
    show(found, as_json, table(heads, rows, empty))


def _row(one: dict[str, Any]) -> list[Any]:
    where = one["url"] or ", ".join(one["to"])
    counts = one["deliveries"]
    state = "enabled" if one["enabled"] else f"disabled: {one['reason']}"
    told = [counts[name] for name in ("waiting", "delivered", "dead")]
    return [one["id"], one["kind"], one["name"] or "–", where, state, *told]


@destination.command("add")
@click.argument("where", nargs=-1, required=True)
@site_option
@click.option("--name", default="", help="shown in lists and mails")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="repeatable")
@click.option("--stage", "stages", multiple=True, help="stages that moves lead to; repeatable")
@click.option("--threshold", "thresholds", multiple=True, help="keys of the rules; repeatable")
@json_option
@click.pass_obj
def add_command(
    settings: Settings,
    /,
    where: tuple[str, ...],
    site: str | None,
    name: str,
    kinds: tuple[str, ...],
    stages: tuple[str, ...],
    thresholds: tuple[str, ...],
    as_json: bool,
) -> None:
    """Add a webhook (WHERE is its URL) or a mail (WHERE are addresses).

    The secret that signs webhooks is printed this once.
    """
    wants = {"kinds": kinds, "stages": stages, "thresholds": thresholds}
    body: dict[str, Any] = {"name": name, "wants": {k: [*v] for k, v in wants.items() if v}}
    if "://" in where[0]:
        if len(where) > 1:
            raise click.UsageError("a webhook has one URL")
        body |= {"kind": "webhook", "url": where[0]}
    else:
        body |= {"kind": "mail", "to": [*where]}
    made = run(_ask(settings, site, "POST", "", body))
    lines = [f"{made['id']}  {made['kind']} to {printable(' '.join(where), 200)}"]
    if made["secret"]:
        lines.append(f"  secret {made['secret']}   (shown this once; it signs every message)")
    lines.append(f"  try it: {command('destination test')} {made['id']}")
    show(made, as_json, "\n".join(lines))


@destination.command("remove")
@click.argument("destination_id")
@site_option
@click.pass_obj
def remove_command(settings: Settings, destination_id: str, site: str | None) -> None:
    """Remove it, with its secret and its deliveries."""
    run(_ask(settings, site, "DELETE", f"/{destination_id}"))
    click.echo(f"removed {destination_id}")


@destination.command("disable")
@click.argument("destination_id")
@site_option
@json_option
@click.pass_obj
def disable_command(
    settings: Settings, /, destination_id: str, site: str | None, as_json: bool
) -> None:
    """Tell it nothing for now."""
    found = run(_ask(settings, site, "POST", f"/{destination_id}/disable"))
    show(found, as_json, f"{found['id']} is disabled; nothing is lost: `enable` tells it all")


@destination.command("enable")
@click.argument("destination_id")
@site_option
@click.option("--from-now", is_flag=True, help="pass over what was decided meanwhile")
@json_option
@click.pass_obj
def enable_command(
    settings: Settings, /, destination_id: str, site: str | None, from_now: bool, as_json: bool
) -> None:
    """Tell it again, what was decided meanwhile too."""
    body = {"catch_up": not from_now}
    found = run(_ask(settings, site, "POST", f"/{destination_id}/enable", body))
    show(found, as_json, f"{found['id']} is enabled")


@destination.command("test")
@click.argument("destination_id")
@site_option
@json_option
@click.pass_obj
def test_command(
    settings: Settings, /, destination_id: str, site: str | None, as_json: bool
) -> None:
    """Send a made-up person, marked as a test; exits 1 if it did not arrive."""
    found = run(_ask(settings, site, "POST", f"/{destination_id}/test"))
    lines = [f"{'✓' if found['ok'] else '✗'} {printable(found['words'], 200)}"]
    if found["answer"]:
        lines.append(f"  {printable(found['answer'], 200)}")
    show(found, as_json, "\n".join(lines))
    if not found["ok"]:
        raise click.exceptions.Exit(1)


@destination.command("secret")
@click.argument("destination_id")
@site_option
@click.option("--rotate", is_flag=True, help="make a new one; for a day both sign")
@json_option
@click.pass_obj
def secret_command(
    settings: Settings, /, destination_id: str, site: str | None, rotate: bool, as_json: bool
) -> None:
    """Show the secret that signs a webhook."""
    method, path = ("POST", "/secret/rotate") if rotate else ("GET", "/secret")
    found = run(_ask(settings, site, method, f"/{destination_id}{path}"))
    show(found, as_json, found["secret"])
    if found["before"] and not as_json:
        click.echo(f"the one before signs too until {found['before_until']}", err=True)


@destination.command("deliveries")
@click.argument("destination_id")
@site_option
@click.option("--state", type=click.Choice(STATES), help="only these")
@click.option("--limit", type=int, default=50)
@json_option
@click.pass_obj
def deliveries_command(
    settings: Settings,
    /,
    destination_id: str,
    site: str | None,
    state: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """What was told, newest first, and what came of it."""
    params = {"limit": limit, **({"state": state} if state else {})}
    path = f"/{destination_id}/deliveries"
    found = run(_ask(settings, site, "GET", path, params=params))
    heads = ["event", "state", "tries", "last (UTC)", "next (UTC)", "what came of it"]
    show(found, as_json, table(heads, _tries(found["items"]), "nothing was told yet", most=80))


def _tries(items: Sequence[dict[str, Any]]) -> list[list[Any]]:
    return [
        [
            one["event"],
            one["state"],
            one["attempts"],
            _when(one["tries"][-1]["at"] if one["tries"] else None),
            _when(one["next_at"]),
            one["words"],
        ]
        for one in items
    ]


def _when(text: str | None) -> str:
    return text[:19].replace("T", " ") if text else "–"


@destination.command("replay")
@click.argument("destination_id")
@click.argument("event", required=False)
@site_option
@click.option("--since", help="everything from an entry (e91) or an ISO time on")
@json_option
@click.pass_obj
def replay_command(
    settings: Settings,
    /,
    destination_id: str,
    event: str | None,
    site: str | None,
    since: str | None,
    as_json: bool,
) -> None:
    """Tell one EVENT again, or everything --since; message ids stay the same."""
    if bool(event) == bool(since):
        raise click.UsageError("name an event such as e91, or --since")
    body = {"event": event} if event else {"since": since}
    found = run(_ask(settings, site, "POST", f"/{destination_id}/replay", body))
    what = f"{event} again" if event else f"everything from {found['since']} on again"
    show(found, as_json, f"telling {what}")


async def _ask(
    settings: Settings,
    wanted: str | None,
    method: str,
    path: str,
    body: Any = None,
    params: Any = None,
) -> Any:
    """What a route of one site's destinations answers."""
    async with connected(settings) as client:
        found = await the_site(client, wanted)
        base = f"/api/v1/sites/{found['id']}/destinations"
        return await call(client, method, base + path, json=body, params=params)
