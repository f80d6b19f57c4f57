"""What people are called, for lists that know no more of them than a number."""

from collections.abc import Sequence

from server.model import Site
from server.storage import identities
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


#: The identifier that people know each other by comes first.
_KNOWN_BY = ("email", "phone", "user_id")


async def given(reader: Reader, site: Site, claims: Sequence[int]) -> dict[int, str]:
    """What each claim itself gave, the e-mail first: it tells two apart that are one by now."""
    rows = await identities.claims_at(reader, site.site_id, site.generation, claims)
    found: dict[int, tuple[int, str]] = {}
    for seq, kind, value, *_ in rows:
        rank = _KNOWN_BY.index(kind) if kind in _KNOWN_BY else len(_KNOWN_BY)
        found[seq] = min(found.get(seq, (rank, value)), (rank, value))
    return {seq: value for seq, (_, value) in found.items()}


async def owners(reader: Reader, site: Site, claims: Sequence[int]) -> dict[int, int]:
    """The person each claim belongs to now; absent where it is nobody's."""
    rows = await identities.claims_at(reader, site.site_id, site.generation, claims)
    return {row[0]: row[7] for row in rows if row[7]}


async def claims_in(reader: Reader, site: Site, visitors: Sequence[int]) -> dict[int, int]:
    """The newest claim made in each browser, also where it counts for nobody."""
    found: dict[int, int] = {}
    for part in chunks(visitors):
        rows = await reader.fetch(
            "SELECT e.visitor_id, max(c.seq) FROM session_events e CROSS JOIN claims c"
            " WHERE e.site_id = $1 AND e.gen = $2 AND c.site_id = $1 AND c.gen = $2"
            " AND c.seq = e.seq AND e.visitor_id IN " + in_list(part, 3) + " GROUP BY e.visitor_id",
            site.site_id,
            site.generation,
            *padded(part),
        )
        found.update({row[0]: row[1] for row in rows})
    return found
