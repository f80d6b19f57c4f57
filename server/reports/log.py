"""A site's log as lines of JSON: every entry in words, in the order in which it was stored.

Read in short snapshots, one after another: entries are only ever appended, so the whole is
consistent, and a slow client keeps no reader from others.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec

from server.ingest.payload import write_id
from server.model import Class, Consent, Door, Flag, Kind, Site
from server.reports.shapes import LogEntry, iso
from server.storage import entries
from server.storage.database import Reader, chunks, in_list, padded
from server.storage.entries import Entry

CHUNK = 500
_encoder = msgspec.json.Encoder()
Snapshots = Callable[[], AbstractAsyncContextManager[Reader]]


async def log_lines(snapshots: Snapshots, site: Site, after: int) -> AsyncIterator[bytes]:
    """The entries after a number, up to the head as it is now; a chunk of lines at a time."""
    async with snapshots() as reader:
        head = await entries.head(reader, site.site_id)
    while after < head:
        async with snapshots() as reader:
            rows = await entries.after(reader, site.site_id, after, CHUNK)
            lines = await log_entries(reader, site, [row for row in rows if row.seq <= head])
        if not rows:
            return
        after = rows[-1].seq
        yield _encoder.encode_lines(lines)


async def log_entries(reader: Reader, site: Site, rows: list[Entry]) -> list[LogEntry]:
    """Entries in words."""
    ids = {text_id for row in rows for text_id in _text_ids(row) if text_id is not None}
    texts = await entries.texts(reader, site.site_id, sorted(ids))
    keys = await _visitor_keys(reader, site, {row.visitor_id for row in rows if row.visitor_id})
    return [_line(row, texts, keys) for row in rows]


def _text_ids(row: Entry) -> tuple[int | None, ...]:
    return (
        row.url_id,
        row.title_id,
        row.referrer_id,
        row.agent_id,
        row.campaign_id,
        row.place_id,
        row.screen_id,
        row.reason_id,
    )


async def _visitor_keys(reader: Reader, site: Site, ids: set[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for part in chunks(sorted(ids)):
        rows = await reader.fetch(
            "SELECT visitor_id, key FROM visitors WHERE site_id = $1 AND visitor_id IN "
            + in_list(part, 2),
            site.site_id,
            *padded(part),
        )
        found.update({visitor_id: write_id(bytes(key)) for visitor_id, key in rows})
    return found


def _line(row: Entry, texts: dict[int, str], keys: dict[int, str]) -> LogEntry:
    if row.kind == Kind.ERASED:
        return LogEntry(seq=row.seq, event_id=write_id(bytes(row.event_id)), kind="erased")
    url, title, referrer, agent, campaign, place, screen, reason = (
        texts.get(text_id or 0, "") for text_id in _text_ids(row)
    )
    return LogEntry(
        seq=row.seq,
        event_id=write_id(bytes(row.event_id)),
        kind=Kind(row.kind).word,
        at=iso(row.at),
        received=iso(row.at + row.lag),
        visitor=f"v{row.visitor_id}" if row.visitor_id else None,
        visitor_key=keys.get(row.visitor_id or 0, ""),
        tab=row.tab,
        q=row.q,
        url=url,
        title=title,
        referrer=referrer,
        agent=agent,
        campaign=_json(campaign),
        place=_json(place),
        screen=_json(screen),
        page_view=write_id(bytes(row.page_view)) if row.page_view else "",
        class_=Class(row.class_).name.lower(),
        reason=reason,
        door=Door(row.door).name.lower(),
        consent=Consent(row.consent).name.lower(),
        flags=[flag.name.lower() for flag in Flag(row.flags) if flag.name],
        data=_json(row.data),
    )


def _json(text: str | None) -> Any:
    return msgspec.Raw(text) if text else None
