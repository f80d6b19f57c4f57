"""Persons while the projector has them in memory: identifiers, traits, sessions, standing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from server.ingest.emails import company_domain, domain_class
from server.model import Identifier, Kind, Level
from server.project.claims import Claim
from server.project.registry import Settled, Trait
from server.project.rollups import change, person_cells
from server.project.rulings import Owned, Ruling, State
from server.project.scoring import Receipt
from server.project.sessions import Session, Zone
from server.project.signals import Hit, SessionHits
from server.project.stages import Standing
from server.project.standing import (
    Moved,
    Told,
    moves_of,
    reached,
    standing_of,
    told,
    traits_told,
    with_move,
)
from server.storage import derived
from server.storage import people as rows
from server.storage.database import Reader, Row
from server.storage.derived import Changes
from server.storage.people import Known, SessionRow


class Part(msgspec.Struct, frozen=True):
    """What one session brings to its subject."""

    row: SessionRow
    hits: SessionHits


def part_of(session: Session) -> Part:
    """A session in memory as a part."""
    row = SessionRow(
        session.session_id,
        session.visitor_id,
        session.start_at,
        session.end_at,
        session.page_views,
        session.leads,
        session.landing,
        session.source,
        session.medium,
        session.campaign,
        session.channel,
        session.country,
        session.company,
        session.device,
        session.browser,
        session.os,
        int(session.alone),
    )
    hits = SessionHits(
        session.session_id,
        session.session_id,
        session.start_at,
        session.end_at,
        tuple(session.hits),
        session.signals.pending(),
        visit=session.visitor_id > 0,
    )
    return Part(row, hits)


class Person:
    """One person. `parts` are all sessions owned and not in quarantine, on whatever visitor."""

    def __init__(self, person_id: int, level: int = 1, created_at: int = 0) -> None:
        self.person_id = person_id
        self.level = level
        self.created_at = created_at
        self.owner = ""
        self.do_not_contact = 0
        self.tags: tuple[str, ...] = ()
        self.standing = Standing()
        self.moves: list[Moved] = []
        self.told_moves: list[Moved] = []  # what the tables hold of them
        self.told_first: SessionRow | None = None  # the first session when they were written
        self.traits: dict[str, Trait] = {}
        self.identifiers: dict[Identifier, int] = {}
        self.parts: dict[int, Part] = {}
        self.receipt: Receipt | None = None  # of this fold, while nothing has changed since
        self.told_words: frozenset[str] | None = (
            None  # as the tables have them; None: nobody has read them
        )

    def value(self, name: str) -> str:
        trait = self.traits.get(name)
        return str(trait.value) if trait is not None else ""

    @property
    def email(self) -> str:
        """The strongest address, the first one where they are equally strong."""
        known = [(level, i.value) for i, level in self.identifiers.items() if i.type == "email"]
        return max(known, key=lambda one: one[0])[1] if known else ""  # the first of equals

    def facts(self) -> Mapping[str, Any]:
        """Traits as rules ask for them."""
        email = self.email
        known = {name: trait.value for name, trait in self.traits.items()}
        return known | {
            "email": email,
            "email_class": domain_class(email) if email else "",
            "title": self.value("title"),
            "company": self.value("company"),
        }

    def learn(self, name: str, trait: Trait) -> bool:
        """Take a value if its evidence outweighs what is known."""
        known = self.traits.get(name)
        if known is not None and known.weight >= trait.weight:
            return False
        self.traits[name] = trait
        return True

    def hear(self, one: Told) -> None:
        """Take one decision or consequence, the next in the log."""
        self.standing = told(self.standing, one)
        self.moves = with_move(self.moves, one)
        self._hear_more(one)

    def hear_all(self, entries: Sequence[Told], bases: Mapping[int, int]) -> None:
        """Everything the log says, read again: after a merge, a split or a retraction."""
        self.standing = standing_of(entries, bases)
        self.moves = moves_of(entries)
        self.owner, self.do_not_contact, self.tags = "", 0, ()
        for one in sorted(entries, key=lambda each: each.seq):
            self._hear_more(one)

    def _hear_more(self, one: Told) -> None:
        if one.kind is Kind.OWNER:
            self.owner = one.said.owner
        elif one.kind is Kind.DO_NOT_CONTACT:
            self.do_not_contact = int(one.said.on)
        elif one.kind is Kind.TAG:
            kept = (set(self.tags) | set(one.said.add)) - set(one.said.remove)
            self.tags = tuple(sorted(kept))

    def write(self, changes: Changes) -> None:
        """The person's own row, the words to find it by, and its moves."""
        email, name = self.email, self.value("name")
        domain = company_domain(email) if email else ""
        changes.put(
            derived.PERSONS,
            (
                self.person_id,
                email,
                name,
                self.value("company") or domain,
                domain,
                self.level,
                self.created_at,
                self.owner,
                self.do_not_contact,
                "\n".join(self.tags),
                msgspec.json.encode(self.standing).decode(),
            ),
        )
        self._write_words(changes)

    def words(self) -> frozenset[str]:
        """The lower-cased words a person is found by, as prefixes."""
        email = self.email
        domain = company_domain(email) if email else ""
        found = (email, domain, *self.value("name").lower().split())
        return frozenset(word[:200] for word in found if word)

    def _write_words(self, changes: Changes) -> None:
        words = self.words()
        if words == self.told_words:
            return
        if self.told_words is None:  # somebody new, or a number that was somebody's before
            changes.drop(derived.PERSON_WORDS, "person_id = $3", self.person_id)
        for word in (self.told_words or frozenset()) - words:
            changes.remove(derived.PERSON_WORDS, (word, self.person_id))
        for word in words - (self.told_words or frozenset()):
            changes.put(derived.PERSON_WORDS, (word, self.person_id))
        self.told_words = words

    @property
    def first(self) -> SessionRow | None:
        """The earliest session: what brought this person."""
        rows = (part.row for part in self.parts.values())
        return min(rows, key=lambda row: (row.start_at, row.session_id), default=None)

    def write_moves(self, changes: Changes, zone: Zone) -> None:
        """The stages, and what daily figures count of them and of the way there."""
        first = self.first
        if self.moves == self.told_moves and first == self.told_first:
            return
        rows = [
            {row[:3]: row for row in _stage_rows(self.person_id, moves)}
            for moves in (self.told_moves, self.moves)
        ]
        changes.replace(derived.STAGES, *rows)
        before, now = reached(self.told_moves), reached(self.moves)
        told = person_cells(before, self.told_first, zone.day)
        changes.rollups.update(change(told, person_cells(now, first, zone.day)))
        changes.unpacked.update(zone.day(at) for at in (*before.values(), *now.values()))
        self.told_moves, self.told_first = list(self.moves), first

    def erase(self, changes: Changes, zone: Zone) -> None:
        """No rows of a person who is nobody any more."""
        self.moves = []
        self.write_moves(changes, zone)
        changes.remove(derived.PERSONS, (self.person_id,))
        changes.drop(derived.PERSON_WORDS, "person_id = $3", self.person_id)


