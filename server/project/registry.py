"""Who is who, for one projection result: the claims connected with what is new, and what follows.

Identity is a function of sets, so nothing is kept in memory: claims that share an identifier, or
that somebody merged, are read together with the decisions on them, and the answer is compared with
the tables. What it costs is bounded by what is touched.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from server.model import Identifier, Kind, Level
from server.project.claims import WEIGHT, Claim
from server.project.identity import resolve
from server.project.lookup import Lookup
from server.project.rulings import (
    Conflict,
    Decision,
    Identity,
    Merge,
    Release,
    Ruling,
    Split,
    State,
    Verify,
)
from server.project.seen import Seen
from server.project.standing import Told, read, traits_told
from server.project.visitor import Rules
from server.storage import derived, entries, people
from server.storage import identities as rows
from server.storage.database import Reader, Row
from server.storage.derived import Changes

See = Callable[[Iterator[Seen]], Awaitable[list[Seen]]]
IDENTITY = frozenset({Kind.MERGE, Kind.SPLIT, Kind.VERIFY, Kind.RELEASE, Kind.REFUSE})
ENDING = frozenset({Kind.RELEASE, Kind.REFUSE})
#: Claims resolved at one go on the event loop: a few milliseconds.
MOST_AT_ONCE = 200
#: Conflicts that identity finds; the others are found where visitors are folded.
FOUND_HERE = frozenset(
    {
        "quarantined",
        "two_persons",
        "taken",
        "second_address",
        "second_user_id",
        "too_many_addresses",
        "too_many_devices",
    }
)


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


class Settled(NamedTuple):
    """What identity came to: the answer, what changed, and the persons before and after."""

    identity: Identity
    claims: dict[int, Claim]
    said: list[Told]
    changed: list[Claim]  # claims known before whose ruling is another now
    lost: list[Row]  # rows of claims that are none any more
    before: set[int]
    after: set[int]


def decision_of(one: Told) -> Decision | None:
    """An entry as identity takes it."""
    said = one.said
    if one.kind is Kind.MERGE and len(said.claims) == 2:
        return Merge(one.seq, said.claims[0], said.claims[1])
    if one.kind is Kind.SPLIT:
        return Split(one.seq, said.merge)
    if one.kind is Kind.VERIFY and said.type in WEIGHT and said.value:
        return Verify(one.seq, said.claim, Identifier(said.type, said.value))
    if one.kind in {Kind.RELEASE, Kind.REFUSE}:
        return Release(one.seq, said.claim, one.kind is Kind.RELEASE)
    return None


class Registry:
    """Claims connected with new ones, read from the tables."""

    def __init__(self, site_id: int, gen: int, lookup: Lookup, rules: Rules) -> None:
        self.site_id, self.gen = site_id, gen
        self.lookup, self.rules = lookup, rules
        self.claims: dict[int, Claim] = {}
        self.said: dict[tuple[int, int], Told] = {}  # by claim and entry
        self.old: dict[str, dict[Row, Row]] = {}  # rows of the tables by key
        self._asked: set[Identifier] = set()

    async def gather(
        self,
        reader: Reader,
        fresh: Iterable[Claim],
        said: Iterable[Told],
        known: Iterable[int],
        see: See,
    ) -> None:
        """Read everything connected with new claims, new entries about persons, and claims of which
        the log says something else now. `see` reads entries in small steps."""
        self.claims.update((claim.seq, claim) for claim in fresh)
        self.said.update(((one.claim, one.seq), one) for one in said)
        seqs = {claim for one in self.said.values() for claim in one.said.named} | set(known)
        frontier = set(self.claims)
        while frontier or seqs - self.claims.keys() or self._verified() - self._asked:
            wanted = self._unasked(frontier)
            seqs |= await self._verifiers(reader, wanted)
            missing = seqs - self.claims.keys()
            found = await self._rows(reader, wanted, missing)
            unknown = sorted({row[0] for row in found} - self.claims.keys())
            frontier = await self._read(reader, unknown, see)
            seqs -= missing  # read now, or no claims any more
            seqs |= await self._decisions(reader, sorted({row[0] for row in found}))
        if self.old:
            await self._read_old(reader)

    def _verified(self) -> set[Identifier]:
        """What somebody says is one of these persons', whoever claimed it."""
        said = [one.said for one in self.said.values() if one.kind is Kind.VERIFY]
        return {Identifier(one.type, one.value) for one in said}

    def _unasked(self, frontier: set[int]) -> set[Identifier]:
        wanted = {given.identifier for seq in frontier for given in self.claims[seq].ids}
        wanted = (wanted | self._verified()) - self._asked
        self._asked |= wanted
        return wanted

    async def _verifiers(self, reader: Reader, wanted: set[Identifier]) -> set[int]:
        """The claims by which somebody said whose these identifiers are."""
        if not wanted:
            return set()
        values = sorted({identifier.value for identifier in wanted})
        held = await people.identifiers(reader, self.site_id, self.gen, values)
        return {
            row[5] for row in held if row[3] == Level.DECIDED and Identifier(*row[:2]) in wanted
        }

    async def _rows(self, reader: Reader, wanted: set[Identifier], seqs: set[int]) -> list[Row]:
        found = await rows.claims_naming(reader, self.site_id, self.gen, wanted) if wanted else []
        if seqs:
            found += await rows.claims_at(reader, self.site_id, self.gen, sorted(seqs))
        for row in found:
            self.old.setdefault("claims", {})[row[:2]] = row
        return found

    async def _read(self, reader: Reader, seqs: Sequence[int], see: See) -> set[int]:
        """Claims as their entries make them; those that are none any more only lose their rows."""
        if not seqs:
            return set()
        found = await entries.by_seq(reader, self.site_id, seqs)
        await self.lookup.prepare(reader, found.values())
        read_now = set()
        for seen in await see(self.lookup.see_all(sorted(found.values()))):
            claim = self.rules.claim_of(seen)
            if claim is not None:
                self.claims[seen.seq] = claim
                read_now.add(seen.seq)
        return read_now

    async def _decisions(self, reader: Reader, claims: Sequence[int]) -> set[int]:
        """Entries about persons by the claims they name; the other claims that those name."""
        found = await rows.said_of_claims(reader, self.site_id, self.gen, claims)
        found = [row for row in found if (row[0], row[1]) not in self.said]
        said = await read_said(reader, self.site_id, found)
        self.said.update(((one.claim, one.seq), one) for one in said)
        self.old.setdefault("person_entries", {}).update((row[:2], row) for row in found)
        return {claim for one in said for claim in one.said.named}

    async def _read_old(self, reader: Reader) -> None:
        scope = (reader, self.site_id, self.gen)
        persons = sorted({row[7] for row in self.old.get("claims", {}).values() if row[7]})
        names = await rows.identifiers_of(*scope, persons)
        values = sorted({identifier.value for identifier in self._asked})  # also what is nobody's
        named = await people.identifiers(*scope, values)
        names += [row for row in named if Identifier(*row[:2]) in self._asked]
        traits = await rows.traits_of(*scope, persons)
        known = {row[0] for row in self.old.get("claims", {}).values()}
        conflicts = await rows.conflicts_at(*scope, sorted(self.claims.keys() | known))
        self.old["identifiers"] = {row[:2]: row for row in names}
        self.old["traits"] = {row[:3]: row for row in traits}
        self.old["conflicts"] = {row[:3]: row for row in conflicts if row[1] in FOUND_HERE}

    def hear(self, said: Iterable[Told]) -> None:
        """Take entries about persons who are here for another reason too."""
        for one in said:
            if one.claim in self.claims:
                self.said.setdefault((one.claim, one.seq), one)

    # ------------------------------------------------------------ the answer

    async def settle(self, changes: Changes) -> Settled:
        """Resolve, and write what differs from the tables.

        An address that a flood of visitors gave makes one large set, and computing that at one go
        would keep everybody waiting: it is left to a thread, which only makes others slower.
        """
        if len(self.claims) > MOST_AT_ONCE:
            return await asyncio.to_thread(self._settle, changes)
        return self._settle(changes)

    def _settle(self, changes: Changes) -> Settled:
        said = sorted(self.said.values(), key=lambda one: (one.seq, one.claim))
        decisions = {d.seq: d for one in said if (d := decision_of(one)) is not None}
        identity = resolve(self.claims.values(), decisions.values())
        old = self.old.get("claims", {})
        new = dict(_claim_rows(self.claims, identity))
        changes.replace(derived.CLAIMS, old, new)
        self._put(changes, "identifiers", derived.IDENTIFIERS, _identifier_rows(identity))
        traits = [*_trait_rows(self.claims, identity), *_told_rows(said, identity)]
        self._put(changes, "traits", derived.TRAITS, traits)
        closed = {(one.claim, one.said.kind) for one in said if one.kind is Kind.DISMISS}
        conflicts = [*_conflict_rows(identity, closed), *_ended_rows(self.claims, said, identity)]
        self._put(changes, "conflicts", derived.CONFLICTS, conflicts)
        self._put(changes, "person_entries", derived.PERSON_ENTRIES, _said_rows(said, identity))
        changed = {key[0] for key, row in old.items() if row != new.get(key)}
        before = {row[7] for row in old.values() if row[7]}
        after = {one.person_id for one in identity.rulings.values() if one.person_id}
        return Settled(
            identity,
            self.claims,
            said,
            [self.claims[seq] for seq in sorted(changed & self.claims.keys())],
            [row for key, row in sorted(old.items()) if key[0] not in self.claims],
            before,
            after & (identity.bases.keys() | after),
        )

    def _put(self, changes: Changes, name: str, table: derived.Table, new: Iterable[Row]) -> None:
        keyed = {row[: len(table.key) - 2]: row for row in new}
        changes.replace(table, self.old.get(name, {}), keyed)


