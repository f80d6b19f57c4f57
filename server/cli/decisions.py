"""Commands that decide: who is one person, where somebody stands, what is no visitor.

WHO is an id (p57) or an e-mail. Every decision is in the site's log, with its author.
"""

import math
from collections.abc import Callable
from typing import Any

import click
import httpx2

from server.cli import decided
from server.cli.client import call, connected, the_site
from server.cli.console import json_option, run, show, site_option
from server.cli.reading import subject_id
from server.model import STAGES
from server.settings import Settings

CLASSES = ("bot", "internal", "test", "spam", "human", "none")


def command(name: str | None = None) -> Callable[[Callable[..., Any]], click.Command]:
    """A command with what all of these take: the settings, `--site` and `--json`."""

    def wrap(function: Callable[..., Any]) -> click.Command:
        function = json_option(site_option(click.pass_obj(function)))
        return click.command(name)(function)

    return wrap


async def ask(
    settings: Settings, site: str | None, method: str, path: str, who: str = "", **options: Any
) -> Any:
    """What a route of one site answers; `{who}` in its path is whoever an id or e-mail names."""
    async with connected(settings) as client:
        found = await the_site(client, site)
        base = f"/api/v1/sites/{found['id']}"
        if who:
            path = path.replace("{who}", await subject_id(client, base, who))
        return await call(client, method, f"{base}{path}", **options)


def _told(answer: Any, as_json: bool) -> None:
    show(answer, as_json, decided.person(answer))


# ---------------------------------------------------------------- people


@command()
@click.argument("who")
@click.argument("other")
def merge(settings: Settings, /, site: str | None, who: str, other: str, as_json: bool) -> None:
    """WHO and OTHER are one person; the older id stays."""

    async def work() -> Any:
        async with connected(settings) as client:
            base = f"/api/v1/sites/{(await the_site(client, site))['id']}"
            body = {"other": await subject_id(client, base, other)}
            path = f"{base}/people/{await subject_id(client, base, who)}/merge"
            return await call(client, "POST", path, json=body)

    _told(run(work()), as_json)


@command()
@click.argument("who")
@click.option("--merge", "merge_id", help="which merge (e91); not needed where there is one")
def split(
    settings: Settings, /, site: str | None, who: str, merge_id: str | None, as_json: bool
) -> None:
    """Take a merge of WHO back, as if it had never been."""

    async def work() -> Any:
        async with connected(settings) as client:
            base = f"/api/v1/sites/{(await the_site(client, site))['id']}"
            path = f"{base}/people/{await subject_id(client, base, who)}"
            chosen = merge_id or await _only_merge(client, path)
            return await call(client, "POST", f"{path}/split", json={"merge": chosen})

    _told(run(work()), as_json)


async def _only_merge(client: httpx2.AsyncClient, path: str) -> str:
    merges = (await call(client, "GET", path))["merges"]
    if len(merges) == 1:
        return str(merges[0]["id"])
    named = "\n".join(f"  {m['id']}  {' and '.join(m['persons'])}" for m in merges)
    raise click.ClickException(
        f"name the merge with --merge:\n{named}" if merges else "nobody was merged with them"
    )


@command()
@click.argument("who")
@click.argument("identifier")
@click.option("--type", "kind", type=click.Choice(["email", "user_id", "phone"]))
def vouch(
    settings: Settings,
    /,
    site: str | None,
    who: str,
    identifier: str,
    kind: str | None,
    as_json: bool,
) -> None:
    """IDENTIFIER is known to be WHO's: an e-mail, unless --type says otherwise."""
    body = {"type": kind or "email", "value": identifier}
    path = "/people/{who}/verify"
    _told(run(ask(settings, site, "POST", path, who, json=body)), as_json)


@command()
@click.argument("who")
@click.argument("stage", type=click.Choice(STAGES))
def stage(settings: Settings, /, site: str | None, who: str, stage: str, as_json: bool) -> None:
    """Move WHO to a stage, up or down."""
    path = "/people/{who}/stage"
    _told(run(ask(settings, site, "POST", path, who, json={"stage": stage})), as_json)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("who")
@click.argument("changes", nargs=-1, required=True, metavar="+TAG… -TAG…")
@site_option
@json_option
@click.pass_obj
def tag(
    settings: Settings, /, site: str | None, who: str, changes: tuple[str, ...], as_json: bool
) -> None:
    """Add and remove tags of WHO: +vip adds it, -vip removes it."""
    if any(len(one) < 2 or one[0] not in "+-" for one in changes):
        raise click.UsageError("each tag begins with + or -, such as +vip")
    body = {
        "add": [one[1:] for one in changes if one.startswith("+")],
        "remove": [one[1:] for one in changes if one.startswith("-")],
    }
    _told(run(ask(settings, site, "POST", "/people/{who}/tags", who, json=body)), as_json)


