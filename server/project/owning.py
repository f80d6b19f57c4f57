"""Whose a claim is: claims in the order in which they happened. Rules 1, 7 and 12."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from server.model import DAY_MS, Identifier, Level
from server.project.claims import Claim, Given
from server.project.evidence import Evidence
from server.project.rulings import Decision, State
from server.project.unions import Unions

WEEK_MS = 7 * DAY_MS
MOST_DEVICES = 10  # a week, on one person
MOST_EMAILS = 5  # on one person


class _Person:
    """One person while claims are read: which names it has, and where it was lately."""

    __slots__ = ("devices", "emails", "limit_at", "proven", "user_ids")

    def __init__(self) -> None:
        self.user_ids: set[str] = set()
        self.emails: set[str] = set()
        self.proven: set[str] = set()  # e-mails
        self.devices: dict[int, int] = {}  # visitor → when it last claimed
        self.limit_at = -WEEK_MS


class _Held(NamedTuple):
    person: int
    level: Level
    at: int
    seq: int


class Owning:
    """The claims of one connected set, step by step. Persons are indices until they have names."""

    def __init__(self, claims: Sequence[Claim], decisions: Sequence[Decision]) -> None:
        self.evidence = Evidence(claims, decisions)
        self.persons: list[_Person] = []
        self.unions = Unions()
        self.held: dict[Identifier, _Held] = {}
        self.given_to: dict[int, int] = {}  # claim → person
        self.states: dict[int, State] = {}
        self.conflicts: list[tuple[Claim, str, int, int, dict[str, Any]]] = []

    def step(self, claim: Claim) -> None:
        said = self.evidence.decision(claim)
        if said is False or claim.seq in self.evidence.weak:
            self.states[claim.seq] = State.VOID
            return
        doubted = said is None and self.evidence.doubted(claim)
        ranked = sorted(claim.ids, key=lambda given: given.rank)
        freed = {} if doubted else self._set_free(ranked)
        person = self._leading(claim, ranked, doubted)
        state = State.QUARANTINED if doubted else self._limit(claim, person, said)
        self.given_to[claim.seq], self.states[claim.seq] = person, state
        if state is State.QUARANTINED:
            if doubted:
                self._note(claim, "quarantined", person, -1, {})
            return
        for given in ranked:
            person = self._take(claim, given, self.unions.find(person))
        self.given_to[claim.seq] = person
        if claim.visitor_id and not claim.kiosk:
            self.persons[self.unions.find(person)].devices[claim.visitor_id] = claim.at
        for given, owner in freed.items():
            self._note(claim, "second_address", person, owner, _named(given))

    def _owner(self, identifier: Identifier) -> int | None:
        held = self.held.get(identifier)
        return None if held is None else self.unions.find(held.person)

    def _note(
        self, claim: Claim, kind: str, person: int, other: int, evidence: dict[str, Any]
    ) -> None:
        self.conflicts.append((claim, kind, person, other, evidence))

    def _set_free(self, ranked: Sequence[Given]) -> dict[Given, int]:
        """An address that is proven now leaves a person who has proven another one: the weaker
        evidence had joined them. Not if the event is that person's anyway. Its owner until now."""
        freed = {}
        leader = self._owner(ranked[0].identifier)
        for given in ranked:
            identifier, owner = given.identifier, self._owner(given.identifier)
            if owner is None or given.level < Level.PROVEN or identifier.type != "email":
                continue
            led = given is not ranked[0] and owner == leader
            if not led and self.persons[owner].proven - {identifier.value}:
                self._release(identifier, owner)
                freed[given] = owner
        return freed

    def _release(self, identifier: Identifier, owner: int) -> None:
        del self.held[identifier]
        person = self.persons[owner]
        person.emails.discard(identifier.value)
        person.proven.discard(identifier.value)
        if identifier.type == "user_id":
            person.user_ids.discard(identifier.value)

    def _leading(self, claim: Claim, ranked: Sequence[Given], doubted: bool) -> int:
        """Whose event it is: the strongest identifier's person, made if it has none."""
        if not doubted:
            ranked = [one for one in ranked if not self.evidence.doubts(claim, one)] or ranked
        for given in ranked:
            owner = self._owner(given.identifier)
            if owner is not None:
                return owner
            if doubted:
                continue
            if not any(
                (other := self._owner(one.identifier)) is not None
                and self._fits(other, given) is None
                for one in ranked
            ):
                break  # nobody in this event may have it: it begins a person
        self.persons.append(_Person())
        person = len(self.persons) - 1
        for given in ranked if doubted else ():  # the next who claims it means the same person
            if self.evidence.doubts(claim, given):
                self._give(claim, given, person)
        return person

    def _fits(self, person: int, given: Given) -> str | None:
        """Why a person may not have an identifier, or None."""
        one, value = self.persons[person], given.identifier.value
        if given.identifier.type == "user_id":
            return "second_user_id" if one.user_ids - {value} else None
        if given.identifier.type == "email":
            if given.level >= Level.PROVEN and one.proven - {value}:
                return "second_address"
            if len(one.emails | {value}) > MOST_EMAILS:
                return "too_many_addresses"
        return None

    def _limit(self, claim: Claim, person: int, said: bool | None) -> State:
        """Rule 12: more devices than a person has in a week."""
        one = self.persons[person]
        if not claim.visitor_id or claim.kiosk or said or claim.level > Level.CLAIMED:
            return State.ACTIVE
        lately = {v for v, at in one.devices.items() if at > claim.at - WEEK_MS}
        if claim.visitor_id in lately or len(lately) < MOST_DEVICES:
            return State.ACTIVE
        if claim.at - one.limit_at >= WEEK_MS:
            one.limit_at = claim.at
            self._note(claim, "too_many_devices", person, -1, {"devices": len(lately)})
        return State.QUARANTINED

    def _take(self, claim: Claim, given: Given, person: int) -> int:
        """Give an identifier of a claim to its person; the person afterwards."""
        identifier, owner = given.identifier, self._owner(given.identifier)
        held = self.held.get(identifier)
        if held is None or owner == person:
            reason = self._fits(person, given)
            if reason is None:
                self._give(claim, given, person)
            else:
                self._note(claim, reason, person, -1, _named(given))
            return person
        assert owner is not None  # noqa: S101 - held, so owned
        if self._joins(claim, given, person, owner):
            person = self._join(person, owner)
            self._give(claim, given, person)
            return person
        kind = "two_persons"
        if given.level > held.level and self._fits(person, given) is None:
            kind = "taken"
            self._release(identifier, owner)
            self._give(claim, given, person)
        self._note(claim, kind, person, owner, _named(given))
        return person

    def _give(self, claim: Claim, given: Given, person: int) -> None:
        identifier, level = given.identifier, given.level
        held = self.held.get(identifier)
        if held is None:
            self.held[identifier] = _Held(person, level, claim.at, claim.seq)
        elif held.level < level:
            self.held[identifier] = held._replace(level=level)
        one = self.persons[person]
        if identifier.type == "user_id":
            one.user_ids.add(identifier.value)
        elif identifier.type == "email":
            one.emails.add(identifier.value)
            if level >= Level.PROVEN:
                one.proven.add(identifier.value)

    def _joins(self, claim: Claim, given: Given, person: int, other: int) -> bool:
        """Rule 7: one signed token names both, and they are not two for another reason."""
        signed = [one for one in claim.ids if one.level >= Level.PROVEN]
        mine = any(self._owner(one.identifier) == person for one in signed)
        one, two = self.persons[person], self.persons[other]
        named = {given.identifier.value} if given.identifier.type == "email" else set()
        return (
            given in signed
            and mine
            and len(one.user_ids | two.user_ids) <= 1
            and len(one.proven | two.proven | named) <= 1
        )

    def _join(self, person: int, other: int) -> int:
        kept = self.unions.join(person, other)
        gone = other if kept == person else person
        one, two = self.persons[kept], self.persons[gone]
        one.user_ids |= two.user_ids
        one.emails |= two.emails
        one.proven |= two.proven
        one.limit_at = max(one.limit_at, two.limit_at)
        for visitor_id, at in two.devices.items():
            one.devices[visitor_id] = max(at, one.devices.get(visitor_id, at))
        return kept


def _named(given: Given) -> dict[str, Any]:
    """The identifier a conflict is about."""
    return {"type": given.identifier.type, "value": given.identifier.value}
