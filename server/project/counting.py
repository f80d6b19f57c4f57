"""How often each rule counts for a subject: hits of all its sessions become dated moments.

Order and duplicates do not matter: sessions are a set by id, moments a set by (at, seq, key).
Distances between events are milliseconds, both ends included: 7 days are 7 × 24 hours.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter

from msgspec.structs import replace

from server.model import DAY_MS, SESSION_GAP_MS
from server.project.rules import InactivityCondition, Rule, Ruleset
from server.project.signals import SessionHits

#: When (ms), by which entry (seq), and the page of a rule counted once per page.
Moment = tuple[int, int, str]
#: Later than any time in milliseconds.
NEVER = 1 << 62
#: How often silence can count again: what lasts longer is no news.
MOST_SILENCES = 24
_ORDER = attrgetter("start", "first_seq", "session_id")


def moments(
    ruleset: Ruleset, sessions: Sequence[SessionHits], before: int
) -> tuple[list[tuple[Rule, list[Moment]]], int]:
    """What counts of what happened before `before` (ms), by rule in the order of the ruleset; and
    when the first later thing happens (ms), or `NEVER`."""
    ordered = _in_order(sessions)
    found: dict[str, set[Moment]] = {}
    later = NEVER
    for session in ordered:
        for hit in session.hits:
            if hit.at < before:
                found.setdefault(hit.rule, set()).add((hit.at, hit.seq, hit.key))
            elif hit.at < later:
                later = hit.at
    later = min(later, _left(ordered, before, found))
    rules = [ruleset.by_key[key] for key in found if key in ruleset.by_key]
    counted = [(place, rule, _counted(rule, found[rule.key])) for place, rule in rules]
    for rule in ruleset.session_rules:
        counted.append((ruleset.by_key[rule.key][0], rule, _visits(rule, ordered, before)))
    later = min((s.start for s in ordered if before <= s.start < later), default=later)
    for rule, when in ruleset.inactivity_rules:
        silent, following = _silent(when, ordered, before)
        later = min(later, following)
        counted.append((ruleset.by_key[rule.key][0], rule, silent))
    counted.sort(key=lambda one: one[0])
    return [(rule, kept) for _, rule, kept in counted if kept], later


def as_of(sessions: Sequence[SessionHits], at: int, seq: int) -> tuple[SessionHits, ...]:
    """The sessions as they were right after the event (at, seq): nothing later is known of them.

    A form is not known to be left by a session that went on or may have gone on since."""
    return tuple(
        replace(
            session,
            end=min(session.end, at),
            hits=tuple(hit for hit in session.hits if (hit.at, hit.seq) <= (at, seq)),
            pending=session.pending if session.end < at else (),
        )
        for session in sessions
        if (session.start, session.first_seq) <= (at, seq)
    )


def _in_order(sessions: Sequence[SessionHits]) -> list[SessionHits]:
    if len(sessions) < 2:
        return list(sessions)
    once = {(session.session_id, session.first_seq): session for session in sessions}
    return sorted(once.values(), key=_ORDER)


def _left(ordered: list[SessionHits], before: int, found: dict[str, set[Moment]]) -> int:
    """Adds forms started and left that are known by `before`; returns when the next one is."""
    later = NEVER
    for place, session in enumerate(ordered):
        if not session.pending:
            continue
        known = left_at(session, ordered[place + 1 :])
        if known >= before:
            later = min(later, known)
            continue
        for hit in session.pending:
            found.setdefault(hit.rule, set()).add((known, hit.seq, hit.key))
    return later


def left_at(session: SessionHits, following: Iterable[SessionHits]) -> int:
    """When it is known that a session is over (ms): its subject's next session begins, or the first
    00:00 UTC after its end, which is 30 minutes after its last event."""
    midnight = ((session.end + SESSION_GAP_MS) // DAY_MS + 1) * DAY_MS
    begun = (other.start for other in following if other.visit)
    return min((start for start in begun if session.end <= start < midnight), default=midnight)


def _silent(
    when: InactivityCondition, ordered: list[SessionHits], before: int
) -> tuple[list[Moment], int]:
    """The midnights (UTC) at which a silence since the last visit had lasted long enough again,
    and the first one that is not before `before`."""
    begun = [session for session in ordered if session.visit and session.start < before]
    if not begun:
        return [], NEVER
    last = max(begun, key=lambda session: (session.end, session.start, session.first_seq))
    first = last.end // DAY_MS + 1 + max(when.days, 1)
    times = MOST_SILENCES if when.repeat_days > 0 else 1
    days = (first + number * when.repeat_days for number in range(times))
    silent: list[Moment] = []
    for day in days:
        if day * DAY_MS >= before:
            return silent, day * DAY_MS
        silent.append((day * DAY_MS, last.first_seq, ""))
    return silent, NEVER


def _visits(rule: Rule, ordered: list[SessionHits], before: int) -> list[Moment]:
    begun = [session for session in ordered if session.visit and session.start < before]
    if rule.counted == "returns_within":
        spans = [(session.start, session.first_seq, session.end) for session in begun]
        return _returns(rule, spans)
    return _counted(rule, {(session.start, session.first_seq, "") for session in begun})


def _counted(rule: Rule, found: set[Moment]) -> list[Moment]:
    """The moments that count, earliest first."""
    ordered = sorted(found)
    match rule.counted:
        case "first_only":
            return ordered[:1]
        case "once_per_page":
            return _first_of_each(ordered, [moment[2] for moment in ordered])
        case "once_per_day":
            return _first_of_each(ordered, [moment[0] // DAY_MS for moment in ordered])
        case "count":
            return _reached(rule, ordered)
        case "returns_within":
            return _returns(rule, [(at, seq, at) for at, seq, _ in ordered])
        case _:
            return ordered


def _first_of_each(ordered: list[Moment], keys: Sequence[object]) -> list[Moment]:
    first: dict[object, Moment] = {}
    for key, moment in zip(keys, ordered, strict=True):
        first.setdefault(key, moment)
    return list(first.values())


def _reached(rule: Rule, ordered: list[Moment]) -> list[Moment]:
    """The one moment at which there had been `n` within the window: the latest, because each one
    more renews what fades; the first, if nothing fades."""
    n, within = max(rule.n, 1), rule.within_days * DAY_MS
    reached = [
        last
        for first, last in zip(ordered, ordered[n - 1 :], strict=False)
        if last[0] - first[0] <= within
    ]
    return reached[:1] if rule.decay.kind == "none" else reached[-1:]


def _returns(rule: Rule, spans: list[tuple[int, int, int]]) -> list[Moment]:
    """The beginnings after a break longer than the idle time of a session, and not too long."""
    returned: list[Moment] = []
    end = None
    for start, seq, last in spans:
        if end is not None and SESSION_GAP_MS < start - end <= rule.within_days * DAY_MS:
            returned.append((start, seq, ""))
        end = last if end is None else max(end, last)
    return returned
