"""A site under test: browsers send batches, the projector passes them, tables are read back."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from msgspec import structs

from server.ingest.agents import Agents
from server.ingest.geo import Geo
from server.ingest.payload import decode, write_id
from server.ingest.pipeline import Arrival, Tools, read_batch
from server.metrics import Metrics
from server.model import Door, FormRule, Site, SiteSettings
from server.project.batch import Batch
from server.project.identity import resolve
from server.project.projector import Projector
from server.project.registry import decision_of
from server.project.replay import Replay, Replays
from server.project.rules import Ruleset, encode
from server.project.site_projector import SiteProjector
from server.reports.days import encoded, made_of
from server.reports.packing import Packing
from server.reports.spans import Span
from server.storage import entries, packed, rulesets, sites
from server.storage.database import Database, Query, Row, Script
from server.storage.writer import Writer
from server.web.publishing import publish

#: A Wednesday noon: days and hours are easy to count from here.
NOON = 20_760 * 86_400_000 + 12 * 3_600_000
MIN, HOUR, DAY = 60_000, 3_600_000, 86_400_000
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/142.0.0.0 Safari/537.36"
)
#: The tables of a site.
TABLES = {
    "sqlite": "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c"
    " WHERE m.type = 'table' AND c.name = 'site_id' ORDER BY m.name",
    "postgres": "SELECT table_name FROM information_schema.columns"
    " WHERE column_name = 'site_id' AND table_schema = current_schema() ORDER BY table_name",
}
SETTINGS = SiteSettings(forms=(FormRule("demo"), FormRule("newsletter", purpose="newsletter")))
AGENTS = Agents()


class Browser:
    """One visitor's browser on the site."""

    def __init__(self, world: "World", number: int) -> None:
        self.world = world
        self.visitor = write_id(number.to_bytes(16, "big"))
        self.q = 0

    def event(self, kind: str, path: str = "/", **more: Any) -> dict[str, Any]:
        """One wire event now; `more` are wire fields."""
        self.q += 1
        number = self.world.next_number()
        return {
            "i": write_id(self.world.now.to_bytes(6, "big") + number.to_bytes(10, "big")),
            "y": kind,
            "t": self.world.now,
            "u": f"https://acme.example{path}",
            "q": self.q,
        } | more

    async def send(self, *events: dict[str, Any], **envelope: Any) -> list[int]:
        return await self.world.send({"v": self.visitor, "e": list(events)} | envelope)

    async def view(self, path: str, minutes: float = 1, **more: Any) -> dict[str, Any]:
        """Open a page, then let time pass."""
        event = self.event("page_view", path, n=path.strip("/").title() or "Home", **more)
        await self.send(event)
        self.world.now += int(minutes * MIN)
        return event

    async def read(self, path: str, ms: int = 70_000, scroll: int = 90) -> None:
        """Open a page and read it."""
        view = await self.view(path, ms / MIN)
        await self.send(self.event("engagement", path, p=view["i"], d={"ms": ms, "scroll": scroll}))

    async def submit(self, form: str, path: str = "/demo", **fields: str) -> dict[str, Any]:
        event = self.event("form_submit", path, d={"form": form, "fields": fields})
        await self.send(event)
        return event


