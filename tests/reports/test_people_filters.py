"""Every filter and sort of people, against the same questions answered in plain Python."""

import csv
import io
import random
from datetime import date
from typing import Any

import msgspec
import pytest

from server.errors import BadRequest
from server.model import Site, SiteSettings
from server.reports.everybody import SORTS, everybody
from server.reports.filter_values import Frame
from server.reports.paging import Paging
from server.reports.people import ORDERS, people, people_count
from server.reports.people_csv import COLUMNS, ColumnName, csv_pages
from server.reports.people_filters import (
    FILTERS,
    Grade,
    PeopleFilter,
    Stage,
    asks,
    canonical,
    choices,
    describe,
    parameters,
    plain,
    read_filter,
)
from server.storage.database import Database, Reader
from tests.reports import people_crowd as made
from tests.reports.people_crowd import MEETS, NOW, Somebody, crowd, fits, ordered, settle, wishes
from tests.tracking import DAY

pytestmark = [pytest.mark.anyio]
SEEDS = pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
SITE = Site(site_id=1, name="Acme", keys=("k",), settings=SiteSettings())
FRAME = Frame(SITE, NOW)


async def walk(reader: Reader, site: Site, asked: PeopleFilter, sort: str, limit: int) -> list[str]:
    """The ids of all pages joined."""
    seen: list[str] = []
    page = Paging(limit)
    while True:
        found = await people(reader, site, asked, sort, page, NOW)
        seen += [row.id for row in found.items]
        if found.next is None:
            return seen
        assert len(found.items) == limit
        page = Paging(limit, found.next)


@SEEDS
async def test_pages_joined_are_the_sorted_list(database: Database, seed: int) -> None:
    """Whatever the sort, the filters and the size of a page: nobody is missing, nobody is there
    twice, and the order is that of the whole list; and the count is right."""
    chance = random.Random(seed)
    everyone = crowd(chance, 120)
    site = await settle(database, everyone)
    cases = [(sort, PeopleFilter()) for sort in ORDERS]
    cases += [(chance.choice([*ORDERS]), wishes(chance, 1 + n % 3)) for n in range(80)]
    found_some = 0
    async with database.snapshot() as reader:
        for sort, asked in cases:
            expected = ordered([one for one in everyone if fits(one, asked)], sort)
            limit = chance.choice([3, 7, 50])
            assert await walk(reader, site, asked, sort, limit) == expected, (sort, asked)
            assert (await people_count(reader, site, asked, NOW)).count == len(expected), asked
            found_some += bool(asks(asked) and expected)
    assert found_some > 20


@SEEDS
async def test_each_filter_alone_is_its_plain_meaning(database: Database, seed: int) -> None:
    """One filter at a time, several values each: those who meet it, and nobody else."""
    chance = random.Random(seed)
    everyone = crowd(chance, 100)
    site = await settle(database, everyone)
    async with database.snapshot() as reader:
        for name in FILTERS:
            outcomes = set()
            for _ in range(8):
                asked = PeopleFilter(**{name: made.wish(chance, name)})
                expected = ordered([one for one in everyone if fits(one, asked)], "id")
                assert await walk(reader, site, asked, "id", 60) == expected, asked
                outcomes |= {bool(expected), len(expected) == len(everyone)}
            assert True in outcomes, f"{name} was never met"
    assert MEETS.keys() == FILTERS.keys()


