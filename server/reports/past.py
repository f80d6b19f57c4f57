"""A person as of a moment: today's links and rules, and nothing that happened later.

What was decided at that moment stands in the log's consequences; this answers what today's rules
say of it.
"""

import msgspec

from server.model import DAY_MS, STAGES, Identifier, Kind, Level, Site
from server.project.counting import as_of
from server.project.people import Part, Person, read_parts
from server.project.registry import Trait
from server.project.rules import Ruleset
from server.project.scoring import Receipt, score, signals_of
from server.project.subjects import ordered
from server.reports.consequences import told
from server.reports.people import identifiers_of, links_of, person, trait_sources
from server.reports.receipts import receipt_lines
from server.reports.shapes import PersonDetail, iso, points
from server.storage import people as rows
from server.storage.database import Reader

_LAST_SEQ = 2**63 - 1


async def person_at(
    reader: Reader, site: Site, person_id: int, ruleset: Ruleset, at: int
) -> PersonDetail:
    """The person at `at` (ms). Raises `NotFound`."""
    today = await person(reader, site, person_id)
    known = await _person(reader, site, person_id, at)
    parts = [part for part in ordered(known.parts.values()) if part.row.start_at <= at]
    receipt = _receipt(ruleset, known, parts, at)
    identifiers = await identifiers_of(reader, site, person_id)
    links = await links_of(reader, site, person_id)
    first = next((part.row for part in parts if part.row.channel), None)
    return msgspec.structs.replace(
        today,
        email=known.email,
        name=known.value("name"),
        ruleset=ruleset.version,
        level=Level(max(known.identifiers.values(), default=1)).word,
        stage=await _stage(reader, site, person_id, at),
        score=points(receipt.score),
        fit=points(receipt.fit),
        engagement=points(receipt.engagement),
        grade=receipt.grade,
        first_seen=iso(parts[0].row.start_at) if parts else None,
        last_seen=iso(min(at, max(part.row.end_at for part in parts))) if parts else None,
        sessions=len(parts),
        page_views=sum([await _page_views(reader, site, part, at) for part in parts]),
        source=first.source if first else "",
        channel=first.channel if first else "",
        signals=list(signals_of(receipt)),
        traits={name: trait.value for name, trait in sorted(known.traits.items())},
        trait_sources=await trait_sources(reader, site, person_id, at),
        identifiers=[one for one in identifiers if one.at <= iso(at)],
        links=[one for one in links if one.since <= iso(at)],
        receipt=receipt_lines(receipt.lines),
        tags=list(known.tags),
        owner=known.owner,
        do_not_contact=bool(known.do_not_contact),
        notes=[one for one in today.notes if one.at <= iso(at)],
        merges=[one for one in today.merges if one.at <= iso(at)],
    )


def _receipt(ruleset: Ruleset, known: Person, parts: list[Part], at: int) -> Receipt:
    sessions = as_of([part.hits for part in parts], at, _LAST_SEQ)
    return score(ruleset, sessions, known.facts(), at // DAY_MS)


async def _person(reader: Reader, site: Site, person_id: int, at: int) -> Person:
    """Identifiers and traits given until then, and all sessions."""
    site_id, gen = site.site_id, site.generation
    known = Person(person_id, 1, at)
    for kind, value, level, given, _ in await rows.identifiers_of(reader, site_id, gen, person_id):
        if given <= at:
            known.identifiers[Identifier(kind, value)] = level
    for name, seq, value, _, level, given in await rows.traits(reader, site_id, gen, person_id):
        if given <= at:
            known.learn(name, Trait(msgspec.json.decode(value), level, given, seq))
    decided = await told(reader, site, person_id, [Kind.OWNER, Kind.DO_NOT_CONTACT, Kind.TAG])
    known.hear_all([one for one in decided if one.at <= at], {})
    sessions = await rows.person_sessions(reader, site_id, gen, person_id)
    known.parts = await read_parts(reader, site_id, gen, sessions)
    return known


async def _page_views(reader: Reader, site: Site, part: Part, at: int) -> int:
    """Pages of a session until then; only a session that went on after it is counted again."""
    row = part.row
    if row.end_at <= at:
        return row.page_views
    found = await reader.fetch(
        "SELECT count(*) FROM session_events WHERE site_id = $1 AND gen = $2 AND visitor_id = $3"
        " AND at >= $4 AND at <= $5 AND session_id = $6 AND kind = $7",
        site.site_id,
        site.generation,
        row.visitor_id,
        row.start_at,
        at,
        row.session_id,
        int(Kind.PAGE_VIEW),
    )
    count: int = found[0][0]
    return count


async def _stage(reader: Reader, site: Site, person_id: int, at: int) -> str:
    """Where the last move until then had led."""
    found = await reader.fetch(
        "SELECT stage_to FROM stages WHERE site_id = $1 AND gen = $2 AND person_id = $3"
        " AND at <= $4 ORDER BY at DESC, seq DESC, stage_to DESC LIMIT 1",
        site.site_id,
        site.generation,
        person_id,
        at,
    )
    return STAGES[found[0][0]] if found else STAGES[0]
