"""What every command shares: running its work, showing what came of it, and the two options."""

import asyncio
import json
import sys
from collections.abc import Coroutine
from typing import Any

import click

from server.errors import HandraiseError


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a command's coroutine; our errors become one sentence and exit status 1."""
    try:
        if sys.platform != "win32":
            import uvloop

            return uvloop.run(work)
        return asyncio.run(work)
    except HandraiseError as error:
        raise click.ClickException(error.detail or type(error).__name__) from error


def show(value: Any, as_json: bool, table: str) -> None:
    """A value as one line of JSON, or what people read of it."""
    click.echo(json.dumps(value, ensure_ascii=False) if as_json else table)


json_option = click.option("--json", "as_json", is_flag=True, help="one line of JSON")
site_option = click.option("--site", help="id or name; not needed where there is one site")
