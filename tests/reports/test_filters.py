"""Filtered figures: what a recount in plain Python says, and the same as everybody's where the
filter leaves nobody out."""

import random
from collections.abc import AsyncIterator
from itertools import product
from typing import Any

import pytest
from msgspec import structs

from server.errors import BadRequest
from server.model import STAGE_RANK, Kind, PageGroup, SiteSettings
from server.project.rollups import DIMENSIONS
from server.project.sessions import Zone
from server.reports import leading as module
from server.reports.filters import NO_FILTERS, NOT_KNOWN, Filters
from server.reports.overview import overview
from server.reports.overview_shapes import Overview, PartRow
from server.reports.paging import Paging
from server.reports.parts import parts
from server.reports.reaches import COUNTED
from server.reports.spans import Span
from server.storage.database import Database
from server.web.commands import decision
from tests.tracking import DAY, MIN, NOON, SETTINGS, World, tracking

pytestmark = pytest.mark.anyio
FIRST = NOON // DAY
#: In these worlds no country is known: the filter leaves nobody out.
EVERYBODY = Filters(country=NOT_KNOWN)
PAGES = ("/", "/pricing", "/demo", "/blog?utm_source=mail&utm_medium=email&utm_campaign=spring")
REFERRERS = ("", "https://www.google.com/", "https://news.ycombinator.com/")
DAYS = 40
PARTS = {
    "source": "sources",
    "channel": "channels",
    "campaign": "campaigns",
    "landing": "landings",
    "country": "countries",
    "device": "devices",
    "browser": "browsers",
    "os": "systems",
}


