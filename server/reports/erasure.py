"""What an erasure would take: everything of a person, or of a visitor, and what others keep.

A visitor where nobody else owns a visit or made a claim goes whole. On one that others use too only
the person's own visits go; visits of nobody stay, since nobody knows whose they were.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from server.model import Identifier, Kind, Site
from server.project.registry import read_said
from server.project.rulings import State
from server.project.visitor import FORGOTTEN
from server.reports.erasure_shapes import ErasurePreview, VisitorFate
from server.storage import identities
from server.storage.database import Reader, Row, chunks, in_list, padded

CLAIMING = frozenset({Kind.FORM_SUBMIT, Kind.IDENTIFY, Kind.FORM_CONFIRM, Kind.EMAIL_CLICK})
FOREVER = 2**62
Named = tuple[str, str]  # type and value of an identifier


class Until(NamedTuple):
    """What was stored up to entry `seq`, or happened up to `at` (ms): later comes a new person."""

    seq: int = FOREVER
    at: int = 0

    def covers(self, seq: int, at: int) -> bool:
        return seq <= self.seq or at <= self.at


@dataclass
class Cover:
    """What goes. `claims` and `events` are numbers of entries, `said` those of decisions and
    consequences. `kept` are claims whose stub still says that somebody else was there."""

    whole: set[int] = field(default_factory=set)  # visitors
    shared: set[int] = field(default_factory=set)
    claims: set[int] = field(default_factory=set)
    kept: set[int] = field(default_factory=set)
    events: set[int] = field(default_factory=set)
    said: set[int] = field(default_factory=set)
    sessions: dict[int, int] = field(default_factory=dict)  # to their visitors
    identifiers: set[Named] = field(default_factory=set)
    reworded: set[int] = field(default_factory=set)  # claims of others that name the person
    blanked: set[int] = field(default_factory=set)  # decisions that lose their words, not their say
    related: set[int] = field(default_factory=set)  # claims of others to be judged anew
    others: set[int] = field(default_factory=set)  # persons on the shared visitors
    touched: set[int] = field(default_factory=set)  # visitors to fold anew

    def __bool__(self) -> bool:
        return bool(self.events or self.said or self.whole or self.identifiers)


class _Placed(NamedTuple):
    seq: int
    session_id: int
    kind: int
    at: int


class Covering:
    """Reads one cover from one snapshot."""

    def __init__(self, reader: Reader, site: Site, until: Until) -> None:
        self.reader = reader
        self.site_id, self.gen = site.site_id, site.generation
        self.until = until
        self.cover = Cover()
        self._rows: list[Row] = []  # of the covered claims

    async def person(self, person_id: int) -> Cover:
        """Everything of a person."""
        cover, scope = self.cover, (self.site_id, self.gen, person_id)
        found = await self.reader.fetch(
            f"SELECT {identities.CLAIM_COLUMNS} FROM claims WHERE site_id = $1 AND gen = $2"
            " AND person_id = $3",
            *scope,
        )
        if not found:  # merged since it was asked for
            owner = await identities.owner_of(self.reader, *scope)
            if owner:
                return await self.person(owner)
        self._rows = [row for row in found if self.until.covers(row[0], row[4])]
        owned = await self.reader.fetch(
            "SELECT session_id, visitor_id, start_at, alone FROM sessions WHERE site_id = $1"
            " AND gen = $2 AND person_id = $3",
            *scope,
        )
        cover.claims = {row[0] for row in self._rows}
        cover.events = set(cover.claims)
        alone = {row[0] for row in owned if row[3]}
        for session_id, visitor_id, start_at, _ in owned:
            cover.sessions[session_id] = visitor_id
            if not visitor_id and self.until.covers(session_id, start_at):
                cover.events.add(session_id)
        # What was refused there, or opened by a robot, says that the visitor is not this person's.
        there = {row[3] for row in self._rows if row[6] != State.VOID} | set(
            cover.sessions.values()
        )
        for visitor_id in sorted(there - {0}):
            await self._visitor_of(person_id, visitor_id, alone)
        await self._identifiers(person_id)
        await self._said(person_id)
        return await self._finish()

    async def visitor(self, visitor_id: int) -> Cover:
        """Everything of a visitor, whoever claimed there."""
        placed = await self._placed(visitor_id)
        self.cover.whole = {visitor_id}
        self.cover.events = {one.seq for one in placed}
        await self._visits(visitor_id)
        self._rows = await self._claims_among(placed)
        self.cover.claims = {row[0] for row in self._rows}
        await self._said(0)
        return await self._finish()

    async def claim(self, seq: int) -> Cover:
        """One claim alone, that names what is nobody's."""
        found = await identities.claims_at(self.reader, self.site_id, self.gen, [seq])
        self._rows = found
        self.cover.claims = {row[0] for row in self._rows}
        self.cover.events = set(self.cover.claims)
        self.cover.identifiers = {(row[1], row[2]) for row in self._rows}
        return await self._finish()

    def _take(self, rows: Iterable[Row]) -> None:
        """Cover claims, also those that are nobody's."""
        known = {row[:2] for row in self._rows}
        self._rows += [row for row in rows if row[:2] not in known]
        self.cover.claims.update(row[0] for row in self._rows)

    # ------------------------------------------------------------ visitors

    async def _placed(self, visitor_id: int) -> list[_Placed]:
        rows = await self.reader.fetch(
            "SELECT seq, session_id, kind, at FROM session_events WHERE site_id = $1 AND gen = $2"
            " AND visitor_id = $3",
            self.site_id,
            self.gen,
            visitor_id,
        )
        found = [_Placed._make(row) for row in rows]
        return [one for one in found if self.until.covers(one.seq, one.at)]

    async def _visits(self, visitor_id: int) -> None:
        """All visits of a visitor that goes whole, also those whose events were thinned."""
        rows = await self.reader.fetch(
            "SELECT session_id, start_at FROM sessions WHERE site_id = $1 AND gen = $2"
            " AND visitor_id = $3",
            self.site_id,
            self.gen,
            visitor_id,
        )
        covered = (one for one, start_at in rows if self.until.covers(one, start_at))
        self.cover.sessions.update((one, visitor_id) for one in covered)

    async def _claims_among(self, placed: Iterable[_Placed]) -> list[Row]:
        seqs = [one.seq for one in placed if one.kind in CLAIMING]
        return await identities.claims_at(self.reader, self.site_id, self.gen, seqs)

    async def _visitor_of(self, person_id: int, visitor_id: int, alone: set[int]) -> None:
        cover = self.cover
        placed = await self._placed(visitor_id)
        others = await self._others_on(person_id, visitor_id, placed)
        if not others:
            cover.whole.add(visitor_id)
            cover.events.update(one.seq for one in placed)
            self._take(await self._claims_among(placed))
            await self._visits(visitor_id)
            return
        cover.shared.add(visitor_id)
        cover.others |= others - {FORGOTTEN}
        owning = {row[0] for row in self._rows if row[6] <= State.QUARANTINED}
        for one in placed:
            if one.session_id in cover.sessions:
                cover.events.add(one.seq)
                if one.seq in owning and one.session_id not in alone:
                    cover.kept.add(one.seq)

    async def _others_on(
        self, person_id: int, visitor_id: int, placed: Sequence[_Placed]
    ) -> set[int]:
        """Persons besides this one on a visitor, also those who were forgotten."""
        found = await self.reader.fetch(
            "SELECT DISTINCT person_id FROM sessions WHERE site_id = $1 AND gen = $2"
            " AND visitor_id = $3 AND person_id > 0",
            self.site_id,
            self.gen,
            visitor_id,
        )
        others = {row[0] for row in found}
        claims = await self._claims_among(placed)
        others |= {row[7] for row in claims if row[6] != State.VOID}
        if any(one.kind == Kind.ERASED for one in placed):
            others.add(FORGOTTEN)
        return others - {person_id, 0}

    # ------------------------------------------------------------ words

    async def _identifiers(self, person_id: int) -> None:
        """What names the person and nobody else."""
        given = {(row[1], row[2]) for row in self._rows}
        owners = {
            (row[0], row[1]): row[2]
            for part in chunks(sorted(given))
            for row in await self._owners([value for _, value in part])
        }
        mine = await identities.identifiers_of(self.reader, self.site_id, self.gen, [person_id])
        held = {(row[0], row[1]) for row in mine if self.until.covers(row[5], row[4])}
        self.cover.identifiers = held | {
            one for one in given if owners.get(one, person_id) == person_id
        }

    async def _owners(self, values: Sequence[str]) -> list[Row]:
        return await self.reader.fetch(
            "SELECT type, value, person_id FROM identifiers WHERE site_id = $1 AND gen = $2"
            " AND type IN ('email', 'phone', 'user_id') AND value IN " + in_list(values, 3),
            self.site_id,
            self.gen,
            *padded(values),
        )

    async def _said(self, person_id: int) -> None:
        """Decisions and consequences that name nobody else."""
        scope = (self.reader, self.site_id, self.gen)
        found = await identities.said_of_claims(*scope, sorted(self.cover.claims))
        if person_id:
            found += [
                row
                for row in await identities.said_of(*scope, person_id)
                if row[0] in self.cover.claims
            ]
        for one in await read_said(self.reader, self.site_id, found):
            if set(one.said.named) <= self.cover.claims:
                self.cover.said.add(one.seq)

    async def _finish(self) -> Cover:
        """Claims of others that name what these claims name: each is judged anew, and those that
        name what is only the person's lose it."""
        scope = (self.reader, self.site_id, self.gen)
        visitors = self.cover.whole | self.cover.shared
        for kind, targets in enumerate((visitors, self.cover.events)):
            found = await identities.classifying(*scope, kind, sorted(targets))
            self.cover.blanked |= found - self.cover.said
        self.cover.touched = self.cover.whole | self.cover.shared
        self.cover.touched |= {row[3] for row in self._rows if row[3]}
        named = [Identifier(row[1], row[2]) for row in self._rows]
        named += [Identifier(*one) for one in self.cover.identifiers]
        rows = await identities.claims_naming(self.reader, self.site_id, self.gen, set(named))
        for seq, kind, value, _visitor, at, *_ in rows:
            if seq in self.cover.claims:
                continue
            self.cover.related.add(seq)
            if (kind, value) in self.cover.identifiers and self.until.covers(seq, at):
                self.cover.reworded.add(seq)
        return self.cover


