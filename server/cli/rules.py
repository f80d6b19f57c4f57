"""`handraise rules`: see the rules, change them in a draft, compare, publish, and look back.

WHICH is a version's number, `published`, `draft`, or a preset's name. FILE is a JSON document as
`rules export` writes it; - is standard input.
"""

import asyncio
import json
import sys
from typing import Any, BinaryIO

import click
import httpx2
import msgspec

from server.cli import rule_tables as tables
from server.cli.client import call, connected, sentence, the_site
from server.cli.console import json_option, run, show, site_option
from server.project.document import RulesetRefused, read_document, write_document
from server.project.presets import PRESETS
from server.reports.rulesets import presets as all_presets
from server.settings import Settings
from server.starting import command

POLL_S = 0.1
STEPS = 1_000
FILE = click.File("rb")


@click.group()
def rules() -> None:
    """What counts, how much, and what follows from it."""


def _base(site: dict[str, Any]) -> str:
    return f"/api/v1/sites/{site['id']}/rules"


async def _ask(settings: Settings, site: str | None, method: str, path: str, **options: Any) -> Any:
    async with connected(settings) as client:
        found = await the_site(client, site)
        return await call(client, method, f"{_base(found)}{path}", **options)


def _path(which: str) -> str:
    """Where a ruleset is that WHICH names."""
    if which in {"published", "draft"}:
        return {"published": "", "draft": "/draft"}[which]
    return f"/versions/{which}" if which.isdigit() else f"/presets/{which}"


# ---------------------------------------------------------------- reading


@rules.command("show")
@click.argument("which", default="published")
@site_option
@json_option
@click.pass_obj
def show_command(settings: Settings, which: str, site: str | None, as_json: bool) -> None:
    """The rules in force, or WHICH: a version, the draft, a preset."""
    found = run(_ask(settings, site, "GET", _path(which)))
    show(found, as_json, tables.ruleset(found))


@rules.command("history")
@site_option
@click.option("--limit", type=int, default=50)
@json_option
@click.pass_obj
def history_command(settings: Settings, site: str | None, limit: int, as_json: bool) -> None:
    """Every version that was published, the newest first."""
    found = run(_ask(settings, site, "GET", "/history", params={"limit": limit}))
    show(found, as_json, tables.history(found["items"]))


@rules.command("presets")
@json_option
def presets_command(as_json: bool) -> None:
    """Rulesets to begin with: `rules export NAME` writes one, `rules draft --preset NAME` takes it.

    They come with the program: no server is asked.
    """
    names = msgspec.to_builtins(all_presets())
    show(names, as_json, tables.presets(names["items"]))


@rules.command("export")
@click.argument("which", default="published")
@click.argument("file", type=click.File("wb"), default="-")
@site_option
@click.pass_obj
def export_command(settings: Settings, which: str, file: BinaryIO, site: str | None) -> None:
    """Write the document of WHICH to FILE, to be changed and taken back by `rules import`."""
    if which in PRESETS:
        file.write(write_document(PRESETS[which]))
        return
    found = run(_ask(settings, site, "GET", _path(which)))
    file.write(write_document(read_document(json.dumps(found["document"]))))


@rules.command("diff")
@click.argument("first", metavar="[FROM]", default="published")
@click.argument("last", metavar="[TO]", default="draft")
@site_option
@json_option
@click.pass_obj
def diff_command(
    settings: Settings, first: str, last: str, site: str | None, as_json: bool
) -> None:
    """What differs from FROM to TO: from the rules in force to the draft by default."""
    params = {"from": first, "to": last}
    found = run(_ask(settings, site, "GET", "/diff", params=params))
    show(found, as_json, tables.diff(found))


# ---------------------------------------------------------------- drafts


@rules.command("check")
@click.argument("file", type=FILE)
@json_option
def check_command(file: BinaryIO, as_json: bool) -> None:
    """Everything that is wrong with a document; exits 1 if anything is. No server is asked."""
    errors: list[dict[str, str]] = []
    try:
        read_document(file.read())
    except RulesetRefused as refused:
        errors = [
            {"pointer": one.pointer, "rule": one.rule, "detail": one.sentence}
            for one in refused.problems
        ]
    words = tables.problems(errors) if errors else "✓ nothing is wrong with it"
    show({"valid": not errors, "errors": errors}, as_json, words)
    if errors:
        raise click.exceptions.Exit(1)


@rules.command("draft")
@click.argument("file", type=FILE, required=False)
@click.option("--preset", type=click.Choice(list(PRESETS)), help="begin with a preset")
@click.option("--drop", is_flag=True, help="throw the draft away")
@click.option("--base", type=int, default=0, help="the version it was begun from")
@click.option("--note", default="", help="what it is for; kept with the version")
@site_option
@json_option
@click.pass_obj
def draft_command(
    settings: Settings,
    /,
    file: BinaryIO | None,
    preset: str | None,
    drop: bool,
    base: int,
    note: str,
    site: str | None,
    as_json: bool,
) -> None:
    """Show the draft; or save FILE or a preset as the draft; or drop it."""
    if (file is not None) + (preset is not None) + drop > 1:
        raise click.UsageError("choose one of FILE, --preset and --drop")
    if drop:
        run(_ask(settings, site, "DELETE", "/draft"))
        show({"dropped": True}, as_json, "the draft is gone")
        return
    body = file.read() if file else json.dumps({"preset": preset}).encode() if preset else None
    if body is None:
        found = run(_ask(settings, site, "GET", "/draft"))
        show(found, as_json, tables.ruleset(found))
        return
    saved, diff = run(_save(settings, site, body, {"base": base, "note": note}))
    show(
        saved, as_json, f"{tables.diff(diff)}\nsaved: `{command('rules publish')}` puts it in force"
    )


