"""Who did what to a site: acts of administration, and decisions of the log with their authors."""

from typing import Any, NamedTuple

import msgspec

from server.model import Kind, Site
from server.reports.paging import decode, encode
from server.reports.shapes import iso
from server.storage import audit, entries
from server.storage.database import Reader

#: Entries that a page of decisions looks through at most: they lie scattered among the events.
LOOKED_THROUGH = 50_000
#: What a decision may say of itself here: nothing that a person gave.
_TOLD = ("rotated", "renamed", "destination", "did", "stage", "class", "version")


class Act(msgspec.Struct, frozen=True):
    """One line: `detail` holds ids, tags and names of settings, never a person's data; `about` is
    the person, visitor or event (`p57`, `v5`, `e9`) that was decided about."""

    id: str
    at: str
    author: str
    action: str
    detail: str
    about: tuple[str, ...] = ()


class Acts(NamedTuple):
    """A page of them, and the cursor of the next."""

    items: list[Act]
    next: str | None


async def acts(reader: Reader, site: Site, limit: int, cursor: str) -> Acts:
    """Acts of administration, the newest first. Raises `BadRequest` for a strange cursor."""
    key = decode("audit", cursor, (int,))
    before = int(key[0]) if key else 2**62
    rows = await audit.newest(reader, site.site_id, limit + 1, before)
    shown = rows[:limit]
    items = [
        Act(f"a{number}", iso(at), author, action, detail)
        for number, at, author, action, detail in shown
    ]
    more = len(rows) > limit
    return Acts(items, encode("audit", (shown[-1][0],)) if more else None)


async def decisions(reader: Reader, site: Site, limit: int, cursor: str) -> Acts:
    """Decisions of the log, the newest first. A page looks through 50,000 entries at most: it may
    be short, or empty, though there are more: `next` says whether to go on.

    Raises `BadRequest` for a strange cursor.
    """
    key = decode("decisions", cursor, (int,))
    before = int(key[0]) if key else await entries.head(reader, site.site_id) + 1
    lowest = max(0, before - LOOKED_THROUGH)
    rows = await reader.fetch(
        "SELECT seq, at, kind, data FROM entries WHERE site_id = $1 AND seq >= $2 AND seq < $3"
        " AND kind >= 64 AND kind < 128 ORDER BY seq DESC LIMIT $4",
        site.site_id,
        lowest,
        before,
        limit,
    )
    reached = rows[-1][0] if len(rows) == limit else lowest
    items = [_decision(*row) for row in rows]
    return Acts(items, encode("decisions", (reached,)) if reached > 1 else None)


def _decision(seq: int, at: int, kind: int, data: str | None) -> Act:
    said: dict[str, Any] = msgspec.json.decode(data) if data else {}
    author = said.get("author")
    settings = said.get("settings")
    told = [", ".join(settings)] if isinstance(settings, dict) else []
    told += [str(said[name])[:100] for name in _TOLD if isinstance(said.get(name), str | int)]
    told += [f"+{one}"[:100] for one in said.get("add", ()) if kind == Kind.TAG]
    told += [f"−{one}"[:100] for one in said.get("remove", ()) if kind == Kind.TAG]
    return Act(
        f"e{seq}",
        iso(at),
        author if isinstance(author, str) else "",
        Kind(kind).word,
        " ".join(told),
        _about(said),
    )


def _about(said: dict[str, Any]) -> tuple[str, ...]:
    """Whom a decision names: a person's id is the number of a claim."""
    claims = said.get("claims") or [said.get("claim")]
    found = [f"p{claim}" for claim in claims if isinstance(claim, int) and claim > 0]
    for name, letter in (("visitor", "v"), ("event", "e")):
        if isinstance(said.get(name), int):
            found.append(f"{letter}{said[name]}")
    return tuple(found)
