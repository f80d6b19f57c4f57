"""A person as of a moment: today's links and rules, and nothing that happened later.

Today's rules are those the person is scored by: until a ruleset that was just published has reached
them, their sessions say what the one before it asks. What was decided at that moment stands in the
log's consequences; this answers what today's rules say of it.
"""

from typing import Any, NamedTuple

import msgspec
from msgspec import structs

from server.model import DAY_MS, STAGES, Identifier, Kind, Level, Site
from server.project.counting import as_of
from server.project.people import Part, Person, read_parts
from server.project.registry import Trait
from server.project.rules import Ruleset, decode
from server.project.scoring import Receipt, score, signals_of
from server.project.standing import Told
from server.project.subjects import ordered
from server.reports.consequences import told
from server.reports.people import identifiers_of, links_of, person, trait_sources
from server.reports.receipts import receipt_lines
from server.reports.shapes import PersonDetail, iso, points
from server.storage import people as rows
from server.storage import rulesets
from server.storage.database import Reader

_LAST_SEQ = 2**63 - 1


async def person_at(
    reader: Reader, site: Site, person_id: int, ruleset: Ruleset, at: int
) -> PersonDetail:
    """The person at `at` (ms). `ruleset` is the published one. Raises `NotFound`."""
    today = await person(reader, site, person_id)
    ruleset = await ruleset_of(reader, site, today, ruleset)
    past = await history_of(reader, site, person_id)
    known = past.at(at)
    parts = [part for part in ordered(known.parts.values()) if part.row.start_at <= at]
    receipt = past.receipt(ruleset, at)
    identifiers = await identifiers_of(reader, site, person_id)
    links = await links_of(reader, site, person_id)
    first = next((part.row for part in parts if part.row.channel), None)
    return structs.replace(
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


async def ruleset_of(
    reader: Reader, site: Site, today: PersonDetail, published: Ruleset
) -> Ruleset:
    """The rules that a person is scored by now."""
    if today.ruleset == published.version:
        return published
    found = await rulesets.documents(reader, site.site_id, [today.ruleset])
    document = found.get(today.ruleset)
    if document is None:
        return published
    return structs.replace(decode(document), version=today.ruleset)


class Past(NamedTuple):
    """All that is known of a person, each thing with when it was said: read once, asked often."""

    person_id: int
    identifiers: list[tuple[Any, ...]]
    traits: list[tuple[Any, ...]]
    decided: list[Told]
    parts: dict[int, Part]

    def at(self, at: int) -> Person:
        """Identifiers, traits and decisions given until then (ms), and all sessions."""
        known = Person(self.person_id, 1, at)
        for kind, value, level, given, _ in self.identifiers:
            if given <= at:
                known.identifiers[Identifier(kind, value)] = level
        for name, seq, value, _, level, given in self.traits:
            if given <= at:
                known.learn(name, Trait(msgspec.json.decode(value), level, given, seq))
        known.hear_all([one for one in self.decided if one.at <= at], {})
        known.parts = self.parts
        return known

    def receipt(self, ruleset: Ruleset, at: int) -> Receipt:
        """The score at a moment (ms), by these rules, of what had happened until then."""
        parts = [part for part in ordered(self.parts.values()) if part.row.start_at <= at]
        sessions = as_of([part.hits for part in parts], at, _LAST_SEQ)
        return score(ruleset, sessions, self.at(at).facts(), at // DAY_MS)


async def history_of(reader: Reader, site: Site, person_id: int) -> Past:
    """Everything of a person that has a date."""
    site_id, gen = site.site_id, site.generation
    sessions = await rows.person_sessions(reader, site_id, gen, person_id)
    return Past(
        person_id,
        await rows.identifiers_of(reader, site_id, gen, person_id),
        await rows.traits(reader, site_id, gen, person_id),
        await told(reader, site, person_id, [Kind.OWNER, Kind.DO_NOT_CONTACT, Kind.TAG]),
        await read_parts(reader, site_id, gen, sessions),
    )


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