async def read_said(reader: Reader, site_id: int, found: Sequence[Row]) -> list[Told]:
    """Entries about persons with their words; what was erased is left out."""
    if not found:
        return []
    texts = await entries.by_seq(reader, site_id, sorted({row[1] for row in found}))
    return [
        Told(seq, Kind(kind), at, claim, read(texts[seq].data))
        for claim, seq, kind, at, _person in found
        if seq in texts and texts[seq].kind
    ]


def _claim_rows(claims: dict[int, Claim], identity: Identity) -> Iterable[tuple[Row, Row]]:
    for claim in claims.values():
        ruling = identity.rulings[claim.seq]
        for given in claim.ids:
            kind, value = given.identifier.type, given.identifier.value
            state, level = int(ruling.state), int(ruling.level)
            row = (claim.seq, kind, value, claim.visitor_id, claim.at, level, state)
            yield row[:2], (*row, ruling.person_id)


def _identifier_rows(identity: Identity) -> Iterable[Row]:
    for identifier, owned in identity.owners.items():
        yield (
            identifier.type,
            identifier.value,
            owned.person_id,
            int(owned.level),
            owned.at,
            owned.seq,
        )


def _trait_rows(claims: dict[int, Claim], identity: Identity) -> Iterable[Row]:
    for claim in claims.values():
        ruling = identity.rulings[claim.seq]
        if ruling.state is not State.ACTIVE or not ruling.person_id:
            continue
        for name, value in claim.traits.items():
            if name != "email":
                text = msgspec.json.encode(value).decode()
                key = (ruling.person_id, name[:200], claim.seq)
                yield (*key, text, type(value).__name__, int(claim.level), claim.at)


