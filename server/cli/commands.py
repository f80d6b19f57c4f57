"""The command line: the group, `serve`, and every other command from the modules beside.

Each speaks to the program as an operator; `--json` prints one line and no more.
"""

import os
import sys

import click

from server import __version__
from server.app import Folder
from server.cli import (
    care,
    decisions,
    destinations,
    erase,
    forms,
    reading,
    replays,
    rules,
    segments,
    sites,
    users,
)
from server.cli.client import answers, call, connected, the_site
from server.cli.console import run
from server.cli.demo import Connection, demo_command
from server.cli.serving import serve, set_up_log
from server.errors import HandraiseError
from server.settings import Settings, load


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


for command in (
    *(sites.site, sites.token, sites.link, users.users),
    *(reading.people, reading.timeline, reading.export, reading.delivery),
    *(care.migrate, care.backup, care.restore, care.doctor),
    *(replays.rebuild, replays.verify),
    *decisions.COMMANDS,
    *(rules.rules, segments.segments, forms.forms),
    *(erase.erase, erase.export_person),
    destinations.destination,
    demo_command(connect_demo),
):
    cli.add_command(command)
