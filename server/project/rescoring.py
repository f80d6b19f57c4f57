"""Subjects scored again without an event of theirs: another ruleset was published, or a day passed.

A subject bears the version it is scored by. One of an older version is brought to the newest before
anything else happens to it, and a walk over all subjects, persons first, does so for the rest. What
a session says is found again from its events; of one whose events were thinned it stays as it was.
Each result is whole: signals, receipts, what follows from them, and how far the walk is.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from server.model import Kind, Published
from server.project.fold import Fold
from server.project.lookup import Lookup
from server.project.people import Part, read_parts
from server.project.rows import signal_rows
from server.project.rules import Ruleset, decode
from server.project.ruleset_diff import same_matching
from server.project.seen import Seen
from server.project.sessions import Session
from server.project.signals import SessionHits
from server.project.stages import Cause
from server.project.subjects import PERSON, VISITOR, ordered
from server.project.visitor import Rules
from server.storage import derived, entries, rulesets
from server.storage import people as rows
from server.storage.database import Reader, Row, chunks
from server.storage.people import SessionRow

See = Callable[[Iterator[Seen]], Awaitable[list[Seen]]]
#: (kind, id, version it is scored by)
Subject = tuple[int, int, int]
#: Visitors whose events are read at one time.
VISITORS = 64


class Rescoring:
    """Reads what some subjects are scored from, for one site and generation."""

    def __init__(
        self, site_id: int, gen: int, lookup: Lookup, rules: Rules, ruleset: Ruleset
    ) -> None:
        self.site_id, self.gen = site_id, gen
        self.lookup, self.rules, self.ruleset = lookup, rules, ruleset
        self._like: dict[int, bool] = {}  # older versions under which sessions say the same

    async def read(self, reader: Reader, fold: Fold, subjects: Sequence[Subject]) -> "Read":
        """Everything about the subjects. Persons go into the fold's population."""
        scope = (reader, self.site_id, self.gen)
        persons = {subject_id for kind, subject_id, _ in subjects if kind == PERSON}
        await fold.people.load(*scope, persons)
        visitors = sorted(subject_id for kind, subject_id, _ in subjects if kind == VISITOR)
        free = await rows.free_sessions(*scope, visitors)
        parts = await read_parts(*scope, [SessionRow._make(row[1:]) for row in free])
        stale = await self._stale(reader, subjects)
        open_ = [SessionRow._make(row[1:]) for row in free if not row[0]]
        anew = [one for one in open_ if (VISITOR, one.visitor_id) in stale]
        mine = sorted(subject_id for kind, subject_id in stale if kind == PERSON)
        if mine:
            known = await rows.known(*scope, mine)
            anew += [SessionRow._make(row[3:]) for row in known.sessions if not row[2]]
        told = await rows.signals(*scope, sorted(one.session_id for one in anew))
        return Read(parts, {one.session_id: one for one in anew}, told)

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

    async def events(self, reader: Reader, found: "Read", see: See) -> list[tuple[int, Seen]]:
        """The events of the sessions to be found again, each with its session, in their order."""
        placed: list[entries.Placed] = []
        visitors = sorted({one.visitor_id for one in found.anew.values()} - {0})
        for part in chunks(visitors, VISITORS):
            placed += await entries.of_visitors(reader, self.site_id, self.gen, part)
        lone = [(i, one.start_at) for i, one in found.anew.items() if not one.visitor_id]
        placed += await entries.alone(reader, self.site_id, self.gen, lone)
        placed = [one for one in placed if one.session_id in found.anew]
        await self.lookup.prepare(reader, [one.entry for one in placed])
        sessions = {one.entry.seq: one.session_id for one in placed}
        seen = await see(self.lookup.see_all([one.entry for one in placed]))
        return [(sessions[one.seq], one) for one in seen]

    def restate(
        self, fold: Fold, found: "Read", events: Iterable[tuple[int, Seen]]
    ) -> Iterator[None]:
        """What the sessions say by the ruleset of now, in steps of one event."""
        by_session: dict[int, list[Seen]] = {}
        for session_id, seen in events:
            by_session.setdefault(session_id, []).append(seen)
        told = _by_session(found.told)
        owners = {i: person for person in fold.people.persons.values() for i in person.parts}
        for session_id, row in found.anew.items():
            mine = sorted(by_session.get(session_id, ()), key=lambda seen: seen.key)
            session = begun(row, mine) if mine else None
            for seen in mine:
                take(session, seen, self.rules)
                yield
            hits = left(row, session)
            old = {one[:4]: one for one in told.get(session_id, ())}
            new = {one[:4]: one for one in signal_rows(session_id, (hits.hits, hits.pending))}
            fold.changes.replace(derived.SIGNALS, old, new)
            part = Part(row, hits)
            if session_id in found.parts:
                found.parts[session_id] = part
            if session_id in owners:
                owners[session_id].parts[session_id] = part
            yield


class Read(msgspec.Struct):
    """`parts` are the unowned sessions of the visitors, by session; `anew` those of anybody whose
    events are to be asked again, `told` the rows of their signals."""

    parts: dict[int, Part]
    anew: dict[int, SessionRow]
    told: list[Row]


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


def _by_session(told: Iterable[Row]) -> Mapping[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in told:
        found.setdefault(row[0], []).append(row)
    return found


def rescore(
    fold: Fold, found: Read, subjects: Sequence[Subject], published: Published, midnight: int
) -> Iterator[None]:
    """Score the subjects and judge the persons among them, in steps of one subject. `midnight` (ms)
    is the cause where the ruleset is the same."""
    free: dict[int, list[Part]] = {}
    for part in ordered(found.parts.values()):
        free.setdefault(part.row.visitor_id, []).append(part)
    for kind, subject_id, version in subjects:
        if kind == VISITOR:
            if subject_id in free:
                fold.put_visitor_subject(subject_id, free[subject_id])
        elif subject_id in fold.people.persons:
            person = fold.people.persons[subject_id]
            if version == published.version:
                fold.judge.judge(person, Cause(seq=0, at=midnight))
            else:
                cause = Cause(seq=published.seq, at=published.at, reason="published")
                fold.judge.judge(person, cause, mute=not published.notify)
        yield
