"""`handraise demo`: fill a site with three weeks of an invented company's visitors."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import click

from server.demo.journeys import ORIGIN, journeys
from server.demo.seed import Summary, seed
from server.errors import HandraiseError


@dataclass(frozen=True)
class Connection:
    """Where to send the journeys, and as whom. `origin` is the address the pages seem to have."""

    base_url: str
    key: str
    token: str
    site_id: str
    origin: str = ORIGIN


def demo_command(connect: Callable[[], Connection]) -> click.Command:
    """The command; `connect` is called when it runs, and may raise a `ClickException`."""

    @click.command("demo")
    @click.option("--visitors", default=300, show_default=True, type=click.IntRange(1, 100_000))
    @click.option("--weeks", default=3, show_default=True, type=click.IntRange(1, 52))
    @click.option(
        "--seed", "number", default=1, show_default=True, help="another number, other journeys"
    )
    def demo(visitors: int, weeks: int, number: int) -> None:
        """Send believable journeys to the running server: visits, forms, a few robots."""
        to = connect()
        batches = list(
            journeys(
                now_ms=time.time_ns() // 1_000_000,
                key=to.key,
                origin=to.origin,
                visitors=visitors,
                weeks=weeks,
                seed=number,
            )
        )
        with click.progressbar(length=len(batches), label="sending page views") as bar:
            sending = seed(to.base_url, to.key, to.token, to.site_id, batches, bar.update)
            try:
                summary = asyncio.run(sending)
            except HandraiseError as error:
                raise click.ClickException(error.detail) from error
        click.echo(said(summary, visitors, weeks))

    return demo


def said(summary: Summary, visitors: int, weeks: int) -> str:
    """The summary in a sentence or two."""
    text = (
        f"{visitors} visitors over {weeks} week{'s' if weeks > 1 else ''}: "
        f"{summary.accepted} events stored in {summary.batches} batches"
    )
    if summary.duplicates:
        text += f", {summary.duplicates} were there already"
    for reason, count in sorted(summary.dropped.items()):
        text += f"\n  {count} refused: {reason}"
    return text
