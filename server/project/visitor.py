"""One visitor: its events folded, in the order of rules, into sessions and who owns them.

The fold is the truth: a visitor read again from the log gives exactly the same sessions, links and
signals. An event later than all before it is one more step; any other makes the visitor be folded
anew. Ownership rules 1, 2, 5, 6 and 8 are applied here, on sessions, never on page views:

- the first claim takes its own session and the earlier unowned ones inside the lookback;
- a claim of another person cuts the session: what was before stays where it was;
- after a second person the visitor is shared, and later sessions belong to nobody until they
  give a sign themselves.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

from server.model import DAY_MS, Consent, Flag, Kind, Level, SiteSettings
from server.project.claims import CLAIMING, Claim, claim_of
from server.project.rulings import Ruling, State
from server.project.scoring import Receipt
from server.project.seen import Key, Seen
from server.project.sessions import OPENERS, Session, gone, new_campaign
from server.project.signals import Hit, Matcher

FIRST: Key = (-1, -1, b"")
#: Stands for persons who were erased: nobody's number.
FORGOTTEN = -1


class People(Protocol):
    """Who is behind a claim."""

    def ruling(self, claim: Claim) -> Ruling:
        """What identity made of it."""
        ...


class Rules(NamedTuple):
    """What the fold needs to know of the site."""

    matcher: Matcher
    settings: SiteSettings
    purpose: Callable[[str], str]
    kiosks: frozenset[str] = frozenset()  # forms

    def claim_of(self, seen: Seen) -> Claim | None:
        """The claim an event makes on this site, if any."""
        if seen.kind not in CLAIMING:
            return None
        form = seen.data.get("form", "") if seen.data else ""
        return claim_of(seen, self.purpose(form), form in self.kiosks)


#: Plain numbers: an operation on a member of an enum costs half a microsecond.
_LATE, _COOKIELESS = int(Flag.LATE), int(Flag.COOKIELESS)
#: What stands for a session where an event is in none. Stored.
LATE, COOKIELESS, UNCOUNTED = 0, -1, -2


class Past(NamedTuple):
    """What is known of sessions that are not folded, such as those whose events were thinned: when
    the last of them began (ms, -1: there is none) and on what, whether consent was given in one,
    and what they bring to their subject."""

    start_at: int = -1
    device: str = ""
    browser: str = ""
    os: str = ""
    granted: bool = False
    parts: tuple[Any, ...] = ()  # `people.Part`


NOTHING = Past()


class EventRow(NamedTuple):
    """A row of session_events, but for its session: a session's id may still sink. `place` is what
    stands there if it is in none."""

    at: int
    q: int
    seq: int
    kind: int
    ms: int = 0
    scroll: int = 0
    place: int = LATE


class Step(NamedTuple):
    """What one event did."""

    session: Session | None
    hits: tuple[Hit, ...]
    claim: Claim | None
    taken: tuple[Session, ...]  # sessions that changed their owner
    rows: tuple[EventRow, ...]


class Scored(NamedTuple):
    """A receipt, and what it was made of: while that is the same, the receipt is."""

    basis: tuple[object, ...]
    receipt: Receipt


class Visitor:
    """The folded state of one visitor."""

    __slots__ = (
        "alone",
        "given",
        "granted",
        "last",
        "owners",
        "past",
        "scored",
        "sessions",
        "since",
        "visitor_id",
        "withheld",
    )

    def __init__(self, visitor_id: int, *, granted: bool = False, past: Past = NOTHING) -> None:
        self.visitor_id = visitor_id
        self.sessions: list[Session] = []
        self.alone: list[Session] = []  # submissions of which no visit is known
        self.owners: list[int] = []  # distinct persons, in order of their first claim
        self.given: dict[int, State] = {}  # how they stand here: the best of their claims
        self.last: Key = FIRST
        self.withheld = False  # cookieless events wait for a grant
        self.granted = granted or past.granted  # consent is given somewhere in its history
        self.past = past  # sessions before those here
        self.scored: Scored | None = None  # as the tables have it, if this process wrote it
        self.since = FIRST  # consent was withdrawn then: nothing before it can be joined again

    @property
    def shared(self) -> bool:
        return len(self.owners) > 1

    def needs_refold(self, seen: Seen) -> bool:
        """Out of order, or a grant that lets earlier cookieless events join."""
        joins = self.withheld and not self.granted and seen.consent is Consent.GRANTED
        return seen.key <= self.last or joins

    def step(self, seen: Seen, rules: Rules, people: People) -> Step:
        """Fold one more event, later than all before it."""
        self.last = max(self.last, seen.key)
        if seen.kind is Kind.ERASED:
            self._somebody()
            return Step(None, (), None, (), (_row(seen, UNCOUNTED),))
        claim = rules.claim_of(seen)
        counts = self._counts(seen)
        if claim is not None and claim.counts and (claim.kiosk or not counts):
            return self._stand_alone(seen, claim, rules, people)
        session = self._session_of(seen) if counts else None
        if session is None:
            return Step(None, (), claim, (), (_row(seen, self._place(seen)),))
        taken: tuple[Session, ...] = ()
        if claim is not None:
            session, taken = self._own(session, claim, people.ruling(claim), seen, rules.settings)
        if seen.kind is Kind.CONSENT and seen.data.get("state") == "denied":
            taken = self._withdraw(seen)
        form = seen.data.get("form", "") if seen.data else ""
        hits = session.take(seen, rules.purpose(form) if form else "", rules.matcher)
        return Step(session, hits, claim, taken, self._rows(seen, session))

    def _counts(self, seen: Seen) -> bool:
        """Cookieless events count once consent is granted on the same page load."""
        if seen.flags & _LATE or not seen.human:
            return False
        if seen.consent is Consent.GRANTED:
            self.granted = True
        if seen.flags & _COOKIELESS and not self.granted:
            self.withheld = True
            return False
        return True

    def _place(self, seen: Seen) -> int:
        if not seen.human:
            return UNCOUNTED
        waits = seen.flags & _COOKIELESS and not self.granted
        return COOKIELESS if waits and not seen.flags & _LATE else LATE

    def _stand_alone(self, seen: Seen, claim: Claim, rules: Rules, people: People) -> Step:
        """A submission without a visit: rule 11's kiosk, or no consent to more (rule 15)."""
        session = Session(seen, -1)
        session.alone = True
        ruling = people.ruling(claim)
        self.alone.append(session)
        if ruling.person_id and ruling.state <= State.QUARANTINED:
            _give(session, claim, ruling)
        hits = session.take(seen, claim.purpose, rules.matcher)
        return Step(session, hits, claim, (session,), (_row(seen),))

    def _session_of(self, seen: Seen) -> Session | None:
        """The session an event belongs to, opened if it opens one."""
        if seen.kind is Kind.ENGAGEMENT and seen.page_view is not None:
            for session in reversed(self.sessions):
                if seen.page_view in session.readings:
                    return session
        current = self.sessions[-1] if self.sessions else None
        if seen.kind not in OPENERS:
            return current
        if current is None or gone(current.end_at, seen.at) or new_campaign(current.utm, seen):
            return self._open(seen)
        return current

    def _open(self, seen: Seen) -> Session:
        before = self.sessions[-1] if self.sessions else None
        past = self.past
        last = before.start_at if before is not None else -1
        session = Session(seen, past.start_at if last < past.start_at <= seen.at else last)
        known = before if before is not None else past
        if not session.device:
            session.device, session.browser, session.os = known.device, known.browser, known.os
        if len(self.owners) == 1 and self.given.get(self.owners[0]) is State.ACTIVE:
            owner = next(s for s in reversed(self.sessions) if s.person_id == self.owners[0])
            session.person_id, session.evidence = owner.person_id, owner.evidence
            session.level, session.reason = owner.level, owner.reason
        self.sessions.append(session)
        return session

    def _somebody(self) -> None:
        """Another person claimed here, and was forgotten since: the visitor stays shared."""
        if FORGOTTEN not in self.owners:
            self.owners.append(FORGOTTEN)

    def _own(
        self, session: Session, claim: Claim, ruling: Ruling, seen: Seen, settings: SiteSettings
    ) -> tuple[Session, tuple[Session, ...]]:
        """Let a claim take sessions; the session the event is in now, and those that changed."""
        person_id = ruling.person_id
        if not person_id or ruling.state > State.QUARANTINED:
            return session, ()
        if person_id not in self.owners:
            self.owners.append(person_id)
        self.given[person_id] = min(ruling.state, self.given.get(person_id, ruling.state))
        if session.person_id == person_id and session.state <= ruling.state:
            return session, self._raise(person_id, ruling.level)
        other = session.person_id not in {0, person_id} or session.barred
        if other and session.events:
            session = self._cut(seen, session)
        taken = [session]
        if not self.shared and ruling.state is State.ACTIVE:
            days = min(settings.lookback_days, settings.retention_days)
            since = claim.at - days * DAY_MS
            free = [s for s in self.sessions if not s.person_id and not s.barred]
            taken = [s for s in free if s.start_at >= since]
            taken += [session] if session not in taken else []
        for one in taken:
            _give(one, claim, ruling)
        raised = self._raise(person_id, ruling.level)
        return session, (*taken, *(one for one in raised if one not in taken))

    def _raise(self, person_id: int, level: Level) -> tuple[Session, ...]:
        """Rule 4: proof on a visitor also holds for what was claimed there before."""
        below = [s for s in self.sessions if s.person_id == person_id and s.level < level]
        for one in below:
            one.level = int(level)
        return tuple(below)

    def _withdraw(self, seen: Seen) -> tuple[Session, ...]:
        """Rule 15: links end, past sessions are nobody's, nothing joins them again."""
        freed = [session for session in self.sessions if session.person_id]
        for session in freed:
            session.person_id = session.evidence = session.level = session.state = 0
            session.reason = ""
        self.owners.clear()
        self.given.clear()
        for session in self.sessions:
            session.barred = True
        self.since = seen.key
        return tuple(freed)

    def _cut(self, seen: Seen, session: Session) -> Session:
        """A new session at this event: the person before keeps what came before."""
        new = Session(seen, session.start_at)
        new.source, new.medium, new.campaign = session.source, session.medium, session.campaign
        new.channel, new.referrer, new.utm = session.channel, session.referrer, session.utm
        new.country, new.company = session.country, session.company
        new.device, new.browser, new.os = session.device, session.browser, session.os
        new.language = session.language
        self.sessions.append(new)
        return new

    def _rows(self, seen: Seen, session: Session) -> tuple[EventRow, ...]:
        own = _row(seen)
        if seen.kind is not Kind.ENGAGEMENT or seen.page_view is None:
            return (own,)
        reading = session.readings.get(seen.page_view)
        if reading is None:
            return (own,)
        row = (reading.at, reading.q, reading.seq)
        view = EventRow(*row, int(Kind.PAGE_VIEW), reading.ms, reading.scroll)
        return (own, view)


