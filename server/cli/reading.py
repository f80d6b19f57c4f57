"""Commands that read: people, one timeline, the whole log."""

from typing import Any

import click
import httpx2

from server.cli import tables
from server.cli.client import call, connected, sentence, the_site
from server.cli.console import json_option, run, show, site_option
from server.settings import Settings


@click.command()
@site_option
@click.option("--q", help="start of an e-mail, of a word of the name, or of the company's domain")
@click.option("--stage", help="only this stage")
@click.option("--min-score", type=float, help="at least this score")
@click.option("--sort", default="-score", help="-score, -last_seen or email")
@click.option("--limit", type=int, default=50)
@json_option
@click.pass_obj
def people(settings: Settings, /, site: str | None, as_json: bool, **query: Any) -> None:
    """Who is known, the hottest first."""

    async def work() -> Any:
        async with connected(settings) as client:
            found = await the_site(client, site)
            params = {name: value for name, value in query.items() if value is not None}
            return await call(client, "GET", f"/api/v1/sites/{found['id']}/people", params=params)

    found = run(work())
    show(found, as_json, tables.people(found["items"]) + rescoring(found))


def rescoring(found: dict[str, Any]) -> str:
    """A last line where not everybody is scored by the newest rules."""
    share = found.get("rescoring")
    if share is None:
        return ""
    return f"\nrescoring {share * 100:.0f} %: until then some scores are those of the rules before"


@click.command()
@click.argument("who")
@site_option
@click.option("--limit", type=int, default=100)
@click.option("--kind", help="one kind of entry, or all")
@json_option
@click.pass_obj
def timeline(
    settings: Settings, who: str, site: str | None, limit: int, kind: str | None, as_json: bool
) -> None:
    """What a person did, newest first. WHO is an id (p57, v12) or an e-mail."""

    async def work() -> tuple[Any, Any]:
        async with connected(settings) as client:
            found = await the_site(client, site)
            base = f"/api/v1/sites/{found['id']}"
            subject = await subject_id(client, base, who)
            part = "visitors" if subject.startswith("v") else "people"
            params = {"limit": limit, **({"kind": kind} if kind else {})}
            person = (
                await call(client, "GET", f"{base}/people/{subject}") if part == "people" else None
            )
            events = await call(client, "GET", f"{base}/{part}/{subject}/timeline", params=params)
            return person, events

    person, events = run(work())
    show(events, as_json, tables.timeline(person, events["items"]))


async def subject_id(client: httpx2.AsyncClient, base: str, who: str) -> str:
    """The id behind an id or an e-mail."""
    if "@" not in who:
        return who
    found = await call(client, "GET", f"{base}/people", params={"email": who})
    match = [person["id"] for person in found["items"]]
    if not match:
        raise click.ClickException(f"nobody has the address {who}")
    return str(match[0])


@click.command()
@site_option
@json_option
@click.pass_obj
def delivery(settings: Settings, /, site: str | None, as_json: bool) -> None:
    """How well events arrive: lost, late and sent twice, by browser and by page."""

    async def work() -> Any:
        async with connected(settings) as client:
            found = await the_site(client, site)
            return await call(client, "GET", f"/api/v1/sites/{found['id']}/delivery")

    found = run(work())
    show(found, as_json, tables.delivery(found))


@click.command()
@site_option
@click.option("--after", type=int, default=0, help="start after this entry number")
@click.argument("file", type=click.File("wb"), default="-")
@click.pass_obj
def export(settings: Settings, site: str | None, after: int, file: Any) -> None:
    """Write a site's whole log as NDJSON."""

    async def work() -> None:
        async with connected(settings) as client:
            found = await the_site(client, site)
            path = f"/api/v1/sites/{found['id']}/log"
            async with client.stream("GET", path, params={"after": after}) as answer:
                if answer.status_code != 200:
                    await answer.aread()
                    raise click.ClickException(sentence(answer))
                async for chunk in answer.aiter_bytes():
                    file.write(chunk)

    run(work())
