"""Subjects scored again without an event of theirs: another ruleset was published, or a day passed.

A subject bears the version it is scored by. One of an older version is brought to the newest before
anything else happens to it, and a walk over all subjects, persons first, does so for the rest. What
a session says is found again from its events; of one whose events were thinned it stays as it was.
Each result is whole: signals, receipts, what follows from them, and how far the walk is.

Subjects are read many at a time, each row once, and written some at a time.
"""

from collections.abc import Awaitable, Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from server.model import DAY_MS, Kind, Published
from server.project.fold import Fold
from server.project.lookup import Lookup
from server.project.people import Part, Person, part_with, persons_of
from server.project.rows import signal_rows
from server.project.rules import Ruleset, decode
from server.project.ruleset_diff import same_matching
from server.project.scoring import Line
from server.project.seen import Key, Seen
from server.project.sessions import Session
from server.project.signals import Hit, SessionHits
from server.project.stages import Cause
from server.project.subjects import PERSON, VISITOR, lines_of, ordered
from server.project.visitor import Rules
from server.storage import derived, rulesets, session_events
from server.storage import people as rows
from server.storage.database import Reader, Row, chunks
from server.storage.people import Known, SessionRow
from server.storage.session_events import Happened

#: Goes through steps of computing and lets others run meanwhile.
Sliced = Callable[[Iterator[Any]], Awaitable[list[Any]]]
#: (kind, id, version it is scored by)
Subject = tuple[int, int, int]
#: Events of one step of computing, a few microseconds each.
STEP = 8
#: Receipts read at one time: of some hundred lines.
RECEIPTS = 16
_NOBODY = Known([], [], [], [], [])


class Read(msgspec.Struct):
    """What some subjects are scored from. `free` are the unowned sessions of visitors, by session;
    `anew` the sessions of a subject (kind, id) whose events are to be asked again, with the rows of
    their signals in `told` and their events in `events`, both by session."""

    persons: dict[int, Person] = {}
    free: dict[int, dict[int, Part]] = {}
    anew: dict[tuple[int, int], list[SessionRow]] = {}
    told: dict[int, list[Row]] = {}
    events: dict[int, list[Seen]] = {}
    lines: dict[tuple[int, int], tuple[Line, ...]] = {}  # receipts of them in the tables


class Rescoring:
    """Reads what some subjects are scored from, for one site and generation."""

    def __init__(self, site_id: int, gen: int, lookup: Lookup, ruleset: Ruleset) -> None:
        self.site_id, self.gen = site_id, gen
        self.lookup, self.ruleset = lookup, ruleset
        self._like: dict[int, bool] = {}  # older versions under which sessions say the same

    async def read(self, reader: Reader, subjects: Sequence[Subject], sliced: Sliced) -> Read:
        """Everything about the subjects."""
        scope = (reader, self.site_id, self.gen)
        persons = sorted(subject_id for kind, subject_id, _ in subjects if kind == PERSON)
        visitors = sorted(subject_id for kind, subject_id, _ in subjects if kind == VISITOR)
        known = await rows.known(*scope, persons) if persons else _NOBODY
        free = await rows.free_sessions(*scope, visitors)
        stale = await self._stale(reader, subjects)
        found = Read()
        sessions = await sliced(_sessions(found, known, free, stale))
        ids = {row.session_id for row, _ in sessions}
        await sliced(_grouped(found.told, await rows.signals(*scope, sorted(ids))))
        counted = [row for row, counts in sessions if counts]
        parts = await sliced(_parts(counted, found.told))
        by_session = {part.row.session_id: part for part in parts}
        built = await sliced(persons_of(known, by_session))
        found.persons = {person.person_id: person for person in built}
        for _, *columns in free:
            found.free.setdefault(columns[1], {})[columns[0]] = by_session[columns[0]]
        if anew := [row for mine in found.anew.values() for row in mine]:
            found.events = await self.events(reader, anew, sliced, several=len(subjects) > 1)
            for kind in (PERSON, VISITOR):
                asked = sorted(subject_id for of, subject_id in stale if of == kind)
                for part in chunks(asked, RECEIPTS):
                    lines = await lines_of(*scope, kind, part)
                    found.lines |= {(kind, subject_id): told for subject_id, told in lines.items()}
        return found

    async def _stale(self, reader: Reader, subjects: Sequence[Subject]) -> set[tuple[int, int]]:
        """The subjects whose sessions may say something else under the ruleset of now."""
        unknown = sorted({version for *_, version in subjects} - self._like.keys())
        documents = await rulesets.documents(reader, self.site_id, unknown)
        for version in unknown:
            document = documents.get(version)
            self._like[version] = version == self.ruleset.version or (
                document is not None and same_matching(decode(document), self.ruleset)
            )
        return {(kind, subject_id) for kind, subject_id, v in subjects if not self._like[v]}

    async def events(
        self,
        reader: Reader,
        sessions: Sequence[SessionRow],
        sliced: Sliced,
        *,
        several: bool = False,
    ) -> dict[int, list[Seen]]:
        """The events of sessions, by session and in the order of rules. Raises `Overloaded` where
        those of several subjects are too many at one time."""
        scope = (reader, self.site_id, self.gen)
        visitors = sorted({one.visitor_id for one in sessions} - {0})
        lone = [(one.session_id, one.start_at) for one in sessions if not one.visitor_id]
        found = await session_events.of_visitors(*scope, visitors, bounded=several)
        found += await session_events.alone(*scope, lone)
        await self.lookup.prepare_happened(reader, found)
        by_session: dict[int, list[Seen]] = {one.session_id: [] for one in sessions}
        await sliced(self._seen(found, by_session))
        return by_session

    def _seen(self, found: Iterable[Row], by_session: Mapping[int, list[Seen]]) -> Iterator[None]:
        """Rows of `Happened` as what was seen."""
        for number, row in enumerate(found, start=1):
            mine = by_session.get(row[0])
            if mine is not None:
                mine.append(self.lookup.see_happened(Happened._make(row)))
            if number % STEP == 0:
                yield
        for mine in by_session.values():
            mine.sort(key=_order)
            yield


