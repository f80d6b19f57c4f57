"""The commands. Each speaks to the program as an operator; `--json` prints one line and no more."""

import asyncio
import contextlib
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click
import httpx2

from server import __version__
from server.app import Folder, make_database
from server.cli import tables
from server.cli.checks import run_checks
from server.cli.client import answers, call, connected, sentence, the_site
from server.cli.demo import Connection, demo_command
from server.cli.serving import serve, set_up_log
from server.errors import HandraiseError
from server.settings import Settings, load
from server.storage.migrate import migrate as apply_migrations


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a command's coroutine; our errors become one sentence and exit status 1."""
    try:
        if sys.platform != "win32":
            import uvloop

            return uvloop.run(work)
        return asyncio.run(work)
    except HandraiseError as error:
        raise click.ClickException(error.detail or type(error).__name__) from error


@click.group()
@click.version_option(__version__, prog_name="handraise")
@click.option("--data", help="folder of the database, the secret and the socket")
@click.pass_context
def cli(context: click.Context, data: str | None) -> None:
    """Handraise: who raised their hand on your website, and why."""
    os.umask(0o077)  # databases, backups and the secret hold people's data
    try:
        context.obj = load(data=data)
    except HandraiseError as error:
        raise click.ClickException(error.detail) from error


def _print(value: Any, as_json: bool, table: str) -> None:
    click.echo(json.dumps(value, ensure_ascii=False) if as_json else table)


json_option = click.option("--json", "as_json", is_flag=True, help="one line of JSON")
site_option = click.option("--site", help="id or name; not needed where there is one site")


@cli.command("serve")
@click.option("--host", help="address to listen on")
@click.option("--port", type=int, help="port to listen on; 0 picks a free one")
@click.option("--data", help="folder of the database, the secret and the socket")
@click.option("--demo", is_flag=True, help="serve the demo site beside it, on the next port")
@click.pass_obj
def serve_command(
    settings: Settings, host: str | None, port: int | None, data: str | None, demo: bool
) -> None:
    """Serve until stopped. An empty folder gets a database, a site, a token and a link."""
    try:
        settings = load(host=host, port=port, data=data or settings.data)
    except HandraiseError as error:
        raise click.ClickException(error.detail) from error
    set_up_log(settings)
    sys.exit(run(serve(settings, demo=demo)))


# ---------------------------------------------------------------- sites and tokens


@cli.group()
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
    _print(made, as_json, f"{made['name']} (id {made['id']})\n  {made['snippet']}")


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
    _print(found, as_json, tables.table(["id", "name", "key"], rows, "no site yet: site add NAME"))


@cli.group()
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
    _print({"token": made["token"]} if as_json else made, as_json, made["token"])


@cli.command()
@click.pass_obj
def link(settings: Settings) -> None:
    """Print a new one-time link that opens the pages."""

    async def work() -> Any:
        async with connected(settings) as client:
            return await call(client, "POST", "/api/v1/operator/link")

    click.echo(run(work())["link"])


# ---------------------------------------------------------------- reading


@cli.command()
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
    _print(found, as_json, tables.people(found["items"]))


@cli.command()
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
            subject = await _subject(client, base, who)
            part = "visitors" if subject.startswith("v") else "people"
            params = {"limit": limit, **({"kind": kind} if kind else {})}
            person = (
                await call(client, "GET", f"{base}/people/{subject}") if part == "people" else None
            )
            events = await call(client, "GET", f"{base}/{part}/{subject}/timeline", params=params)
            return person, events

    person, events = run(work())
    _print(events, as_json, tables.timeline(person, events["items"]))


async def _subject(client: httpx2.AsyncClient, base: str, who: str) -> str:
    """The id behind an id or an e-mail."""
    if "@" not in who:
        return who
    found = await call(client, "GET", f"{base}/people", params={"q": who.lower(), "limit": 10})
    match = [p["id"] for p in found["items"] if p["email"] == who.lower()]
    if not match:
        raise click.ClickException(f"nobody has the address {who}")
    return str(match[0])


@cli.command()
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


# ---------------------------------------------------------------- care