class World:
    """One site on one database; time is what the test says."""

    def __init__(self, database: Database, settings: SiteSettings) -> None:
        self.database = database
        self.settings = settings
        self.now = NOON
        self.metrics = Metrics()
        self.writer = Writer(database, self.metrics)
        self.tools = Tools(AGENTS, Geo.open(None))
        self.site: Site
        self.changed = False  # the settings, without having read the log again
        self._number = 0

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def browser(self, number: int = 1) -> Browser:
        return Browser(self, number)

    async def send(self, envelope: dict[str, Any], *, secret: bool = False) -> list[int]:
        """One batch through decode, pipeline and writer; a seq each, 0 for a duplicate."""
        body = {"k": "k1", "t": self.now, "s": "abcdefghijk"} | envelope
        wire, _ = decode(json.dumps(body).encode())
        door = Door.API if secret else Door.COLLECT
        arrival = Arrival(received=self.now, user_agent=CHROME, door=door, secret=secret)
        reading = read_batch(self.site, arrival, wire, self.tools)
        assert reading.refused == []
        return await self.writer.append(self.site.site_id, reading.events)

    async def refusals(self, browser: Browser, *events: dict[str, Any]) -> list[str]:
        """Why the door refuses events that it does refuse."""
        body = {"k": "k1", "t": self.now, "v": browser.visitor, "e": list(events)}
        wire, _ = decode(json.dumps(body).encode())
        arrival = Arrival(received=self.now, user_agent=CHROME)
        reading = read_batch(self.site, arrival, wire, self.tools)
        assert reading.events == []
        return [reason.value for _, reason in reading.refused]

    def fresh_projector(self) -> Projector:
        """A projector without memory, as after a restart."""
        return Projector(
            self.database, self.writer, self.metrics, AGENTS, lambda: self.now, lambda: [self.site]
        )

    async def project(self, projector: Projector | None = None) -> Projector:
        """Project until nothing is left."""
        projector = projector or self.fresh_projector()
        while await projector.round() or projector.behind:
            pass
        await self.pack(most=2)
        return projector

    async def pack(self, most: int = 1_000) -> None:
        """Pack the newest days that are not packed, even those that are not over: whatever comes
        later must void them."""
        packing = Packing(self.database, self.writer, lambda: [self.site], lambda: self.now)
        async with self.database.snapshot() as reader:
            scope = (self.site.site_id, self.site.generation)
            days = await packed.lacking(reader, *scope, 1_000_000)
        for day in days[:most]:
            assert await packing.pack(self.site, day)

    async def packs(self) -> dict[int, bytes]:
        """What is packed, by day; it must be what the tables say."""
        async with self.database.snapshot() as reader:
            scope = (self.site.site_id, self.site.generation)
            found = await packed.of_days(reader, *scope, 0, 1_000_000)
            for day, pack in found.items():
                made = await made_of(reader, self.site, Span(day, day))
                assert {day: encoded(one) for day, one in made.items()} == {day: pack}
        return found

    def replays(self) -> Replays:
        """What reads this site's log again."""
        return Replays(
            self.database,
            self.writer,
            self.metrics,
            AGENTS,
            lambda: self.now,
            lambda: [self.site],
            self.reload,
        )

    async def change(self, settings: SiteSettings) -> None:
        """Other settings from now on; what was derived under the old ones stays for now."""
        await self.writer.run(lambda: sites.change_settings(self.site.site_id, settings))
        self.site = structs.replace(self.site, settings=settings)
        self.changed = True

    async def publish(self, ruleset: Ruleset, *, notify: bool = False) -> int:
        """A ruleset put in force; whom it concerns is scored when the log is projected."""
        site_id, base = self.site.site_id, self.site.published.version
        document = encode(ruleset).decode()
        save = lambda: rulesets.save_draft(site_id, document, base, "ann", "", self.now)  # noqa: E731
        await self.writer.run(save)
        version: int = await self.writer.run(
            lambda: publish(site_id, "ann", self.now, notify=notify)
        )
        await self.reload()
        return version

    async def reload(self) -> None:
        """The site as it is stored now."""
        async with self.database.snapshot() as reader:
            (self.site,) = await sites.all_sites(reader)

    async def start_again(self) -> None:
        """The same site with an empty log."""
        tables = [row[0] for row in await self.database.fetch(TABLES[self.database.engine])]

        def forget() -> Script[None]:
            for table in tables:
                yield Query(f"DELETE FROM {table} WHERE site_id = $1", (self.site.site_id,))

        await self.writer.run(forget)
        self.writer._names.clear()  # what it knew is gone with the tables
        self.site = await self.writer.run(
            lambda: sites.add("Acme", "k1", "secret", self.settings, NOON)
        )

    async def verify(self) -> None:
        """The tables are what the log says, however they came about."""
        await self.project()
        await self.packs()
        if self.changed:
            await self.replays().run(Replay(self.site.site_id, swaps=True))
        replay = Replay(self.site.site_id, swaps=False)
        await self.replays().run(replay)
        assert (replay.state, replay.detail) == ("done", "")
        assert replay.samples == {}
        assert await self.identities() == await self.claims()

    async def identities(self) -> set[Row]:
        """Who made which claim, from all claims and decisions of the log at one time: the projector
        reads only those that are connected with what is new."""
        site_id = self.site.site_id
        one = SiteProjector(self.site, self.database, self.writer, AGENTS, lambda: self.now)
        async with self.database.snapshot() as reader:
            await one._begin(reader)
            found = await entries.after(reader, site_id, 0, 1_000_000)
            await one.lookup.prepare(reader, found)
        if not found:
            return set()
        seen = one.lookup.see_all([entry for entry in found if _readable(entry.data)])
        claims = [claim for each in seen if (claim := one.rules.claim_of(each)) is not None]
        decisions = {d.seq: d for said in Batch(found).said if (d := decision_of(said)) is not None}
        identity = resolve(claims, decisions.values())
        return {
            (seq, ruling.person_id, int(ruling.state), int(ruling.level))
            for seq, ruling in identity.rulings.items()
        }

    async def claims(self) -> set[Row]:
        """The same as the tables have it."""
        gen = f"site_id = {self.site.site_id} AND gen = {self.site.generation}"
        return set(await self.rows("claims", "seq, person_id, state, level", gen))

    async def rows(self, table: str, columns: str, where: str = "site_id = 1") -> list[Row]:
        return await self.database.fetch(
            f"SELECT {columns} FROM {table} WHERE {where} ORDER BY {columns}"
        )

    async def derived(self) -> dict[str, list[Row]]:
        """Every derived table, for comparing one history with another."""
        tables = {
            "sessions": "session_id, visitor_id, person_id, state, start_at, end_at, page_views,"
            " events,"
            " engaged_ms, leads, landing, exit_page, source, channel",
            "session_events": "visitor_id, at, q, seq, session_id, kind, ms, scroll",
            "signals": "session_id, rule, seq, key, at, pending",
            "subjects": "kind, subject_id, score, fit, engagement, stage, first_seen, last_seen,"
            " sessions, page_views, source, channel, signals",
            "persons": "person_id, email, name, company, level, created_at, owner, tags, standing",
            "identifiers": "type, value, person_id, level, at, seq",
            "links": "visitor_id, evidence, person_id, from_at, to_at, level, state, reason",
            "traits": "person_id, name, seq, value, level, at",
            "contributions": "kind, subject_id, line, rule, points, base, factor, at, seq, times",
            "claims": "seq, type, value, visitor_id, at, level, state, person_id",
            "person_entries": "claim, seq, kind, at, person_id",
            "stages": "person_id, seq, stage_from, stage_to, at, cause",
            "conflicts": "seq, kind, other_id, person_id, state, at, evidence",
        }
        found = {name: await self.rows(name, columns) for name, columns in tables.items()}
        found["rollups"] = await self.rows("rollups", "name, day, key, value", "value <> 0")
        return found


def _readable(data: str | None) -> bool:
    """Not so where a test has put something into the log that nobody can project."""
    try:
        return not data or isinstance(json.loads(data), dict)
    except ValueError:
        return False


@asynccontextmanager
async def tracking(
    database: Database, settings: SiteSettings = SETTINGS, *, check: bool = True, made: bool = False
) -> AsyncIterator[World]:
    """A world with its writer running; at the end its tables are checked against its log. `made`:
    the site is there already."""
    world = World(database, settings)
    writing = asyncio.create_task(world.writer.serve())
    try:
        if made:
            await world.reload()
        else:
            world.site = await world.writer.run(
                lambda: sites.add("Acme", "k1", "secret", settings, NOON)
            )
        yield world
        if check:
            await world.verify()
    finally:
        world.writer.close()
        await writing
