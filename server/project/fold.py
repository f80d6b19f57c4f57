"""One projection result: the events of some visitors folded in, and the rows that follow.

Everything here is computed in memory on what `site_projector` has loaded; nothing waits. A visitor
that is folded anew is compared with what the tables hold of it: only differences are written.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from server.model import Flag, Kind, Site
from server.project.judging import Judge
from server.project.people import Part, Person, Population, part_of
from server.project.registry import conflict_row
from server.project.rollups import Counted, moved
from server.project.rows import counted, followed, link_row, owner_of, session_row, signal_rows
from server.project.scoring import Line, Receipt, basis_of, score
from server.project.seen import Seen
from server.project.sessions import Session, Zone
from server.project.stages import Cause, first_stage
from server.project.subjects import PERSON, VISITOR, drop_subject, ordered, put_subject
from server.project.typos import Typos
from server.project.visitor import (
    COOKIELESS,
    NOTHING,
    EventRow,
    Past,
    Rules,
    Scored,
    Step,
    Visitor,
    grants,
    links_of,
)
from server.storage import derived
from server.storage.database import Row
from server.storage.derived import Changes


class Written(NamedTuple):
    """What the tables hold of a visitor: rows by key."""

    events: dict[Row, Row]
    sessions: dict[Row, Row]
    signals: dict[Row, Row]
    links: dict[Row, Row]
    past: Past = NOTHING
    typos: Mapping[Row, Row] = MappingProxyType({})


class History(NamedTuple):
    """A visitor to fold anew: all its events in the order of rules, and what is written of it.

    `dismissed` are claims of which somebody said that they are no typo; `classified` is what made
    the visitor, or an event of it, another class. `nearby`: only some of its sessions are here,
    the one `following` them stays as it is.
    """

    events: list[Seen]
    written: Written
    dismissed: frozenset[int] = frozenset()
    classified: Cause | None = None
    nearby: bool = False
    following: Row | None = None


class Fold:
    """Collects the changes of one projection result."""

    def __init__(
        self, site: Site, rules: Rules, people: Population, judge: Judge, zone: Zone
    ) -> None:
        self.site = site
        self.rules = rules
        self.people = people
        self.judge = judge
        self.changes: Changes = judge.changes
        self.zone = zone
        self.sessions: dict[int, Session] = {}  # by identity: their ids may still sink
        self.rows: dict[tuple[int, int, int, int], tuple[Session | None, EventRow]] = {}
        self.visitors: dict[int, Visitor] = {}
        self.told: dict[int, tuple[Line, ...]] = {}  # receipts of persons that the tables hold
        self._again: list[Written] = []
        self._later: list[tuple[Person, Cause, bool]] | None = None  # while folding anew
        self._typos: Typos | None = None  # likewise

    # ------------------------------------------------------------ events

    def take(self, visitor: Visitor, events: Sequence[Seen]) -> None:
        """Fold events, in the order of rules, all later than what the visitor has seen."""
        for seen in events:
            if seen.visitor_id == 0:
                visitor = Visitor(0)  # an event of nobody's browser stands alone
            step = visitor.step(seen, self.rules, self.people)
            self._record(visitor, seen, step)

    def refold(
        self, visitor_id: int, history: History, fresh: Container[int], cause: Cause | None
    ) -> Visitor:
        """Fold a visitor anew from all its events; what was written before is taken back first.

        `fresh` are the seqs of the events that were not folded before. Only they, or the decision
        `cause`, can be causes: on the way a score is half rebuilt, and judging it would arm and
        cross thresholds again.
        """
        self._take_back(history.written)
        visitor = Visitor(visitor_id, granted=grants(history.events), past=history.written.past)
        self._later, self._typos = [], Typos() if visitor_id else None
        self.take(visitor, history.events)
        if visitor_id:
            self.visitors[visitor_id] = visitor  # also where no event is left
        later, self._later = self._later, None
        for one in self._typos.found if self._typos is not None else ():
            closed = one.seq in history.dismissed
            self.changes.put(derived.CONFLICTS, conflict_row(one, closed=closed))
        self._typos = None
        for person, reason, mute in later:
            if reason.seq in fresh:
                self.judge.judge(person, reason, mute=mute)
        owned = {s.person_id for s in (*visitor.sessions, *visitor.alone) if s.person_id}
        if not visitor_id:  # each of these events stands alone
            owned = {person.person_id for person, _, _ in later}
        owners = [self.people.persons[person_id] for person_id in sorted(owned)]
        cause = cause or history.classified
        if cause is not None:
            self.judge.judge_again(owners, cause, later)
        last = max(
            (event for event in history.events if event.seq in fresh),
            key=lambda event: event.key,
            default=None,
        )
        if last is not None:
            mute = bool(last.flags & Flag.MUTE)
            cause = Cause(seq=last.seq, at=last.at, q=last.q, event_id=last.event_id)
            self.judge.judge_again(owners, cause, (), mute=mute)
        return visitor

    def refold_nearby(self, visitor_id: int, history: History) -> None:
        """Fold the unowned sessions around late events anew; those beside them stay."""
        self._take_back(history.written)
        visitor = Visitor(visitor_id, past=history.written.past)
        self.take(visitor, history.events)
        old = history.following
        if old is not None and visitor.sessions:
            row = followed(old, self.zone.day(visitor.sessions[-1].start_at))
            self.changes.put(derived.SESSIONS, row)
            self._recount(counted(old), counted(row))

    def _take_back(self, written: Written) -> None:
        self._again.append(written)
        for session in written.sessions.values():
            self._recount(counted(session), None)
            person = self.people.persons.get(owner_of(session))
            if person is not None:
                person.parts.pop(session[0], None)
                person.receipt = None
                self.people.dirty.add(person.person_id)
        for row in written.events.values():
            if row[4] == COOKIELESS and row[5] == Kind.PAGE_VIEW:
                self.changes.rollups["cookieless_views", self.zone.day(row[1]), ""] -= 1

    def _recount(self, old: Counted | None, new: Counted | None) -> None:
        """What the daily figures hold of a session changes; their days are packed no more."""
        if old != new:
            self.changes.rollups.update(moved(old, new))
            self.changes.unpacked.update(one.day for one in (old, new) if one is not None)

    def _record(self, visitor: Visitor, seen: Seen, step: Step) -> None:
        if seen.withdraws and self.site.settings.on_withdrawal == "erase" and self.judge.decides:
            self.changes.withdrawn[seen.seq] = (seen.visitor_id, seen.at)
        for row in step.rows:
            self.rows[visitor.visitor_id, row.at, row.q, row.seq] = (step.session, row)
            if row.place == COOKIELESS and row.kind == Kind.PAGE_VIEW:
                self.changes.rollups["cookieless_views", self.zone.day(row.at), ""] += 1
        if visitor.visitor_id:
            self.visitors[visitor.visitor_id] = visitor
        session = step.session
        for taken in step.taken:
            self.sessions[id(taken)] = taken
            self._change_owner(taken)
        if session is None:
            return
        if self._typos is not None and step.claim is not None and not session.alone:
            self._typos.meet(visitor, step.claim, self.people.ruling(step.claim))
        self.sessions[id(session)] = session
        if session.person_id:
            self._judge_event(session, seen, step)

    def _change_owner(self, session: Session) -> None:
        if session.person_id:
            self._join(session)
        elif not session.alone:  # consent was withdrawn
            self._leave(session)

    def _join(self, session: Session) -> None:
        """Give a session to its person; one in quarantine counts for nobody."""
        person = self.people.persons.get(session.person_id)
        if person is None:
            return
        if session.known_as != session.session_id:
            person.parts.pop(session.known_as, None)
            session.known_as = session.session_id
        person.parts.pop(session.session_id, None)
        if not session.state:
            person.parts[session.session_id] = part_of(session)
        person.receipt = None
        self.people.dirty.add(session.person_id)

    def _leave(self, session: Session) -> None:
        """A session is nobody's any more: whoever had it has one less, and its link ends."""
        if self._later is None:  # else links are compared in the end
            self.changes.drop(derived.LINKS, "visitor_id = $3", session.visitor_id)
        for person in self.people.persons.values():
            if person.parts.pop(session.known_as, None) is not None:
                person.receipt = None
                self.people.dirty.add(person.person_id)

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
        claim = step.claim if step.claim is not None and not session.state else None
        if session.state or not (step.hits or claim or high_intent or product or opened):
            return
        named = claim is not None and claim.kind is Kind.FORM_SUBMIT
        cause = Cause(
            seq=seen.seq,
            at=seen.at,
            high_intent=high_intent,
            first_stage=first_stage(claim.purpose) if claim is not None and named else "",
            product_event=product,
            q=seen.q,
            event_id=seen.event_id,
        )
        mute = bool(seen.flags & Flag.MUTE)
        if self._later is not None:
            self._later.append((person, cause, mute))
        else:
            self.judge.judge(person, cause, mute=mute)

    # ------------------------------------------------------------ rows

    def finish(self) -> Iterator[None]:
        """Write the rows of every session, visitor and person that was touched, in small steps."""
        for (visitor_id, *_), (owner, row) in self.rows.items():
            session_id = owner.session_id if owner is not None else row.place
            self.changes.put(
                derived.SESSION_EVENTS,
                (visitor_id, row.at, row.q, row.seq, session_id, row.kind, row.ms, row.scroll),
            )
        for session in self.sessions.values():
            self._put_session(session)
            yield
        for visitor in self.visitors.values():
            self._put_visitor(visitor)
            yield
        for written in self._again:
            self.changes.against(derived.SESSION_EVENTS, written.events)
            self.changes.against(derived.SESSIONS, written.sessions)
            self.changes.against(derived.SIGNALS, written.signals)
            self.changes.against(derived.LINKS, written.links)
            self.changes.against(derived.CONFLICTS, written.typos)
            yield
        for person_id in sorted(self.people.dirty & self.people.persons.keys()):
            self.put_person(self.people.persons[person_id], self.told.get(person_id))
            yield
        self.people.dirty.clear()

    def _put_session(self, session: Session) -> None:
        row = session_row(session, self.zone)
        now = counted(row)
        self._recount(session.written, now)
        session.written = now
        self.changes.put(derived.SESSIONS, row)
        self._put_signals(session)

    def _put_signals(self, session: Session) -> None:
        left = session.signals.pending()
        found = (tuple(session.hits), left)
        if session.alone and not session.person_id:
            left, found = (), ((), ())  # refused: it says nothing of anybody
        if session.told == found:
            return
        told, waiting = map(set, session.told)
        if waiting == set(left) and told == set(found[0]):
            return
        undone = waiting != set(left) or not told <= set(found[0])
        if undone and (told or waiting):  # taken back, or other rules
            self.changes.drop(derived.SIGNALS, "session_id = $3", session.session_id)
        session.told = found
        for row in signal_rows(session.session_id, found):
            self.changes.put(derived.SIGNALS, row)

    def _put_visitor(self, visitor: Visitor) -> None:
        parts = ordered(
            (
                *visitor.past.parts,
                *(part_of(s) for s in visitor.sessions if not s.person_id),
            )
        )
        if parts:
            self._put_scored(visitor, parts)
        else:
            visitor.scored = None
            drop_subject(self.changes, VISITOR, visitor.visitor_id)
        for link in links_of(visitor):
            self.changes.put(derived.LINKS, link_row(visitor.visitor_id, link))

    def _put_scored(self, visitor: Visitor, parts: list[Part]) -> None:
        """Most events are of no signal: then the receipt is the one that was written last."""
        known = visitor.scored
        basis = (self.judge.day, *basis_of([part.hits for part in parts]))
        receipt = known.receipt if known is not None and known.basis == basis else None
        told = None
        if known is not None and known.basis[0] == self.judge.day:
            told = known.receipt.lines
        receipt = self.put_visitor_subject(visitor.visitor_id, parts, receipt, told)
        visitor.scored = Scored(basis, receipt)

    def put_visitor_subject(
        self,
        visitor_id: int,
        parts: list[Part],
        receipt: Receipt | None = None,
        told: tuple[Line, ...] | None = None,
    ) -> Receipt:
        """An unowned visitor is scored by the same code; it crosses nothing. `receipt` is the one
        of today if it is known, `told` are the lines in the tables."""
        judge = self.judge
        receipt = receipt or score(judge.ruleset, [part.hits for part in parts], {}, judge.day)
        version = judge.ruleset.version
        put_subject(
            self.changes, VISITOR, visitor_id, parts, receipt, judge.day, version, told=told
        )
        return receipt

    def put_person(self, person: Person, told: tuple[Line, ...] | None = None) -> None:
        receipt = person.receipt or self.judge.score(person)
        person.receipt = None
        person.write(self.changes)
        person.write_moves(self.changes, self.zone)
        put_subject(
            self.changes,
            PERSON,
            person.person_id,
            ordered(person.parts.values()),
            receipt,
            self.judge.day,
            self.judge.ruleset.version,
            person.standing.stage,
            person.value("company"),
            person.created_at,
            told=told,
        )

    def forget(self, person: Person) -> None:
        """Nobody has this number any more: its claims are another's, or nobody's."""
        person.erase(self.changes, self.zone)
        drop_subject(self.changes, PERSON, person.person_id)
        self.people.persons.pop(person.person_id, None)
        self.people.dirty.discard(person.person_id)