@command()
@click.argument("who")
@click.argument("text", required=False)
@click.option("--delete", "note_id", help="show a note no more (e91)")
def note(
    settings: Settings,
    /,
    site: str | None,
    who: str,
    text: str | None,
    note_id: str | None,
    as_json: bool,
) -> None:
    """Write a note about WHO, or delete one; with neither, show them."""
    path, method, options = "/people/{who}", "GET", {}
    if note_id:
        path, method = f"{path}/notes/{note_id}", "DELETE"
    elif text is not None:
        path, method, options = f"{path}/notes", "POST", {"json": {"text": text}}
    found = run(ask(settings, site, method, path, who, **options))
    show(
        found, as_json, decided.notes(found["notes"]) if "notes" in found else decided.person(found)
    )


@command()
@click.argument("who")
@click.argument("name")
@click.argument("value", required=False)
@click.option("--take-back", is_flag=True, help="forget what was given by hand")
@click.option("--text", "as_text", is_flag=True, help="VALUE is a text, also where it is a number")
def trait(
    settings: Settings,
    /,
    site: str | None,
    who: str,
    name: str,
    value: str | None,
    take_back: bool,
    as_text: bool,
    as_json: bool,
) -> None:
    """NAME of WHO is VALUE, such as `trait ann@brew.example budget 50k`.

    It outweighs what forms say. A number, true and false are taken as such.
    """
    if (value is None) is not take_back:
        raise click.UsageError("give either a VALUE or --take-back")
    given = value if value is None or as_text else _plain(value)
    path = "/people/{who}/traits"
    _told(run(ask(settings, site, "PUT", path, who, json={name: given})), as_json)


def _plain(text: str) -> str | int | float | bool:
    """A number, true or false; else the text."""
    if text in {"true", "false"}:
        return text == "true"
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else text
    return text


@command()
@click.argument("who")
@click.argument("name")
def owner(settings: Settings, /, site: str | None, who: str, name: str, as_json: bool) -> None:
    """NAME looks after WHO; an empty name is nobody."""
    path = "/people/{who}/owner"
    _told(run(ask(settings, site, "PUT", path, who, json={"owner": name})), as_json)


@command("do-not-contact")
@click.argument("who")
@click.option("--off", is_flag=True, help="they may be contacted again")
@click.option("--reason", default="", help="what they said")
def do_not_contact(
    settings: Settings, /, site: str | None, who: str, off: bool, reason: str, as_json: bool
) -> None:
    """WHO asked to be left alone."""
    body = {"on": not off, "reason": reason}
    path = "/people/{who}/do-not-contact"
    _told(run(ask(settings, site, "PUT", path, who, json=body)), as_json)


@command()
@click.argument("what")
@click.argument("class_", metavar="CLASS", type=click.Choice(CLASSES))
@click.option("--reason", default="", help="why")
def classify(
    settings: Settings, /, site: str | None, what: str, class_: str, reason: str, as_json: bool
) -> None:
    """Say what WHAT is: a visitor (v12), an event (e91), or all visitors of a person (p57, e-mail).

    Only `human` counts; `none` takes back what was said before.
    """
    body = {"class": "" if class_ == "none" else class_, "reason": reason}
    parts = {"v": f"/visitors/{what}", "e": f"/events/{what}"}
    plain = what[1:].isdigit()
    path = parts.get(what[:1] if plain else "", "/people/{who}") + "/classify"
    who = what if "{who}" in path else ""
    found = run(ask(settings, site, "POST", path, who, json=body))
    show(found, as_json, decided.classified(found))


# ---------------------------------------------------------------- conflicts


@click.group(invoke_without_command=True)
@site_option
@click.option("--state", type=click.Choice(["open", "closed", "all"]), default="open")
@click.option("--limit", type=int, default=50)
@json_option
@click.pass_context
def conflicts(
    context: click.Context, site: str | None, state: str, limit: int, as_json: bool
) -> None:
    """What identity refused or doubts, and what to do about it."""
    if context.invoked_subcommand is None:
        params = {"state": state, "limit": limit}
        found = run(ask(context.obj, site, "GET", "/conflicts", params=params))
        show(found, as_json, decided.conflicts(found["items"]))


@command()
@click.option("--limit", type=int, default=50)
def merges(settings: Settings, /, site: str | None, limit: int, as_json: bool) -> None:
    """Who was made one person; `split` takes it back."""
    found = run(ask(settings, site, "GET", "/merges", params={"limit": limit}))
    show(found, as_json, decided.merges(found["items"]))


def _conflict_command(action: str, help_text: str) -> click.Command:
    @click.command(action, help=help_text)
    @click.argument("conflict_id", metavar="ID")
    @site_option
    @json_option
    @click.pass_obj
    def settle(settings: Settings, /, site: str | None, conflict_id: str, as_json: bool) -> None:
        found = run(ask(settings, site, "POST", f"/conflicts/{conflict_id}/{action}"))
        show(found, as_json, decided.conflict(found))

    return settle


for _action, _help in (
    ("accept", "It was them: what waited counts, as if it always had."),
    ("refuse", "It was somebody else."),
    ("merge", "The two are one person."),
    ("dismiss", "Nothing is to be done about it."),
):
    conflicts.add_command(_conflict_command(_action, _help))

COMMANDS = (
    *(merge, split, vouch, stage, tag, note, trait),
    *(owner, do_not_contact, classify, conflicts, merges),
)
