"""Drives the fold of one site: reads the log behind a cursor, loads what it touches, writes rows.

The cursor is a compare-and-set in the same transaction as the rows, so a result is applied once or
not at all; the memory kept here is thrown away whenever that fails. Computing yields to the event
loop every millisecond, and rests while many events wait to be stored.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

from server.errors import Conflict, Overloaded
from server.ingest.agents import Agents
from server.model import DAY_MS, Site
from server.project.claims import claim_of, purposes
from server.project.fold import Fold
from server.project.lookup import Lookup
from server.project.people import Population, read_parts
from server.project.rollups import Counted, cells_of
from server.project.rules import Ruleset
from server.project.ruleset import DEFAULT
from server.project.seen import Seen
from server.project.sessions import Zone
from server.project.signals import Hit, Matcher
from server.project.stages import Cause
from server.project.subjects import PERSON, VISITOR, ordered
from server.project.visitor import Rules, Visitor, grants
from server.storage import derived, entries
from server.storage import people as rows
from server.storage.database import Database, Reader
from server.storage.derived import Changes
from server.storage.entries import Entry
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


class Loaded(NamedTuple):
    """One batch, with everything needed to fold it in memory."""

    cursor: int
    last: int
    passed: int
    groups: list[tuple[int, list[Seen]]]  # visitor and its events, in the order of rules
    again: dict[int, list[Seen]]  # visitors to fold anew, with all their events


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
    ) -> None:
        self.site = site
        self.database = database
        self.writer = writer
        self.clock = clock
        self.ruleset = ruleset
        self.lookup = Lookup(site, agents)
        settings = site.settings
        self.rules = Rules(
            Matcher(ruleset, settings.page_groups), settings, purposes(settings.forms)
        )
        self.zone = Zone(settings.zone)
        self.batch = self.most = BATCH_LEAST
        self.passed_over = 0  # entries that could not be projected
        self.refreshed = 0  # the UTC day whose changes of scores are all written
        self.long_turns = 0  # results that took longer to write than they should
        self.forget()

    def forget(self) -> None:
        """Drop everything in memory: it is read again from the tables."""
        self.cursor = -1
        self.visitors: dict[int, Visitor] = {}
        self.people = Population(Changes())

    # ------------------------------------------------------------ one batch

    async def advance(self, pause: Pause) -> int:
        """Project the next entries; how many, 0 at the head of the log.

        An entry that cannot be projected must not stop the ones behind it: after a failure entries
        go one by one, and the one that fails alone is passed over, logged and counted.
        """
        self._trim()
        try:
            passed = await self._advance(pause)
        except (Overloaded, Conflict, asyncio.CancelledError):
            self.forget()
            raise
        except Exception:
            self.forget()
            if self.batch > 1:
                self.batch = 1
                return await self.advance(pause)
            return await self._pass_over()
        self.batch = min(self.batch * 2, self.most)
        return passed

    async def _advance(self, pause: Pause) -> int:
        async with self.database.snapshot() as reader:
            loaded = await self._load(reader, pause)
        if loaded is None:
            return 0
        fold = self._fold()
        await sliced(self._take(fold, loaded), pause)
        await sliced(fold.finish(), pause)
        await self._write(loaded.cursor, loaded.last, fold.changes)
        self.cursor = loaded.last
        return loaded.passed

    async def _pass_over(self) -> int:
        """Move the cursor behind the entry that fails alone."""
        async with self.database.snapshot() as reader:
            cursor = await rows.cursor(reader, self.site.site_id, self.site.generation)
        log.exception("entry %d of site %d cannot be projected", cursor + 1, self.site.site_id)
        await self._write(cursor, cursor + 1, Changes())
        self.passed_over += 1
        return 1

    def _fold(self) -> Fold:
        self.people.changes = Changes()
        return Fold(self.site, self.ruleset, self.rules, self.people, self.clock(), self.zone)

    def _take(self, fold: Fold, loaded: Loaded) -> Iterator[None]:
        for visitor_id, events in loaded.groups:
            visitor = self.visitors.get(visitor_id) or Visitor(visitor_id)
            if visitor_id in loaded.again:
                fresh = {seen.seq for seen in events}
                visitor = fold.refold(visitor, loaded.again[visitor_id], fresh)
            else:
                for seen in events:  # one visitor may send many
                    fold.take(visitor, [seen])
                    yield
            if visitor_id:
                self.visitors[visitor_id] = visitor
            yield

    async def _write(self, old: int, new: int, changes: Changes) -> None:
        site_id, gen = self.site.site_id, self.site.generation
        script = lambda: derived.apply(site_id, gen, old, new, changes)  # noqa: E731
        await self.writer.run(script, moves=bool(changes.consequences))
        if changes.seconds > WRITING_S:
            self.long_turns += 1
            self.most = max(BATCH_LEAST, self.most * 3 // 4)
        elif changes.seconds < WRITING_S / 2:
            self.most = min(BATCH, self.most * 5 // 4)

    # ------------------------------------------------------------ loading

    async def _load(self, reader: Reader, pause: Pause) -> Loaded | None:
        site_id, gen = self.site.site_id, self.site.generation
        if self.cursor < 0:
            self.cursor = await rows.cursor(reader, site_id, gen)
        batch = await entries.after(reader, site_id, self.cursor, self.batch)
        if not batch:
            return None
        await self.lookup.prepare(reader, batch)
        groups: dict[int, list[Seen]] = {}
        for seen in await sliced(self.lookup.see_all(batch), pause):
            groups.setdefault(seen.visitor_id, []).append(seen)
        for visitor_id in groups:
            # A visitor's id is the seq of its first entry: past the cursor it has no history.
            if 0 < visitor_id <= self.cursor and visitor_id not in self.visitors:
                await self._load_visitor(reader, visitor_id)
        again = {}
        for visitor_id, events in groups.items():
            events.sort(key=lambda seen: seen.key)
            known = self.visitors.get(visitor_id)
            if known is not None and any(known.needs_refold(seen) for seen in events):
                history = await self._history(reader, visitor_id)
                again[visitor_id] = sorted((*history, *events), key=lambda seen: seen.key)
        await self._load_people(reader, groups, again)
        return Loaded(self.cursor, batch[-1].seq, len(batch), list(groups.items()), again)

    async def _history(self, reader: Reader, visitor_id: int) -> list[Seen]:
        found: list[Entry] = await entries.of_visitor(
            reader, self.site.site_id, self.site.generation, visitor_id
        )
        await self.lookup.prepare(reader, found)
        return sorted(self.lookup.see_all(found), key=lambda seen: seen.key)

    async def _load_visitor(self, reader: Reader, visitor_id: int) -> None:
        """Fold a visitor's history again, as it stands in the tables."""
        history = await self._history(reader, visitor_id)
        claims = [
            claim
            for seen in history
            if (claim := claim_of(seen, self.rules.purpose(seen.data.get("form", ""))))
        ]
        site_id, gen = self.site.site_id, self.site.generation
        await self.people.load_identifiers(reader, site_id, gen, claims)
        held = await rows.claims(reader, site_id, gen, visitor_id)
        self.people.held.update(held)
        await self.people.load(reader, site_id, gen, set(held.values()))
        visitor = Visitor(visitor_id, granted=grants(history))
        self.people.creating = False
        try:
            for seen in history:
                visitor.step(seen, self.rules, self.people)
        finally:
            self.people.creating = True
        await self._recall_written(reader, visitor)
        self.visitors[visitor_id] = visitor

    async def _recall_written(self, reader: Reader, visitor: Visitor) -> None:
        """What the tables hold of a visitor's sessions, under whatever settings it was written."""
        site_id, gen = self.site.site_id, self.site.generation
        stored = await rows.counted_sessions(reader, site_id, gen, visitor.visitor_id)
        counted = {row[0]: cells_of(Counted._make(row[1:]), visitor.visitor_id) for row in stored}
        hits: dict[int, tuple[list[Hit], list[Hit]]] = {}
        for session_id, rule, seq, key, at, pending in await rows.signals(
            reader, site_id, gen, sorted(counted)
        ):
            hits.setdefault(session_id, ([], []))[pending].append(Hit(rule, seq, at, key))
        for session in visitor.sessions:
            session.written = counted.get(session.session_id, {})
            met, left = hits.get(session.session_id, ([], []))
            session.told = (tuple(met), tuple(left))

    async def _load_people(
        self, reader: Reader, groups: dict[int, list[Seen]], again: dict[int, list[Seen]]
    ) -> None:
        """Everybody whom these events name, and every owner of these visitors."""
        site_id, gen = self.site.site_id, self.site.generation
        every = [seen for events in (*groups.values(), *again.values()) for seen in events]
        claims = [
            claim
            for seen in every
            if (claim := claim_of(seen, self.rules.purpose(seen.data.get("form", ""))))
        ]
        await self.people.load_identifiers(reader, site_id, gen, claims)
        owners = {
            session.person_id
            for visitor_id in groups
            if visitor_id in self.visitors
            for session in self.visitors[visitor_id].sessions
        }
        await self.people.load(reader, site_id, gen, owners)

    def _trim(self) -> None:
        """Forget the visitors and persons kept longest, between batches."""
        if len(self.visitors) > VISITORS_KEPT:
            for visitor_id in list(self.visitors)[: VISITORS_KEPT // 3]:
                del self.visitors[visitor_id]
        if len(self.people.persons) > PERSONS_KEPT:
            self.people = Population(Changes())
            self.visitors.clear()

    # ------------------------------------------------------------ midnight

    async def refresh_due(self) -> int:
        """Score again the subjects whose score changed with the day; how many."""
        self._trim()
        site_id, gen = self.site.site_id, self.site.generation
        async with self.database.snapshot() as reader:
            if self.cursor < 0:
                self.cursor = await rows.cursor(reader, site_id, gen)
            due = await rows.due(reader, site_id, gen, self.clock() // DAY_MS, DUE_BATCH)
            if not due:
                return 0
            fold = self._fold()
            await self.people.load(reader, site_id, gen, {i for kind, i in due if kind == PERSON})
            for kind, subject_id in due:
                if kind == VISITOR:
                    await self._refresh_visitor(reader, fold, subject_id)
        midnight = fold.day * DAY_MS
        for kind, subject_id in due:
            person = self.people.persons.get(subject_id) if kind == PERSON else None
            if person is not None:
                fold.judge(person, Cause(seq=0, at=midnight))
        try:
            for _ in fold.finish():
                continue
            await self._write(self.cursor, self.cursor, fold.changes)
        except BaseException:
            self.forget()
            raise
        return len(due)

    async def _refresh_visitor(self, reader: Reader, fold: Fold, visitor_id: int) -> None:
        site_id, gen = self.site.site_id, self.site.generation
        sessions = await rows.visitor_sessions(reader, site_id, gen, visitor_id)
        if sessions:
            parts = await read_parts(reader, site_id, gen, sessions)
            fold.put_visitor_subject(visitor_id, ordered(parts.values()))