def _row(seen: Seen, place: int = LATE) -> EventRow:
    return EventRow(seen.at, seen.q, seen.seq, int(seen.kind), place=place)


def _give(session: Session, claim: Claim, ruling: Ruling) -> None:
    session.person_id, session.evidence = ruling.person_id, claim.seq
    session.state, session.level = int(ruling.state), int(ruling.level)
    session.reason = claim.reason


def grants(events: Iterable[Seen]) -> bool:
    """Whether consent is given somewhere in a visitor's history: then all of it may join."""
    return any(e.consent is Consent.GRANTED and e.human and not e.flags & _LATE for e in events)


class LinkRow(NamedTuple):
    """A link as it follows from who owns which sessions."""

    evidence: int
    person_id: int
    from_at: int
    to_at: int  # 0: open
    level: int
    state: int
    reason: str


def links_of(visitor: Visitor) -> list[LinkRow]:
    """One link per claim that owns sessions: from its first session on, open while it may grow."""
    found: dict[tuple[int, int], list[Session]] = {}
    for session in visitor.sessions:
        if session.person_id:
            found.setdefault((session.evidence, session.person_id), []).append(session)
    last = visitor.sessions[-1] if visitor.sessions else None
    rows = []
    for (evidence, person_id), sessions in found.items():
        still_open = last in sessions and not last.state
        rows.append(
            LinkRow(
                evidence,
                person_id,
                min(s.start_at for s in sessions),
                0 if still_open else max(s.end_at for s in sessions),
                max(s.level for s in sessions),
                min(s.state for s in sessions),
                sessions[-1].reason,
            )
        )
    return rows
