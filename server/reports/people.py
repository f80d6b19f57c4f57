"""One person with everything that is known and the receipt of the score; lists are beside."""

import msgspec

from server.errors import NotFound
from server.model import Kind, Level, Site
from server.reports.consequences import merges_of, notes_of, told
from server.reports.people_filters import PeopleFilter
from server.reports.people_list import COLUMNS, JOINED, ORDERS, WIDTH, people, people_count, row_of
from server.reports.receipts import receipt_of
from server.reports.shapes import (
    IdentifierRow,
    LinkRow,
    PersonDetail,
    PersonRow,
    TraitSource,
    iso,
)
from server.storage import identities
from server.storage import people as rows
from server.storage.database import Reader

__all__ = [
    "LINK_STATES",
    "ORDERS",
    "PERSON",
    "PeopleFilter",
    "identifiers_of",
    "links_of",
    "merged_into",
    "people",
    "people_count",
    "person",
    "trait_sources",
]

PERSON = 1
LINK_STATES = ("active", "quarantined", "ended")


async def merged_into(reader: Reader, site: Site, person_id: int) -> int:
    """The person this one is part of now, 0 if none. Raises `NotFound` if nobody has this id.

    A person's id is the number of a claim, so whoever has the claim now is who was meant."""
    if await rows.person(reader, site.site_id, site.generation, person_id) is not None:
        return 0
    owner = await identities.owner_of(reader, site.site_id, site.generation, person_id)
    if not owner:
        raise NotFound("no such person")
    return owner


async def person(reader: Reader, site: Site, person_id: int) -> PersonDetail:
    """A person as of now. Raises `NotFound`."""
    found = await reader.fetch(
        f"SELECT {COLUMNS}, p.created_at, s.ruleset FROM persons p CROSS JOIN subjects s"
        f" WHERE {JOINED} AND p.person_id = $3",
        site.site_id,
        site.generation,
        person_id,
    )
    if not found:
        raise NotFound("no such person")
    row = found[0]
    item = row_of(row)
    sources = await trait_sources(reader, site, person_id)
    return PersonDetail(
        **{name: getattr(item, name) for name in PersonRow.__struct_fields__},
        created_at=iso(row[WIDTH]),
        ruleset=row[WIDTH + 1],
        traits={one.name: one.value for one in sources},
        trait_sources=sources,
        identifiers=await identifiers_of(reader, site, person_id),
        links=await links_of(reader, site, person_id),
        receipt=await receipt_of(reader, site, PERSON, person_id),
        notes=await notes_of(reader, site, person_id),
        merges=await merges_of(reader, site, person_id),
    )


async def identifiers_of(reader: Reader, site: Site, person_id: int) -> list[IdentifierRow]:
    found = await rows.identifiers_of(reader, site.site_id, site.generation, person_id)
    return [
        IdentifierRow(type=kind, value=value, level=Level(level).word, at=iso(at), event=f"e{seq}")
        for kind, value, level, at, seq in found
    ]


async def links_of(reader: Reader, site: Site, person_id: int) -> list[LinkRow]:
    """Which spans of which visitors belong to the person; a claim without a browser has none."""
    found = await reader.fetch(
        "SELECT visitor_id, level, state, reason, from_at, to_at, evidence FROM links"
        " WHERE site_id = $1 AND gen = $2 AND person_id = $3 AND visitor_id > 0"
        " ORDER BY from_at, visitor_id, evidence",
        site.site_id,
        site.generation,
        person_id,
    )
    return [
        LinkRow(
            visitor=f"v{visitor_id}",
            level=Level(level).word,
            state=LINK_STATES[state],
            reason=reason,
            since=iso(from_at),
            until=iso(to_at) if to_at else None,
            evidence=f"e{evidence}",
        )
        for visitor_id, level, state, reason, from_at, to_at, evidence in found
    ]


async def trait_sources(
    reader: Reader, site: Site, person_id: int, until: int = 2**62
) -> list[TraitSource]:
    """The value of each trait that the strongest evidence gives, then the newest; nothing that was
    said after `until` (ms)."""
    found = await rows.traits(reader, site.site_id, site.generation, person_id)
    best: dict[str, tuple[tuple[int, int, int], str]] = {}
    for name, seq, value, _type, level, at in found:
        weight = (level, at, seq)
        if at <= until and (name not in best or weight > best[name][0]):
            best[name] = (weight, value)
    by_hand = any(weight[0] == Level.DECIDED for weight, _ in best.values())
    said = await told(reader, site, person_id, [Kind.TRAIT]) if by_hand else []
    authors = {one.seq: one.said.author for one in said}
    return [
        TraitSource(
            name=name,
            value=msgspec.json.decode(value),
            level=Level(level).word,
            at=iso(at),
            event=f"e{seq}",
            author=authors.get(seq, ""),
        )
        for name, ((level, at, seq), value) in sorted(best.items())
    ]
