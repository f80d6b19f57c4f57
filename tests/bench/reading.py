"""Pages and lists over a site of half a year: how long each read takes in process, p99.

A read is one snapshot, as for a page: parsed by nobody, sent to nobody, one after the other. The
filters of the mix leave between two thirds and a twentieth of the visits; the days compared with
are read too, so ninety days read half a year.
"""

import asyncio
import math
import random
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from server.model import Site
from server.reports import people_list
from server.reports.filters import NO_FILTERS, Filters
from server.reports.overview import overview
from server.reports.paging import Paging
from server.reports.parts import parts
from server.reports.people_filters import PeopleFilter
from server.reports.spans import Span, today
from server.reports.timeline import timeline
from server.reports.timeline_items import PERSON, Subject
from server.reports.today import today_lists
from server.storage import sites
from server.storage.database import Reader
from server.storage.kept import Kept
from server.storage.sqlite import SqliteDatabase, SqliteReader
from tests.bench.load import quantile
from tests.bench.place import NAME, now_ms
from tests.bench.table import Row, number, say, spread

#: Milliseconds.
EVERYBODY, FILTERED, TIMELINE, PEOPLE = (50, 10), (300, 150), (10, 3), (20, 5)
MIX = (
    Filters(device="desktop"),
    Filters(channel="Organic Search"),
    Filters(source="google"),
    Filters(country="US"),
    Filters(group="pricing"),
    Filters(source="google", device="mobile"),
    Filters(landing="/learn/article-2013-about-things"),
    Filters(campaign="push-0", browser="Chrome"),
)
#: Each filter of the people list: some leave nearly all, some next to nobody, some nobody at all.
ASKED = {
    "stage": PeopleFilter(stage=("mql",)),
    "signal": PeopleFilter(signal=("pricing_page",)),
    "score": PeopleFilter(min_score=20),
    "grade": PeopleFilter(grade=("B2",)),
    "source": PeopleFilter(source=("google",)),
    "channel": PeopleFilter(channel=("Organic Search",)),
    "company": PeopleFilter(company="firm13.example"),
    "domain": PeopleFilter(domain=("firm13.example",)),
    "words": PeopleFilter(q="ann1"),
    "tag": PeopleFilter(tag=("partner",)),
    "owner": PeopleFilter(owner=("nobody",)),
    "e-mail": PeopleFilter(email="ann20@firm20.example"),
    "seen within": PeopleFilter(seen_within=7),
    "not seen for": PeopleFilter(not_seen_for=90),
    "lead since": PeopleFilter(lead_from=date(2020, 1, 1)),
    "do not contact": PeopleFilter(do_not_contact=True),
    "trait": PeopleFilter(trait=("name:Ann Example20",)),
    "conflict": PeopleFilter(conflict=True),
}
Read = Callable[[Reader], Awaitable[Any]]


class Reads:
    """A filled site, and the times of reads on it."""

    def __init__(self, path: Path, times: int) -> None:
        self.database = SqliteDatabase(path, read_limit_s=60)  # a busy machine is no fault of ours
        self.times = times
        self.rows: list[Row] = []

    async def measure(
        self,
        what: str,
        goal: tuple[float, float],
        reads: Sequence[Read],
        note: str = "",
        figure: str = "",
    ) -> None:
        """The reads in turns, the first turn for nothing."""
        say(f"  {what.strip()}")
        taken: list[float] = []
        worked: list[float] = []
        for turn in range(1 + math.ceil(self.times / len(reads))):
            for read in reads:
                started, working = time.perf_counter(), time.process_time()
                async with self.database.snapshot() as reader:
                    await read(reader)
                if turn:
                    taken.append((time.perf_counter() - started) * 1e3)
                    worked.append((time.process_time() - working) * 1e3)
        p99, middle = quantile(sorted(taken), 0.99), median(taken)
        told = (
            f"median {number(middle)}, {number(median(worked))} of it work,"
            f" {spread(taken, 'ms')}, {len(taken)} reads; {note}"
        )
        told = told.removesuffix("; ")
        self.rows.append(Row(what, p99, *goal, "ms", told, False, figure))


