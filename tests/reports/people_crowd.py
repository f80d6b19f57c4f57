"""A made-up crowd in the tables of people, and the same questions answered in plain Python."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from server.ingest.emails import company_domain
from server.model import STAGES, Site, SiteSettings
from server.reports.people_filters import PeopleFilter
from server.storage import derived, sites
from server.storage.database import Database, Script
from server.storage.derived import Changes
from tests.tracking import DAY, NOON

NOW = NOON + 100 * DAY
ZONE = "Europe/Berlin"
NAMES = ("", "Ada Lovelace", "ada lovelace", "Ben Ångström", "Zoë", "eve", "Éva Nagy", "李 雷")
COMPANIES = ("", "Brew Ltd", "brew ltd", "Ångström AB", "mill.example")
DOMAINS = ("brew.example", "mill.example", "gmail.com")
TAGS = ("vip", "key account", "tea", "vip2", "%")
OWNERS = ("", "Olga", "Piet")
SIGNALS = ("pricing_page", "pricing", "demo_form", "came_back")
SOURCES = ("", "google", "mail", "news.example")
CHANNELS = ("direct", "organic_search", "email")
TRAITS: Mapping[str, Sequence[Any]] = {
    "budget": ("50k", "50K", 50_000, "10k"),
    "title": ("VP of “Marketing”", 'C"E\\O', "vp"),
    "seats": (5, 5.0, 7.5, "5", True, "true"),
}


@dataclass
class Somebody:
    """A person, as the tables would have one."""

    number: int
    email: str
    name: str
    company: str
    stage: int
    score: int
    grade: str
    first_seen: int
    last_seen: int
    created_at: int
    source: str
    channel: str
    by_address: str
    owner: str
    do_not_contact: bool
    tags: list[str]
    signals: list[str]
    also: list[str] = field(default_factory=list)  # other addresses
    traits: list[tuple[str, Any, int, int, int]] = field(default_factory=list)
    lead_at: list[int] = field(default_factory=list)
    conflict: str = ""  # side in an open one

    @property
    def domain(self) -> str:
        return company_domain(self.email) if self.email else ""

    @property
    def words(self) -> set[str]:
        return {self.email, self.domain, *self.name.lower().split()} - {""}

    @property
    def known(self) -> dict[str, Any]:
        """The trait of the strongest evidence, then the newest."""
        ordered = sorted(self.traits, key=lambda one: one[2:])
        return {name: value for name, value, *_ in ordered}


def crowd(chance: random.Random, count: int) -> list[Somebody]:
    """People alike: every value is shared by many, so that ties must be broken."""
    return [_somebody(chance, 3 + 4 * number) for number in range(count)]


def _somebody(chance: random.Random, number: int) -> Somebody:
    name = chance.choice(NAMES)
    seen = NOW - chance.randrange(12) * 10 * DAY - chance.randrange(3)
    found = Somebody(
        number=number,
        email=f"person{number}@{chance.choice(DOMAINS)}" if chance.random() < 0.8 else "",
        name=name,
        company=chance.choice(COMPANIES),
        stage=chance.randrange(len(STAGES)),
        score=chance.choice([-10_000, 0, 12_345, 60_000, 60_001]),
        grade=chance.choice(["A1", "B2", "C3"]),
        first_seen=seen - DAY,
        last_seen=seen,
        created_at=seen - chance.randrange(2) * DAY,
        source=chance.choice(SOURCES),
        channel=chance.choice(CHANNELS),
        by_address=chance.choice(["", "Brew Ltd"]),
        owner=chance.choice(OWNERS),
        do_not_contact=chance.random() < 0.3,
        tags=sorted(chance.sample(TAGS, chance.randrange(3))),
        signals=chance.sample(SIGNALS, chance.randrange(3)),
        conflict=chance.choice(["", "", "person", "other", "closed"]),
    )
    if number == 3 or chance.random() < 0.2:
        found.also.append(f"also{number}@mill.example")
    for name, values in TRAITS.items():
        for seq in range(chance.randrange(3)):
            level, at = chance.randrange(1, 3), NOW - chance.randrange(2)
            found.traits.append((name, chance.choice(values), level, at, 10 * number + seq))
    for _ in range(chance.randrange(3)):
        found.lead_at.append(NOW - chance.randrange(4) * DAY - chance.randrange(24) * 3_600_000)
    return found


async def settle(
    database: Database, people: Sequence[Somebody], strangers: Sequence[tuple[int, int, int]] = ()
) -> Site:
    """A site with these people; `strangers` are visitors: id, milli-points, last seen."""

    def fill() -> Script[None]:
        settings = SiteSettings(zone=ZONE)
        site = yield from sites.add("Acme", "k1", "secret", settings, NOON)
        changes = Changes()
        for one in people:
            _put(changes, one)
        for number, score, seen in strangers:
            changes.put(derived.SUBJECTS, _subject(0, number, score, seen))
        yield from derived.write(site.site_id, site.generation, changes)

    (outcome,) = await database.turn([fill])
    assert outcome.error is None, outcome.error
    async with database.snapshot() as reader:
        (site,) = await sites.all_sites(reader)
    return site


def _put(changes: Changes, one: Somebody) -> None:
    head = (one.number, one.email, one.name, one.company, one.domain, 1, one.created_at)
    tail = (one.owner, int(one.do_not_contact), "\n".join(one.tags), "")
    changes.put(derived.PERSONS, (*head, *tail))
    changes.put(derived.SUBJECTS, _subject(1, one.number, one.score, one.last_seen, one))
    for word in one.words:
        changes.put(derived.PERSON_WORDS, (word, one.number))
    for address in (one.email, *one.also):
        if address:
            changes.put(derived.IDENTIFIERS, ("email", address, one.number, 1, NOW, one.number))
    for name, value, level, at, seq in one.traits:
        text = msgspec.json.encode(value).decode()
        changes.put(derived.TRAITS, (one.number, name, seq, text, "text", level, at))
    for seq, at in enumerate(one.lead_at):
        changes.put(derived.STAGES, (one.number, one.number + seq, 2, 0, at, "form"))
    changes.put(derived.STAGES, (one.number, one.number, 3, 2, NOW - 50 * DAY, "mql"))
    if one.conflict:
        sides = (0, one.number) if one.conflict == "other" else (one.number, 0)
        state = int(one.conflict == "closed")
        changes.put(derived.CONFLICTS, (one.number, "typo", sides[1], sides[0], state, NOW, ""))


def _subject(
    kind: int, number: int, score: int, seen: int, one: Somebody | None = None
) -> tuple[Any, ...]:
    stage, grade = (one.stage, one.grade) if one else (0, "C3")
    source, channel = (one.source, one.channel) if one else ("google", "organic_search")
    company, signals = (one.by_address, " ".join(one.signals)) if one else ("", "pricing_page")
    points = (score, 0, score, grade, 20_000, 0, 1, stage)
    touch = (source, "", "", channel, "", "", "", "", "DE", company, signals)
    return (kind, number, *points, one.first_seen if one else seen, seen, 1, 2, *touch)


# ---------------------------------------------------------------- the same in plain Python


def lower(text: str) -> str:
    """A to Z in lower case, and nothing else."""
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


def _day(at: int) -> date:
    return datetime.fromtimestamp(at / 1000, ZoneInfo(ZONE)).date()


def _trait(one: Somebody, text: str) -> bool:
    name, _, wanted = text.partition(":")
    if name not in one.known:
        return False
    value = one.known[name]
    if isinstance(value, bool):
        return wanted.lower() == str(value).lower()
    if isinstance(value, str):
        return lower(value) == lower(wanted)
    try:
        return float(wanted) == float(value)
    except ValueError:
        return False


#: Whether somebody meets what is asked, one function a filter.
MEETS: Mapping[str, Callable[[Somebody, Any], bool]] = {
    "stage": lambda one, asked: STAGES[one.stage] in asked,
    "signal": lambda one, asked: set(asked) <= set(one.signals),
    "min_score": lambda one, asked: one.score / 1000 >= asked,
    "max_score": lambda one, asked: one.score / 1000 <= asked,
    "grade": lambda one, asked: one.grade in asked,
    "source": lambda one, asked: one.source in asked,
    "channel": lambda one, asked: one.channel in asked,
    "company": lambda one, asked: (
        asked in {one.company, one.by_address} or asked.lower() in {lower(one.company), one.domain}
    ),
    "domain": lambda one, asked: one.domain in {each.lower() for each in asked},
    "q": lambda one, asked: all(
        any(word.startswith(part) for word in one.words) for part in asked.lower().split()
    ),
    "tag": lambda one, asked: set(asked) <= set(one.tags),
    "owner": lambda one, asked: (one.owner or "nobody") in asked,
    "email": lambda one, asked: asked in {one.email, *one.also},
    "since": lambda one, _: one.last_seen >= NOW - 30 * DAY,
    "seen_within": lambda one, asked: NOW - one.last_seen <= asked * DAY,
    "not_seen_for": lambda one, asked: NOW - one.last_seen > asked * DAY,
    "lead_from": lambda one, asked: bool(one.lead_at) and _day(min(one.lead_at)) >= asked,
    "lead_to": lambda one, asked: bool(one.lead_at) and _day(min(one.lead_at)) <= asked,
    "do_not_contact": lambda one, asked: one.do_not_contact is asked,
    "trait": lambda one, asked: all(_trait(one, each) for each in asked),
    "conflict": lambda one, asked: (one.conflict in {"person", "other"}) is asked,
}


def some(chance: random.Random, values: Sequence[Any], most: int = 3) -> tuple[Any, ...]:
    return tuple(chance.sample(values, chance.randrange(1, min(most, len(values)) + 1)))


def wish(chance: random.Random, name: str) -> Any:
    """Something to ask by one filter."""
    day = _day(NOW) - timedelta(days=chance.randrange(5))
    asked: Mapping[str, Callable[[], Any]] = {
        "stage": lambda: some(chance, STAGES, 6),
        "signal": lambda: some(chance, SIGNALS, 2),
        "min_score": lambda: chance.choice([-5, 0, 12.345, 60, 60.0005, 61]),
        "max_score": lambda: chance.choice([-5, 0, 12.345, 60, 60.0005, 61]),
        "grade": lambda: some(chance, ["A1", "B2", "C3"]),
        "source": lambda: some(chance, SOURCES[1:]),
        "channel": lambda: some(chance, CHANNELS),
        "company": lambda: chance.choice(["BREW LTD", "Ångström AB", "mill.example", "none"]),
        "domain": lambda: some(chance, ["brew.example", "MILL.example", "x.example"]),
        "q": lambda: chance.choice(["p", "ada", "LOVE", "ada love", "mill.ex", "zoë", "é", "李"]),
        "tag": lambda: some(chance, TAGS, 2),
        "owner": lambda: some(chance, ["nobody", "Olga", "Piet"]),
        "email": lambda: chance.choice(["also3@mill.example", "person7@brew.example"]),
        "since": lambda: (
            datetime.fromtimestamp((NOW - 30 * DAY) / 1000, ZoneInfo("UTC"))
            .replace(tzinfo=None)
            .isoformat()
        ),
        "seen_within": lambda: chance.choice([1, 10, 30, 60]),
        "not_seen_for": lambda: chance.choice([1, 10, 30, 60]),
        "lead_from": lambda: day,
        "lead_to": lambda: day,
        "do_not_contact": lambda: chance.random() < 0.5,
        "trait": lambda: (
            chance.choice(
                ["budget:50k", "budget:50000", "seats:5", "seats:true", 'title:c"e\\o', "a:b"]
            ),
        ),
        "conflict": lambda: chance.random() < 0.5,
    }
    return asked[name]()


def wishes(chance: random.Random, count: int) -> PeopleFilter:
    """Some filters together."""
    return PeopleFilter(**{name: wish(chance, name) for name in chance.sample([*MEETS], count)})


def fits(one: Somebody, asked: PeopleFilter) -> bool:
    given = {name: getattr(asked, name) for name in MEETS}
    return all(
        MEETS[name](one, value)
        for name, value in given.items()
        if value not in ((), "", msgspec.UNSET)
    )


def ordered(people: Sequence[Somebody], sort: str) -> list[str]:
    """Ids in the order of a sort, ties by id in the same direction."""
    keys: Mapping[str, Callable[[Somebody], Any]] = {
        "score": lambda one: one.score,
        "last_seen": lambda one: one.last_seen,
        "email": lambda one: one.email,
        "name": lambda one: (one.name == "", lower(one.name)),
        "company": lambda one: (one.company == "", lower(one.company)),
        "created": lambda one: one.created_at,
        "stage": lambda one: one.stage,
        "id": lambda one: one.number,
    }
    key, down = keys[sort.lstrip("-")], sort.startswith("-")
    found = sorted(people, key=lambda one: (key(one), one.number), reverse=down)
    return [f"p{one.number}" for one in found]