def _stage_rows(person_id: int, moves: Sequence[Moved]) -> Iterator[Row]:
    for move in moves:
        yield (person_id, move.seq, move.stage_to, move.stage_from, move.at, move.cause)


class Population:
    """Everybody a projection result touches. Implements `visitor.People`."""

    def __init__(self) -> None:
        self.persons: dict[int, Person] = {}
        self.rulings: dict[int, Ruling] = {}  # by claim
        self.dirty: set[int] = set()

    def ruling(self, claim: Claim) -> Ruling:
        """What identity made of a claim; one that nobody settled gives nothing."""
        return self.rulings.get(claim.seq, NOBODY)

    async def load(self, reader: Reader, site_id: int, gen: int, person_ids: set[int]) -> None:
        """Persons not in memory yet."""
        missing = sorted(person_ids - self.persons.keys() - {0})
        if missing:
            known = await rows.known(reader, site_id, gen, missing)
            mine = [SessionRow._make(row[3:]) for row in known.sessions if not row[1]]
            parts = await read_parts(reader, site_id, gen, mine)
            self.persons.update((one.person_id, one) for one in persons_of(known, parts))

    def settle(self, settled: Settled) -> None:
        """Names, traits and standing of everybody whom new claims and decisions concern."""
        identity = settled.identity
        self.rulings.update(identity.rulings)
        for person_id in settled.after - self.persons.keys():
            self.persons[person_id] = Person(person_id)
        mine = {person_id: ([], [], []) for person_id in settled.after}  # type: dict[int, _Facts]
        for identifier, owned in identity.owners.items():
            if owned.person_id in mine:
                mine[owned.person_id][0].append((identifier, owned))
        for seq, ruling in identity.rulings.items():
            if ruling.person_id in mine:
                mine[ruling.person_id][1].append((settled.claims[seq], ruling))
        for one in settled.said:
            ruling_ = identity.rulings.get(one.claim)
            if ruling_ is not None and ruling_.person_id in mine:
                mine[ruling_.person_id][2].append(one)
        for person_id, facts in mine.items():
            _tell(self.persons[person_id], facts, identity.bases)
            self.dirty.add(person_id)


