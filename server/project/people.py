"""Persons while the projector has them in memory: identifiers, traits, sessions, standing."""

from collections.abc import Mapping
from typing import Any

import msgspec

from server.ingest.emails import company_domain, domain_class
from server.model import Identifier
from server.project.claims import Claim
from server.project.scoring import Receipt
from server.project.sessions import Session
from server.project.signals import Hit, SessionHits
from server.project.stages import Standing
from server.storage import derived
from server.storage import people as rows
from server.storage.database import Reader, Row
from server.storage.derived import Changes
from server.storage.people import SessionRow


class Trait(msgspec.Struct, frozen=True, gc=False):
    """One value with where it came from."""

    value: Any
    level: int
    at: int
    seq: int

    @property
    def weight(self) -> tuple[int, int, int]:
        """Stronger evidence wins, then the newer value: unsigned values never overwrite others."""
        return (self.level, self.at, self.seq)


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
    """One person. `parts` are all sessions owned, on whatever visitor."""

    def __init__(self, person_id: int, level: int, created_at: int) -> None:
        self.person_id = person_id
        self.level = level
        self.created_at = created_at
        self.merged_into = 0
        self.owner = 0
        self.do_not_contact = 0
        self.standing = Standing()
        self.traits: dict[str, Trait] = {}
        self.identifiers: dict[Identifier, int] = {}
        self.parts: dict[int, Part] = {}
        self.receipt: Receipt | None = None  # of this fold, while nothing has changed since

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

    def write(self, changes: Changes) -> None:
        """The person's own row, and the words to find it by."""
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
                self.merged_into,
                self.owner,
                self.do_not_contact,
                msgspec.json.encode(self.standing).decode(),
            ),
        )
        changes.drop(derived.PERSON_WORDS, "person_id = $3", self.person_id)
        for word in words(email, name, domain):
            changes.put(derived.PERSON_WORDS, (word, self.person_id))


def words(email: str, name: str, domain: str) -> set[str]:
    """The lower-cased words a person is found by, as prefixes."""
    return {word[:200] for word in (email, domain, *name.lower().split()) if word}


class Population:
    """Everybody a projection result touches. Implements `visitor.People`."""

    def __init__(self, changes: Changes) -> None:
        self.changes = changes
        self.persons: dict[int, Person] = {}
        self.owners: dict[Identifier, tuple[int, int]] = {}  # → person, level
        self.held: dict[int, int] = {}  # claims by seq → the person they were given to
        self.dirty: set[int] = set()
        self.creating = True  # off while a visitor is only read again

    def resolve(self, claim: Claim) -> int:
        """A claim stays with whom it was given to; read again, it is not decided again."""
        held = self.held.get(claim.seq)
        if held in self.persons:
            if self.creating:
                self._learn(claim, held)
            return held
        person_id = self._resolve(claim)
        self.held[claim.seq] = person_id
        return person_id

    def _resolve(self, claim: Claim) -> int:
        known = [(i, *self.owners[i]) for i in claim.ids if i in self.owners]
        if not known:
            return self._create(claim) if self.creating else 0
        # Two known persons in one event are never joined: the stronger identifier keeps it.
        _, person_id, _ = max(known, key=lambda found: found[2])
        if self.creating:
            self._refuse_others(claim, person_id, {p for _, p, _ in known if p != person_id})
            self._learn(claim, person_id)
        return person_id

    def _create(self, claim: Claim) -> int:
        person = Person(claim.seq, int(claim.level), claim.at)
        self.persons[person.person_id] = person
        self._learn(claim, person.person_id)
        return person.person_id

    def _learn(self, claim: Claim, person_id: int) -> None:
        person = self.persons[person_id]
        person.receipt = None
        level = int(claim.level)
        person.level = max(person.level, level)
        for identifier in claim.ids:
            owner, known = self.owners.get(identifier, (person_id, 0))
            if owner != person_id or known >= level:
                continue
            self.owners[identifier] = (person_id, level)
            person.identifiers[identifier] = level
            self.changes.put(
                derived.IDENTIFIERS,
                (identifier.type, identifier.value, person_id, level, claim.at, claim.seq),
            )
        for name, value in claim.traits.items():
            if name != "email":
                person.learn(name, Trait(value, level, claim.at, claim.seq))
                self.changes.put(
                    derived.TRAITS,
                    (
                        person_id,
                        name[:200],
                        claim.seq,
                        msgspec.json.encode(value).decode(),
                        type(value).__name__,
                        level,
                        claim.at,
                    ),
                )
        self.dirty.add(person_id)

    def _refuse_others(self, claim: Claim, person_id: int, others: set[int]) -> None:
        for other in sorted(others):
            evidence = msgspec.json.encode({"ids": [[i.type, i.value] for i in claim.ids]})
            self.changes.put(
                derived.CONFLICTS,
                (claim.seq, "two_persons", other, person_id, 0, claim.at, evidence.decode()),
            )

    # ------------------------------------------------------------ reading back

    async def load_identifiers(
        self, reader: Reader, site_id: int, gen: int, claims: list[Claim]
    ) -> None:
        """Who owns the identifiers of these claims, with those persons."""
        wanted = {i for claim in claims for i in claim.ids} - self.owners.keys()
        values = sorted({i.value for i in wanted})
        if values:
            for kind, value, person_id, level, _at, _seq in await rows.identifiers(
                reader, site_id, gen, values
            ):
                if Identifier(kind, value) in wanted:
                    self.owners[Identifier(kind, value)] = (person_id, level)
        await self.load(
            reader, site_id, gen, {self.owners[i][0] for i in wanted & self.owners.keys()}
        )

    async def load(self, reader: Reader, site_id: int, gen: int, person_ids: set[int]) -> None:
        """Persons not in memory yet."""
        for person_id in sorted(person_ids - self.persons.keys() - {0}):
            row = await rows.person(reader, site_id, gen, person_id)
            if row is not None:
                self.persons[person_id] = await _read_person(reader, site_id, gen, person_id, row)


async def _read_person(reader: Reader, site_id: int, gen: int, person_id: int, row: Row) -> Person:
    person = Person(person_id, row[4], row[5])
    person.merged_into, person.owner, person.do_not_contact = row[6], row[7], row[8]
    person.standing = msgspec.json.decode(row[9], type=Standing) if row[9] else Standing()
    for kind, value, level, _at, _seq in await rows.identifiers_of(reader, site_id, gen, person_id):
        person.identifiers[Identifier(kind, value)] = level
    for name, seq, value, _type, level, at in await rows.traits(reader, site_id, gen, person_id):
        person.learn(name, Trait(msgspec.json.decode(value), level, at, seq))
    sessions = await rows.person_sessions(reader, site_id, gen, person_id)
    person.parts = await read_parts(reader, site_id, gen, sessions)
    return person


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
        s.session_id: Part(
            s,
            SessionHits(
                s.session_id,
                s.session_id,
                s.start_at,
                s.end_at,
                tuple(hits.get(s.session_id, ())),
                tuple(left.get(s.session_id, ())),
                visit=s.visitor_id > 0,
            ),
        )
        for s in sessions
    }
