"""What was decided about one person, by somebody or by the projector."""

from server.model import Site
from server.storage import entries, identities
from server.storage.database import Reader
from server.storage.entries import Entry


async def consequences_of(reader: Reader, site: Site, person_id: int) -> list[Entry]:
    """Decisions and consequences about a person, in no order; what was erased is left out."""
    said = await identities.said_of(reader, site.site_id, site.generation, person_id)
    found = await entries.by_seq(reader, site.site_id, sorted({row[1] for row in said}))
    return [entry for entry in found.values() if entry.kind]
