"""Who is who: claims × decisions → owners, as one pure function of sets.

Claims are taken in the order in which they happened, `(at, q, event id)`, whatever the order in
which they arrived; decisions apply after them in the order of the log. The rules' numbers are those
of docs/identity.md:

- 1: one normalised identifier is one person's; 7: two known persons in one event are refused, the
  stronger identifier keeps the event; only one signed token that names both joins them;
- an unknown identifier joins the person of a known one in the same event, at that event's level;
  stronger evidence takes an identifier, equal evidence never does;
- 3: an unsigned claim of what is proven on another visitor is quarantined until there is proof, or
  a decision, on its own visitor (4);
- 10: a mail's link proves something by hand, on its first device, and not in a burst;
- 12: more than ten devices a week or five addresses on one person stop the joining.

Persons are named by the lowest number among their claims, also those that no longer count; claims
that a verified identifier brought name them only where there are no others.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from server.model import Identifier, Level
from server.project.claims import WEIGHT, Claim
from server.project.owning import Owning
from server.project.rulings import (
    Conflict,
    Decision,
    Identity,
    Merge,
    Owned,
    Ruling,
    Split,
    State,
    Verify,
)
from server.project.unions import Unions


def resolve(claims: Iterable[Claim], decisions: Iterable[Decision] = ()) -> Identity:
    """Everything that claims connected by identifiers or merges, and decisions on them, say."""
    ordered = sorted(claims, key=lambda claim: claim.key)
    counting = [claim for claim in ordered if claim.counts]
    heard = sorted(decisions, key=lambda decision: decision.seq)
    fold = Owning(counting, heard)
    for claim in counting:
        fold.step(claim)
    return _Answer(fold, ordered, heard).identity()


def _lowest(groups: dict[int, int], own: dict[int, int]) -> dict[int, int]:
    """The lowest member of each group, given the group of each member: of those that are there by
    their `own` group, if any is."""
    found: dict[int, tuple[bool, int]] = {}
    for member, group in groups.items():
        rank = (own.get(member) != group, member)
        found[group] = min(rank, found.get(group, rank))
    return {group: member for group, (_, member) in found.items()}


class _Answer:
    """The folded claims with their persons named, and the decisions applied to them."""

    def __init__(
        self, fold: Owning, claims: Sequence[Claim], decisions: Sequence[Decision]
    ) -> None:
        self.fold = fold
        self.claims = claims
        self.by_seq = {claim.seq: claim for claim in claims}
        self.names: dict[int, int] = {}  # person → lowest seq
        for claim in claims:
            person = self._named(claim)
            if person is not None:
                self.names[person] = min(claim.seq, self.names.get(person, claim.seq))
        # A merge that was split, and an identifier that was taken back.
        self.dropped = {one.merge for one in decisions if isinstance(one, Split)}
        self.merged = Unions()  # over names
        self.held = {
            i: Owned(self.names[fold.unions.find(held.person)], held.level, held.at, held.seq)
            for i, held in fold.held.items()
        }
        self.numbers: dict[int, int] = {}  # of persons, by the lowest of their merged names
        self.verified: set[Identifier] = set()
        self.proven: set[tuple[int, int]] = set()  # visitor and person
        for decision in decisions:  # each is about whom a claim belongs to by then
            if decision.seq in self.dropped:
                continue
            if isinstance(decision, Merge):
                self._merge(decision)
            elif isinstance(decision, Verify):
                self._verify(decision)

    def _named(self, claim: Claim) -> int | None:
        """Whose name a claim keeps alive: its person's, else that of the first identifier."""
        person = self.fold.given_to.get(claim.seq)
        if person is not None:
            return self.fold.unions.find(person)
        for kind in WEIGHT:
            for given in claim.ids:
                if given.identifier.type == kind and given.identifier in self.fold.held:
                    return self.fold.unions.find(self.fold.held[given.identifier].person)
        return None

    def _base(self, seq: int) -> int | None:
        claim = self.by_seq.get(seq)
        return None if claim is None else self._base_of(claim)

    def _merge(self, decision: Merge) -> None:
        one, other = self._base(decision.one), self._base(decision.other)
        if one is not None and other is not None:
            self.merged.join(one, other)

    def _verify(self, decision: Verify) -> None:
        base = self._base(decision.claim)
        if base is None:
            return
        held = self.held.get(decision.identifier)
        at, seq = held.at if held is not None else 0, decision.claim
        if held is not None and self._same(held.person_id, base):
            base = held.person_id
        self.held[decision.identifier] = Owned(base, Level.DECIDED, at, seq)
        self.verified.add(decision.identifier)

    def identity(self) -> Identity:
        final = self.merged.find
        bases = {c.seq: base for c in self.claims if (base := self._base_of(c)) is not None}
        # A verified identifier may have taken the claim that gave a person its number. It does not
        # give it to whoever has it now, as long as they have claims of their own.
        own = {c.seq: self.names[p] for c in self.claims if (p := self._named(c)) is not None}
        self.numbers = _lowest(
            {seq: final(base) for seq, base in bases.items()},
            {seq: final(base) for seq, base in own.items()},
        )
        labels = _lowest(bases, own)
        owners = {
            i: one._replace(person_id=self._number(one.person_id)) for i, one in self.held.items()
        }
        self.proven = {
            (visitor_id, owners[identifier].person_id)
            for identifier, visitors in self.fold.evidence.proofs.items()
            if identifier in owners
            for visitor_id in visitors
        }
        rulings = {claim.seq: self._ruling(claim, bases, owners) for claim in self.claims}
        named = {seq: labels[base] for seq, base in bases.items()}
        return Identity(rulings, owners, self._conflicts(rulings), named)

    def _number(self, base: int) -> int:
        """The number of whoever a base is part of; 0 where no claim is left."""
        return self.numbers.get(self.merged.find(base), 0)

    def _base_of(self, claim: Claim) -> int | None:
        """Whose a claim is before merges: a verified identifier takes those that have no other."""
        person = self._named(claim)
        if person is None:
            return None
        base = self.names[person]
        known = [given.identifier for given in claim.ids if given.identifier in self.held]
        if any(self.held[one].person_id == base for one in known):
            return base
        return next((self.held[one].person_id for one in known if one in self.verified), base)

    def _ruling(
        self, claim: Claim, bases: dict[int, int], owners: dict[Identifier, Owned]
    ) -> Ruling:
        person_id = self._number(bases[claim.seq]) if claim.seq in bases else 0
        if not claim.counts:
            return Ruling(person_id, State.GHOST, claim.level)
        state = self.fold.states[claim.seq]
        if state is State.VOID:
            return Ruling(person_id, state, Level.CLAIMED)
        proven = not claim.kiosk and (claim.visitor_id, person_id) in self.proven
        if state is State.QUARANTINED and proven:
            state = State.ACTIVE
        return Ruling(person_id, state, self._level(claim, person_id, owners, proven))

    def _level(
        self, claim: Claim, person_id: int, owners: dict[Identifier, Owned], proven: bool
    ) -> Level:
        """How well it is known that this was the person: the best of what was given and is theirs,
        of proof on this visitor (rule 4), and of what somebody decided."""
        mine = [
            given.level
            for given in claim.ids
            if (one := owners.get(given.identifier)) is not None and one.person_id == person_id
        ]
        if self.fold.evidence.decision(claim) or any(
            given.identifier in self.verified and owners[given.identifier].person_id == person_id
            for given in claim.ids
        ):
            return Level.DECIDED
        level = max(mine, default=Level.CLAIMED)
        return max(level, Level.PROVEN) if proven else level

    def _conflicts(self, rulings: dict[int, Ruling]) -> list[Conflict]:
        """What is still one: not between persons merged since then, nor about an address that
        somebody verified, nor a quarantine that has ended. The same thing again is one item."""
        found: list[Conflict] = []
        seen: set[tuple[object, ...]] = set()
        alive = {0} | {ruling.person_id for ruling in rulings.values()}
        for claim, kind, person, other, evidence in self.fold.conflicts:
            mine = rulings[claim.seq].person_id
            theirs = self._number(self.names[self.fold.unions.find(other)]) if other >= 0 else 0
            gone = other >= 0 and not theirs
            where: object = evidence.get("value")
            if kind == "quarantined":
                where = claim.visitor_id or -claim.seq
            elif kind == "too_many_devices":
                where = claim.seq
            again = (kind, mine, theirs, where)
            ended = self._ended(kind, person, evidence, rulings[claim.seq])
            if mine == theirs or gone or theirs not in alive or ended or again in seen:
                continue
            seen.add(again)
            ids = [[given.identifier.type, given.identifier.value] for given in claim.ids]
            known = {"ids": ids, "visitor": claim.visitor_id, "form": claim.form} | evidence
            found.append(Conflict(claim.seq, kind, mine, theirs, claim.at, known))
        return found

    def _ended(self, kind: str, person: int, evidence: dict[str, Any], ruling: Ruling) -> bool:
        if kind == "quarantined":
            return ruling.state is not State.QUARANTINED
        named = Identifier(evidence.get("type", ""), evidence.get("value", ""))
        base, held = self.names[self.fold.unions.find(person)], self.held.get(named)
        merged = held is not None and held.person_id != base and self._same(held.person_id, base)
        return named in self.verified or merged

    def _same(self, one: int, other: int) -> bool:
        return self.merged.find(one) == self.merged.find(other)
