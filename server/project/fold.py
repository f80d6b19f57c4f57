"""One projection result: the events of some visitors folded in, scores and stages judged.

Everything here is computed in memory on what `projector` has loaded; nothing waits.
"""

from collections.abc import Container, Iterator, Sequence

import msgspec

from server.model import (
    DAY_MS,
    STAGE_RANK,
    Door,
    Event,
    Flag,
    Kind,
    Site,
)
from server.project.people import Part, Person, Population, part_of
from server.project.rollups import cells, change, day_before
from server.project.rules import Ruleset
from server.project.scoring import Receipt, score
from server.project.seen import Seen
from server.project.sessions import Session, Zone
from server.project.stages import Cause, Move, consequence_id, first_stage, judge
from server.project.subjects import PERSON, VISITOR, drop_subject, ordered, put_subject
from server.project.visitor import Rules, Step, Visitor, grants, links_of
from server.storage import derived

MOVE_KINDS = {
    "stage_moved": Kind.STAGE_MOVED,
    "crossed": Kind.CROSSED,
    "rearmed": Kind.REARMED,
}


class Fold:
    """Collects the changes of one projection result. `now` is ms."""

    def __init__(
        self,
        site: Site,
        ruleset: Ruleset,
        rules: Rules,
        people: Population,
        now: int,
        zone: Zone,
    ) -> None:
        self.site = site
        self.ruleset = ruleset
        self.rules = rules
        self.people = people
        self.changes = people.changes
        self.now = now
        self.day = now // DAY_MS
        self.zone = zone
        self.sessions: dict[int, Session] = {}  # by identity: their ids may still sink
        self.rows: dict[tuple[int, int, int, int], tuple[Session | None, int, int, int]] = {}
        self.visitors: dict[int, Visitor] = {}
        self._later: list[tuple[Person, Cause, bool]] | None = None  # while folding anew

    # ------------------------------------------------------------ events

    def take(self, visitor: Visitor, events: Sequence[Seen]) -> None:
        """Fold events, in the order of rules, all later than what the visitor has seen."""
        for seen in events:
            if seen.visitor_id == 0:
                visitor = Visitor(0)  # an event of nobody's browser stands alone
            step = visitor.step(seen, self.rules, self.people)
            self._record(visitor, seen, step)

    def refold(self, old: Visitor, events: Sequence[Seen], fresh: Container[int]) -> Visitor:
        """Fold a visitor anew from all its events; what it was before is taken back first.

        `fresh` are the seqs of the events that were not folded before. Only they can be causes: on
        the way a score is half rebuilt, and judging it would arm and cross thresholds again.
        """
        self._take_back(old)
        visitor = Visitor(old.visitor_id, granted=grants(events))
        self._later = []
        self.take(visitor, events)
        later, self._later = self._later, None
        for person, cause, mute in later:
            if cause.seq in fresh:
                self.judge(person, cause, mute=mute)
        last = max((e for e in events if e.seq in fresh), key=lambda e: e.key)
        cause = Cause(seq=last.seq, at=last.at, q=last.q, event_id=last.event_id)
        for person_id in sorted({s.person_id for s in visitor.sessions if s.person_id}):
            person = self.people.persons[person_id]
            self.judge(person, cause, mute=bool(last.flags & Flag.MUTE))
        return visitor

    def _take_back(self, old: Visitor) -> None:
        for session in old.sessions:
            self.changes.drop(derived.SIGNALS, "session_id = $3", session.session_id)
            self.changes.rollups.update(change(session.written, {}))
            if session.person_id in self.people.persons:
                person = self.people.persons[session.person_id]
                person.parts.pop(session.session_id, None)
                person.receipt = None
                self.people.dirty.add(session.person_id)
            self.sessions.pop(id(session), None)
        for at in old.uncounted:
            self.changes.rollups["cookieless_views", self.zone.day(at), ""] -= 1
        for table in (derived.SESSIONS, derived.SESSION_EVENTS, derived.LINKS, derived.CLAIMS):
            self.changes.drop(table, "visitor_id = $3", old.visitor_id)

    def _record(self, visitor: Visitor, seen: Seen, step: Step) -> None:
        for row in step.rows:
            self.rows[visitor.visitor_id, row.at, row.q, row.seq] = (
                step.session,
                row.kind,
                row.ms,
                row.scroll,
            )
        if visitor.visitor_id:
            self.visitors[visitor.visitor_id] = visitor
        if step.claim is not None and step.person_id:
            self._record_claim(visitor, step)
        session = step.session
        if session is None:
            if seen.kind is Kind.PAGE_VIEW and seen.flags & Flag.COOKIELESS:
                self.changes.rollups["cookieless_views", self.zone.day(seen.at), ""] += 1
            return
        self.sessions[id(session)] = session
        for taken in step.taken:
            self.sessions[id(taken)] = taken
            self._join(taken)
        if session.person_id:
            self._judge_event(session, seen, step)

    def _record_claim(self, visitor: Visitor, step: Step) -> None:
        claim = step.claim
        assert claim is not None  # noqa: S101 - by the caller
        for identifier in claim.ids:
            self.changes.put(
                derived.CLAIMS,
                (
                    visitor.visitor_id,
                    claim.seq,
                    identifier.type,
                    claim.at,
                    identifier.value,
                    int(claim.level),
                    claim.form,
                    step.person_id,
                ),
            )

    def _join(self, session: Session) -> None:
        person = self.people.persons[session.person_id]
        if session.known_as != session.session_id:
            person.parts.pop(session.known_as, None)
            session.known_as = session.session_id
        person.parts[session.session_id] = part_of(session)
        person.receipt = None
        self.people.dirty.add(session.person_id)

    def _judge_event(self, session: Session, seen: Seen, step: Step) -> None:
        """Score and judge a person after an event that may matter to either."""
        person = self.people.persons.get(session.person_id)
        if person is None:
            return
        high_intent = session.signals.last_intent == seen.seq
        product = (
            seen.kind is Kind.TRACK and seen.data.get("name") in self.site.settings.product_events
        )
        self._join(session)
        opened = session.events == 1  # coming back is a signal without a hit
        if not (step.hits or step.claim or high_intent or product or opened):
            return
        cause = Cause(
            seq=seen.seq,
            at=seen.at,
            high_intent=high_intent,
            first_stage=first_stage(step.claim.purpose) if step.claim else "",
            product_event=product,
            q=seen.q,
            event_id=seen.event_id,
        )
        mute = bool(seen.flags & Flag.MUTE)
        if self._later is not None:
            self._later.append((person, cause, mute))
        else:
            self.judge(person, cause, mute=mute)

    # ------------------------------------------------------------ scores and stages

    def judge(self, person: Person, cause: Cause, *, mute: bool = False) -> None:
        """Score a person now; moves become consequences, each decided once."""
        self.people.dirty.add(person.person_id)
        receipt = person.receipt = self._score(person)
        person.standing, moves = judge(self.ruleset, person.standing, receipt, cause)
        for move in moves:
            self._decide(person, move, mute)

    def _decide(self, person: Person, move: Move, mute: bool) -> None:
        body = {
            "person": person.person_id,
            "threshold": move.threshold,
            "number": move.number,
            "from": move.stage_from,
            "to": move.stage_to,
            "score": move.score,
            "cause": move.cause.seq,
            "mute": mute,
            "receipt": [
                [line.rule, line.axis, line.points, line.base, line.factor, line.at, line.seq]
                for line in (person.receipt.lines if person.receipt else ())
            ],
        }
        name = consequence_id(
            person.person_id, move.kind, move.threshold, move.number, move.stage_to
        )
        self.changes.consequences.append(
            Event(
                event_id=name,
                kind=MOVE_KINDS[move.kind],
                at=self.now,
                received=self.now,
                door=Door.OPERATOR,
                data=msgspec.json.encode(body).decode(),
            )
        )
        if move.kind == "stage_moved":
            to = STAGE_RANK[move.stage_to]
            self.changes.put(
                derived.STAGES,
                (
                    person.person_id,
                    move.cause.seq,
                    to,
                    STAGE_RANK[move.stage_from],
                    move.cause.at,
                    move.threshold,
                ),
            )
            day = self.zone.day(move.cause.at)
            self.changes.rollups["stage", day, move.stage_to] += 1

    # ------------------------------------------------------------ rows

    def finish(self) -> Iterator[None]:
        """Write the rows of every session, visitor and person that was touched, in small steps."""
        for (visitor_id, at, q, seq), (owner, kind, ms, scroll) in self.rows.items():
            session_id = owner.session_id if owner is not None else 0
            self.changes.put(
                derived.SESSION_EVENTS, (visitor_id, at, q, seq, session_id, kind, ms, scroll)
            )
        for session in self.sessions.values():
            self._put_session(session)
            yield
        for visitor in self.visitors.values():
            self._put_visitor(visitor)
            yield
        for person_id in sorted(self.people.dirty):
            self.put_person(self.people.persons[person_id])
            yield
        self.people.dirty.clear()

    def _put_session(self, session: Session) -> None:
        now = cells(session, self.zone)
        self.changes.rollups.update(change(session.written, now))
        session.written = now
        before = day_before(session, self.zone)
        self.changes.put(
            derived.SESSIONS,
            (
                session.session_id,
                session.visitor_id,
                session.person_id,
                0,
                session.start_at,
                session.end_at,
                self.zone.day(session.start_at),
                before,
                session.page_views,
                session.events,
                session.engaged_ms,
                session.leads,
                session.landing,
                session.exit_page,
                session.source,
                session.medium,
                session.campaign,
                session.channel,
                session.referrer,
                session.country,
                session.company,
                session.device,
                session.browser,
                session.os,
                session.language,
            ),
        )
        self._put_signals(session)

    def _put_signals(self, session: Session) -> None:
        left = session.signals.pending()
        found = (tuple(session.hits), left)
        if session.told == found:
            return
        told, waiting = map(set, session.told)
        if waiting == set(left) and told == set(session.hits):
            return
        if waiting != set(left) or not told <= set(session.hits):  # taken back, or other rules
            self.changes.drop(derived.SIGNALS, "session_id = $3", session.session_id)
        session.told = found
        for pending, hits in enumerate(found):
            for hit in hits:
                self.changes.put(
                    derived.SIGNALS,
                    (session.session_id, hit.rule, hit.seq, hit.key, hit.at, pending),
                )

    def _put_visitor(self, visitor: Visitor) -> None:
        parts = ordered(part_of(s) for s in visitor.sessions if not s.person_id)
        if parts:
            self.put_visitor_subject(visitor.visitor_id, parts)
        elif visitor.sessions:
            drop_subject(self.changes, VISITOR, visitor.visitor_id)
        for link in links_of(visitor):
            self.changes.put(
                derived.LINKS,
                (
                    visitor.visitor_id,
                    link.evidence,
                    link.person_id,
                    link.from_at,
                    link.to_at,
                    link.level,
                    0,
                    link.reason,
                ),
            )

    def put_visitor_subject(self, visitor_id: int, parts: list[Part]) -> None:
        """An unowned visitor is scored by the same code; it crosses nothing."""
        receipt = score(self.ruleset, [part.hits for part in parts], {}, self.day)
        put_subject(
            self.changes, VISITOR, visitor_id, parts, receipt, self.day, self.ruleset.version
        )

    def _score(self, person: Person) -> Receipt:
        hits = [part.hits for part in person.parts.values()]
        return score(self.ruleset, hits, person.facts(), self.day)

    def put_person(self, person: Person) -> None:
        if not person.parts:
            drop_subject(self.changes, PERSON, person.person_id)
            return
        receipt = person.receipt or self._score(person)
        person.receipt = None
        person.write(self.changes)
        put_subject(
            self.changes,
            PERSON,
            person.person_id,
            ordered(person.parts.values()),
            receipt,
            self.day,
            self.ruleset.version,
            person.standing.stage,
            person.value("company"),
        )