async def _measure(path: Path, times: int) -> list[Row]:
    reads = Reads(path, times)
    await reads.database.open()
    try:
        async with reads.database.snapshot() as reader:
            (site,) = await sites.all_sites(reader)
        await _figures(reads, site)
        await _lists(reads, site)
    finally:
        await reads.database.close()
    return reads.rows


async def _figures(reads: Reads, site: Site) -> None:
    last = today(site.settings.zone, now_ms())
    weeks, months = Span(last - 27, last), Span(last - 89, last)

    def of(span: Span, filters: Filters) -> Read:
        return lambda reader: overview(reader, site, span, "before", filters)

    (count,) = (await reads.database.fetch("SELECT count(*) FROM sessions"))[0]
    note = f"{number(count)} visits"
    await reads.measure("overview, 28 days", EVERYBODY, [of(weeks, NO_FILTERS)], note, "overview")
    plain = [of(months, NO_FILTERS)]
    await reads.measure("  of 90 days", EVERYBODY, plain, figure="overview")
    mixed = [of(months, filters) for filters in MIX]
    told = f"{len(MIX)} filters"
    await reads.measure("overview, 90 days, filtered", FILTERED, mixed, told, "filtered")
    most = [of(months, MIX[0])]
    await reads.measure("  the one that leaves most", FILTERED, most, figure="filtered")
    what, first = "  with nothing kept of reads before", [_first(read) for read in mixed]
    await reads.measure(what, FILTERED, first, figure="filtered")

    def named(by: str, filters: Filters) -> Read:
        return lambda reader: parts(reader, site, months, filters, by, Paging())

    dimensions = ("source", "landing", "campaign", "country")
    pages = [named(by, NO_FILTERS) for by in dimensions]
    await reads.measure("a page of sources …, 90 days", EVERYBODY, pages)

    def lists(filters: Filters) -> Read:
        return lambda reader: today_lists(reader, site, weeks, filters, {})

    await reads.measure("lists of today, 28 days", EVERYBODY, [lists(NO_FILTERS)])
    filtered = [lists(filters) for filters in MIX]
    await reads.measure("lists of today, filtered", FILTERED, filtered)


def _first(read: Read) -> Read:
    """The read as it is after a start."""

    async def first(reader: Any) -> Any:
        return await read(SqliteReader(reader.connection, reader.limit_s, Kept()))

    return first


async def _lists(reads: Reads, site: Site) -> None:
    busiest = await reads.database.fetch(
        "SELECT subject_id FROM subjects WHERE site_id = 1 AND kind = 1"
        " ORDER BY page_views DESC LIMIT 20"
    )
    some = await reads.database.fetch("SELECT person_id FROM persons WHERE site_id = 1")
    chosen = [row[0] for row in [*busiest, *random.Random(3).sample(some, min(len(some), 80))]]

    def page(person_id: int) -> Read:
        subject = Subject(PERSON, person_id)
        return lambda reader: timeline(reader, site, subject, "all", Paging())

    what = f"{len(busiest)} busiest people, {len(chosen) - len(busiest)} others"
    await reads.measure("timeline page", TIMELINE, [page(one) for one in chosen], what, "timeline")
    note = f"{number(len(some))} people"
    for sort in people_list.ORDERS:
        read = partial(_people, site, PeopleFilter(), sort)
        await reads.measure(f"people list by {sort}", PEOPLE, [read], note, "people")
    for name, asked in ASKED.items():
        read = partial(_people, site, asked, "-score")
        async with reads.database.snapshot() as reader:
            found = await read(reader)
        note = f"{found} on the page"
        await reads.measure(f"people list filtered by {name}", PEOPLE, [read], note, "people")


async def _people(site: Site, asked: PeopleFilter, sort: str, reader: Reader) -> int:
    """A page of people; how many there are on it."""
    page = await people_list.people(reader, site, asked, sort, Paging(), now_ms())
    return len(page.items)


def reading(filled: Path, scratch: Path, times: int) -> list[Row]:
    """Every figure of reading, on a copy that the system has in its cache."""
    path = scratch / "reading.db"
    shutil.copyfile(filled / NAME, path)
    found = asyncio.run(_measure(path, times))
    path.unlink()
    return found