def _told_rows(said: Iterable[Told], identity: Identity) -> Iterable[Row]:
    """Traits that somebody gave by hand."""
    by_person: dict[int, list[Told]] = {}
    for one in said:
        ruling = identity.rulings.get(one.claim)
        if ruling is not None and ruling.person_id:
            by_person.setdefault(ruling.person_id, []).append(one)
    for person_id, mine in by_person.items():
        for one, name, value in traits_told(mine):
            text = msgspec.json.encode(value).decode()
            level = int(Level.DECIDED)
            yield (person_id, name, one.seq, text, type(value).__name__, level, one.at)


def _conflict_rows(identity: Identity, closed: set[tuple[int, str]]) -> Iterable[Row]:
    for one in identity.conflicts:
        yield conflict_row(one, closed=(one.seq, one.kind) in closed)


def _ended_rows(
    claims: dict[int, Claim], said: Iterable[Told], identity: Identity
) -> Iterable[Row]:
    """Quarantines that somebody ended: still to be found, and to be decided the other way."""
    for one in said:  # the last one about a claim is kept
        ruling = identity.rulings.get(one.claim)
        if one.kind not in ENDING or ruling is None or not ruling.person_id:
            continue
        if ruling.state not in {State.ACTIVE, State.VOID}:
            continue
        claim, decided = claims[one.claim], "refused" if ruling.state is State.VOID else "accepted"
        ids = [[given.identifier.type, given.identifier.value] for given in claim.ids]
        evidence = {"ids": ids, "visitor": claim.visitor_id, "form": claim.form}
        evidence |= {"decided": decided, "by": one.seq}
        kind = one.said.kind or "quarantined"
        found = Conflict(claim.seq, kind, ruling.person_id, 0, claim.at, evidence)
        yield conflict_row(found, closed=True)


def conflict_row(one: Conflict, *, closed: bool) -> Row:
    """A conflict as a row; state 1 is closed."""
    evidence = msgspec.json.encode(one.evidence, order="sorted").decode()
    return (one.seq, one.kind, one.other_id, one.person_id, int(closed), one.at, evidence)


def _said_rows(said: Iterable[Told], identity: Identity) -> Iterable[Row]:
    for one in said:
        ruling = identity.rulings.get(one.claim)
        yield (one.claim, one.seq, int(one.kind), one.at, ruling.person_id if ruling else 0)


def ruling_of(row: Row) -> Ruling:
    """A claim's row as its ruling."""
    return Ruling(row[7], State(row[6]), Level(row[5]))
