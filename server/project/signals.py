"""What one session says: its events, stepped through in order, become hits of rules.

Decided here is what one session alone can decide: once per session, once per page or day within it,
sequences, forms started and left. What needs the whole subject is left to `counting`.
Folding all facts of a session gives exactly the hits that stepping through them gave.
"""

from collections.abc import Iterable, Sequence

import msgspec

from server.model import DAY_MS, Kind
from server.project.matching import Fact, Matcher, Slot

__all__ = ["Fact", "Hit", "Matcher", "SessionHits", "SessionSignals", "fold"]

#: Hits of one rule kept of one session: more is no person, and would make scoring slow.
MOST_HITS = 500


class Hit(msgspec.Struct, frozen=True, gc=False):
    """A rule met by an event at `at` (ms). `key` is the page of a rule counted once per page."""

    rule: str
    seq: int
    at: int
    key: str = ""


class SessionHits(msgspec.Struct, frozen=True, gc=False):
    """What a session leaves to the score of its subject.

    `start` and `end` are the times of its first and last event, `first_seq` is the seq of that
    first one. `pending` are forms started and left: hits once the session is over. `visit` is false
    for what happened outside of one, such as a mail opened: no rule about visits counts it.
    """

    session_id: int
    first_seq: int
    start: int
    end: int
    hits: tuple[Hit, ...] = ()
    pending: tuple[Hit, ...] = ()
    visit: bool = True


class SessionSignals:
    """The memory of one open session: what was met, how far each sequence is, which forms are open.

    `last_intent` is the seq of its latest event of high intent, 0 if there was none. It is updated
    by `step`; a form sent again is not another one.
    """

    __slots__ = ("_counts", "_sent", "_started", "_steps", "_taken", "last_intent")

    def __init__(self) -> None:
        # Most sessions need none of these, and many sessions are kept: each is made when needed.
        self._taken: set[object] | None = None
        self._counts: dict[str, int] | None = None
        self._steps: dict[str, tuple[int, ...]] | None = None
        self._sent: dict[str, bool] | None = None
        self._started: dict[str, list[tuple[Slot, Hit]]] | None = None
        self.last_intent = 0

    def step(self, matcher: Matcher, fact: Fact) -> tuple[Hit, ...]:
        """The hits of the next event. Give the events of a session in their order, each once."""
        kind = fact.kind
        if kind == Kind.FORM_SUBMIT and self._sent is not None and self._sent.get(fact.form):
            return ()
        if matcher.high_intent(fact):
            self.last_intent = fact.seq
        slots = matcher.slots(fact)
        hits = self._take(slots, fact) if slots else ()
        if kind in {Kind.FORM_SUBMIT, Kind.FORM_CONFIRM}:
            self._close(fact)
        return hits

    def pending(self) -> tuple[Hit, ...]:
        """Forms started and neither sent nor confirmed so far, dated when they were started."""
        hits: list[Hit] = []
        counts: dict[str, int] = {}
        sent = self._sent or {}
        for form, started in (self._started or {}).items():
            if form in sent:
                continue
            for slot, hit in started:
                count = counts.get(slot.rule, 0)
                if count < (MOST_HITS if slot.counted == "each" else 1):
                    counts[slot.rule] = count + 1
                    hits.append(hit)
        return tuple(hits)

    def _take(self, slots: Sequence[Slot], fact: Fact) -> tuple[Hit, ...]:
        hits: list[Hit] = []
        for slot in slots:
            if fact.ms < slot.min_ms or fact.scroll < slot.min_scroll:
                continue
            if slot.left:
                self._start(slot, fact)
            elif (not slot.last or self._advance(slot, fact.at)) and self._counts_now(slot, fact):
                hits.append(_hit(slot, fact))
        return tuple(hits)

    def _close(self, fact: Fact) -> None:
        """Remembers a form as sent (true) or as confirmed only (false)."""
        if self._sent is None:
            self._sent = {}
        self._sent[fact.form] = fact.kind == Kind.FORM_SUBMIT or self._sent.get(fact.form, False)

    def _start(self, slot: Slot, fact: Fact) -> None:
        if self._started is None:
            self._started = {}
        started = self._started.setdefault(fact.form, [])
        if all(other.rule != slot.rule for other, _ in started):
            started.append((slot, _hit(slot, fact)))

    def _advance(self, slot: Slot, at: int) -> bool:
        """Whether this event was the next step of a sequence, and its last.

        Remembered is when each step was last taken: the latest time leaves most of the gap.
        """
        if self._steps is None:
            self._steps = {}
        taken = self._steps.get(slot.rule, ())
        step = slot.step
        if len(taken) < step or (step and slot.gap and at - taken[step - 1] > slot.gap):
            return False
        done = step == slot.last
        self._steps[slot.rule] = () if done else (*taken[:step], at, *taken[step + 1 :])
        return done

    def _counts_now(self, slot: Slot, fact: Fact) -> bool:
        mark = _mark(slot, fact)
        if mark is not None:
            if self._taken is None:
                self._taken = set()
            if mark in self._taken:
                return False
            self._taken.add(mark)
            if mark is slot.rule:
                return True
        if self._counts is None:
            self._counts = {}
        count = self._counts.get(slot.rule, 0)
        self._counts[slot.rule] = count + 1
        return count < MOST_HITS


def fold(matcher: Matcher, facts: Iterable[Fact]) -> tuple[tuple[Hit, ...], tuple[Hit, ...]]:
    """The hits and the pending hits of a whole session, its facts in order."""
    signals = SessionSignals()
    hits = [hit for fact in facts for hit in signals.step(matcher, fact)]
    return tuple(hits), signals.pending()


def _hit(slot: Slot, fact: Fact) -> Hit:
    return Hit(slot.rule, fact.seq, fact.at, fact.page if slot.counted == "once_per_page" else "")


def _mark(slot: Slot, fact: Fact) -> object:
    """What must be new for the event to count; None if every event does.

    Engagement tells of one page view several times, so that is the least it must differ by.
    """
    match slot.counted:
        case "each" | "count":
            return (slot.rule, fact.page_seq) if fact.kind == Kind.ENGAGEMENT else None
        case "once_per_page":
            return (slot.rule, fact.page)
        case "once_per_day":
            return (slot.rule, fact.at // DAY_MS)
        case _:
            return slot.rule