@pytest.mark.slow
async def test_a_window_that_is_too_small_is_passed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that few meet reaches beyond the next rows of the index."""
    monkeypatch.setattr("server.reports.people_list.WINDOW", 5)
    monkeypatch.setattr("server.reports.everybody.WINDOW", 5)
    chance = random.Random(5)
    everyone = crowd(chance, 60)
    strangers = [(2 + 4 * n, n % 4 * 1_000, NOW - n % 3) for n in range(40)]
    site = await settle(database, everyone, strangers)
    async with database.snapshot() as reader:
        for _ in range(40):
            sort, asked = chance.choice(["-score", "last_seen", "email"]), wishes(chance, 1)
            expected = ordered([one for one in everyone if fits(one, asked)], sort)
            assert await walk(reader, site, asked, sort, 4) == expected, (sort, asked)
        for sort in SORTS:
            await _interleaved(reader, site, everyone, strangers, sort)


# ---------------------------------------------------------------- visitors beside people


async def _interleaved(
    reader: Reader,
    site: Site,
    everyone: list[Somebody],
    strangers: list[tuple[int, int, int]],
    sort: str,
) -> None:
    by = 1 if "score" in sort else 2
    rows = [(((one.score, one.last_seen)[by - 1], 1, one.number), "p") for one in everyone]
    rows += [((row[by], 0, row[0]), "v") for row in strangers if row[1] > 0]
    rows.sort(reverse=sort.startswith("-"))
    for who in ("everybody", "people", "visitors"):
        expected = [f"{kind}{key[2]}" for key, kind in rows if who == "everybody" or kind == who[0]]
        seen: list[str] = []
        page = Paging(7)
        while True:
            found = await everybody(reader, site, PeopleFilter(), who, sort, page, NOW, count=True)
            assert isinstance(found.total, msgspec.Struct)
            assert (found.total.count, found.total.more) == (len(expected), False)
            seen += [row.id for row in found.items]
            if found.next is None:
                break
            page = Paging(7, found.next)
        assert seen == expected


async def test_visitors_stand_beside_people(database: Database) -> None:
    """One list in one order, page by page; visitors without a score are not in it."""
    everyone = crowd(random.Random(3), 40)
    scores = [0, 12_345, 60_000, 60_001, 70_000]
    strangers = [(2 + 4 * n, scores[n % 5], NOW - n % 7 * 10 * DAY) for n in range(40)]
    site = await settle(database, everyone, strangers)
    async with database.snapshot() as reader:
        for sort in SORTS:
            await _interleaved(reader, site, everyone, strangers, sort)
        warm = PeopleFilter(signal=("pricing_page",), min_score=60)
        found = await everybody(reader, site, warm, "everybody", "-score", Paging(200), NOW)
        people_there = [one for one in everyone if fits(one, warm)]
        assert len(found.items) == len(people_there) + 24
        staged = PeopleFilter(stage=("lead",))
        only = await everybody(reader, site, staged, "everybody", "-score", Paging(200), NOW)
        assert {row.kind for row in only.items} == {"person"}
        with pytest.raises(BadRequest, match="parameter `stage`: no anonymous visitor has it"):
            await everybody(reader, site, staged, "visitors", "-score", Paging(), NOW)


# ---------------------------------------------------------------- the table


async def test_counting_ends(database: Database) -> None:
    """At 1,000, and says that there are more."""
    everyone = crowd(random.Random(4), 1_003)
    site = await settle(database, everyone, [(2, 5_000, NOW)])
    async with database.snapshot() as reader:
        total = await people_count(reader, site, PeopleFilter(), NOW)
        assert (total.count, total.more, str(total)) == (1_000, True, "1,000+")
        nobody = await people_count(reader, site, PeopleFilter(q="nobody"), NOW)
        assert (nobody.count, nobody.more, str(nobody)) == (0, False, "0")
        both = await everybody(
            reader, site, PeopleFilter(), "everybody", "-score", Paging(1), NOW, count=True
        )
        assert str(both.total) == "1,000+"


def test_one_table_of_filters() -> None:
    """Every field is a row, in the order of the fields; closed lists are those of the product."""
    assert list(FILTERS) == list(PeopleFilter.__struct_fields__)
    assert all(one.label for one in FILTERS.values())
    assert set(Grade.__args__) == {a + b for a in "ABC" for b in "123"}  # type: ignore[attr-defined]
    assert list(ColumnName.__args__) == list(COLUMNS)  # type: ignore[attr-defined]
    assert len(Stage.__args__) == 9  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", range(20))
def test_a_filter_has_one_text(seed: int) -> None:
    """Through JSON and through an address it is the same; order and repeats do not matter."""
    chance = random.Random(seed)
    asked = wishes(chance, 1 + seed % 6)
    text = canonical(asked)
    again = read_filter(text)
    assert canonical(again) == text
    again_asked = [choice.filter.name for choice in choices(plain(again), FRAME)]
    assert again_asked == [choice.filter.name for choice in choices(asked, FRAME)]
    given = {name: getattr(asked, name) for name in FILTERS}
    swapped: dict[str, Any] = {
        name: tuple(reversed(value)) * 2 if isinstance(value, tuple) else value
        for name, value in given.items()
    }
    assert canonical(PeopleFilter(**swapped)) == text
    assert len(parameters(asked)) >= len(choices(asked, FRAME))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"q": "a b c d e f"}, "parameter `q`: at most 5 words"),
        ({"trait": ("budget",)}, "parameter `trait`: write a trait as name:value"),
        ({"tag": ("a\x00b",)}, "parameter `tag` holds a control character"),
        ({"since": "yesterday"}, "parameter `since`: not an ISO 8601 time"),
        ({"lead_to": date(9999, 12, 31)}, "parameter `lead_to`: only days from 1970"),
    ],
)
def test_what_makes_no_sense_is_named(asked: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadRequest, match=sentence):
        choices(PeopleFilter(**asked), FRAME)  # type: ignore[arg-type]


def test_a_filter_in_words() -> None:
    """As pages write it above a list."""
    asked = PeopleFilter(
        stage=("sql", "mql"),
        min_score=60,
        signal=("pricing_page",),
        owner=("nobody",),
        seen_within=7,
        lead_from=date(2026, 11, 1),
        trait=("budget:50k",),
        conflict=False,
    )
    assert describe(choices(asked, FRAME), {"pricing_page": "Pricing page"}) == (
        "stage is MQL or SQL, signal “Pricing page”, score ≥ 60, owner is nobody, seen within 7"
        " days, became a lead on 1 November 2026 or later, budget is 50k and no open conflict"
        " concerns them"
    )
    assert describe(choices(PeopleFilter(), FRAME), {}) == "everybody is"


# ---------------------------------------------------------------- files


async def test_a_file_holds_everybody_once(database: Database) -> None:
    """Whatever the number of pages; no cell is a formula; the mark of UTF-8 where asked."""
    everyone = crowd(random.Random(6), 2_500)
    formulas = ("=1+1", "@x", "+3", "-2+3", "\t=1", "a\r\nb", 'q"uote', " =2", "\ufeff＝1")
    for one, name in zip(everyone, formulas, strict=False):
        one.name = name
    site = await settle(database, everyone)
    for sort in ("id", "-score", "name"):
        pages = csv_pages(
            database.snapshot, lambda: site, PeopleFilter(), sort, ("id", "name"), NOW, bom=True
        )
        parts = [part async for part in pages]
        assert len(parts) == 3
        text = b"".join(parts).decode("utf-8-sig")
        lines = [",".join(row) for row in csv.reader(io.StringIO(text))] + [""]
        assert all(line.startswith('"') for line in text.split("\r\n")[:-1])
        assert b"".join(parts).startswith(b'\xef\xbb\xbf"Id","Name"\r\n')
        assert [line.split(",")[0] for line in lines[1:-1]] == ordered(everyone, sort)
        cells = {line.partition(",")[2] for line in lines[1:10]} if sort == "id" else set()
        assert not {cell for cell in cells if cell[:1] in set("=@+-|%\t\r")}
        if sort == "id":
            assert cells >= {"'=1+1", "'@x", "'+3", "'-2+3", "'=1", "a b", 'q"uote', "'=2", "'＝1"}


async def test_a_file_with_filters_and_columns(database: Database) -> None:
    everyone = crowd(random.Random(7), 60)
    site = await settle(database, everyone)
    asked = PeopleFilter(tag=("vip",))
    pages = csv_pages(
        database.snapshot, lambda: site, asked, "id", ("score", "tags", "email"), NOW, bom=False
    )
    lines = b"".join([part async for part in pages]).decode().splitlines()
    assert lines[0] == '"Score","Tags","E-mail"'
    expected = [one for one in everyone if fits(one, asked)]
    assert len(lines) == 1 + len(expected) > 5
    first = expected[0]
    assert lines[1].startswith(f'"{first.score / 1000:g}",')
    assert lines[1].endswith(f'"{first.email}"')
