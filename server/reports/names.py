"""What people are called, for lists that know no more of them than a number."""

from collections.abc import Sequence

from server.model import Site
from server.storage.database import Reader, chunks, in_list, padded


async def names(reader: Reader, site: Site, person_ids: Sequence[int]) -> dict[int, str]:
    """Name or e-mail by person; who is a person no more, or merged into another, is absent."""
    found: dict[int, str] = {}
    for part in chunks(person_ids):
        rows = await reader.fetch(
            "SELECT person_id, name, email FROM persons WHERE site_id = $1 AND gen = $2"
            " AND person_id IN " + in_list(part, 3),
            site.site_id,
            site.generation,
            *padded(part),
        )
        found.update({row[0]: row[1] or row[2] or f"Person {row[0]}" for row in rows})
    return found
