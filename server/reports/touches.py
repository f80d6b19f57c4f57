"""Where a person came from: first, on becoming a lead, and the last time not directly."""

from typing import Annotated

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
    rows = await reader.fetch(
        "SELECT start_at, channel, source, campaign, landing FROM sessions WHERE site_id = $1"
        " AND gen = $2 AND person_id = $3 AND state = 0 AND alone = 0"
        " ORDER BY start_at, session_id",
        site.site_id,
        site.generation,
        person_id,
    )
    moved = await reader.fetch(
        "SELECT min(at) FROM stages WHERE site_id = $1 AND gen = $2 AND person_id = $3"
        " AND +stage_to >= $4",
        site.site_id,
        site.generation,
        person_id,
        STAGE_RANK["lead"],
    )
    lead_at = moved[0][0] if moved and moved[0][0] is not None else -1
    found = [
        Touch(at=iso(row[0]), channel=row[1], source=row[2], campaign=row[3], landing=row[4])
        for row in rows
    ]
    before = sum(1 for row in rows if row[0] <= lead_at)
    chosen = [one for one in found if one.source not in {"", DIRECT}]
    return Touches(
        first=found[0] if found else None,
        lead=found[before - 1] if before else None,
        last=chosen[-1] if chosen else None,
        all=found[: -MOST - 1 : -1],
    )
