"""Scores and stages of the persons one projection result touches, and what is told of them.

A rebuild does not decide: what was decided once stands in the log, and is read from there.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from server.model import DAY_MS, STAGE_RANK, Door, Event, Kind
from server.project.people import Person
from server.project.rules import Ruleset
from server.project.scoring import Receipt, first_reached, score
from server.project.stages import Cause, Move, consequence_id, first_stage, judge
from server.project.standing import Said, Told, taken_back
from server.storage.derived import Changes

MOVE_KINDS = {
    "stage_moved": Kind.STAGE_MOVED,
    "crossed": Kind.CROSSED,
    "rearmed": Kind.REARMED,
}
TOLD_KINDS = frozenset({Kind.STAGE_MOVED, Kind.CROSSED})
#: Why claims count that did not when they were made: a form then gives its stage now.
RECOUNTED = frozenset({"released", "classified"})
LAST = 2**62  # after every entry there is: about to be appended


class Judge:
    """Judges persons. `now` is ms; `decides` is false where a log is only read again."""

    def __init__(
        self, ruleset: Ruleset, changes: Changes, now: int, dirty: set[int], *, decides: bool
    ) -> None:
        self.ruleset = ruleset
        self.changes = changes
        self.now = now
        self.day = now // DAY_MS
        self.dirty = dirty
        self.decides = decides

    def score(self, person: Person) -> Receipt:
        """The person's score today."""
        hits = [part.hits for part in person.parts.values()]
        return score(self.ruleset, hits, person.facts(), self.day)

    def judge(self, person: Person, cause: Cause, *, mute: bool = False) -> None:
        """Score a person now; moves become consequences, each decided once."""
        self.dirty.add(person.person_id)
        if not self.decides:
            return
        receipt = person.receipt = self.score(person)
        person.standing, moves = judge(self.ruleset, person.standing, receipt, cause)
        for move in moves:
            self._decide(person, move, mute)

    def judge_again(
        self,
        people: Iterable[Person],
        cause: Cause,
        earlier: Iterable[tuple[Person, Cause, bool]],
        *,
        mute: bool = False,
    ) -> None:
        """Judge people of whom something was folded anew; `earlier` are the causes met on the way,
        which were judged when they happened."""
        first: dict[int, str] = {}
        for person, met, _ in earlier if cause.reason in RECOUNTED else ():
            known = first.get(person.person_id, "")
            if STAGE_RANK.get(met.first_stage, -1) > STAGE_RANK.get(known, -1):
                first[person.person_id] = met.first_stage
        for person in people:
            why = replace(cause, first_stage=first.get(person.person_id, ""))
            self.judge(person, why, mute=mute)

    def _decide(self, person: Person, move: Move, mute: bool) -> None:
        at, q, event_id = move.cause.key
        body = {
            "person": person.person_id,
            "threshold": move.threshold,
            "number": move.number,
            "from": move.stage_from,
            "to": move.stage_to,
            "score": move.score,
            "ruleset": self.ruleset.version,
            "cause": move.cause.seq,
            "cause_at": move.cause.at,
            "key": [at, q, event_id.hex()],
            "mql": move.mql,
            "mute": mute,
            "receipt": [
                [line.rule, line.axis, line.points, line.base, line.factor, line.at, line.seq]
                for line in (person.receipt.lines if person.receipt else ())
            ],
        }
        if move.cause.reason:
            body["reason"] = move.cause.reason
        name = consequence_id(
            person.person_id, move.kind, move.threshold, move.number, move.stage_to
        )
        self._append(MOVE_KINDS[move.kind], name, body)

    def _append(self, kind: Kind, name: bytes, body: dict[str, object]) -> None:
        self.changes.consequences.append(
            Event(
                event_id=name,
                kind=kind,
                at=self.now,
                received=self.now,
                door=Door.OPERATOR,
                data=msgspec.json.encode(body).decode(),
            )
        )

    # ------------------------------------------------------------ taking back

    def retract(
        self,
        person: Person | None,
        entries: Sequence[Told],
        purposes: Iterable[str],
        bases: Mapping[int, int],
    ) -> None:
        """Take back what a person was told to have reached and, as the truth is now, never did.

        `entries` are all that name the person, `purposes` those of the forms that still are the
        person's. None is a person who is nobody any more: nothing was ever reached.
        """
        if not self.decides:
            return
        back, gone = taken_back(entries), []
        known: dict[str, bool] = {}
        forms = max((STAGE_RANK[first_stage(purpose)] for purpose in purposes), default=0)
        for one in entries:
            if one.kind not in TOLD_KINDS or one.seq in back:
                continue
            if person is not None and self._holds(person, one, known, forms):
                continue
            said = Said(person=one.said.person, of=one.seq, threshold=one.said.threshold)
            name = consequence_id(one.said.person, "retracted", str(one.seq), 0, "")
            body = {"person": said.person, "of": said.of, "threshold": said.threshold}
            self._append(Kind.RETRACTED, name, body)
            gone.append(Told(LAST, Kind.RETRACTED, self.now, one.claim, said))
        if person is not None and gone:
            person.hear_all([*entries, *gone], bases)
            self.dirty.add(person.person_id)

    def _holds(self, person: Person, one: Told, known: dict[str, bool], forms: int) -> bool:
        """Whether what was told is true of the person's history as it is known now."""
        threshold = one.said.threshold
        if threshold == "first_stage":
            return STAGE_RANK.get(one.said.to, 0) <= forms
        if threshold == "product_event":
            return bool(person.parts)
        if one.said.ruleset not in {0, self.ruleset.version}:
            return bool(person.parts)  # other rules said so: these cannot take it back
        if threshold == "high_intent":  # a step of somebody who was an MQL
            marks = [each for each in self.ruleset.thresholds if each.stage == "mql"]
        else:
            marks = [each for each in self.ruleset.thresholds if each.key == threshold]
        for mark in marks:
            if mark.key not in known:
                hits = [part.hits for part in person.parts.values()]
                found = first_reached(
                    self.ruleset, hits, person.facts(), mark.points, until=self.now
                )
                known[mark.key] = found is not None
        return any(known[mark.key] for mark in marks)