_OF_THEM = ("stages", "identifiers", "traits", "sessions")
_standing = msgspec.json.Decoder(Standing)
NOBODY = Ruling(0, State.VOID, Level.CLAIMED)
_Facts = tuple[list[tuple[Identifier, Owned]], list[tuple[Claim, Ruling]], list[Told]]


def _tell(person: Person, facts: _Facts, bases: Mapping[int, int]) -> None:
    names, claims, said = facts
    person.receipt = None
    names.sort(key=lambda one: (one[1].at, one[1].seq))
    person.identifiers = {identifier: int(owned.level) for identifier, owned in names}
    person.level = max((int(owned.level) for _, owned in names), default=1)
    counting = [claim for claim, ruling in claims if ruling.state <= State.QUARANTINED]
    person.created_at = min((claim.at for claim in counting), default=person.created_at)
    person.traits = {}
    for claim, ruling in claims:
        if ruling.state is State.ACTIVE:
            for name, value in claim.traits.items():
                if name != "email":
                    person.learn(name, Trait(value, int(claim.level), claim.at, claim.seq))
    for one, name, value in traits_told(said):
        person.learn(name, Trait(value, int(Level.DECIDED), one.at, one.seq))
    person.hear_all(said, bases)


def persons_of(known: Known, parts: Mapping[int, Part]) -> Iterator[Person]:
    """Persons from their rows, one after the other; `parts` are by session."""
    found: dict[int, Person] = {}
    for person_id, level, created_at, owner, do_not_contact, tags, standing in known.persons:
        person = found[person_id] = Person(person_id, level, created_at)
        person.owner, person.do_not_contact = owner, do_not_contact
        person.tags = tuple(tags.split("\n")) if tags else ()
        person.standing = _standing.decode(standing) if standing else Standing()
    mine = {table: [row for row in getattr(known, table) if row[0] in found] for table in _OF_THEM}
    for person_id, *move in sorted(mine["stages"], key=lambda row: (row[1], row[3])):
        found[person_id].moves.append(Moved(*move))
    for person_id, kind, value, level, *_ in sorted(mine["identifiers"], key=lambda row: row[4:]):
        found[person_id].identifiers[Identifier(kind, value)] = level
    for person_id, name, seq, value, level, at in mine["traits"]:
        found[person_id].learn(name, Trait(msgspec.json.decode(value), level, at, seq))
    for person_id, _state, _sealed, session_id, *_ in mine["sessions"]:
        if session_id in parts:
            found[person_id].parts[session_id] = parts[session_id]
    for person in found.values():
        person.told_moves, person.told_first = list(person.moves), person.first
        person.told_words = person.words()
        yield person


async def read_parts(
    reader: Reader, site_id: int, gen: int, sessions: list[SessionRow]
) -> dict[int, Part]:
    """Sessions with their signals, from the tables."""
    hits: dict[int, list[Hit]] = {}
    left: dict[int, list[Hit]] = {}
    ids = [session.session_id for session in sessions]
    for session_id, rule, seq, key, at, pending in await rows.signals(reader, site_id, gen, ids):
        (left if pending else hits).setdefault(session_id, []).append(Hit(rule, seq, at, key))
    return {
        s.session_id: part_with(s, hits.get(s.session_id, ()), left.get(s.session_id, ()))
        for s in sessions
    }


def part_with(row: SessionRow, hits: Iterable[Hit], left: Iterable[Hit]) -> Part:
    """A session from its row and its signals: those that count, and those that wait."""
    session_id, is_visit = row.session_id, row.visitor_id > 0
    said = SessionHits(
        session_id,
        session_id,
        row.start_at,
        row.end_at,
        tuple(hits),
        tuple(left),
        visit=is_visit,
    )
    return Part(row, said)