def _order(seen: Seen) -> Key:
    return seen.key


def _sessions(
    found: Read, known: Known, free: Iterable[Row], stale: Container[tuple[int, int]]
) -> Iterator[tuple[SessionRow, bool]]:
    """Sessions that say something, each with whether it counts: one in quarantine does not. Those
    that may say something else by now are in `found.anew`."""
    owned = (((PERSON, row[0]), *row[1:]) for row in known.sessions)
    unowned = (((VISITOR, row[2]), 0, *row) for row in free)
    for owner, state, sealed, *columns in (*owned, *unowned):
        row = SessionRow._make(columns)
        if owner in stale and not sealed:
            found.anew.setdefault(owner, []).append(row)
        elif state:
            continue
        yield row, not state


def _grouped(told: dict[int, list[Row]], signals: Iterable[Row]) -> Iterator[None]:
    for number, row in enumerate(signals):
        told.setdefault(row[0], []).append(row)
        if number % STEP == 0:
            yield


def _parts(sessions: Iterable[SessionRow], told: Mapping[int, Sequence[Row]]) -> Iterator[Part]:
    for row in sessions:
        said: tuple[list[Hit], list[Hit]] = ([], [])
        for _, rule, seq, key, at, pending in told.get(row.session_id, ()):
            said[pending].append(Hit(rule, seq, at, key))
        yield part_with(row, *said)


# ------------------------------------------------------------ what sessions say


def said(row: SessionRow, events: Sequence[Seen], rules: Rules) -> SessionHits:
    """What a session says, from its events in the order of rules: just as they were folded."""
    session = begun(row, events) if events else None
    for seen in events:
        take(session, seen, rules)
    return left(row, session)


def begun(row: SessionRow, events: Sequence[Seen]) -> Session:
    """The session of a row before its events."""
    session = Session(events[0], -1)
    first = next((seen for seen in events if seen.kind is Kind.PAGE_VIEW), events[0])
    came = events[0] if session.channel else first
    touch = (row.source, row.medium, row.campaign, row.channel)
    if touch != (came.source, came.medium, came.campaign, came.channel):  # cut from another
        session.source, session.medium, session.campaign, session.channel = touch
    return session


def take(session: Session | None, seen: Seen, rules: Rules) -> None:
    if session is not None:
        form = seen.data.get("form", "") if seen.data else ""
        session.take(seen, rules.purpose(form) if form else "", rules.matcher)


def left(row: SessionRow, session: Session | None) -> SessionHits:
    """What a session leaves to the score of its subject."""
    return SessionHits(
        row.session_id,
        row.session_id,
        row.start_at,
        row.end_at,
        tuple(session.hits) if session is not None else (),
        session.signals.pending() if session is not None else (),
        visit=row.visitor_id > 0,
    )


# ------------------------------------------------------------ scores


def rescore(
    fold: Fold,
    found: Read,
    subjects: Sequence[Subject],
    rules: Rules,
    published: Published,
) -> Iterator[None]:
    """Find out what the sessions of subjects say, score them and judge the persons among them, in
    steps of some events. Where the ruleset is the same, midnight is the cause."""
    for kind, subject_id, version in subjects:
        person = found.persons.get(subject_id) if kind == PERSON else None
        parts = person.parts if person is not None else found.free.get(subject_id, {})
        for row in found.anew.get((kind, subject_id), ()):
            yield from _restate(fold, found, row, rules, parts)
        if person is None:
            if kind == VISITOR and parts:
                told = found.lines.get((kind, subject_id))
                fold.put_visitor_subject(subject_id, ordered(parts.values()), told=told)
        else:
            fold.people.persons[subject_id] = person
            if (kind, subject_id) in found.lines:
                fold.told[subject_id] = found.lines[kind, subject_id]
            if version == published.version:
                fold.judge.judge(person, Cause(seq=0, at=fold.judge.day * DAY_MS))
            else:
                cause = Cause(seq=published.seq, at=published.at, reason="published")
                fold.judge.judge(person, cause, mute=not published.notify)
        yield


def _restate(
    fold: Fold, found: Read, row: SessionRow, rules: Rules, parts: dict[int, Part]
) -> Iterator[None]:
    """What one session says by the ruleset of now, in place of what is stored of it."""
    events = found.events.get(row.session_id, ())
    session = begun(row, events) if events else None
    for number, seen in enumerate(events, start=1):
        take(session, seen, rules)
        if number % STEP == 0:
            yield
    hits = left(row, session)
    told = found.told.get(row.session_id, [])
    says = list(signal_rows(row.session_id, (hits.hits, hits.pending)))
    if says == told:  # most sessions say what they said
        return
    old, new = ({one[:4]: one for one in some} for some in (told, says))
    fold.changes.replace(derived.SIGNALS, old, new)
    if row.session_id in parts:  # else it waits to be released
        parts[row.session_id] = Part(row, hits)
