"""Commands for whoever asks what is known of them, or to be forgotten: erase and export-person."""

import asyncio
from pathlib import Path
from typing import Any

import click
import httpx2

from server.cli.client import call, connected, sentence, the_site
from server.cli.console import json_option, run, show, site_option
from server.cli.reading import subject_id
from server.settings import Settings

POLL_S = 0.5


@click.command()
@click.argument("who")
@site_option
@click.option("--yes", is_flag=True, help="do not ask")
@json_option
@click.pass_obj
def erase(settings: Settings, who: str, site: str | None, yes: bool, as_json: bool) -> None:
    """Erase a person or a visitor for good. WHO is an id (p57, v12) or an e-mail.

    What would go is shown first. Take `export-person` before, if it has to be handed out.
    """

    async def work() -> Any:
        async with connected(settings) as client:
            found = await the_site(client, site)
            base = f"/api/v1/sites/{found['id']}"
            subject = await subject_id(client, base, who)
            path = f"{base}/{'visitors' if subject.startswith('v') else 'people'}/{subject}"
            if not yes:
                click.echo(preview(await call(client, "GET", f"{path}/erasure")), err=True)
                click.confirm("Erase all of it for good?", abort=True, err=True)
            return await _finished(client, base, await call(client, "DELETE", path))

    done = run(work())
    show(done, as_json, receipt(done))


async def _finished(client: httpx2.AsyncClient, base: str, answer: Any) -> Any:
    """The erasure with its receipt. A long one is waited for; it goes on also if nobody does."""
    if "erasure" not in answer:
        return answer
    click.echo(f"{answer['erasure']} is under way", err=True)
    while True:
        await asyncio.sleep(POLL_S)
        found = await call(client, "GET", f"{base}/erasures/{answer['erasure']}")
        if found["receipt"] is not None:
            return found


def preview(found: Any) -> str:
    """What would go, in words."""
    lines = [
        f"{found['subject']}: {found['events']} events in {found['sessions']} visits,"
        f" {found['decisions']} decisions and moves, {found['identifiers']} identifiers",
    ]
    for fate in found["visitors"]:
        told = "goes whole" if fate["whole"] else "stays: others use it too"
        lines.append(f"  browser {fate['visitor']} {told}")
    if found["reworded"]:
        lines.append(f"  {found['reworded']} events of others lose what names this person")
    return "\n".join(lines)


def receipt(done: Any) -> str:
    """What was erased, in words."""
    counts = ", ".join(
        f"{count} {name}"
        for name, count in done["receipt"].items()
        if count and name != "files_clean"
    )
    clean = "the files hold no trace" if done["receipt"]["files_clean"] else "see docs/erasure.md"
    return f"erased {done['subject']} ({done['id']}): {counts or 'nothing was left'}; {clean}"


@click.command("export-person")
@click.argument("who")
@site_option
@click.argument("file", type=click.Path(path_type=Path), default="-")
@click.pass_obj
def export_person(settings: Settings, who: str, site: str | None, file: Path) -> None:
    """Write everything about a person as JSON. WHO is an id (p57) or an e-mail."""

    async def work(out: Any) -> None:
        async with connected(settings) as client:
            found = await the_site(client, site)
            base = f"/api/v1/sites/{found['id']}"
            path = f"{base}/people/{await subject_id(client, base, who)}/export"
            async with client.stream("GET", path) as answer:
                if answer.status_code != 200:
                    await answer.aread()
                    raise click.ClickException(sentence(answer))
                async for piece in answer.aiter_bytes():
                    out.write(piece)

    with click.open_file(str(file), "wb", lazy=True) as out:
        run(work(out))
