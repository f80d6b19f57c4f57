"""What the tables hold of a visitor: the history to fold anew, and what was written of it before.

Each is read at most once for one projection result.
"""

from collections.abc import Sequence

from server.model import Kind
from server.project.batch import CLAIMING, Batch
from server.project.fold import History, Written
from server.project.lookup import Lookup
from server.project.nearby import near
from server.project.people import Population, read_parts
from server.project.registry import read_said, ruling_of
from server.project.rows import counted
from server.project.seen import Seen
from server.project.sessions import OPENERS
from server.project.signals import Hit
from server.project.stages import Cause
from server.project.subjects import ordered
from server.project.typos import KIND as TYPO
from server.project.visitor import NOTHING, Past, Rules, Visitor
from server.storage import entries, erasing
from server.storage import identities as names
from server.storage import people as rows
from server.storage.database import Reader, Row
from server.storage.entries import Entry
from server.storage.people import GRANTED


class Histories:
    """Reads for one projection result. `people` is the projector's memory; `sealed` is whether
    events of any session were ever thinned."""

    def __init__(
        self,
        reader: Reader,
        site_id: int,
        gen: int,
        lookup: Lookup,
        rules: Rules,
        people: Population,
        *,
        sealed: bool,
    ) -> None:
        self.reader, self.site_id, self.gen = reader, site_id, gen
        self.lookup, self.rules, self.people, self.sealed = lookup, rules, people, sealed
        self.why: dict[int, Cause] = {}  # what made a visitor another class
        self.erased: set[int] = set()  # visitors of whom something was erased
        self._placed: dict[int, list[entries.Placed]] = {}

    async def placed_of(self, visitor_id: int) -> list[entries.Placed]:
        """A visitor's stored events, read once for one result."""
        found = self._placed.get(visitor_id)
        if found is None:
            found = await entries.of_visitor(self.reader, self.site_id, self.gen, visitor_id)
            self._placed[visitor_id] = found
        return found

    async def recall(self, visitor: Visitor) -> None:
        """What the tables hold of a visitor's sessions, under whatever settings it was written."""
        sessions = [*visitor.sessions, *visitor.alone]
        ids = sorted(session.session_id for session in sessions)
        stored = await rows.sessions(self.reader, self.site_id, self.gen, ids)
        cells = {row[0]: counted(row) for row in stored}
        hits: dict[int, tuple[list[Hit], list[Hit]]] = {}
        for session_id, rule, seq, key, at, pending in await rows.signals(
            self.reader, self.site_id, self.gen, ids
        ):
            hits.setdefault(session_id, ([], []))[pending].append(Hit(rule, seq, at, key))
        for session in sessions:
            session.written = cells.get(session.session_id)
            met, left = hits.get(session.session_id, ([], []))
            session.told = (tuple(met), tuple(left))

    async def rulings(self, history: Sequence[Seen]) -> None:
        """What identity made of the claims in a history, where it was not settled just now."""
        seqs = [
            seen.seq
            for seen in history
            if seen.seq not in self.people.rulings and self.rules.claim_of(seen) is not None
        ]
        if seqs:
            for row in await names.claims_at(self.reader, self.site_id, self.gen, seqs):
                self.people.rulings[row[0]] = ruling_of(row)

    async def past(self, visitor_id: int) -> Past:
        """The sessions of a visitor whose events were thinned."""
        scope = (self.reader, self.site_id, self.gen)
        found = await rows.sealed(*scope, visitor_id) if self.sealed else []
        if not found:
            return NOTHING
        stored = await rows.visitor_sessions(*scope, visitor_id, sealed=True)
        parts = ordered((await read_parts(*scope, stored)).values())
        granted = any(row[-1] == GRANTED for row in found)
        start_at, device, browser, os, _ = found[0]
        return Past(start_at, device, browser, os, granted, tuple(parts))

    async def history(self, visitor_id: int, batch: Batch) -> History:
        placed = await self.placed_of(visitor_id)
        past = await self.past(visitor_id)
        links = await rows.links(self.reader, self.site_id, self.gen, visitor_id)
        gone = [part.row.session_id for part in past.parts if visitor_id in self.erased]
        if gone and await erasing.keys_of(self.reader, self.site_id, [visitor_id]):
            gone = []  # others use it too: what is nobody's stays
        written = await self._written(placed, {row[:3]: row for row in links}, gone)
        written = written._replace(past=NOTHING if gone else past)
        stored = [one.entry for one in placed]
        events = await self._events(stored, batch.groups.get(visitor_id, []))
        typos, dismissed = await self._typos(stored, batch)
        return History(events, written._replace(typos=typos), dismissed, self.why.get(visitor_id))

    async def _typos(
        self, stored: Sequence[Entry], batch: Batch
    ) -> tuple[dict[Row, Row], frozenset[int]]:
        """The typos written of a visitor, and the claims of which somebody said it is none."""
        claims = [entry.seq for entry in stored if not entry.kind or entry.kind in CLAIMING]
        scope = (self.reader, self.site_id, self.gen)
        written = await names.conflicts_at(*scope, claims) if claims else []
        about = await names.said_of_claims(*scope, claims) if claims else []
        about = [row for row in about if row[2] == Kind.DISMISS]
        said = [*await read_said(self.reader, self.site_id, about), *batch.said]
        dismissed = (
            one.claim for one in said if one.kind is Kind.DISMISS and one.said.kind == TYPO
        )
        return {row[:3]: row for row in written if row[1] == TYPO}, frozenset(dismissed)

    async def nearby(self, visitor_id: int, events: Sequence[Seen]) -> History | None:
        """The sessions around late events, None where all of the visitor may be concerned."""
        found = await near(self.reader, self.site_id, self.gen, visitor_id, events)
        if found is None:
            return None
        await self.lookup.prepare(self.reader, found.stored)
        known = [*self.lookup.see_all(found.stored), *events]
        if not all(seen.device for seen in known if seen.kind in OPENERS):
            return None  # it may be taken from the session before
        past = Past(found.before, parts=tuple(found.others))
        written = Written(found.events, found.sessions, found.signals, {}, past)
        known.sort(key=lambda seen: seen.key)
        return History(known, written, nearby=True, following=found.following)

    async def lone(self, placed: Sequence[entries.Placed]) -> History:
        """Submissions of nobody's browser whose person is another one now, or erased."""
        written = await self._written(placed, {})
        events = await self._events([one.entry for one in placed], ())
        return History(events, written, classified=self.why.get(0))

    async def _events(self, stored: Sequence[Entry], fresh: Sequence[Seen]) -> list[Seen]:
        await self.lookup.prepare(self.reader, stored)
        known = [*self.lookup.see_all(stored), *fresh]
        await self.rulings(known)
        return sorted(known, key=lambda seen: seen.key)

    async def _written(
        self,
        placed: Sequence[entries.Placed],
        links: dict[Row, Row],
        gone: Sequence[int] = (),
    ) -> Written:
        """What the tables hold of events and their sessions, and of sessions that shall go."""
        ids = sorted({one.session_id for one in placed if one.session_id > 0} | set(gone))
        sessions = await rows.sessions(self.reader, self.site_id, self.gen, ids)
        signals = await rows.signals(self.reader, self.site_id, self.gen, ids)
        events = {}
        for one in placed:
            entry = one.entry
            key = (one.visitor_id, one.at, one.q, entry.seq)
            events[key] = (*key, one.session_id, one.kind, one.ms, one.scroll)
        return Written(
            events,
            {row[:1]: row for row in sessions},
            {row[:4]: row for row in signals},
            links,
        )
