"""Half a year of a site, projected: what reports are measured on.

The mix of events is the fixed workload's: 10 a visit, 5 visits a visitor on the average, so ten
million events are 200,000 visitors. A tenth of them fill in forms and become people. Visits are
spread over the days; sources, campaigns, countries, browsers and landing pages are as uneven as in
life.
"""

import random
import shutil
import time
from bisect import bisect
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import msgspec
import uvloop

from server.model import DAY_MS, Event, Kind
from server.project import site_projector
from server.reports.packing import Packing
from server.storage import sqlite
from tests.bench.late import World
from tests.bench.place import NAME, kept, now_ms
from tests.bench.table import say
from tests.bench.workload import EVENTS_A_VISITOR, LANGUAGES, SCREENS, urls

DAYS = 180
VISITS_A_VISITOR = 5
#: Every tenth visitor fills in forms, ten times as often as all do on the average.
KNOWN, FORM_CHANCE = 10, 0.11
PAGE_MS = 40_000
#: A file that says that the log is whole; how often it is told how far projecting is.
APPENDED, TELL = "appended", 500_000
REFERRERS = (
    *("https://www.google.com/", "", "https://www.bing.com/", "https://www.linkedin.com/"),
    *("https://duckduckgo.com/", "https://news.ycombinator.com/", "https://chatgpt.com/"),
    *(f"https://blog{number}.example/list" for number in range(40)),
)
CAMPAIGNS = tuple(
    f'{{"campaign":"push-{number}","medium":"{medium}","source":"{source}"}}'
    for number in range(10)
    for medium, source in (("cpc", "google"), ("email", "newsletter"), ("social", "linkedin"))
)
COUNTRIES = ("US", "DE", "GB", "FR", "NL", "IN", "CA", "ES", "IT", "PL", "SE", "BR", "JP", "AU")
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like"
    " Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/142.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/18.1 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
)


class Uneven:
    """Chooses the first of many far more often than the last."""

    def __init__(self, count: int) -> None:
        self.sums = list(accumulate(1 / (rank + 1) for rank in range(count)))

    def __call__(self, choose: random.Random) -> int:
        return bisect(self.sums, choose.random() * self.sums[-1])


class Visit(NamedTuple):
    start: int
    visitor: int


