"""What is known of sessions as such: where they came from and on what device."""

from collections.abc import Sequence

from server.model import Site
from server.reports.shapes import Shape
from server.storage.database import Reader, chunks, in_list, padded


class VisitFacts(Shape, frozen=True, kw_only=True):
    """A session in words."""

    channel: str
    source: str
    campaign: str
    device: str
    browser: str
    os: str
    country: str


async def visit_facts(
    reader: Reader, site: Site, session_ids: Sequence[int]
) -> dict[str, VisitFacts]:
    """By session id (`s33`)."""
    found: dict[str, VisitFacts] = {}
    for part in chunks(session_ids):
        rows = await reader.fetch(
            "SELECT session_id, channel, source, campaign, device, browser, os, country"
            " FROM sessions WHERE site_id = $1 AND gen = $2 AND session_id IN " + in_list(part, 3),
            site.site_id,
            site.generation,
            *padded(part),
        )
        for session_id, channel, source, campaign, device, browser, os, country in rows:
            found[f"s{session_id}"] = VisitFacts(
                channel=channel,
                source=source,
                campaign=campaign,
                device=device,
                browser=browser,
                os=os,
                country=country,
            )
    return found
