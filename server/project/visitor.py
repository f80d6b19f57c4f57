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
from typing import NamedTuple, Protocol

from server.model import DAY_MS, Consent, Flag, Kind, SiteSettings
from server.project.claims import Claim, claim_of
from server.project.seen import Key, Seen
from server.project.sessions import OPENERS, Session, gone, new_campaign
from server.project.signals import Hit, Matcher

FIRST: Key = (-1, -1, b"")


class People(Protocol):
    """Who is behind an identifier."""

    def resolve(self, claim: Claim) -> int:
        """The person of a claim, made if nobody has these identifiers yet; 0 to refuse it."""
        ...


class Rules(NamedTuple):
    """What the fold needs to know of the site."""

    matcher: Matcher
    settings: SiteSettings
    purpose: Callable[[str], str]


class EventRow(NamedTuple):
    """A row of session_events, but for its session: a session's id may still sink."""

    at: int
    q: int
    seq: int
    kind: int
    ms: int = 0
    scroll: int = 0


class Step(NamedTuple):
    """What one event did."""

    session: Session | None
    hits: tuple[Hit, ...]
    claim: Claim | None
    person_id: int  # of the claim
    taken: tuple[Session, ...]  # sessions that changed their owner
    rows: tuple[EventRow, ...]


class Visitor:
    """The folded state of one visitor."""

    __slots__ = (
        "granted",
        "last",
        "owners",
        "sessions",
        "uncounted",
        "visitor_id",
        "withheld",
    )

    def __init__(self, visitor_id: int, *, granted: bool = False) -> None:
        self.visitor_id = visitor_id
        self.sessions: list[Session] = []
        self.owners: list[int] = []  # distinct persons, in order of their first claim
        self.last: Key = FIRST
        self.withheld = False  # cookieless events wait for a grant
        self.granted = granted  # consent is given somewhere in its history
        self.uncounted: list[int] = []  # times of the cookieless views

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
        if not self._counts(seen):
            row = EventRow(seen.at, seen.q, seen.seq, int(seen.kind))
            return Step(None, (), None, 0, (), (row,))
        purpose = rules.purpose(seen.data.get("form", "")) if "form" in seen.data else ""
        session = self._session_of(seen)
        claim = claim_of(seen, purpose)
        person_id = 0
        taken: tuple[Session, ...] = ()
        if claim is not None and session is not None:
            person_id = people.resolve(claim)
            if person_id:
                session, taken = self._own(session, claim, person_id, seen, rules.settings)
        if session is None:
            row = EventRow(seen.at, seen.q, seen.seq, int(seen.kind))
            return Step(None, (), None, 0, (), (row,))
        hits = session.take(seen, purpose, rules.matcher)
        return Step(session, hits, claim, person_id, taken, self._rows(seen, session))

    def _counts(self, seen: Seen) -> bool:
        """Cookieless events count once consent is granted on the same page load."""
        if seen.flags & Flag.LATE:
            return False
        if seen.consent is Consent.GRANTED:
            self.granted = True
        if seen.flags & Flag.COOKIELESS and not self.granted:
            self.withheld = True
            if seen.kind is Kind.PAGE_VIEW:
                self.uncounted.append(seen.at)
            return False
        return True

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
        session = Session(seen, before.start_at if before else -1)
        if before is not None:
            before.next_start = seen.at
            if not session.device:
                session.device, session.browser, session.os = (
                    before.device,
                    before.browser,
                    before.os,
                )
        if len(self.owners) == 1 and before is not None:
            owner = next(s for s in reversed(self.sessions) if s.person_id)
            session.person_id, session.evidence = owner.person_id, owner.evidence
            session.level, session.reason = owner.level, owner.reason
        self.sessions.append(session)
        return session

    def _own(
        self, session: Session, claim: Claim, person_id: int, seen: Seen, settings: SiteSettings
    ) -> tuple[Session, tuple[Session, ...]]:
        """Let a claim take sessions; the session the event is in now, and those that changed."""
        if person_id not in self.owners:
            self.owners.append(person_id)
        if session.person_id == person_id:
            session.level = max(session.level, int(claim.level))
            return session, ()
        if session.person_id and session.events:
            session = self._cut(seen, session)
        taken = [session]
        if not self.shared:
            since = claim.at - settings.lookback_days * DAY_MS
            taken = [s for s in self.sessions if not s.person_id and s.start_at >= since]
            taken += [session] if session not in taken else []
        for one in taken:
            one.person_id, one.evidence = person_id, claim.seq
            one.level, one.reason = int(claim.level), claim.reason
        return session, tuple(taken)

    def _cut(self, seen: Seen, session: Session) -> Session:
        """A new session at this event: the person before keeps what came before."""
        new = Session(seen, session.start_at)
        new.source, new.medium, new.campaign = session.source, session.medium, session.campaign
        new.channel, new.referrer, new.utm = session.channel, session.referrer, session.utm
        new.country, new.company = session.country, session.company
        new.device, new.browser, new.os = session.device, session.browser, session.os
        new.language = session.language
        session.next_start = seen.at
        self.sessions.append(new)
        return new

    def _rows(self, seen: Seen, session: Session) -> tuple[EventRow, ...]:
        own = EventRow(seen.at, seen.q, seen.seq, int(seen.kind))
        if seen.kind is not Kind.ENGAGEMENT or seen.page_view is None:
            return (own,)
        reading = session.readings.get(seen.page_view)
        if reading is None:
            return (own,)
        view = EventRow(*reading.row, int(Kind.PAGE_VIEW), reading.ms, reading.scroll)
        return (own, view)


def grants(events: Iterable[Seen]) -> bool:
    """Whether consent is given somewhere in a visitor's history: then all of it may join."""
    return any(e.consent is Consent.GRANTED and not e.flags & Flag.LATE for e in events)


class LinkRow(NamedTuple):
    """A link as it follows from who owns which sessions."""

    person_id: int
    evidence: int
    from_at: int
    to_at: int  # 0: open
    level: int
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
        still_open = last in sessions
        rows.append(
            LinkRow(
                person_id,
                evidence,
                min(s.start_at for s in sessions),
                0 if still_open else max(s.end_at for s in sessions),
                max(s.level for s in sessions),
                sessions[-1].reason,
            )
        )
    return rows
