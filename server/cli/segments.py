"""`handraise segments`: filters of people with a name.

FILTER is `name=value` as in the address of the list, such as `stage=mql min_score=60 tag=vip`; a
name that is given several times has several values. SEGMENT is a name or an id (g3).
"""

from typing import Any

import click
import httpx2

from server.cli import tables
from server.cli.client import call, connected, the_site
from server.cli.console import json_option, run, show, site_option
from server.cli.reading import rescoring, subject_id
from server.settings import Settings
from server.starting import command

#: Filters that are asked once, by what they hold: the others hold lists.
_NUMBERS = frozenset({"min_score", "max_score", "seen_within", "not_seen_for"})
_MARKS = frozenset({"do_not_contact", "conflict"})
_TEXTS = frozenset({"company", "q", "email", "since", "lead_from", "lead_to"})


@click.group()
def segments() -> None:
    """Filters of people with a name."""


def read_filters(given: tuple[str, ...]) -> dict[str, Any]:
    """`name=value` parts as the filter of a body. Raises `UsageError`."""
    found: dict[str, Any] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not (name and equals and value):
            raise click.UsageError(f"`{one}`: write a filter as name=value, such as stage=mql")
        if name in _NUMBERS | _MARKS | _TEXTS:
            if name in found:
                raise click.UsageError(f"`{name}` is given twice")
            found[name] = _single(name, value)
        else:
            found.setdefault(name, []).append(value)
    return found


def _single(name: str, value: str) -> Any:
    if name in _NUMBERS:
        try:
            number = float(value)
        except ValueError as error:
            raise click.UsageError(f"`{name}` is a number") from error
        return int(number) if number.is_integer() else number
    if name in _MARKS:
        if value not in {"true", "false"}:
            raise click.UsageError(f"`{name}` is true or false")
        return value == "true"
    return value


async def _path(client: httpx2.AsyncClient, base: str, which: str) -> str:
    """The path of a segment, by its name or id."""
    found = await _named(client, base, which)
    if found is None:
        raise click.ClickException(f"there is no segment {which}: see `{command('segments list')}`")
    return f"{base}/segments/{found['id']}"


async def _named(client: httpx2.AsyncClient, base: str, which: str) -> dict[str, Any] | None:
    items: list[dict[str, Any]] = (await call(client, "GET", f"{base}/segments"))["items"]
    wanted = which.casefold()
    return next((one for one in items if wanted in {one["name"].casefold(), one["id"]}), None)


async def _base(client: httpx2.AsyncClient, site: str | None) -> str:
    return f"/api/v1/sites/{(await the_site(client, site))['id']}"


def _total(found: dict[str, Any]) -> str:
    total = found.get("total") or {"count": "", "more": False}
    return f"{total['count']}{'+' if total['more'] else ''}"


@segments.command("list")
@site_option
@json_option
@click.pass_obj
def list_command(settings: Settings, site: str | None, as_json: bool) -> None:
    """All segments, with how many people are in each."""

    async def work() -> Any:
        async with connected(settings) as client:
            path = f"{await _base(client, site)}/segments"
            return await call(client, "GET", path, params={"count": "true"})

    found = run(work())
    rows = [[one["id"], one["name"], _total(one), one["sentence"]] for one in found["items"]]
    empty = f"no segments yet: `{command('segments save NAME stage=mql')}` makes one"
    show(found, as_json, tables.table(["id", "name", "people", "who"], rows, empty))


@segments.command("save")
@click.argument("name")
@click.argument("filters", metavar="FILTER…", nargs=-1)
@click.option("--rename", metavar="NEW", help="give the segment NAME this name")
@site_option
@json_option
@click.pass_obj
def save_command(
    settings: Settings,
    /,
    name: str,
    filters: tuple[str, ...],
    rename: str | None,
    site: str | None,
    as_json: bool,
) -> None:
    """Keep FILTER under NAME; if there is such a segment, it asks this from now on."""
    asked = read_filters(filters)
    if not asked and rename is None:
        raise click.UsageError("name at least one FILTER, such as stage=mql, or --rename")

    async def work() -> Any:
        async with connected(settings) as client:
            base = await _base(client, site)
            known = await _named(client, base, name)
            if known is None and rename is None:
                body = {"name": name, "filter": asked}
                return await call(client, "POST", f"{base}/segments", json=body)
            body = ({"filter": asked} if asked else {}) | ({"name": rename} if rename else {})
            return await call(client, "PATCH", await _path(client, base, name), json=body)

    found = run(work())
    show(found, as_json, _told(found))


def _told(found: dict[str, Any]) -> str:
    name, total = tables.printable(found["name"], 80), _total(found)
    return (
        f"{found['id']}  {name}  {total} {'person' if total == '1' else 'people'}\n"
        f"{tables.printable(found['sentence'], 500)}"
    )


@segments.command("show")
@click.argument("segment")
@click.option("--why", metavar="WHO", help="whether WHO (p57, e-mail) is in it, and why")
@click.option("--sort", default="-score", help="-score, -last_seen, name …")
@click.option("--limit", type=int, default=50)
@site_option
@json_option
@click.pass_obj
def show_command(
    settings: Settings,
    /,
    segment: str,
    why: str | None,
    sort: str,
    limit: int,
    site: str | None,
    as_json: bool,
) -> None:
    """Who is in SEGMENT, the hottest first."""

    async def work() -> tuple[Any, Any]:
        async with connected(settings) as client:
            base = await _base(client, site)
            path = await _path(client, base, segment)
            if why is not None:
                person = await subject_id(client, base, why)
                return None, await call(client, "GET", f"{path}/people/{person}")
            params = {"sort": sort, "limit": limit}
            found = await call(client, "GET", path)
            return found, await call(client, "GET", f"{path}/people", params=params)

    head, found = run(work())
    if head is None:
        show(found, as_json, f"{found['person']} is {tables.printable(found['because'], 500)}")
        return
    people = tables.people(found["items"]) if found["items"] else "nobody is in it"
    show(head | found, as_json, f"{_told(head)}\n\n{people}{rescoring(found)}")


@segments.command("drop")
@click.argument("segment")
@site_option
@json_option
@click.pass_obj
def drop_command(settings: Settings, segment: str, site: str | None, as_json: bool) -> None:
    """Drop SEGMENT; nobody in it changes."""

    async def work() -> None:
        async with connected(settings) as client:
            base = await _base(client, site)
            await call(client, "DELETE", await _path(client, base, segment))

    run(work())
    show({"dropped": True}, as_json, "the segment is gone")
