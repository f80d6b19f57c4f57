"""The retention job: thins old events to stubs, a little in a turn, and seals their sessions.

Each turn is whole or not at all, and what was thinned is no candidate any more: whatever stops the
job, it goes on from there. It takes turns with the site's projector, which then reads anew the
visitors that were touched; the projector of another node finds its results refused. Each turn also
reads the settings again: whoever decides to keep more is heard at once, on whatever node.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from server.model import DAY_MS, Kind, Site
from server.project.projector import Projector
from server.project.retention import (
    KEPT,
    NAMING,
    SEALED_VIEWS,
    Limits,
    Visit,
    gives_consent,
    limits,
    names_somebody,
    sealable,
)
from server.project.rows import END, SESSION, START
from server.project.visitor import COOKIELESS, LATE, UNCOUNTED
from server.rounds import Pace, go_round
from server.storage import entries, erasing, retention, sites
from server.storage import people as rows
from server.storage.database import Reader, Row, chunks
from server.storage.entries import Entry
from server.storage.people import GRANTED, SEALED
from server.storage.retention import Thinning

log = logging.getLogger("handraise.retention")
PACE = Pace(start_s=60.0, every_s=3_600.0)
#: Entries of one turn: a session goes whole, so the last one may exceed it.
ENTRIES = 500
VISITS = 100  # candidates of one query
SLICE = 20_000  # entries that are looked through for words in one query
REST_S, PRESSED_S = 0.01, 0.1
TRIES = 20
AT, SEQ, PLACE, KIND = 1, 3, 4, 5  # of a row of session_events


@dataclass
class Run:
    """One pass over a site: how far it is, and what it did."""

    now: int  # UTC ms
    limits: Limits
    settings: str = ""  # under which the limits are these, as they are written
    after: tuple[int, int] = (-1, 0)  # day and id of the last visit looked at
    looked: bool = False  # at all visits
    refused: int = 0  # turns, by what another node has written meanwhile
    entries: int = 0
    sessions: int = 0
    strings: int = 0
    words: set[int] = field(default_factory=set)  # strings of what was thinned


class Retention:
    """Thins every site's log, soon after start and then once an hour."""

    def __init__(self, projector: Projector) -> None:
        self.projector = projector
        self.database, self.writer = projector.database, projector.writer
        self._looked: dict[int, int] = {}  # up to which day all visits were looked at, by site
        self._words: dict[int, set[int]] = {}  # strings that may be unused now, by site
        self._swept: dict[int, int] = {}  # the day on which they were last looked for
        #: Called before each turn; tests stop the job there.
        self.before: Callable[[], Awaitable[None]] | None = None

    async def serve(self) -> None:
        """Until cancelled."""
        await go_round("retention", self.run, self.projector.sites, PACE, log)

    async def run(self, site: Site) -> Run:
        """Thin everything of a site that is old by now."""
        now = self.projector.clock()
        run = Run(now, limits(site.settings, now))
        while run.refused < TRIES and await self._turn(site, run):
            await self._rest()
        if run.looked:
            self._looked[site.site_id] = run.limits.day
        await self._sweep(site, run)
        if run.entries or run.strings:
            log.info(
                "site %d: %d old entries thinned, %d sessions sealed, %d strings dropped",
                *(site.site_id, run.entries, run.sessions, run.strings),
            )
        return run

    # ------------------------------------------------------------ one turn

    async def _turn(self, site: Site, run: Run) -> bool:
        """Thin a little; False once nothing is left."""
        if self.before is not None:
            await self.before()
        async with self.projector.turns[site.site_id]:
            plan = Thinning()
            async with self.database.snapshot() as reader:
                site, settings = await sites.of_now(reader, site.site_id)
                self._under(site, settings, run)
                scope, after = (site.site_id, site.generation), run.after
                position = await rows.position(reader, *scope)
                if not run.looked:
                    await self._visits(reader, site, run, plan)
                if not plan and run.looked:
                    await self._loose(reader, site, run, plan)
            if plan and not await self._write(scope, position, settings, plan):
                run.after, run.looked, run.refused = after, False, run.refused + 1
                return True
        run.entries += len(plan.stubs)
        run.sessions += len(plan.sessions)
        run.words |= plan.strings
        self.projector.metrics.thinned.inc(len(plan.stubs))
        return bool(plan) or not run.looked

    def _under(self, site: Site, settings: str, run: Run) -> None:
        """The limits of the settings of now; others than before may take what was passed over."""
        if settings != run.settings:
            run.settings, run.limits = settings, limits(site.settings, run.now)
            run.after = (-1, 0)
            run.looked = self._looked.get(site.site_id) == run.limits.day

    async def _write(
        self, scope: tuple[int, int], position: tuple[int, int], settings: str, plan: Thinning
    ) -> bool:
        script = lambda: retention.thin(*scope, position, settings, plan, SEALED_VIEWS)  # noqa: E731
        try:
            done = bool(await self.writer.run(script, moves=False))
        except BaseException:  # it may be done all the same
            self.projector.sealed(scope[0], plan.visitors, -1)
            raise
        if done:
            self.projector.sealed(scope[0], plan.visitors, position[1] + 1)
        return done

    async def _loose(self, reader: Reader, site: Site, run: Run, plan: Thinning) -> None:
        """Events in no session, those of one kind of place."""
        scope = (reader, site.site_id, site.generation)
        old = run.limits
        for place, before in ((UNCOUNTED, old.bots), (COOKIELESS, old.before), (LATE, old.before)):
            found = await retention.loose_events(*scope, place, before, ENTRIES)
            if not found:
                continue
            stored = await entries.by_seq(reader, site.site_id, [row[SEQ] for row in found])
            _take(plan, found, stored)
            if place == COOKIELESS:
                views = [row[AT] for row in found if row[-1] == Kind.PAGE_VIEW]
                plan.views.update(old.zone.day(at) for at in views)
            return

    # ------------------------------------------------------------ visits

    async def _visits(self, reader: Reader, site: Site, run: Run, plan: Thinning) -> None:
        """The next visits to seal."""
        scope = (reader, site.site_id, site.generation)
        found = await retention.old_visits(*scope, run.limits.day, run.after, VISITS)
        known: set[int] = set()
        for day, session_id, visitor_id, start_at in found:
            if len(plan.stubs) >= ENTRIES:
                return
            if not visitor_id:
                await self._lone(reader, site, run, plan, (session_id, start_at))
            elif visitor_id not in known:
                known.add(visitor_id)
                if not await self._visitor(reader, site, run, plan, visitor_id):
                    return
            run.after = (day, session_id)
        run.looked = len(found) < VISITS

    async def _visitor(
        self, reader: Reader, site: Site, run: Run, plan: Thinning, visitor_id: int
    ) -> bool:
        """Plan a visitor's old visits; False if there are more than fit into this turn."""
        scope = (reader, site.site_id, site.generation)
        sessions = [row for row in await rows.sessions_of(*scope, visitor_id) if _is_visit(row)]
        if not sessions or _owned(sessions[0]) or not run.limits.passed(sessions[0][END]):
            return True
        found = await rows.event_rows(*scope, visitor_id)
        placed: dict[int, list[Row]] = {row[0]: [] for row in sessions}
        for event in found:
            placed.get(event[PLACE], []).append(event)
        naming = [row[SEQ] for row in found if row[KIND] in NAMING]
        claims = await entries.by_seq(reader, site.site_id, naming)
        visits = [_visit(row, placed[row[0]], claims) for row in sessions]
        for group in sealable(visits, run.limits.passed):
            events = [event for session_id in group for event in placed[session_id]]
            stored = await entries.by_seq(reader, site.site_id, [row[SEQ] for row in events])
            if len(stored) < len(events) or not all(one.kind for one in stored.values()):
                return True  # somebody is being erased: the tables learn of it soon
            _take(plan, events, stored)
            for session_id in group:
                granted = gives_consent(stored[e[SEQ]].consent for e in placed[session_id])
                plan.sessions.append((session_id, GRANTED if granted else SEALED))
            if len(plan.stubs) >= ENTRIES:
                return False
        return True

    async def _lone(
        self, reader: Reader, site: Site, run: Run, plan: Thinning, session: tuple[int, int]
    ) -> None:
        """An event of nobody's browser is a session of its own: (id, start)."""
        session_id, at = session
        stored = await entries.by_seq(reader, site.site_id, [session_id])
        one = stored.get(session_id)
        old = run.limits.passed(at)
        if one is None or not one.kind or not old or names_somebody(one.kind, one.data):
            return
        found = await retention.lone_rows(reader, site.site_id, site.generation, [(at, session_id)])
        _take(plan, found, stored)
        plan.sessions.append((session_id, SEALED))

    # ------------------------------------------------------------ words

    async def _sweep(self, site: Site, run: Run) -> None:
        """Once a day: delete the strings that no entry uses any more. Each is looked for from the
        head of the log on, so what is common is found soon."""
        words = self._words.setdefault(site.site_id, set())
        words |= run.words
        today = self.projector.clock() // DAY_MS
        if not words or self._swept.get(site.site_id) == today:
            return
        async with self.database.snapshot() as reader:
            until = head = await entries.head(reader, site.site_id)
        left = set(words)
        while until > 0 and left:
            after = max(0, until - SLICE)
            async with self.database.snapshot() as reader:
                left -= await erasing.used_in(reader, site.site_id, left, after, until)
            until = after
            await self._rest()
        for some in chunks(sorted(left), ENTRIES):
            script = lambda some=some: erasing.drop_strings(site.site_id, some, head)  # noqa: E731
            run.strings += len(await self.writer.run(script, moves=False))
        words.clear()
        self._swept[site.site_id] = today

    async def _rest(self) -> None:
        """Let others run; for longer where many events wait to be stored."""
        await asyncio.sleep(PRESSED_S if self.writer.pressed else REST_S)


def _is_visit(session: Row) -> bool:
    return not session[SESSION["alone"]] and not session[SESSION["sealed"]]


def _owned(session: Row) -> bool:
    return bool(session[SESSION["person_id"]] or session[SESSION["state"]])


def _visit(session: Row, events: Sequence[Row], naming: Mapping[int, Entry]) -> Visit:
    """A session with its events' rows and, of all that may name somebody, the entries."""
    claims = (naming[event[SEQ]] for event in events if event[SEQ] in naming)
    named = any(not one.kind or names_somebody(one.kind, one.data) for one in claims)
    last = max((event[AT] for event in events), default=0)
    held = _owned(session) or named or not events
    return Visit(session[0], session[START], session[END], max(session[END], last), held)


def _take(plan: Thinning, events: Iterable[Row], stored: Mapping[int, Entry]) -> None:
    for event in events:
        entry, key = stored[event[SEQ]], event[:4]
        plan.visitors.add(event[0])
        if entry.kind in KEPT:
            plan.kept.append(key)
            continue
        plan.stubs.append(entry.seq)
        plan.rows.append(key)
        used = (getattr(entry, column) for column in erasing.STRING_COLUMNS)
        plan.strings.update(text_id for text_id in used if text_id is not None)