@pytest.fixture(params=["Pacific/Auckland", pytest.param("UTC", marks=pytest.mark.slow)])
async def months(database: Database, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """Forty days of twelve browsers that come and go, ask, and buy; of some only a form is known,
    and some views are nobody's."""
    settings: SiteSettings = structs.replace(SETTINGS, zone=request.param, consent="ask")
    async with tracking(database, settings) as world:
        await lived(world, random.Random(request.param))
        yield world


async def lived(world: World, rng: random.Random) -> None:
    for day in range(DAYS):
        world.now = NOON + day * DAY - rng.randrange(10) * 3_600_000
        for number in rng.sample(range(1, 13), rng.randint(0, 4)):
            await visits(world, rng, number)
        if day % 9 == 5:
            await apart(world, day)
        await world.project()
        if day in {20, 30}:
            people = await world.rows("persons", "person_id")
            for (person_id,) in people[: rng.randint(1, 3)]:
                words = {"claim": person_id, "author": "ann", "stage": "customer"}
                await world.writer.append(1, [decision(Kind.SET_STAGE, words, world.now)])
            await world.project()


async def visits(world: World, rng: random.Random, number: int) -> None:
    browser = world.browser(number)
    for _ in range(rng.randint(1, 2)):
        for _ in range(rng.randint(1, 3)):
            page = rng.choice(PAGES)
            more = {"u": f"https://acme.example{page}", "r": rng.choice(REFERRERS)}
            await browser.send(browser.event("page_view", **more), c="granted")
            world.now += MIN
        if rng.random() < 0.2:
            fields = {"email": f"p{number}@firm{number}.example"}
            form = browser.event("form_submit", "/demo", d={"form": "demo", "fields": fields})
            await browser.send(form, c="granted")
        world.now += 45 * MIN


async def apart(world: World, day: int) -> None:
    """A form of which no visit is known, and a view of nobody."""
    browser = world.browser(100 + day)
    fields = {"form": "demo", "fields": {"email": f"alone{day}@acme.example"}}
    form = browser.event("form_submit", "/demo", d=fields)
    await world.send({"v": None, "e": [form], "c": "denied"})
    await world.send({"v": None, "e": [browser.event("page_view", "/")]})
    world.now += MIN


async def seen(
    world: World, span: Span, filters: Filters = NO_FILTERS, compare: Any = "before"
) -> Overview:
    async with world.database.snapshot() as reader:
        return await overview(reader, world.site, span, compare, filters)


def spans(rng: random.Random, count: int) -> list[Span]:
    found = [Span(FIRST - 3, FIRST + DAYS), Span(FIRST - 100, FIRST + DAYS)]
    found += [Span(FIRST + 8, FIRST + 150), Span(FIRST + 11, FIRST + 150)]  # not both a Monday
    for _ in range(count):
        first = rng.randrange(DAYS)
        found.append(Span(FIRST + first, FIRST + rng.randrange(first, DAYS)))
    return found


async def test_a_filter_that_leaves_nobody_out_changes_nothing(months: World) -> None:
    """Every figure, series and list, by day and by week, over any span; only views of nobody have
    nothing to be filtered by."""
    world = months
    await world.pack()
    for span in spans(random.Random(1), 6):
        found, everybody = await seen(world, span, EVERYBODY, "year"), await seen(world, span)
        everybody = structs.replace(
            everybody,
            **{name: getattr(found, name) for name in ("compared", "previous", "trend_before")},
        )
        total = structs.replace(everybody.total, cookieless_views=None)
        same = structs.replace(everybody, total=total, filters=EVERYBODY.asked(), kpis=found.kpis)
        assert structs.asdict(found) == structs.asdict(same), span
    before = await seen(world, Span(FIRST + 20, FIRST + 39))
    filtered = await seen(world, Span(FIRST + 20, FIRST + 39), EVERYBODY)
    assert before.previous is not None
    assert filtered.previous == structs.replace(before.previous, cookieless_views=None)
    assert filtered.trend_before == before.trend_before
    assert filtered.kpis == before.kpis
    assert before.total.customers > 0
    assert before.total.leads > 0
    assert before.total.cookieless_views


FILTERS = (
    Filters(source="google"),
    Filters(channel="Direct"),
    Filters(campaign="spring", device="desktop"),
    Filters(campaign=NOT_KNOWN),
    Filters(landing="/pricing"),
    Filters(group="pricing"),
    Filters(group="some"),
    Filters(group="none"),
    Filters(source="google", landing="/demo"),
    Filters(country="DE"),
    Filters(device="desktop", browser="Chrome", os="Windows"),
)


async def test_filters_are_what_a_recount_says(months: World) -> None:
    """Exact values together; people by their first session."""
    world = months
    groups = (
        *world.site.settings.page_groups,
        PageGroup("some", ("/demo*", "*log")),
        PageGroup("none", ("/nowhere",)),
    )
    world.site = structs.replace(
        world.site, settings=structs.replace(world.site.settings, page_groups=groups)
    )
    told = Recount(world)
    await told.read()
    counts = []
    for number, span in enumerate(spans(random.Random(2), 3)):
        await world.pack(most=number * 8)  # some days from their pack, the others from the tables
        for filters in FILTERS:
            found = await seen(world, span, filters)
            counts.append(found.total.sessions)
            exact = told.figures(span, filters)
            assert {name: getattr(found.total, name) for name in exact} == exact, (span, filters)
            for by, name in PARTS.items():
                rows = getattr(found, name)
                assert simple(rows) == told.parts(span, filters, by)[:10], (span, filters, by)
    assert sum(count > 0 for count in counts) > len(counts) // 2


def simple(rows: list[PartRow]) -> list[tuple[str, int, int, int]]:
    return [(row.name, row.sessions, row.new_visitors, row.leads) for row in rows]


class Recount:
    """Counts what a reader of the tables would, one row after the other."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def read(self) -> None:
        names = [
            *("day", "visitor_id", "prev_day", "session_id", "person_id", "state", "start_at"),
            *("page_views", "leads", "alone", *DIMENSIONS),
        ]
        rows = await self.world.rows("sessions", ", ".join(names))
        self.sessions = [dict(zip(names, row, strict=True)) for row in rows]
        self.first: dict[int, dict[str, Any]] = {}
        for row in sorted(self.sessions, key=lambda one: (one["start_at"], one["session_id"])):
            if row["state"] == 0:
                self.first.setdefault(row["person_id"], row)
        zone = Zone(self.world.site.settings.zone)
        self.reached: dict[tuple[int, int], int] = {}
        for person_id, stage, at in await self.world.rows("stages", "person_id, stage_to, at"):
            day = zone.day(at)
            key = (person_id, stage)
            self.reached[key] = min(day, self.reached.get(key, day))

    def fits(self, row: dict[str, Any], filters: Filters) -> bool:
        for name, value in filters.asked().items():
            if name == "group":
                pages = {"pricing": ("/pricing",), "some": ("/demo", "/blog"), "none": ()}[value]
                if row["landing"].partition("?")[0] not in pages:
                    return False
            elif row[name] != ("" if value == NOT_KNOWN else value):
                return False
        return True

    def matching(self, span: Span, filters: Filters) -> list[dict[str, Any]]:
        rows = [
            row
            for row in self.sessions
            if span.first <= row["day"] <= span.last and self.fits(row, filters)
        ]
        return sorted(rows, key=lambda row: (row["day"], row["prev_day"], row["session_id"]))

    def won(self, span: Span, filters: Filters, stage: str) -> list[dict[str, Any]]:
        """The first sessions of those who reached a stage."""
        return [
            self.first[person_id]
            for (person_id, rank), day in self.reached.items()
            if rank == STAGE_RANK[stage]
            and span.first <= day <= span.last
            and person_id in self.first
            and self.fits(self.first[person_id], filters)
        ]

    def figures(self, span: Span, filters: Filters) -> dict[str, int]:
        rows = self.matching(span, filters)
        visits = [row for row in rows if row["visitor_id"] > 0 and not row["alone"]]
        found = {
            "visitors": len({row["visitor_id"] for row in visits}),
            "sessions": len(visits),
            "page_views": sum(row["page_views"] for row in visits),
            "submissions": sum(row["leads"] for row in rows),
        }
        return found | {
            name: len(self.won(span, filters, stage)) for stage, name in COUNTED.items()
        }

    def parts(self, span: Span, filters: Filters, by: str) -> list[tuple[str, int, int, int]]:
        found: dict[str, list[int]] = {}
        for row in self.matching(span, filters):
            if row["visitor_id"] > 0 and not row["alone"]:
                counts = found.setdefault(row[by], [0, 0, 0])
                counts[0] += 1
                counts[1] += row["prev_day"] < 0
        for row in self.won(span, filters, "lead"):
            if row[by] in found:
                found[row[by]][2] += 1
        order = sorted(found.items(), key=lambda one: (-one[1][0], one[0]))
        return [(name, *counts) for name, counts in order]  # type: ignore[misc]


async def test_parts_are_paged_on(months: World) -> None:
    """Page by page the same rows as all at once, the most sessions first."""
    world, span = months, Span(FIRST, FIRST + DAYS)
    told = Recount(world)
    await told.read()
    async with world.database.snapshot() as reader:
        for by, filters in product(DIMENSIONS, (NO_FILTERS, Filters(channel="Direct"))):
            whole = (await parts(reader, world.site, span, filters, by, Paging(100))).items
            assert simple(whole) == told.parts(span, filters, by)
            walked: list[PartRow] = []
            cursor: str | None = ""
            while cursor is not None:
                page = await parts(reader, world.site, span, filters, by, Paging(2, cursor))
                walked += page.items
                cursor = page.next
            assert walked == whole
        first = await parts(reader, world.site, span, NO_FILTERS, "landing", Paging(1))
        assert first.next
        with pytest.raises(BadRequest, match="another list"):
            await parts(reader, world.site, span, NO_FILTERS, "source", Paging(1, first.next))


async def test_the_first_of_many_names_are_found_without_the_others(
    months: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they stand among all, though cells of fewer sessions are not looked at first."""
    monkeypatch.setattr(module, "BIG", 1)  # so few visits have no larger cells
    world, span = months, Span(FIRST, FIRST + 2)
    told = Recount(world)
    await told.read()
    async with world.database.snapshot() as reader:
        asked = []
        for limit in (1, 2, 3):
            asked.append(await module.leading(reader, world.site, span, "landing", limit + 1))
            page = await parts(reader, world.site, span, NO_FILTERS, "landing", Paging(limit))
            assert simple(page.items) == told.parts(span, NO_FILTERS, "landing")[:limit]
        assert any(asked)  # that way was gone


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_an_unknown_page_group_is_named(world: World) -> None:
    with pytest.raises(BadRequest, match="valid are: pricing, demo_or_contact, careers"):
        await seen(world, Span(FIRST, FIRST), Filters(group="nowhere"))
