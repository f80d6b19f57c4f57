"""Drives the fold of one site: reads the log behind a cursor, loads what it touches, writes rows.

The cursor is a compare-and-set in the same transaction as the rows, so a result is applied once or
not at all; the memory kept here is thrown away whenever that fails. Computing yields to the event
loop every millisecond, and rests while many events wait to be stored.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

from server.errors import Conflict, Overloaded
from server.ingest.agents import Agents
from server.model import DAY_MS, Class, Kind, Site
from server.project.claims import purposes
from server.project.fold import Fold
from server.project.judging import Judge
from server.project.loading import Batch, Loaded, Loader
from server.project.lookup import Classes, Lookup
from server.project.people import Population, read_parts
from server.project.registry import IDENTITY, Settled
from server.project.rules import Ruleset
from server.project.ruleset import DEFAULT
from server.project.rulings import State
from server.project.sessions import Zone
from server.project.signals import Matcher
from server.project.stages import Cause
from server.project.standing import Told
from server.project.subjects import PERSON, VISITOR, ordered
from server.project.visitor import Rules, Visitor, grants
from server.storage import derived, entries
from server.storage import identities as names
from server.storage import people as rows
from server.storage.database import Database, Reader
from server.storage.derived import Changes
from server.storage.writer import Writer

log = logging.getLogger("handraise.projector")
T = TypeVar("T")
Pause = Callable[[], Awaitable[None]]
#: Entries of one result: as many as are written in `WRITING_S`, within these bounds.
BATCH, BATCH_LEAST = 512, 64
WRITING_S = 0.002
#: Computing lets others run after this long.
SLICE_S = 0.001
VISITORS_KEPT = 4_000
PERSONS_KEPT = 4_000
DUE_BATCH = 200


async def sliced(steps: Iterable[T], pause: Pause) -> list[T]:
    """Go through steps of computing, letting others run after every millisecond."""
    done: list[T] = []
    started = time.perf_counter()
    for step in steps:
        done.append(step)
        if time.perf_counter() - started > SLICE_S:
            await pause()
            started = time.perf_counter()
    return done


class SiteProjector:
    """The projector of one site."""

    def __init__(
        self,
        site: Site,
        database: Database,
        writer: Writer,
        agents: Agents,
        clock: Callable[[], int],
        ruleset: Ruleset = DEFAULT,
        *,
        gen: int = 0,
    ) -> None:
        self.site = site
        self.database = database
        self.writer = writer
        self.clock = clock
        self.ruleset = ruleset
        self.gen = gen or site.generation
        self.decides = self.gen == site.generation  # another generation only reads the log again
        self.lookup = Lookup(site, agents)
        settings = site.settings
        self.rules = Rules(
            Matcher(ruleset, settings.page_groups),
            settings,
            purposes(settings.forms),
            frozenset(form.key for form in settings.forms if form.kiosk),
        )
        self.zone = Zone(settings.zone)
        self.batch = self.most = BATCH_LEAST
        self.passed_over = 0  # entries that could not be projected
        self.refreshed = 0  # the UTC day whose changes of scores are all written
        self.withdrawn = False  # whether a visitor is to be erased
        self.long_turns = 0  # results that took longer to write than they should
        self.forget()

    def forget(self) -> None:
        """Drop everything in memory: it is read again from the tables."""
        self.cursor = self.seals = -1
        self.visitors: dict[int, Visitor] = {}
        self.people = Population()

    def sealed(self, visitors: Iterable[int], seals: int) -> None:
        """Sessions of these visitors were sealed: they are read again. `seals` counts that."""
        for visitor_id in visitors:
            self.visitors.pop(visitor_id, None)
        if self.seals >= 0:
            self.seals = seals

    # ------------------------------------------------------------ one batch

    async def advance(self, pause: Pause, until: int | None = None) -> int:
        """Project the next entries, none after `until`; how many, 0 at the head of the log.

        An entry that cannot be projected must not stop the ones behind it: after a failure entries
        go one by one, and the one that fails alone is passed over, logged and counted.
        """
        self._trim()
        try:
            passed = await self._advance(pause, until)
        except (Overloaded, Conflict, asyncio.CancelledError):
            self.forget()
            raise
        except Exception:
            self.forget()
            if self.batch > 1:
                self.batch = 1
                return await self.advance(pause, until)
            return await self._pass_over()
        self.batch = min(self.batch * 2, self.most)
        return passed

    async def _advance(self, pause: Pause, until: int | None) -> int:
        fold = self._fold()
        async with self.database.snapshot() as reader:
            loaded = await self._load(reader, fold, pause, until)
        if loaded is None:
            return 0
        await sliced(self._take(fold, loaded), pause)
        await sliced(fold.finish(), pause)
        await self._write(self.cursor, loaded.batch.last, fold.changes)
        self.cursor = loaded.batch.last
        return loaded.batch.passed

    async def _pass_over(self) -> int:
        """Move the cursor behind the entry that fails alone."""
        async with self.database.snapshot() as reader:
            cursor = await rows.cursor(reader, self.site.site_id, self.gen)
        log.exception("entry %d of site %d cannot be projected", cursor + 1, self.site.site_id)
        await self._write(cursor, cursor + 1, Changes())
        self.passed_over += 1
        return 1

    def _fold(self) -> Fold:
        changes, now = Changes(), self.clock()
        judge = Judge(self.ruleset, changes, now, self.people.dirty, decides=self.decides)
        return Fold(self.site, self.rules, self.people, judge, self.zone)

    def _take(self, fold: Fold, loaded: Loaded) -> Iterator[None]:
        batch, settled = loaded.batch, loaded.settled
        if settled is not None:
            for person_id in sorted((settled.before - settled.after) & self.people.persons.keys()):
                fold.forget(self.people.persons[person_id])
            self.people.settle(settled)
        for one in batch.said:
            self._hear(fold, settled, one)
        yield from self._take_events(fold, loaded)
        if settled is not None and batch.doubts is not None:
            self._doubt(fold, settled)

    def _take_events(self, fold: Fold, loaded: Loaded) -> Iterator[None]:
        batch, cause = loaded.batch, _decided(loaded.batch)
        for visitor_id, events in batch.groups.items():
            if visitor_id and visitor_id in loaded.again:
                continue
            visitor = self.visitors.get(visitor_id)
            if visitor is None:
                visitor = Visitor(visitor_id, granted=grants(events))
            for seen in events:  # one visitor may send many
                fold.take(visitor, [seen])
                yield
            if visitor_id:
                self.visitors[visitor_id] = visitor
        for visitor_id, history in loaded.again.items():
            if history.nearby:
                fold.refold_nearby(visitor_id, history)
                self.visitors.pop(visitor_id, None)  # it knows only these sessions
                yield
                continue
            fresh = {seen.seq for seen in batch.groups.get(visitor_id, ())}
            visitor = fold.refold(visitor_id, history, fresh if visitor_id else (), cause)
            if visitor_id:
                self.visitors[visitor_id] = visitor
            yield

    def _hear(self, fold: Fold, settled: Settled | None, one: Told) -> None:
        """A decision or consequence about somebody whose claims stay as they are."""
        if settled is not None and one.claim in settled.identity.rulings:
            return  # heard with everything else that was said of them
        ruling = self.people.rulings.get(one.claim)
        person_id = ruling.person_id if ruling is not None else 0
        row = (one.claim, one.seq, int(one.kind), one.at, person_id)
        fold.changes.put(derived.PERSON_ENTRIES, row)
        person = self.people.persons.get(person_id)
        if person is not None:
            person.hear(one)
            self.people.dirty.add(person_id)

    def _doubt(self, fold: Fold, settled: Settled) -> None:
        """What was told of these persons may never have been so."""
        rulings = settled.identity.rulings
        said: dict[int, list[Told]] = {}
        for one in settled.said:
            ruling = rulings.get(one.claim)
            said.setdefault(ruling.person_id if ruling else 0, []).append(one)
        for person_id, told in said.items():
            forms = [
                claim.purpose
                for seq, claim in settled.claims.items()
                if rulings[seq].person_id == person_id
                and rulings[seq].state is State.ACTIVE
                and claim.kind is Kind.FORM_SUBMIT
            ]
            person = self.people.persons.get(person_id)
            fold.judge.retract(person, told, forms, settled.identity.bases)

    async def _write(self, old: int, new: int, changes: Changes) -> None:
        site_id, gen = self.site.site_id, self.gen
        decides, seals = self.decides, self.seals
        script = lambda: derived.apply(  # noqa: E731
            site_id, gen, old, new, changes, decides=decides, seals=seals
        )
        await self.writer.run(script, moves=bool(changes.consequences))
        self.withdrawn |= bool(changes.withdrawn)
        if changes.seconds > WRITING_S:
            self.long_turns += 1
            self.most = max(BATCH_LEAST, self.most * 3 // 4)
        elif changes.seconds < WRITING_S / 2:
            self.most = min(BATCH, self.most * 5 // 4)

    # ------------------------------------------------------------ loading

    async def _load(
        self, reader: Reader, fold: Fold, pause: Pause, until: int | None
    ) -> Loaded | None:
        site_id, gen = self.site.site_id, self.gen
        await self._begin(reader)
        found = await entries.after(reader, site_id, self.cursor, self.batch)
        found = [entry for entry in found if until is None or entry.seq <= until]
        if not found:
            return None
        loader = Loader(
            site_id, gen, self.lookup, self.rules, self.visitors, self.people, live=self.decides
        )
        return await loader.load(reader, fold, found, self.cursor, lambda seen: sliced(seen, pause))

    async def _begin(self, reader: Reader) -> None:
        """Where the tables are, if nothing is in memory."""
        if self.cursor >= 0:
            return
        self.cursor, self.seals = await rows.position(reader, self.site.site_id, self.gen)
        classes = Classes()
        for kind, target, class_, _seq in await names.classes(reader, self.site.site_id, self.gen):
            (classes.events if kind else classes.visitors)[target] = Class(class_)
        self.lookup.classes = classes

    def _trim(self) -> None:
        """Forget the visitors and persons kept longest, between batches."""
        if len(self.visitors) > VISITORS_KEPT:
            for visitor_id in list(self.visitors)[: VISITORS_KEPT // 3]:
                del self.visitors[visitor_id]
        if len(self.people.persons) > PERSONS_KEPT:
            self.people = Population()
            self.visitors.clear()

    # ------------------------------------------------------------ midnight

    async def refresh_due(self) -> int:
        """Score again the subjects whose score changed with the day; how many."""
        self._trim()
        site_id, gen = self.site.site_id, self.gen
        async with self.database.snapshot() as reader:
            await self._begin(reader)
            due = await rows.due(reader, site_id, gen, self.clock() // DAY_MS, DUE_BATCH)
            if not due:
                return 0
            fold = self._fold()
            await self.people.load(reader, site_id, gen, {i for kind, i in due if kind == PERSON})
            for kind, subject_id in due:
                if kind == VISITOR:
                    await self._refresh_visitor(reader, fold, subject_id)
        midnight = fold.judge.day * DAY_MS
        for kind, subject_id in due:
            person = self.people.persons.get(subject_id) if kind == PERSON else None
            if person is not None:
                fold.judge.judge(person, Cause(seq=0, at=midnight))
        try:
            for _ in fold.finish():
                continue
            await self._write(self.cursor, self.cursor, fold.changes)
        except BaseException:
            self.forget()
            raise
        return len(due)

    async def _refresh_visitor(self, reader: Reader, fold: Fold, visitor_id: int) -> None:
        site_id, gen = self.site.site_id, self.gen
        sessions = await rows.visitor_sessions(reader, site_id, gen, visitor_id)
        if sessions:
            parts = await read_parts(reader, site_id, gen, sessions)
            fold.put_visitor_subject(visitor_id, ordered(parts.values()))


def _decided(batch: Batch) -> Cause | None:
    """The decision that is the cause of what is found out by folding visitors anew."""
    found = [one for one in batch.said if one.kind in IDENTITY]
    if not found:
        return None
    last = max(found, key=lambda one: one.seq)
    reason = "released" if last.kind is Kind.RELEASE else last.kind.word
    return Cause(seq=last.seq, at=last.at, reason=reason)
