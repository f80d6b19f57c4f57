"""How well events arrive: what got lost on the way, came late, or came twice.

Every event of a tab has a number, counted on from page to page (widget item 44). What got lost
shows as a gap between two that arrived; what was lost after a tab's last event shows nowhere, and
neither does a tab of which nothing arrived. A gap is put down to the page before it.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Annotated, NamedTuple

from msgspec import Meta

from server.ingest.agents import Agents
from server.ingest.urls import page_key
from server.model import Site
from server.reports.shapes import Shape, Time, iso
from server.storage import entries
from server.storage.database import Reader

#: The newest entries are looked through, so many at one time.
LOOKED_THROUGH, STEP = 100_000, 5_000
#: Ms from when an event happened to when it came; a page that waits for nothing needs a second.
LATE_MS = 60_000
#: Numbers left out at one place, at most: who jumps further has counted for itself.
LONGEST_GAP = 1_000
MOST_PAGES = 50


class Numbered(NamedTuple):
    """An event as it is counted here: whose tab it is of, and its number there."""

    visitor_id: int
    tab: int
    q: int
    lag: int
    page: str
    browser: str
    again: int


class DeliveryRow(Shape, frozen=True, kw_only=True):
    """Events of one browser, or of one page that came; `missing` are those that never did."""

    name: Annotated[str, Meta(description="A browser or a page; empty where it is unknown.")]
    events: int
    missing: int
    late: int
    duplicates: int


class Delivery(Shape, frozen=True, kw_only=True):
    """How the newest 100,000 entries arrived, those of browsers that number their events. `late`
    came more than a minute after they happened. `duplicates` is how often one of them came again,
    and was stored once."""

    since: Annotated[Time | None, Meta(description="When the first of these events came.")]
    tabs: int
    events: int
    missing: int
    late: int
    duplicates: int
    browsers: Annotated[list[DeliveryRow], Meta(description="Most lost first.")]
    pages: Annotated[list[DeliveryRow], Meta(description="Most lost first, 50 at most.")]


async def delivery(reader: Reader, site: Site, agents: Agents) -> Delivery:
    """How well events of a site arrive."""
    found: list[Numbered] = []
    since: int | None = None
    head = await entries.head(reader, site.site_id)
    for start in range(max(0, head - LOOKED_THROUGH), head, STEP):
        rows = await entries.numbered(reader, site.site_id, start, min(start + STEP, head))
        if rows and since is None:
            since = rows[0].at + rows[0].lag
        ids = {i for row in rows for i in (row.url_id, row.agent_id) if i is not None}
        texts = await entries.texts(reader, site.site_id, sorted(ids))
        # In a thread: events are taken meanwhile.
        found += await asyncio.to_thread(_told, site, rows, texts, agents)
    return await asyncio.to_thread(counted, found, since)


def _told(
    site: Site, rows: Sequence[entries.Numbered], texts: dict[int, str], agents: Agents
) -> list[Numbered]:
    """The same with words for interned ids."""
    pages = {
        row.url_id: page_key(texts[row.url_id], site.settings.page_key)
        for row in rows
        if row.url_id is not None and row.url_id in texts
    }
    browsers = {
        row.agent_id: agents.read(texts[row.agent_id]).browser
        for row in rows
        if row.agent_id is not None and row.agent_id in texts
    }
    return [
        Numbered(
            row.visitor_id or 0,
            row.tab,
            row.q,
            row.lag,
            pages.get(row.url_id or 0, ""),
            browsers.get(row.agent_id or 0, ""),
            row.again,
        )
        for row in rows
    ]


def counted(found: Iterable[Numbered], since: int | None) -> Delivery:
    """The figures of some events, in whatever order they came."""
    tabs: dict[tuple[int, int], dict[int, Numbered]] = {}
    events, missing, late, again = (Counter[tuple[str, str]]() for _ in range(4))
    for one in found:
        tabs.setdefault((one.visitor_id, one.tab), {})[one.q] = one
        for part in parts_of(one):
            events[part] += 1
            late[part] += one.lag > LATE_MS
            again[part] += one.again
    for numbers in tabs.values():
        for before, gap in gaps(numbers):
            for part in parts_of(numbers[before]):
                missing[part] += gap

    def rows(kind: str) -> list[DeliveryRow]:
        mine = [
            DeliveryRow(
                name=part[1],
                events=count,
                missing=missing[part],
                late=late[part],
                duplicates=again[part],
            )
            for part, count in events.items()
            if part[0] == kind
        ]
        return sorted(mine, key=lambda row: (-row.missing, -row.late, -row.events, row.name))

    whole = ("all", "")
    return Delivery(
        since=iso(since) if since is not None else None,
        tabs=len(tabs),
        events=events[whole],
        missing=missing[whole],
        late=late[whole],
        duplicates=again[whole],
        browsers=rows("browser"),
        pages=rows("page")[:MOST_PAGES],
    )


def parts_of(one: Numbered) -> tuple[tuple[str, str], ...]:
    """What an event is counted under."""
    return ("all", ""), ("browser", one.browser), ("page", one.page)


def gaps(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """After which number how many are left out."""
    ordered = sorted(numbers)
    for before, after in pairwise(ordered):
        if 1 < after - before <= LONGEST_GAP:
            yield before, after - before - 1
