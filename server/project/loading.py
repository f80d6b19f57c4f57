"""Everything one projection result touches, read from one snapshot before anything is computed.

entries behind the cursor → events by visitor, decisions, consequences → who is who → the visitors
to go on with, and those to fold anew → everybody concerned
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from server.model import Class, Flag, Kind
from server.project.batch import CLAIMING, DOUBTING, REHEARD, Batch
from server.project.fold import Fold, History, Written
from server.project.lookup import Lookup
from server.project.nearby import near
from server.project.people import Population, read_parts
from server.project.registry import Registry, Settled, read_said, ruling_of
from server.project.rows import counted, owner_of
from server.project.rulings import State
from server.project.seen import Seen
from server.project.sessions import OPENERS
from server.project.signals import Hit
from server.project.stages import Cause
from server.project.standing import Said, Told
from server.project.subjects import ordered
from server.project.typos import KIND as TYPO
from server.project.typos import MOST_PERSONS
from server.project.visitor import NOTHING, Past, Rules, Visitor, grants
from server.storage import derived, entries, erasing
from server.storage import identities as names
from server.storage import people as rows
from server.storage.database import Reader, Row
from server.storage.entries import Entry
from server.storage.people import GRANTED


class Loaded(NamedTuple):
    """One batch, with everything needed to fold it in memory."""

    batch: Batch
    settled: Settled | None
    again: dict[int, History]  # visitors to fold anew; what nobody's browser sent is under 0
    persons: set[int]  # everybody concerned, also whom there is not yet


class Loader:
    """Reads for one site and generation. `visitors` and `people` are the projector's memory."""

    def __init__(
        self,
        site_id: int,
        gen: int,
        lookup: Lookup,
        rules: Rules,
        visitors: dict[int, Visitor],
        people: Population,
        *,
        live: bool = True,
    ) -> None:
        self.site_id, self.gen, self.live = site_id, gen, live
        self.lookup, self.rules = lookup, rules
        self.visitors, self.people = visitors, people

    async def load(
        self,
        reader: Reader,
        fold: Fold,
        found: Sequence[Entry],
        cursor: int,
        see: Callable[[Iterator[Seen]], Awaitable[list[Seen]]],
    ) -> Loaded:
        """Everything about the entries `found`, which follow `cursor`."""
        self.people.rulings = {}
        self._placed: dict[int, list[entries.Placed]] = {}
        self._why: dict[int, Cause] = {}
        self._single: set[int] = set()  # events of nobody's browser that were classified
        self._erased: set[int] = set()
        await self.lookup.prepare(reader, found)
        batch = Batch(found)
        anew = await self._reclassify(reader, fold, batch)
        batch.see(await see(self.lookup.see_all(found)))
        settled, lone = await self._settle(reader, fold, batch, anew)
        again: dict[int, History] = {}
        late = await self._late(reader, batch, cursor, anew)
        for visitor_id in sorted(late - anew):
            nearby = await self._nearby(reader, visitor_id, batch.groups[visitor_id])
            again[visitor_id] = nearby or await self._history(reader, visitor_id, batch)
        for visitor_id in sorted(anew):
            again[visitor_id] = await self._history(reader, visitor_id, batch)
        if lone:
            again[0] = await self._lone(reader, lone)
        persons = await self._load_people(reader, batch, settled, again)
        return Loaded(batch, settled, again, persons)

    async def _late(self, reader: Reader, batch: Batch, cursor: int, anew: set[int]) -> set[int]:
        """Bring the visitors of a batch into memory; those with events out of order are returned,
        and those to fold anew for another reason are added to `anew`."""
        late: set[int] = set()
        copied = await self._copied(reader, batch, cursor)
        for visitor_id, events in batch.groups.items():
            if not visitor_id:
                continue
            # A visitor's id is the seq of its first entry: past the cursor it has no history.
            known = visitor_id <= cursor or visitor_id in copied
            cold = known and visitor_id not in self.visitors
            cold = cold and visitor_id not in anew
            if cold and not await self._load_visitor(reader, visitor_id, events):
                late.add(visitor_id)
            visitor = self.visitors.get(visitor_id)
            if visitor is not None and _needs_refold(visitor, events):
                late.add(visitor_id)
            if self._meets(visitor_id, visitor):
                anew.add(visitor_id)
        return late

    # ------------------------------------------------------------ decisions

    async def _reclassify(self, reader: Reader, fold: Fold, batch: Batch) -> set[int]:
        """Take what was classified; the visitors that are folded anew for it."""
        anew = {visitor_id for erased in batch.erased for visitor_id in erased.visitors}
        self._erased |= anew
        for entry, one in batch.classified:
            kind, target = (1, one.event) if one.event else (0, one.visitor)
            known = self.lookup.classes.events if kind else self.lookup.classes.visitors
            if one.class_:
                known[target] = Class[one.class_.upper()]
                row = (kind, target, int(known[target]), entry.seq)
                fold.changes.put(derived.CLASSES, row)
            else:
                known.pop(target, None)
                fold.changes.remove(derived.CLASSES, (kind, target))
            if kind:
                found = await entries.by_seq(reader, self.site_id, [target])
                target = found[target].visitor_id or 0 if target in found else 0
                self._single |= set() if target else {one.event}
            anew.add(target)
            self._why[target] = Cause(seq=entry.seq, at=entry.at, reason="classified")
        for visitor_id in anew:
            self.visitors.pop(visitor_id, None)
        return anew - {0}

    async def _settle(
        self, reader: Reader, fold: Fold, batch: Batch, anew: set[int]
    ) -> tuple[Settled | None, list[entries.Placed]]:
        """Who is who now. Visitors with a claim that is another's now are folded anew; claims of
        nobody's browser are returned."""
        found = {
            visitor_id: [c for seen in events if (c := self.rules.claim_of(seen)) is not None]
            for visitor_id, events in batch.groups.items()
        }
        self._fresh = {visitor_id: claims for visitor_id, claims in found.items() if claims}
        fresh = [claim for claims in self._fresh.values() for claim in claims]
        said = [one for one in batch.said if one.kind in REHEARD]
        gone = [claim for erased in batch.erased for claim in erased.claims]
        gone += sorted(self._single)
        for visitor_id in sorted(anew):
            gone += await self._claims_on(reader, visitor_id)
        if not (fresh or said or gone):
            return None, []
        registry = Registry(self.site_id, self.gen, self.lookup, self.rules)
        await registry.gather(reader, fresh, said, gone)
        registry.hear(batch.said)
        settled = registry.settle(fold.changes)
        self.people.rulings.update(settled.identity.rulings)
        anew |= {claim.visitor_id for claim in settled.changed if claim.visitor_id}
        anew |= _doubted_typos(said, settled)
        changed = {claim.seq for claim in settled.changed if not claim.visitor_id} | self._single
        stored = await entries.by_seq(reader, self.site_id, sorted(changed))
        lone = {(row[0], row[4]) for row in settled.lost if not row[3]}
        lone |= {(entry.seq, entry.at) for entry in stored.values() if entry.kind}
        return settled, await entries.alone(reader, self.site_id, self.gen, sorted(lone))

    async def _claims_on(self, reader: Reader, visitor_id: int) -> list[int]:
        placed = await self._read_visitor(reader, visitor_id)
        return [one.entry.seq for one in placed if one.entry.kind in CLAIMING]

    # ------------------------------------------------------------ visitors

    async def _load_visitor(self, reader: Reader, visitor_id: int, events: Sequence[Seen]) -> bool:
        """Fold a visitor's history as it stands in the tables. False if it is of no use: an event
        that comes out of order has all of it folded anew anyway."""
        placed = await self._read_visitor(reader, visitor_id)
        if placed and events[0].at < placed[-1].at:
            return False
        await self.lookup.prepare(reader, [one.entry for one in placed])
        history = sorted(
            self.lookup.see_all([one.entry for one in placed]), key=lambda seen: seen.key
        )
        if history and events[0].key <= history[-1].key:
            return False
        await self._rulings(reader, history)
        past = await self._past(reader, visitor_id)
        visitor = Visitor(visitor_id, granted=grants(history), past=past)
        for seen in history:
            visitor.step(seen, self.rules, self.people)
        if _needs_refold(visitor, events):
            return False
        await self._recall_written(reader, visitor)
        self.visitors[visitor_id] = visitor
        return True

    def _meets(self, visitor_id: int, visitor: Visitor | None) -> bool:
        """Whether new claims bring one more person to a visitor: looking for typos needs them all,
        so the visitor is folded anew."""
        owners = set(visitor.owners) if visitor is not None else set()
        if len(owners) >= MOST_PERSONS:
            return False
        rulings = [self.people.ruling(c) for c in self._fresh.get(visitor_id, ()) if not c.kiosk]
        persons = {r.person_id for r in rulings if r.person_id and r.state <= State.QUARANTINED}
        return not persons <= owners and len(persons | owners) > 1

    async def _read_visitor(self, reader: Reader, visitor_id: int) -> list[entries.Placed]:
        """A visitor's stored events, read once for one result."""
        found = self._placed.get(visitor_id)
        if found is None:
            found = await entries.of_visitor(reader, self.site_id, self.gen, visitor_id)
            self._placed[visitor_id] = found
        return found

    async def _recall_written(self, reader: Reader, visitor: Visitor) -> None:
        """What the tables hold of a visitor's sessions, under whatever settings it was written."""
        sessions = [*visitor.sessions, *visitor.alone]
        ids = sorted(session.session_id for session in sessions)
        stored = await rows.sessions(reader, self.site_id, self.gen, ids)
        cells = {row[0]: counted(row) for row in stored}
        hits: dict[int, tuple[list[Hit], list[Hit]]] = {}
        for session_id, rule, seq, key, at, pending in await rows.signals(
            reader, self.site_id, self.gen, ids
        ):
            hits.setdefault(session_id, ([], []))[pending].append(Hit(rule, seq, at, key))
        for session in sessions:
            session.written = cells.get(session.session_id, {})
            met, left = hits.get(session.session_id, ([], []))
            session.told = (tuple(met), tuple(left))

    async def _rulings(self, reader: Reader, history: Sequence[Seen]) -> None:
        """What identity made of the claims in a history, where it was not settled just now."""
        seqs = [
            seen.seq
            for seen in history
            if seen.seq not in self.people.rulings and self.rules.claim_of(seen) is not None
        ]
        if seqs:
            for row in await names.claims_at(reader, self.site_id, self.gen, seqs):
                self.people.rulings[row[0]] = ruling_of(row)

    async def _copied(self, reader: Reader, batch: Batch, cursor: int) -> set[int]:
        """The visitors past the cursor of whom there are sessions all the same: a generation that
        reads the log again begins with those whose events are gone."""
        ids = sorted(v for v in batch.groups if v > cursor and v not in self.visitors)
        if self.live or not ids:
            return set()
        return await rows.sealed_visitors(reader, self.site_id, self.gen, ids)

    async def _past(self, reader: Reader, visitor_id: int) -> Past:
        """The sessions of a visitor whose events were thinned."""
        scope = (reader, self.site_id, self.gen)
        found = await rows.sealed(*scope, visitor_id)
        if not found:
            return NOTHING
        stored = await rows.visitor_sessions(*scope, visitor_id, sealed=True)
        parts = ordered((await read_parts(*scope, stored)).values())
        granted = any(row[-1] == GRANTED for row in found)
        start_at, device, browser, os, _ = found[0]
        return Past(start_at, device, browser, os, granted, tuple(parts))

    async def _history(self, reader: Reader, visitor_id: int, batch: Batch) -> History:
        placed = await self._read_visitor(reader, visitor_id)
        past = await self._past(reader, visitor_id)
        links = await rows.links(reader, self.site_id, self.gen, visitor_id)
        gone = [part.row.session_id for part in past.parts if visitor_id in self._erased]
        if gone and await erasing.keys_of(reader, self.site_id, [visitor_id]):
            gone = []  # others use it too: what is nobody's stays
        written = await self._written(reader, placed, {row[:3]: row for row in links}, gone)
        written = written._replace(past=NOTHING if gone else past)
        stored = [one.entry for one in placed]
        events = await self._events(reader, stored, batch.groups.get(visitor_id, []))
        typos, dismissed = await self._typos(reader, stored, batch)
        return History(events, written._replace(typos=typos), dismissed, self._why.get(visitor_id))

    async def _typos(
        self, reader: Reader, stored: Sequence[Entry], batch: Batch
    ) -> tuple[dict[Row, Row], frozenset[int]]:
        """The typos written of a visitor, and the claims of which somebody said it is none."""
        claims = [entry.seq for entry in stored if not entry.kind or entry.kind in CLAIMING]
        scope = (reader, self.site_id, self.gen)
        written = await names.conflicts_at(*scope, claims) if claims else []
        about = await names.said_of_claims(*scope, claims) if claims else []
        about = [row for row in about if row[2] == Kind.DISMISS]
        said = [*await read_said(reader, self.site_id, about), *batch.said]
        dismissed = (
            one.claim for one in said if one.kind is Kind.DISMISS and one.said.kind == TYPO
        )
        return {row[:3]: row for row in written if row[1] == TYPO}, frozenset(dismissed)

    async def _nearby(
        self, reader: Reader, visitor_id: int, events: Sequence[Seen]
    ) -> History | None:
        """The sessions around late events, None where all of the visitor may be concerned."""
        found = await near(reader, self.site_id, self.gen, visitor_id, events)
        if found is None:
            return None
        await self.lookup.prepare(reader, found.stored)
        known = [*self.lookup.see_all(found.stored), *events]
        if not all(seen.device for seen in known if seen.kind in OPENERS):
            return None  # it may be taken from the session before
        past = Past(found.before, parts=tuple(found.others))
        written = Written(found.events, found.sessions, found.signals, {}, past)
        known.sort(key=lambda seen: seen.key)
        return History(known, written, nearby=True, following=found.following)

    async def _lone(self, reader: Reader, placed: Sequence[entries.Placed]) -> History:
        """Submissions of nobody's browser whose person is another one now, or erased."""
        written = await self._written(reader, placed, {})
        events = await self._events(reader, [one.entry for one in placed], ())
        return History(events, written, classified=self._why.get(0))

    async def _events(
        self, reader: Reader, stored: Sequence[Entry], fresh: Sequence[Seen]
    ) -> list[Seen]:
        await self.lookup.prepare(reader, stored)
        known = [*self.lookup.see_all(stored), *fresh]
        await self._rulings(reader, known)
        return sorted(known, key=lambda seen: seen.key)

    async def _written(
        self,
        reader: Reader,
        placed: Sequence[entries.Placed],
        links: dict[Row, Row],
        gone: Sequence[int] = (),
    ) -> Written:
        """What the tables hold of events and their sessions, and of sessions that shall go."""
        ids = sorted({one.session_id for one in placed if one.session_id > 0} | set(gone))
        sessions = await rows.sessions(reader, self.site_id, self.gen, ids)
        signals = await rows.signals(reader, self.site_id, self.gen, ids)
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

    # ------------------------------------------------------------ people

    async def _load_people(
        self,
        reader: Reader,
        batch: Batch,
        settled: Settled | None,
        again: dict[int, History],
    ) -> set[int]:
        """Everybody whom these entries name, and every owner of these visitors."""
        wanted: set[int] = set()
        if settled is not None:
            wanted |= settled.before | settled.after
        for visitor_id in batch.groups:
            visitor = self.visitors.get(visitor_id)
            if visitor is not None:
                wanted.update(s.person_id for s in (*visitor.sessions, *visitor.alone))
        for history in again.values():
            wanted.update(owner_of(row) for row in history.written.sessions.values())
        wanted.update(ruling.person_id for ruling in self.people.rulings.values())
        heard = sorted({one.claim for one in batch.said} - self.people.rulings.keys())
        for row in await names.claims_at(reader, self.site_id, self.gen, heard):
            self.people.rulings[row[0]] = ruling_of(row)
            wanted.add(row[7])
        await self.people.load(reader, self.site_id, self.gen, wanted)
        return wanted


def _needs_refold(visitor: Visitor, events: Sequence[Seen]) -> bool:
    """Out of order, or a grant that lets cookieless events join, also such as came with it."""
    waiting = any(seen.flags & Flag.COOKIELESS for seen in events) and not visitor.granted
    return any(visitor.needs_refold(seen) for seen in events) or (waiting and grants(events))


def _doubted_typos(said: Iterable[Told], settled: Settled) -> set[int]:
    """The visitors of claims of which somebody says now that they are no typo."""
    claims = [one.claim for one in said if one.kind is Kind.DISMISS and one.said.kind == TYPO]
    return {settled.claims[c].visitor_id for c in claims if c in settled.claims} - {0}


async def all_said(reader: Reader, site_id: int, gen: int, person_id: int) -> list[Told]:
    """Every decision and consequence about a person, in the order of the log."""
    found = await names.said_of(reader, site_id, gen, person_id)
    said = await read_said(reader, site_id, found)
    return sorted(said, key=lambda one: (one.seq, one.claim))


__all__ = ["DOUBTING", "REHEARD", "Batch", "Loaded", "Loader", "Said", "all_said"]