@rules.command("import")
@click.argument("file", type=FILE)
@click.option("--base", type=int, default=0, help="the version it was begun from")
@click.option("--note", default="", help="what it is for; kept with the version")
@site_option
@json_option
@click.pass_obj
def import_command(
    settings: Settings,
    /,
    file: BinaryIO,
    base: int,
    note: str,
    site: str | None,
    as_json: bool,
) -> None:
    """Save FILE as the draft, as `rules draft FILE` does."""
    saved, diff = run(_save(settings, site, file.read(), {"base": base, "note": note}))
    show(
        saved, as_json, f"{tables.diff(diff)}\nsaved: `{command('rules publish')}` puts it in force"
    )


async def _save(
    settings: Settings, site: str | None, body: bytes, params: dict[str, Any]
) -> tuple[Any, Any]:
    """The draft as it was saved, and how it differs from the rules in force."""
    async with connected(settings) as client:
        base = _base(await the_site(client, site))
        answer = await client.put(f"{base}/draft", content=body, params=params)
        if answer.status_code >= 400:
            raise click.ClickException(_told(answer))
        return answer.json(), await call(client, "GET", f"{base}/diff")


def _told(answer: httpx2.Response) -> str:
    errors = answer.json().get("errors") if "json" in answer.headers["content-type"] else None
    return tables.problems(errors) if errors else sentence(answer)


# ---------------------------------------------------------------- publishing


@rules.command("publish")
@click.option("--yes", is_flag=True, help="do not ask")
@click.option("--notify", is_flag=True, help="tell of those who cross a threshold by it")
@click.option("--note", default="", help="why; kept with the version")
@click.option("--no-wait", is_flag=True, help="do not wait until everybody is scored")
@site_option
@json_option
@click.pass_obj
def publish_command(
    settings: Settings,
    /,
    yes: bool,
    notify: bool,
    note: str,
    no_wait: bool,
    site: str | None,
    as_json: bool,
) -> None:
    """Put the draft in force: shows what changes, asks, and waits until everybody is scored."""
    if as_json and not yes:
        raise click.UsageError("--json asks nothing: add --yes")
    body = {"notify": notify, "note": note}
    found = run(_publish(settings, site, body, ask=not yes, waits=not no_wait, quiet=as_json))
    show(found, as_json, f"version {found['version']} is in force")


async def _publish(
    settings: Settings,
    site: str | None,
    body: dict[str, Any],
    *,
    ask: bool,
    waits: bool,
    quiet: bool,
) -> Any:
    async with connected(settings) as client:
        base = _base(await the_site(client, site))
        draft = await call(client, "GET", f"{base}/draft")
        diff = await call(client, "GET", f"{base}/diff")
        if not quiet:
            click.echo(tables.diff(diff))
        if ask:
            click.confirm("Put it in force?", abort=True)
        revision = {"draft": draft["revision"]}  # what was shown is what is published
        await call(client, "POST", f"{base}/publish", json=body | revision)
        return await _scored(client, base, waits=waits, quiet=quiet)


async def _scored(client: httpx2.AsyncClient, base: str, *, waits: bool, quiet: bool) -> Any:
    """The rules in force, once everybody is scored by them."""
    bar = click.progressbar(range(STEPS), label="rescoring", hidden=quiet, file=sys.stderr)
    with bar:
        found = await call(client, "GET", base)
        while waits and (left := found["rescoring"]) is not None:
            bar.update(STEPS * left["done"] // max(left["total"], 1) - bar.pos)
            await asyncio.sleep(POLL_S)
            found = await call(client, "GET", base)
        if waits:
            bar.update(STEPS - bar.pos)
    return found


# ---------------------------------------------------------------- backtests


@rules.command("backtest")
@click.argument("first", metavar="[FROM]", default="published")
@click.argument("last", metavar="[TO]", default="draft")
@click.option("--at", help="the moment to look at, ISO 8601; 30 days ago by default")
@click.option("--days-before", type=int, default=0, help="look at customers so long before")
@click.option("--sample", type=int, help="look at so many people at most")
@site_option
@json_option
@click.pass_obj
def backtest_command(
    settings: Settings,
    /,
    first: str,
    last: str,
    at: str | None,
    days_before: int,
    sample: int | None,
    site: str | None,
    as_json: bool,
) -> None:
    """Compare two rulesets with who became a customer: would TO have seen it sooner than FROM?"""
    body: dict[str, Any] = {"from": first, "to": last, "days_before": days_before}
    body |= {"at": at} if at else {}
    body |= {"sample": sample} if sample else {}
    found = run(_backtest(settings, site, body, quiet=as_json))
    show(found, as_json, tables.backtest(found))
    if found["state"] != "done":
        raise click.exceptions.Exit(1)


async def _backtest(
    settings: Settings, site: str | None, body: dict[str, Any], *, quiet: bool
) -> Any:
    async with connected(settings) as client:
        path = f"{_base(await the_site(client, site))}/backtest"
        found = await call(client, "POST", path, json=body)
        bar = click.progressbar(range(STEPS), label="backtest", hidden=quiet, file=sys.stderr)
        with bar:
            while found["state"] in {"waiting", "running"}:
                await asyncio.sleep(POLL_S)
                found = await call(client, "GET", path)
                bar.update(STEPS * found["done"] // max(found["total"], 1) - bar.pos)
        return found