async def covered(reader: Reader, site: Site, subject: str, until: Until) -> Cover:
    """The cover of `p57`, `v12`, or of `c91`, one claim alone."""
    covering, number = Covering(reader, site, until), int(subject[1:])
    work = {"p": covering.person, "v": covering.visitor, "c": covering.claim}[subject[0]]
    return await work(number)


async def preview(reader: Reader, site: Site, subject: str) -> ErasurePreview:
    """What would go now."""
    cover = await covered(reader, site, subject, Until())
    visits = Counter(cover.sessions.values())
    return ErasurePreview(
        subject=subject,
        events=len(cover.events),
        sessions=len(cover.sessions),
        claims=len(cover.claims),
        decisions=len(cover.said),
        identifiers=len(cover.identifiers),
        visitors=[
            VisitorFate(visitor=f"v{one}", whole=one in cover.whole, sessions=visits[one])
            for one in sorted(cover.whole | cover.shared)
        ],
        others=[f"p{one}" for one in sorted(cover.others)],
        reworded=len(cover.reworded),
    )


async def known_visitor(reader: Reader, site: Site, visitor_id: int) -> bool:
    """Whether anything of a visitor is there."""
    found = await reader.fetch(
        "SELECT 1 FROM visitors WHERE site_id = $1 AND visitor_id = $2", site.site_id, visitor_id
    )
    return bool(found)