class Site:
    """The visits of a site up to `now` (ms), the same for the same seed."""

    def __init__(self, seed: int, now: int, events: int) -> None:
        self.random = random.Random(seed)
        self.now = now
        self.urls = urls()
        self.random.shuffle(self.urls)
        self.page, self.referrer = Uneven(len(self.urls)), Uneven(len(REFERRERS))
        self.campaign, self.country = Uneven(len(CAMPAIGNS)), Uneven(len(COUNTRIES))
        self.agent = Uneven(len(AGENTS))
        self.visits = self._visits(events // EVENTS_A_VISITOR)

    def _visits(self, count: int) -> list[Visit]:
        choose, found = self.random, list[Visit]()
        visitors = max(1, count // VISITS_A_VISITOR)
        since = self.now - DAYS * DAY_MS
        for number in range(count):
            visitor = number if number < visitors else int(choose.random() * visitors)
            found.append(Visit(since + int(choose.random() * (DAYS * DAY_MS - DAY_MS)), visitor))
        return sorted(found)

    def events(self) -> Iterator[list[Event]]:
        """Parts ready to append, in order of time as far as it matters."""
        for start in range(0, len(self.visits), 200):
            part = [e for visit in self.visits[start : start + 200] for e in self._visit(visit)]
            yield sorted(part, key=lambda event: (event.at, event.q))

    def _visit(self, visit: Visit) -> Iterator[Event]:
        who = random.Random(visit.visitor)
        key, agent = who.randbytes(16), AGENTS[self.agent(who)]
        place = f'{{"country":"{COUNTRIES[self.country(who)]}"}}'
        width, size = SCREENS[who.randrange(5)]
        screen = f'{{"l":"{who.choice(LANGUAGES)}","sc":"{size}","w":{width}}}'
        choose = self.random
        campaign = CAMPAIGNS[self.campaign(choose)] if choose.random() < 0.2 else ""
        page, view = "", b""
        for number in range(EVENTS_A_VISITOR):
            at = visit.start + number * PAGE_MS
            event_id = at.to_bytes(6, "big") + choose.randbytes(10)
            chance = choose.random() if number else 1.0
            kind = _kind(chance, visit.visitor)
            if kind is Kind.PAGE_VIEW:
                page, view = self.urls[self.page(choose)], event_id
            yield Event(
                event_id=event_id,
                kind=kind,
                at=at,
                received=at,
                visitor=key,
                tab=1,
                q=number,
                url=page,
                title=f"Page {page[-8:]}",
                referrer="" if number or campaign else REFERRERS[self.referrer(choose)],
                campaign="" if number else campaign,
                agent=agent,
                place=place,
                screen=screen if kind is Kind.PAGE_VIEW else "",
                page_view=view if kind is Kind.ENGAGEMENT else None,
                data=_data(kind, number, visit.visitor),
            )


def _kind(chance: float, visitor: int) -> Kind:
    if chance > 0.333:
        return Kind.PAGE_VIEW
    if visitor % KNOWN == 0 and chance <= FORM_CHANCE:
        return Kind.FORM_SUBMIT
    return Kind.ENGAGEMENT if chance > 0.055 else Kind.CLICK


def _data(kind: Kind, number: int, visitor: int) -> str:
    match kind:
        case Kind.PAGE_VIEW:
            return ""
        case Kind.ENGAGEMENT:
            return f'{{"ms":{3_000 + 7_000 * number},"scroll":{10 * number}}}'
        case Kind.CLICK:
            return '{"href":"https://docs.acme.example/start","text":"Read the docs"}'
    known = {"email": f"ann{visitor}@firm{visitor % 997}.example", "name": f"Ann Example{visitor}"}
    ids = {"email": known["email"]}
    return msgspec.json.encode(
        {"fields": known, "form": "demo", "ids": ids, "traits": known}
    ).decode()


@contextmanager
def in_bulk() -> Iterator[None]:
    """While a site is filled nobody waits for an answer: results of thousands of entries, and a
    large cache. What is derived is the same, whatever a result's size."""
    known = site_projector.BATCH, sqlite.PAGE_CACHE_KB
    site_projector.BATCH = {"sqlite": (4_096, 4_096)}
    sqlite.PAGE_CACHE_KB = 400_000
    try:
        yield
    finally:
        site_projector.BATCH, sqlite.PAGE_CACHE_KB = known


async def _fill(place: Path, parts: Iterator[list[Event]], events: int) -> None:
    world = World(place / NAME, "OFF")
    await world.open()
    try:
        if not (place / APPENDED).exists():
            for part in parts:
                await world.append(part)
            (place / APPENDED).touch()
        passed, told, began = 0, 0, time.monotonic()
        while (count := await world.projector.round()) or world.projector.behind:
            passed += count
            if passed - told >= TELL:
                told, rate = passed, passed / (time.monotonic() - began)
                say(f"    {passed:,} of {events:,} or more projected, {rate:,.0f}/s")
        packing = Packing(world.database, world.writer, lambda: [world.site], now_ms)
        for site in [world.site]:
            say(f"    {await packing.run(site)} days packed, as the server does every five minutes")
    finally:
        await world.close()


def filled_with(place: Path, parts: Iterator[list[Event]], events: int) -> Path:
    """A folder with a database of these events, all projected; made if it is not there. One that
    was left while it was projected is gone on with."""
    if not kept(place, "done"):
        if not kept(place, APPENDED):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
        began = time.monotonic()
        with in_bulk():
            uvloop.run(_fill(place, parts, events))
        (place / "done").touch()
        took = time.monotonic() - began
        say(f"    filled with {events:,} events in {took:.0f} s, {events / took:,.0f}/s")
    return place


def filled_site(folder: Path, events: int) -> Path:
    """The folder of the site of half a year with that many events."""
    place = folder / f"site-{events}"
    return filled_with(place, Site(11, now_ms(), events).events(), events)