@cli.command()
@click.pass_obj
def migrate(settings: Settings) -> None:
    """Bring the database to this program's schema (serve does it too)."""

    async def work() -> list[str]:
        folder = Folder(settings.data)
        database = make_database(settings, folder)
        folder.lock()
        try:
            await database.open()
            return await apply_migrations(database)
        finally:
            await database.close()
            folder.unlock()

    names = run(work())
    click.echo("\n".join(f"applied {name}" for name in names) or "nothing to do")


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def backup(settings: Settings, file: Path) -> None:
    """Write a consistent copy to FILE, also while the server runs."""
    if file.exists():
        raise click.ClickException(f"{file} exists; name a new file")
    folder = Folder(settings.data)
    if not settings.database and not folder.database.exists():
        raise click.ClickException(f"there is no database in {folder.path}")
    run(make_database(settings, folder).backup(str(file)))
    click.echo(f"wrote {file} ({file.stat().st_size / 1e6:.1f} MB)")


@cli.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@click.pass_obj
def restore(settings: Settings, file: Path) -> None:
    """Put a backup in place of the database; the server must be stopped."""
    folder = Folder(settings.data)
    try:
        folder.lock()
    except HandraiseError as error:
        raise click.ClickException(error.detail) from error
    try:
        if folder.database.exists() and file.samefile(folder.database):
            raise click.ClickException("that is the database itself")
        _check_file(file)
        fresh = folder.path / "handraise.db.restoring"
        shutil.copyfile(file, fresh)
        fresh.chmod(0o600)
        with fresh.open("rb") as handle:
            os.fsync(handle.fileno())
        moved = _set_aside(folder)
        fresh.replace(folder.database)
    finally:
        folder.unlock()
    kept = f"; the database before is kept as {moved.name}" if moved else ""
    click.echo(f"restored {file}{kept}")


def _check_file(file: Path) -> None:
    """Raises `ClickException` unless the file is a sound Handraise database."""
    try:
        connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
        try:
            verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
            connection.execute("SELECT max(version) FROM schema_versions").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise click.ClickException(f"{file} is no Handraise database: {error}") from error
    if verdict != "ok":
        raise click.ClickException(f"{file} is damaged: {verdict}")


def _set_aside(folder: Folder) -> Path | None:
    """Keep the present database under another name.

    The name stays in place until the new file takes it, so no moment is without a database; for
    that the write-ahead log must be empty. A log that cannot be emptied moves with its file.
    """
    if not folder.database.exists():
        return None
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(folder.database)) as connection,
    ):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    number = 1
    while (kept := folder.path / f"handraise.db.before-restore-{number}").exists():
        number += 1
    log = Path(f"{folder.database}-wal")
    if not log.exists() or log.stat().st_size == 0:
        os.link(folder.database, kept)
        for suffix in ("-wal", "-shm"):
            Path(f"{folder.database}{suffix}").unlink(missing_ok=True)
        return kept
    for suffix in ("-wal", "-shm", ""):
        part = Path(f"{folder.database}{suffix}")
        if part.exists():
            part.rename(f"{kept}{suffix}")
    return kept


@cli.command()
@json_option
@click.pass_obj
def doctor(settings: Settings, as_json: bool) -> None:
    """Check the installation and say what to do; exits 1 if something is wrong."""
    found = run(run_checks(settings))
    _print(
        [check._asdict() for check in found],
        as_json,
        "\n".join(f"{check.mark} {check.name}: {check.detail}" for check in found),
    )
    if any(check.mark == "✗" for check in found):
        raise click.exceptions.Exit(1)


def connect_demo() -> Connection:
    """The running server's site to fill: `Demo` if there is one, else the only one."""
    settings: Settings = click.get_current_context().obj
    if not answers(Folder(settings.data).socket):
        raise click.ClickException("no server runs on this folder: start it with `make run`")

    async def work() -> Connection:
        async with connected(settings) as client:
            every = (await call(client, "GET", "/api/v1/sites"))["items"]
            wanted = "Demo" if any(site["name"] == "Demo" for site in every) else None
            found = await the_site(client, wanted)
            path = f"/api/v1/sites/{found['id']}/tokens"
            body = {"scope": "write", "name": "handraise demo"}
            token = (await call(client, "POST", path, json=body))["token"]
            base_url = found["snippet"].split('src="')[1].split("/h/")[0]
            return Connection(base_url, found["key"], token, found["id"])

    connection: Connection = run(work())
    return connection


cli.add_command(demo_command(connect_demo))
