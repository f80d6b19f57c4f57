"""Everything one projection result touches, read from one snapshot before anything is computed.

entries behind the cursor → events by visitor, decisions, consequences → who is who → the visitors
to go on with, and those to fold anew → everybody concerned
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from server.model import Class, Flag, Kind
from server.project.fold import Fold, History, Written, counted, owner_of
from server.project.lookup import Lookup
from server.project.people import Population, read_parts
from server.project.registry import IDENTITY, Registry, Settled, read_said, ruling_of
from server.project.seen import Seen
from server.project.signals import Hit
from server.project.standing import Said, Told, read
from server.project.subjects import ordered
from server.project.visitor import Rules, Visitor, grants
from server.storage import derived, entries
from server.storage import identities as names
from server.storage import people as rows
from server.storage.database import Reader, Row
from server.storage.entries import Entry

#: What changes who a person is, or what a person was told: everything said is read again.
REHEARD = IDENTITY | {Kind.RETRACTED, Kind.DISMISS}
#: After these, what was told may never have been so.
DOUBTING = frozenset({Kind.CLASSIFY, Kind.SPLIT, Kind.REFUSE, Kind.ERASE})


class Classify(msgspec.Struct, frozen=True):
    """Somebody says what a visitor, or one event, is. The class is a word, or empty for what
    accept said."""

    visitor: int = 0
    event: int = 0
    class_: str = msgspec.field(name="class", default="human")


class Erased(msgspec.Struct, frozen=True):
    """What an erasure took away: visitors to fold anew and claims that are gone."""

    visitors: tuple[int, ...] = ()
    claims: tuple[int, ...] = ()


class Batch:
    """The entries of one result, sorted by what they are."""

    def __init__(self, found: Sequence[Entry]) -> None:
        self.first, self.last, self.passed = found[0].seq, found[-1].seq, len(found)
        self.groups: dict[int, list[Seen]] = {}  # by visitor, in the order of rules
        self.said: list[Told] = []
        self.classified: list[tuple[int, Classify]] = []
        self.erased: list[Erased] = []
        self.doubts: Entry | None = None  # the last decision after which nothing told is certain
        for entry in found:
            if entry.kind >= Kind.SITE_CREATED:
                self._hear(entry)

    def _hear(self, entry: Entry) -> None:
        kind = Kind(entry.kind)
        if kind in DOUBTING:
            self.doubts = entry
        if kind is Kind.CLASSIFY:
            classify = msgspec.json.decode(entry.data or "{}", type=Classify)
            self.classified.append((entry.seq, classify))
        elif kind is Kind.ERASE:
            self.erased.append(msgspec.json.decode(entry.data or "{}", type=Erased))
        elif entry.data:
            said = read(entry.data)
            self.said += [Told(entry.seq, kind, entry.at, claim, said) for claim in said.named]

    def see(self, events: Iterable[Seen]) -> None:
        for seen in events:
            self.groups.setdefault(seen.visitor_id, []).append(seen)
        for found in self.groups.values():
            found.sort(key=lambda seen: seen.key)


class Loaded(NamedTuple):
    """One batch, with everything needed to fold it in memory."""

    batch: Batch
    settled: Settled | None
    again: dict[int, History]  # visitors to fold anew; what nobody's browser sent is under 0


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
    ) -> None:
        self.site_id, self.gen = site_id, gen
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
        await self.lookup.prepare(reader, found)
        batch = Batch(found)
        anew = await self._reclassify(reader, fold, batch)
        batch.see(await see(self.lookup.see_all(found)))
        settled, lone = await self._settle(reader, fold, batch, anew)
        again: dict[int, History] = {}
        for visitor_id, events in batch.groups.items():
            if not visitor_id:
                continue
            # A visitor's id is the seq of its first entry: past the cursor it has no history.
            cold = visitor_id <= cursor and visitor_id not in self.visitors
            if cold and visitor_id not in anew:
                if await self._load_visitor(reader, fold, visitor_id, events):
                    continue
                anew.add(visitor_id)
            visitor = self.visitors.get(visitor_id)
            if visitor is not None and _needs_refold(visitor, events):
                anew.add(visitor_id)
        for visitor_id in sorted(anew):
            again[visitor_id] = await self._history(
                reader, fold, visitor_id, batch.groups.get(visitor_id, [])
            )
        if lone:
            again[0] = await self._lone(reader, lone)
        await self._load_people(reader, batch, settled, again)
        return Loaded(batch, settled, again)

    # ------------------------------------------------------------ decisions

    async def _reclassify(self, reader: Reader, fold: Fold, batch: Batch) -> set[int]:
        """Take what was classified; the visitors that are folded anew for it."""
        anew = {visitor_id for erased in batch.erased for visitor_id in erased.visitors}
        for seq, one in batch.classified:
            kind, target = (1, one.event) if one.event else (0, one.visitor)
            known = self.lookup.classes.events if kind else self.lookup.classes.visitors
            if one.class_:
                known[target] = Class[one.class_.upper()]
                row = (kind, target, int(known[target]), seq)
                fold.changes.put(derived.CLASSES, row)
            else:
                known.pop(target, None)
                fold.changes.remove(derived.CLASSES, (kind, target))
            if kind:
                found = await entries.by_seq(reader, self.site_id, [target])
                target = found[target].visitor_id or 0 if target in found else 0
            anew.add(target)
        for visitor_id in anew:
            self.visitors.pop(visitor_id, None)
        return anew - {0}

    async def _settle(
        self, reader: Reader, fold: Fold, batch: Batch, anew: set[int]
    ) -> tuple[Settled | None, list[int]]:
        """Who is who now. Visitors with a claim that is another's now are folded anew; claims of
        nobody's browser are returned."""
        fresh = [
            claim
            for events in batch.groups.values()
            for seen in events
            if (claim := self.rules.claim_of(seen)) is not None
        ]
        said = [one for one in batch.said if one.kind in REHEARD]
        gone = [claim for erased in batch.erased for claim in erased.claims]
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
        return settled, [claim.seq for claim in settled.changed if not claim.visitor_id]

    async def _claims_on(self, reader: Reader, visitor_id: int) -> list[int]:
        placed = await self._read_visitor(reader, visitor_id)
        claiming = {Kind.FORM_SUBMIT, Kind.IDENTIFY, Kind.FORM_CONFIRM, Kind.EMAIL_CLICK}
        return [one.entry.seq for one in placed if one.entry.kind in claiming]

    # ------------------------------------------------------------ visitors

    async def _load_visitor(
        self, reader: Reader, fold: Fold, visitor_id: int, events: Sequence[Seen]
    ) -> bool:
        """Fold a visitor's history as it stands in the tables. False if it is of no use: an event
        that comes out of order has all of it folded anew anyway."""
        placed = await self._read_visitor(reader, visitor_id)
        await self.lookup.prepare(reader, [one.entry for one in placed])
        history = sorted(
            self.lookup.see_all([one.entry for one in placed]), key=lambda seen: seen.key
        )
        if history and events[0].key <= history[-1].key:
            return False
        await self._rulings(reader, history)
        sealed_at = await self._sealed(reader, fold, visitor_id)
        visitor = Visitor(visitor_id, granted=grants(history), sealed_at=sealed_at)
        for seen in history:
            visitor.step(seen, self.rules, self.people)
        if _needs_refold(visitor, events):
            return False
        await self._recall_written(reader, visitor)
        self.visitors[visitor_id] = visitor
        return True

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

    async def _sealed(self, reader: Reader, fold: Fold, visitor_id: int) -> int:
        sealed_at = await rows.sealed(reader, self.site_id, self.gen, visitor_id)
        if sealed_at >= 0:
            found = await rows.visitor_sessions(
                reader, self.site_id, self.gen, visitor_id, sealed=True
            )
            parts = await read_parts(reader, self.site_id, self.gen, found)
            fold.sealed[visitor_id] = ordered(parts.values())
        return sealed_at

    async def _history(
        self, reader: Reader, fold: Fold, visitor_id: int, fresh: Sequence[Seen]
    ) -> History:
        placed = await self._read_visitor(reader, visitor_id)
        sealed_at = await self._sealed(reader, fold, visitor_id)
        links = await rows.links(reader, self.site_id, self.gen, visitor_id)
        written = await self._written(reader, placed, {row[:3]: row for row in links}, sealed_at)
        events = await self._events(reader, [one.entry for one in placed], fresh)
        return History(events, written)

    async def _lone(self, reader: Reader, seqs: Sequence[int]) -> History:
        """Submissions of nobody's browser whose person is another one now."""
        found = await entries.by_seq(reader, self.site_id, seqs)
        written = await self._written(reader, [_lone_row(one) for one in found.values()], {}, -1)
        return History(await self._events(reader, list(found.values()), ()), written)

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
        sealed_at: int,
    ) -> Written:
        ids = sorted({one.session_id for one in placed if one.session_id > 0})
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
            sealed_at,
        )

    # ------------------------------------------------------------ people

    async def _load_people(
        self,
        reader: Reader,
        batch: Batch,
        settled: Settled | None,
        again: dict[int, History],
    ) -> None:
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


def _needs_refold(visitor: Visitor, events: Sequence[Seen]) -> bool:
    """Out of order, or a grant that lets cookieless events join, also such as came with it."""
    waiting = any(seen.flags & Flag.COOKIELESS for seen in events) and not visitor.granted
    return any(visitor.needs_refold(seen) for seen in events) or (waiting and grants(events))


def _lone_row(entry: Entry) -> entries.Placed:
    """An event of nobody's browser is a session of its own."""
    at, q, kind = entry.at or 0, entry.q or 0, entry.kind
    return entries.Placed(entry, 0, at, q, entry.seq, kind, 0, 0)


async def all_said(reader: Reader, site_id: int, gen: int, person_id: int) -> list[Told]:
    """Every decision and consequence about a person, in the order of the log."""
    found = await names.said_of(reader, site_id, gen, person_id)
    said = await read_said(reader, site_id, found)
    return sorted(said, key=lambda one: (one.seq, one.claim))


__all__ = ["DOUBTING", "REHEARD", "Batch", "Loaded", "Loader", "Said", "all_said"]
