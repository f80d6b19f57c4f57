"""Drives the fold of one site: reads the log behind a cursor, loads what it touches, writes rows.

The cursor is a compare-and-set in the same transaction as the rows, so a result is applied once or
not at all; the memory kept here is thrown away whenever that fails. Computing yields to the event
loop every millisecond, and rests while many events wait to be stored.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from msgspec import structs

from server.errors import Conflict, Overloaded
from server.ingest.agents import Agents
from server.model import DAY_MS, Class, Published, Site
from server.project.claims import purposes
from server.project.fold import Fold
from server.project.judging import Judge
from server.project.loading import Loaded, Loader
from server.project.lookup import Classes, Lookup
from server.project.pacing import Portion, may_take_s
from server.project.people import Population
from server.project.remembered import Remembered
from server.project.rescoring import Read, Rescoring, Sliced, Subject, rescore
from server.project.rules import Ruleset
from server.project.ruleset import DEFAULT, decode
from server.project.sessions import Zone
from server.project.signals import Matcher
from server.project.subjects import PERSON, VISITOR
from server.project.taking import doubt, take
from server.project.visitor import Rules
from server.storage import derived, entries
from server.storage import identities as names
from server.storage import people as rows
from server.storage.database import Database, Reader, chunks
from server.storage.derived import Changes, Walk
from server.storage.writer import Writer

log = logging.getLogger("handraise.projector")
T = TypeVar("T")
Pause = Callable[[], Awaitable[None]]
#: Entries of one result, the least and the most. On PostgreSQL writing a result costs 5 ms by
#: itself, as much as 200 entries.
BATCH = {"sqlite": (64, 1_024), "postgres": (512, 2_048)}
#: Subjects scored again at one time, likewise.
SUBJECTS = (8, 256)
#: Subjects that are read at one time.
READ = 64
#: Computing lets others run after this long.
SLICE_S = 0.001
PERSONS_KEPT = 2_000
#: Sessions of them, about a kilobyte each.
PARTS_KEPT = 20_000


async def aside() -> None:
    """Let others run, and no more: while a snapshot is open the log of writes cannot be emptied,
    and whoever writes waits for that."""
    await asyncio.sleep(0)


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


def ruleset_of(published: Published) -> Ruleset:
    """The rules a site scores by."""
    known = decode(published.document) if published.document else DEFAULT
    return structs.replace(known, version=published.version)


class SiteProjector:
    """The projector of one site."""

    def __init__(
        self,
        site: Site,
        database: Database,
        writer: Writer,
        agents: Agents,
        clock: Callable[[], int],
        *,
        gen: int = 0,
    ) -> None:
        self.site = site
        self.database = database
        self.writer = writer
        self.clock = clock
        self.ruleset = ruleset = ruleset_of(site.published)
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
        self.rescoring = Rescoring(site.site_id, self.gen, self.lookup, ruleset)
        self.batch, self.subjects = Portion(*BATCH[database.engine]), Portion(*SUBJECTS)
        self.trusted = self.batch.most  # entries at one time, at most: one after a failure
        self.reads = READ  # subjects read at one time
        self.passed_over = 0  # entries that could not be projected
        self.refreshed = 0  # the UTC day whose changes of scores are all written
        self.withdrawn = False  # whether a visitor is to be erased
        self.long_turns = 0  # results that took longer to write than they should
        self.forget()

    def forget(self) -> None:
        """Drop everything in memory: it is read again from the tables."""
        self.cursor = self.seals = -1
        self.walked, self.way = 0, Walk()  # by which ruleset everybody is scored, and the next
        self.visitors = Remembered()
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
            if self.trusted > 1:
                self.trusted = 1
                return await self.advance(pause, until)
            return await self._pass_over()
        self.trusted = min(self.trusted * 2, self.batch.most)
        return passed

    async def _advance(self, pause: Pause, until: int | None) -> int:
        fold = self._fold(self.people)
        async with self.database.snapshot() as reader:
            loaded = await self._load(reader, fold, until)
            stale = await self._stale(reader, loaded) if loaded is not None else []
        if loaded is None:
            return 0
        if stale:  # first things first: then it is read again
            for part in chunks(stale, self.reads):
                await self._rescore(part, pause)
            return await self._advance(pause, until)
        await sliced(take(fold, loaded, self.visitors), pause)
        if loaded.batch.doubts is not None:
            await asyncio.to_thread(doubt, fold, loaded)
        await sliced(fold.finish(), pause)
        await self._write(self.cursor, loaded.batch.last, fold.changes)
        self.batch.learn(loaded.batch.passed, fold.changes.seconds)
        self.cursor = loaded.batch.last
        self.visitors.touched({*loaded.batch.groups, *loaded.again})
        return loaded.batch.passed

    async def _pass_over(self) -> int:
        """Move the cursor behind the entry that fails alone."""
        async with self.database.snapshot() as reader:
            cursor = await rows.cursor(reader, self.site.site_id, self.gen)
        log.exception("entry %d of site %d cannot be projected", cursor + 1, self.site.site_id)
        await self._write(cursor, cursor + 1, Changes())
        self.passed_over += 1
        return 1

    def _fold(self, people: Population) -> Fold:
        changes, now = Changes(), self.clock()
        judge = Judge(self.ruleset, changes, now, people.dirty, decides=self.decides)
        return Fold(self.site, self.rules, people, judge, self.zone)

    async def _write(self, old: int, new: int, changes: Changes) -> None:
        site_id, gen = self.site.site_id, self.gen
        decides, seals, version = self.decides, self.seals, self.ruleset.version
        script = lambda: derived.apply(  # noqa: E731
            site_id, gen, old, new, changes, decides=decides, seals=seals, ruleset=version
        )
        may_take = may_take_s(pressed=self.writer.pressed)
        await self.writer.run(script, moves=bool(changes.consequences))
        self.withdrawn |= bool(changes.withdrawn)
        self.long_turns += changes.seconds > 2 * may_take

    # ------------------------------------------------------------ loading

    async def _load(self, reader: Reader, fold: Fold, until: int | None) -> Loaded | None:
        site_id, gen = self.site.site_id, self.gen
        await self._begin(reader)
        size = min(self.trusted, self.batch.size(pressed=self.writer.pressed))
        found = await entries.after(reader, site_id, self.cursor, size)
        found = [entry for entry in found if until is None or entry.seq <= until]
        if not found:
            return None
        loader = Loader(
            site_id,
            gen,
            self.lookup,
            self.rules,
            self.visitors,
            self.people,
            live=self.decides,
            sealed=self.seals > 0,
        )
        found = await loader.fitting(reader, found, self.cursor)
        return await loader.load(reader, fold, found, self.cursor, lambda seen: sliced(seen, aside))

    async def _begin(self, reader: Reader) -> None:
        """Where the tables are, if nothing is in memory."""
        if self.cursor >= 0:
            return
        scope = (reader, self.site.site_id, self.gen)
        self.cursor, self.seals = await rows.position(*scope)
        self.walked, self.way = await rows.walk(*scope)
        classes = Classes()
        for kind, target, class_, _seq in await names.classes(*scope):
            (classes.events if kind else classes.visitors)[target] = Class(class_)
        self.lookup.classes = classes

    def _trim(self) -> None:
        """Forget whom nothing came of for longest, between batches."""
        self.visitors.trim()
        persons = self.people.persons
        if len(persons) > PERSONS_KEPT or sum(len(p.parts) for p in persons.values()) > PARTS_KEPT:
            self.people = Population()
            self.visitors = Remembered()

    # ------------------------------------------------------------ scores without an event

    async def refresh_due(self, pause: Pause) -> int:
        """Score again some subjects whose score changed with the day; how many."""
        self._trim()
        async with self.database.snapshot() as reader:
            await self._begin(reader)
            scope = (reader, self.site.site_id, self.gen)
            due = await rows.due(*scope, self.clock() // DAY_MS, self.reads)
        if due:
            await self._rescore(due, pause)
        return len(due)

    async def walk(self, pause: Pause) -> bool:
        """Bring the next subjects to the published ruleset; false where all of them are."""
        version = self.ruleset.version
        if self.cursor >= 0 and self.walked == version:
            return False
        async with self.database.snapshot() as reader:
            await self._begin(reader)
            if self.walked == version:
                return False
            scope = (reader, self.site.site_id, self.gen)
            way = self.way
            if way.to != version:
                way = Walk(version, PERSON, total=await rows.subject_count(*scope))
            found = await rows.subjects_after(*scope, way.kind, way.subject_id, self.reads)
        if found:
            await self._rescore(found, pause, way)
            return True
        ends = way.kind == VISITOR
        way = way._replace(kind=VISITOR, subject_id=0)
        changes = Changes(walk=way, walked=version if ends else 0)
        await self._write_rescored(changes, 0, way)
        self.walked = version if ends else self.walked
        return True

    async def _stale(self, reader: Reader, loaded: Loaded) -> list[Subject]:
        """Of what a batch touches, the subjects that are scored by an older ruleset."""
        version = self.ruleset.version
        if self.walked == version:
            return []
        scope = (reader, self.site.site_id, self.gen)
        found = await rows.subjects(*scope, VISITOR, sorted(loaded.batch.groups.keys() - {0}))
        found += await rows.subjects(*scope, PERSON, sorted(loaded.persons - {0}))
        return [(kind, subject_id, known) for kind, subject_id, known in found if known != version]

    async def _found(
        self, subjects: Sequence[Subject], steps: Sliced, way: Walk | None
    ) -> Read | None:
        """What subjects are scored from; None where that is too much at one time."""
        stale = [one for one in subjects if way is None or one[2] != self.ruleset.version]
        try:
            async with self.database.snapshot() as reader:
                found = await self.rescoring.read(reader, stale, steps)
        except Overloaded:
            if len(subjects) == 1:
                self.forget()
                raise
            return None
        self.reads = min(self.reads * 2, READ)
        return found

    async def _halves(self, subjects: Sequence[Subject], pause: Pause, way: Walk | None) -> None:
        """Too many events for one read: fewer subjects at a time."""
        half = len(subjects) // 2
        self.reads = max(half, 1)
        await self._rescore(subjects[:half], pause, way)
        if way is not None:
            way = way._replace(subject_id=subjects[half - 1][1], done=way.done + half)
        await self._rescore(subjects[half:], pause, way)

    async def _rescore(
        self, subjects: Sequence[Subject], pause: Pause, way: Walk | None = None
    ) -> None:
        """Score subjects in turns of their own; what is in memory of them is read again.

        While some are written the next are computed. `way` is how far the walk was before them: it
        passes over those that somebody else has brought to the ruleset of now.
        """
        writing: asyncio.Task[None] | None = None
        steps: Sliced = lambda some: sliced(some, pause)  # noqa: E731
        found = await self._found(subjects, steps, way)
        if found is None:
            await self._halves(subjects, pause, way)
            return
        try:
            left = list(subjects)
            while left:
                size = self.subjects.size(pressed=self.writer.pressed)
                part, left = left[:size], left[size:]
                if way is not None:
                    way = way._replace(subject_id=part[-1][1], done=way.done + len(part))
                changes = await self._rescored(found, part, steps, way)
                if writing is not None:
                    await writing
                writing = asyncio.create_task(self._write_rescored(changes, len(part), way))
            if writing is not None:
                await writing
        except BaseException:
            if writing is not None:
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)
            self.forget()
            raise
        for person_id in found.persons:
            self.people.persons.pop(person_id, None)
        for row in (row for mine in found.anew.values() for row in mine):
            self.visitors.pop(row.visitor_id, None)

    async def _rescored(
        self, found: Read, subjects: Sequence[Subject], steps: Sliced, way: Walk | None
    ) -> Changes:
        """What follows for some of the subjects that were read."""
        fold, version = self._fold(Population()), self.ruleset.version
        part = [one for one in subjects if way is None or one[2] != version]
        await steps(rescore(fold, found, part, self.rules, self.site.published))
        await steps(fold.finish())
        fold.changes.walk = way
        return fold.changes

    async def _write_rescored(self, changes: Changes, count: int, way: Walk | None) -> None:
        try:
            await self._write(self.cursor, self.cursor, changes)
        except BaseException:
            self.forget()
            raise
        self.subjects.learn(count, changes.seconds)
        if way is not None:
            self.way = way
