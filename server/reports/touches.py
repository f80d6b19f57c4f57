"""Where a person came from: first, on becoming a lead, and the last time not directly."""

from typing import Annotated, Any

from msgspec import Meta

from server.model import STAGE_RANK, Site
from server.reports.shapes import Shape, Time, iso
from server.storage.database import Reader

DIRECT = "(direct)"


class Touch(Shape, frozen=True, kw_only=True):
    """A visit by where it came from."""

    at: Time
    channel: str
    source: str
    campaign: str
    landing: str


class Touches(Shape, frozen=True, kw_only=True):
    """The visits that count as having brought somebody; `all` are the latest fifty."""

    first: Touch | None
    lead: Annotated[Touch | None, Meta(description="The visit in which they became a lead.")]
    last: Annotated[Touch | None, Meta(description="The last one that was not direct.")]
    all: list[Touch]


MOST = 50


async def touches(reader: Reader, site: Site, person_id: int) -> Touches:
    """Of the sessions that are the person's; a form without a visit is none."""
    moved = await reader.fetch(
        "SELECT min(at) FROM stages WHERE site_id = $1 AND gen = $2 AND person_id = $3"
        " AND +stage_to >= $4",
        site.site_id,
        site.generation,
        person_id,
        STAGE_RANK["lead"],
    )
    newest = await _visits(reader, site, person_id, "DESC", MOST)
    first = await _visits(reader, site, person_id, "ASC", 1)
    lead: list[Touch] = []
    if moved and moved[0][0] is not None:
        lead = await _visits(reader, site, person_id, "DESC", 1, "start_at <= $5", moved[0][0])
    last = await _visits(
        reader, site, person_id, "DESC", 1, "source <> '' AND source <> $5", DIRECT
    )
    return Touches(first=_one(first), lead=_one(lead), last=_one(last), all=newest)


def _one(found: list[Touch]) -> Touch | None:
    return found[0] if found else None


async def _visits(
    reader: Reader, site: Site, person_id: int, order: str, count: int, only: str = "", *args: Any
) -> list[Touch]:
    """Visits by when they began; `order` and `only` are constants of ours."""
    rows = await reader.fetch(
        "SELECT start_at, channel, source, campaign, landing FROM sessions WHERE site_id = $1"
        " AND gen = $2 AND person_id = $3 AND state = 0 AND alone = 0"
        + (f" AND {only}" if only else "")
        + f" ORDER BY start_at {order}, session_id {order} LIMIT $4",
        site.site_id,
        site.generation,
        person_id,
        count,
        *args,
    )
    return [
        Touch(at=iso(row[0]), channel=row[1], source=row[2], campaign=row[3], landing=row[4])
        for row in rows
    ]
