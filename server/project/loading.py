"""Everything one projection result touches, read from one snapshot before anything is computed.

entries behind the cursor → events by visitor, decisions, consequences → who is who → the visitors
to go on with, and those to fold anew → everybody concerned
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from server.model import Class, Flag, Kind
from server.project.batch import CLAIMING, REHEARD, Batch
from server.project.fold import Fold, History
from server.project.histories import Histories
from server.project.lookup import Lookup
from server.project.people import Population
from server.project.registry import Registry, See, Settled, ruling_of
from server.project.rows import owner_of
from server.project.rulings import State
from server.project.seen import Seen
from server.project.stages import Cause
from server.project.standing import Told
from server.project.typos import KIND as TYPO
from server.project.typos import MOST_PERSONS
from server.project.visitor import Rules, Visitor, grants
from server.storage import derived, entries, session_events
from server.storage import identities as names
from server.storage import people as rows
from server.storage.database import Reader
from server.storage.entries import Entry

#: What stands for no class: that of accept.
AS_ACCEPTED = -1
#: Stored events read of the visitors of one result: a kilobyte each until it is written.
READ_EVENTS = 20_000


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
        sealed: bool = True,
    ) -> None:
        self.site_id, self.gen, self.live = site_id, gen, live
        self.sealed = sealed  # whether events of any session were ever thinned
        self.lookup, self.rules = lookup, rules
        self.visitors, self.people = visitors, people

    async def load(
        self,
        reader: Reader,
        fold: Fold,
        found: Sequence[Entry],
        cursor: int,
        see: See,
    ) -> Loaded:
        """Everything about the entries `found`, which follow `cursor`."""
        self.people.rulings = {}
        self.histories = Histories(
            reader,
            self.site_id,
            self.gen,
            self.lookup,
            self.rules,
            self.people,
            sealed=self.sealed,
        )
        self._single: set[int] = set()  # events of nobody's browser that were classified
        await self.lookup.prepare(reader, found)
        batch = Batch(found)
        anew = await self._reclassify(reader, fold, batch)
        batch.see(await see(self.lookup.see_all(found)))
        settled, lone = await self._settle(reader, fold, batch, anew, see)
        again: dict[int, History] = {}
        late = await self._late(reader, batch, cursor, anew)
        for visitor_id in sorted(late - anew):
            nearby = await self.histories.nearby(visitor_id, batch.groups[visitor_id])
            again[visitor_id] = nearby or await self.histories.history(visitor_id, batch)
        for visitor_id in sorted(anew):
            again[visitor_id] = await self.histories.history(visitor_id, batch)
        if lone:
            again[0] = await self.histories.lone(lone)
        persons = await self._load_people(reader, batch, settled, again)
        return Loaded(batch, settled, again, persons)

    async def fitting(self, reader: Reader, found: Sequence[Entry], cursor: int) -> list[Entry]:
        """The first of these entries, as many as may be loaded at one time: whose visitors have no
        more events together, of which nothing is in memory, than `READ_EVENTS`; one at least."""
        visitors = {entry.visitor_id or 0 for entry in found} - self.visitors.keys()
        cold = sorted(one for one in visitors if 0 < one <= cursor)
        if len(cold) < 2:
            return list(found)
        counts = await session_events.counts(reader, self.site_id, self.gen, cold)
        room = READ_EVENTS
        for place, entry in enumerate(found):
            room -= counts.pop(entry.visitor_id or 0, 0)
            if room < 0 and place:
                return list(found[:place])
        return list(found)

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
        self.histories.erased |= anew
        for entry, one in batch.classified:
            kind, target = (1, one.event) if one.event else (0, one.visitor)
            known = self.lookup.classes.events if kind else self.lookup.classes.visitors
            known.pop(target, None)
            if one.class_:
                known[target] = Class[one.class_.upper()]
            row = (kind, target, entry.seq, int(known.get(target, AS_ACCEPTED)))
            fold.changes.put(derived.CLASSES, row)
            if kind:
                found = await entries.by_seq(reader, self.site_id, [target])
                target = found[target].visitor_id or 0 if target in found else 0
                self._single |= set() if target else {one.event}
            anew.add(target)
            self.histories.why[target] = Cause(seq=entry.seq, at=entry.at, reason="classified")
        for visitor_id in anew:
            self.visitors.pop(visitor_id, None)
        return anew - {0}

    async def _settle(
        self, reader: Reader, fold: Fold, batch: Batch, anew: set[int], see: See
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
            gone += await self._claims_on(visitor_id)
        if not (fresh or said or gone):
            return None, []
        registry = Registry(self.site_id, self.gen, self.lookup, self.rules)
        await registry.gather(reader, fresh, said, gone, see)
        registry.hear(batch.said)
        settled = await registry.settle(fold.changes)
        self.people.rulings.update(settled.identity.rulings)
        anew |= {claim.visitor_id for claim in settled.changed if claim.visitor_id}
        anew |= _doubted_typos(said, settled)
        changed = {claim.seq for claim in settled.changed if not claim.visitor_id} | self._single
        stored = await entries.by_seq(reader, self.site_id, sorted(changed))
        lone = {(row[0], row[4]) for row in settled.lost if not row[3]}
        lone |= {(entry.seq, entry.at) for entry in stored.values() if entry.kind}
        return settled, await entries.alone(reader, self.site_id, self.gen, sorted(lone))

    async def _claims_on(self, visitor_id: int) -> list[int]:
        placed = await self.histories.placed_of(visitor_id)
        return [one.entry.seq for one in placed if one.entry.kind in CLAIMING]

    # ------------------------------------------------------------ visitors

    async def _load_visitor(self, reader: Reader, visitor_id: int, events: Sequence[Seen]) -> bool:
        """Fold a visitor's history as it stands in the tables. False if it is of no use: an event
        that comes out of order has all of it folded anew anyway."""
        placed = await self.histories.placed_of(visitor_id)
        if placed and events[0].at < placed[-1].at:
            return False
        await self.lookup.prepare(reader, [one.entry for one in placed])
        history = sorted(
            self.lookup.see_all([one.entry for one in placed]), key=lambda seen: seen.key
        )
        if history and events[0].key <= history[-1].key:
            return False
        await self.histories.rulings(history)
        past = await self.histories.past(visitor_id)
        visitor = Visitor(visitor_id, granted=grants(history), past=past)
        for seen in history:
            visitor.step(seen, self.rules, self.people)
        if _needs_refold(visitor, events):
            return False
        await self.histories.recall(visitor)
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

    async def _copied(self, reader: Reader, batch: Batch, cursor: int) -> set[int]:
        """The visitors past the cursor of whom there are sessions all the same: a generation that
        reads the log again begins with those whose events are gone."""
        ids = sorted(v for v in batch.groups if v > cursor and v not in self.visitors)
        if self.live or not self.sealed or not ids:
            return set()
        return await rows.sealed_visitors(reader, self.site_id, self.gen, ids)

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
