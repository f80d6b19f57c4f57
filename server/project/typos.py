"""Likely typos: somebody new on a visitor who looks like a person that claimed there before. Pure.

A person is compared at the first claim on the visitor: the e-mail is at most two edits from another
one given there, or the same form was sent before in the same visit under the same name or phone.
"""

from collections.abc import Iterator
from typing import NamedTuple

from server.model import Kind, Level
from server.project.claims import Claim
from server.project.rulings import Conflict, Ruling, State
from server.project.sessions import gone
from server.project.visitor import Visitor

KIND = "typo"
MOST_EDITS = 2
#: Persons on one visitor among whom typos are looked for; more of them is no slip of a finger.
MOST_PERSONS = 20


def within(one: str, other: str, edits: int) -> bool:
    """Whether so many edits make one text of the other: a letter added, left out or changed, or two
    neighbours swapped, no place edited twice."""
    pairs = enumerate(zip(one, other, strict=False))
    start = next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
    one, other = one[start:], other[start:]
    if not (one and other and edits):
        return max(len(one), len(other)) <= edits
    if abs(len(one) - len(other)) > edits:
        return False
    left = edits - 1
    swapped = one[:2] == other[:2][::-1]
    return (
        within(one[1:], other[1:], left)
        or within(one[1:], other, left)
        or within(one, other[1:], left)
        or (swapped and within(one[2:], other[2:], left))
    )


class _Met(NamedTuple):
    claim: Claim
    ruling: Ruling
    visit: int  # when it began

    def given(self, kind: str) -> str:
        return next((g.identifier.value for g in self.claim.ids if g.identifier.type == kind), "")

    @property
    def name(self) -> str:
        return " ".join(str(self.claim.traits.get("name", "")).casefold().split())

    @property
    def phone(self) -> str:
        text = self.given("phone") or str(self.claim.traits.get("phone", ""))
        return "".join(filter(str.isdigit, text))


class Typos:
    """The claims of one visitor as they are folded, in the order of rules."""

    def __init__(self) -> None:
        self.found: list[Conflict] = []
        self._before: list[_Met] = []

    def meet(self, visitor: Visitor, claim: Claim, ruling: Ruling) -> None:
        """Take the next claim, which the visitor has just folded."""
        if not ruling.person_id or ruling.state > State.QUARANTINED:
            return
        self._before = [one for one in self._before if one.claim.key > visitor.since]
        met = _Met(claim, ruling, _visit(visitor))
        first = all(one.ruling.person_id != ruling.person_id for one in self._before)
        if first and len(visitor.owners) <= MOST_PERSONS:
            like = next((one for one in reversed(self._before) if _alike(met, one)), None)
            if like is not None:
                self.found.append(_typo(met, like))
        self._before.append(met)


def _visit(visitor: Visitor) -> int:
    """When the visit under way began: cuts by campaigns and claims do not end it."""
    sessions = visitor.sessions
    place = len(sessions) - 1
    while place > 0 and not gone(sessions[place - 1].end_at, sessions[place].start_at):
        place -= 1
    return sessions[place].start_at


def _alike(one: _Met, other: _Met) -> bool:
    """Only among claims that count; what was proven was received, so it is no typo."""
    if one.ruling.state is not State.ACTIVE or other.ruling.state is not State.ACTIVE:
        return False
    if min(one.ruling.level, other.ruling.level) >= Level.PROVEN:
        return False
    mine, theirs = one.given("email"), other.given("email")
    if mine and mine == theirs:
        return False
    return bool(mine and theirs and within(mine, theirs, MOST_EDITS)) or _again(one, other)


def _again(one: _Met, other: _Met) -> bool:
    """The same form sent again in the same visit, by somebody of the same name or phone."""
    forms = one.claim.kind is Kind.FORM_SUBMIT and other.claim.kind is Kind.FORM_SUBMIT
    if not forms or (one.claim.form, one.visit) != (other.claim.form, other.visit):
        return False
    name, phone = one.name, one.phone
    return bool(name and name == other.name) or bool(phone and phone == other.phone)


def _typo(one: _Met, other: _Met) -> Conflict:
    claim = one.claim
    evidence = {
        "ids": list(_named(one)),
        "other_ids": list(_named(other)),
        "other_claim": other.claim.seq,
        "visitor": claim.visitor_id,
        "form": claim.form,
    }
    mine, theirs = one.ruling.person_id, other.ruling.person_id
    return Conflict(claim.seq, KIND, mine, theirs, claim.at, evidence)


def _named(met: _Met) -> Iterator[list[str]]:
    for given in met.claim.ids:
        yield [given.identifier.type, given.identifier.value]
