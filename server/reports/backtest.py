"""What a backtest is made of: people at a past moment, scored by two rulesets.

Sessions say what they say by either ruleset: as it is stored where that is the same, else found
again from their events, as after publishing. Of a session whose events were thinned, what is stored
has to do. People are read a few at a time, and the event loop is given back every millisecond.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple, TypeVar

import msgspec

from server.ingest.agents import Agents
from server.model import STAGE_RANK, Class, Identifier, Site
from server.project.backtest import EVEN, Case, Weights, case_of, moment_of
from server.project.claims import purposes
from server.project.decay import FULL
from server.project.lookup import Classes, Lookup
from server.project.people import Person, read_parts
from server.project.registry import Trait
from server.project.rescoring import Rescoring, said
from server.project.rules import Ruleset, Value, decode
from server.project.ruleset_diff import same_matching
from server.project.scoring import Line, Receipt
from server.project.seen import Seen
from server.project.signals import Matcher, SessionHits
from server.project.site_projector import Pause, sliced
from server.project.subjects import PERSON
from server.project.visitor import Rules
from server.storage import identities, rulesets
from server.storage import people as rows
from server.storage.database import Database, Reader
from server.storage.people import Known, SessionRow

CUSTOMER = STAGE_RANK["customer"]
#: People who are read at one time, and ids of one query.
PEOPLE, IDS = 16, 1_000
#: Cases let go at one time.
RELEASED = 50
Rulesets = tuple[Ruleset, Ruleset]
T = TypeVar("T")


class Asked(NamedTuple):
    """`at` (ms) is the moment to look at, for customers at least `days_before` before they became
    one; at most `sample` people are looked at, customers before others."""

    at: int
    days_before: int = 0
    sample: int = 5_000


class Gathered(msgspec.Struct):
    """Who was looked at: `sampled` of `people`, and of these `bought` of all `customers`. Of
    `unknown` ones nothing was known at the moment; of `thinned` visits only what was stored is
    known."""

    cases: list[Case] = []
    people: int = 0
    sampled: int = 0
    customers: int = 0
    bought: int = 0
    unknown: int = 0
    thinned: int = 0

    @property
    def weights(self) -> Weights:
        """For how many of everybody each of them stands."""
        others = self.sampled - self.bought
        if not (self.bought and others):
            return EVEN
        customer = Fraction(self.customers, self.bought)
        ratio = customer / Fraction(self.people - self.customers, others)
        return Weights(ratio.numerator, ratio.denominator)

    async def release(self, pause: Pause) -> None:
        """Let go of the cases, some at a time: all at once takes 40 ms for 10,000 people."""
        while self.cases:
            del self.cases[-RELEASED:]
            await pause()


class _Story(NamedTuple):
    """One person with everything that a score at any moment is made of."""

    person_id: int
    created_at: int
    customer_at: int | None
    identifiers: list[tuple[int, int, Identifier, int]]  # at, seq, which, level
    traits: list[tuple[str, Trait]]
    sessions: list[SessionRow]
    sealed: set[int]

    def facts(self, moment: int) -> Mapping[str, Value]:
        """What was known by then (ms), as rules ask for it."""
        known = Person(self.person_id)
        for at, _, identifier, level in sorted(self.identifiers):
            if at <= moment:
                known.identifiers[identifier] = level
        for name, trait in self.traits:
            if trait.at <= moment:
                known.learn(name, trait)
        return known.facts()

    def begun(self, moment: int) -> bool:
        """Whether anything was known of them."""
        first = min((row.start_at for row in self.sessions), default=self.created_at)
        return min(first, self.created_at) <= moment


class _Spread:
    """Takes some of many who come one after the other, evenly spread over all of them."""

    def __init__(self, many: int, some: int) -> None:
        self.many, self.some = many, some
        self.met = self.taken = 0

    def takes(self) -> bool:
        """Whether the next one is taken."""
        self.met += 1
        due = self.met * self.some // max(self.many, 1)
        takes = min(due, self.some) > self.taken
        self.taken += takes
        return takes


class Gathering:
    """Reads the people of one site for one backtest; `pause` lets others run."""

    def __init__(
        self, database: Database, site: Site, agents: Agents, pair: Rulesets, pause: Pause
    ) -> None:
        self.database, self.site, self.pair, self.pause = database, site, pair, pause
        self.lookup = Lookup(site, agents)
        settings = site.settings
        purpose = purposes(settings.forms)
        kiosks = frozenset(form.key for form in settings.forms if form.kiosk)
        self.rules = tuple(
            Rules(Matcher(ruleset, settings.page_groups), settings, purpose, kiosks)
            for ruleset in pair
        )
        scope = (site.site_id, site.generation)
        self.reading = Rescoring(*scope, self.lookup, pair[0])
        self._like: dict[int, tuple[bool, bool]] = {}  # by version of a subject: is it the same?

    async def gather(self, asked: Asked, tell: Callable[[int, int], None]) -> Gathered:
        """Everybody, or so many; `tell` hears how many of how many have been looked at."""
        found = Gathered()
        async with self.database.snapshot() as reader:
            await self._classes(reader)
            found.people = await self._count(reader)
        ids = await self._drawn(found, asked.sample)
        tell(0, len(ids))
        for start in range(0, len(ids), PEOPLE):
            await self._look(ids[start : start + PEOPLE], asked, found)
            tell(min(start + PEOPLE, len(ids)), len(ids))
            await self.pause()
        return found

    # ------------------------------------------------------------ whom

    async def _classes(self, reader: Reader) -> None:
        classes = Classes()
        stored = await identities.classes(reader, self.site.site_id, self.site.generation)
        for kind, target, class_, _seq in stored:
            (classes.events if kind else classes.visitors)[target] = Class(class_)
        self.lookup.classes = classes

    async def _count(self, reader: Reader) -> int:
        found = await reader.fetch(
            "SELECT count(*) FROM persons WHERE site_id = $1 AND gen = $2",
            self.site.site_id,
            self.site.generation,
        )
        return int(found[0][0])

    async def _drawn(self, found: Gathered, sample: int) -> list[int]:
        """Whom to look at, in the order of their ids: everybody, or so many. Customers may take
        half of the sample, and whatever others leave."""
        bought = [person_id async for person_id, customer in self._everybody() if customer]
        customers, others = len(bought), found.people - len(bought)
        taken = min(customers, max(sample // 2, sample - others))
        spread = _Spread(customers, taken), _Spread(others, min(others, sample - taken))
        ids = [
            person_id
            async for person_id, customer in self._everybody()
            if spread[not customer].takes()
        ]
        found.customers, found.bought, found.sampled = customers, spread[0].taken, len(ids)
        return ids

    async def _everybody(self) -> AsyncIterator[tuple[int, bool]]:
        """Every person in the order of their ids, and whether they ever became a customer."""
        scope, last = (self.site.site_id, self.site.generation), 0
        while True:
            found = await self.database.fetch(
                "SELECT person_id FROM persons WHERE site_id = $1 AND gen = $2 AND person_id > $3"
                " ORDER BY person_id LIMIT $4",
                *scope,
                last,
                IDS,
            )
            if not found:
                return
            moves = await self.database.fetch(
                "SELECT person_id FROM stages WHERE site_id = $1 AND gen = $2 AND person_id > $3"
                " AND person_id <= $4 AND stage_to >= $5",
                *scope,
                last,
                found[-1][0],
                CUSTOMER,
            )
            bought = {row[0] for row in moves}
            for (person_id,) in found:
                yield person_id, person_id in bought
            last = found[-1][0]
            await self.pause()

    # ------------------------------------------------------------ their stories

    async def _look(self, ids: Sequence[int], asked: Asked, found: Gathered) -> None:
        """Some people, from one snapshot."""
        scope = (self.site.site_id, self.site.generation)
        async with self.database.snapshot() as reader:
            stories = _stories(await rows.known(reader, *scope, ids))
            versions = await rows.subjects(reader, *scope, PERSON, ids)
            await self._compare(reader, {row[2] for row in versions})
            sessions = [row for story in stories for row in story.sessions]
            parts = await read_parts(reader, *scope, sessions)
            stored = {session_id: part.hits for session_id, part in parts.items()}
            scored_by = {row[1]: row[2] for row in versions}
            anew = [
                row
                for story in stories
                if not all(self._same(scored_by, story))
                for row in story.sessions
                if row.session_id not in story.sealed
            ]
            events = await self.reading.events(reader, anew, self._sliced)
        for story in stories:
            same = self._same(scored_by, story)
            if not all(same):
                found.thinned += len(story.sealed)
            await self._sliced(self._case(story, same, stored, events, asked, found))

    async def _sliced(self, steps: Iterator[T]) -> list[T]:
        return await sliced(steps, self.pause)

    async def _compare(self, reader: Reader, versions: set[int]) -> None:
        """Of the rulesets by which people are scored, whether sessions say the same by ours."""
        unknown = sorted(versions - self._like.keys())
        documents = await rulesets.documents(reader, self.site.site_id, unknown)
        for version in unknown:
            known = decode(documents[version]) if version in documents else None
            old, new = (known is not None and same_matching(known, one) for one in self.pair)
            self._like[version] = (old, new)

    def _same(self, scored_by: Mapping[int, int], story: _Story) -> tuple[bool, bool]:
        return self._like.get(scored_by.get(story.person_id, 0), (False, False))

    def _case(
        self,
        story: _Story,
        same: tuple[bool, bool],
        stored: Mapping[int, SessionHits],
        events: Mapping[int, Sequence[Seen]],
        asked: Asked,
        found: Gathered,
    ) -> Iterator[None]:
        """One person in steps of one session; nobody where nothing was known by then."""
        moment = moment_of(asked.at, story.customer_at, asked.days_before)
        if not story.begun(moment):
            found.unknown += 1
            return
        sides: tuple[list[SessionHits], list[SessionHits]] = ([], [])
        for row in story.sessions:
            mine = events.get(row.session_id, ())
            for side, rules, alike in zip(sides, self.rules, same, strict=True):
                kept = alike or row.session_id in story.sealed
                side.append(stored[row.session_id] if kept else said(row, mine, rules))
            yield
        case = case_of(self.pair, story.person_id, sides, story.facts, moment, story.customer_at)
        old, new = _condensed(case.old), _condensed(case.new)
        found.cases.append(msgspec.structs.replace(case, old=old, new=new))
        yield


def _stories(known: Known) -> list[_Story]:
    found = {
        row[0]: _Story(row[0], row[2], None, [], [], [], set()) for row in sorted(known.persons)
    }
    bought: dict[int, int] = {}
    for person_id, _seq, _from, stage, at, _cause in known.stages:
        if stage >= CUSTOMER:
            bought[person_id] = min(at, bought.get(person_id, at))
    for person_id, kind, value, level, at, seq in known.identifiers:
        if person_id in found:
            found[person_id].identifiers.append((at, seq, Identifier(kind, value), level))
    for person_id, name, seq, value, level, at in known.traits:
        if person_id in found:
            trait = Trait(msgspec.json.decode(value), level, at, seq)
            found[person_id].traits.append((name, trait))
    for person_id, state, sealed, *session in known.sessions:
        if person_id in found and not state:
            row = SessionRow._make(session)
            found[person_id].sessions.append(row)
            if sealed:
                found[person_id].sealed.add(row.session_id)
    return [one._replace(customer_at=bought.get(one.person_id)) for one in found.values()]


def _condensed(receipt: Receipt) -> Receipt:
    """A receipt with one line for all lines of a rule: as much as a backtest asks, and small."""
    sums: dict[str, Line] = {}
    for line in receipt.lines:
        known = sums.get(line.rule)
        points = line.points + (known.points if known else 0)
        at = max(line.at, known.at if known else 0)
        sums[line.rule] = Line(line.rule, line.axis, points, points, FULL, at)
    return msgspec.structs.replace(receipt, lines=tuple(sums.values()))
