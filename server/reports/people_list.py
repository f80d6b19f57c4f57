"""People as a list: any sort, any filters, one page at a time.

There are three ways to the same rows. `index` follows the order of an index; `window` does so among
its next rows only, for filters that many meet; `all` reads only the tables that the filters and the
sort ask for, keeps the ids of the page, and reads the rest of those few.
"""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import UNSET

from server.model import STAGES, Level, Site
from server.reports import paging
from server.reports.filter_conditions import Ask
from server.reports.filter_values import Frame
from server.reports.paging import Key, Paging, Where
from server.reports.people_filters import Choice, PeopleFilter, choices
from server.reports.people_shapes import COUNTED, People, Total
from server.reports.rulesets import rescoring_share
from server.reports.shapes import PersonRow, iso, points
from server.storage.database import Reader, Row


class Order(NamedTuple):
    """A sort: the table that leads, its columns, and whether an index gives that order.

    The last column is the id, so that no two rows are equal. `plain` are the same columns as
    expressions that no index serves. Nothing in a sort is ever NULL.
    """

    lead: str
    columns: tuple[str, ...]
    types: tuple[type, ...]
    down: bool = False
    plain: tuple[str, ...] = ()

    @property
    def indexed(self) -> bool:
        return bool(self.plain)

    def by(self, columns: Sequence[str]) -> str:
        return ", ".join(f"{column} DESC" if self.down else column for column in columns)


def _of_subject(column: str, *, down: bool, indexed: bool = True) -> Order:
    plain = (f"+s.{column}", "s.subject_id") if indexed else ()
    return Order("s", (f"s.{column}", "s.subject_id"), (int, int), down, plain)


def _by_name(column: str) -> Order:
    """By a text without regard to case, whoever has none last. A cursor holds its beginning."""
    empty = f"CASE WHEN p.{column} = '' THEN 1 ELSE 0 END"
    return Order("p", (empty, f"substr(lower(p.{column}), 1, 200)", "p.person_id"), (int, str, int))


_EMAIL = ("p.email", "p.person_id")
ORDERS = {
    "-score": _of_subject("score", down=True),
    "score": _of_subject("score", down=False),
    "-last_seen": _of_subject("last_seen", down=True),
    "last_seen": _of_subject("last_seen", down=False),
    "email": Order("p", _EMAIL, (str, int), plain=("p.email || ''", "p.person_id")),
    "name": _by_name("name"),
    "company": _by_name("company"),
    "-created": Order("p", ("p.created_at", "p.person_id"), (int, int), down=True),
    "stage": _of_subject("stage", down=False, indexed=False),
    "-stage": _of_subject("stage", down=True, indexed=False),
    "id": Order("p", ("p.person_id",), (int,), plain=("p.person_id",)),
}
#: Rows looked at in order before a filter is taken for one that few people meet.
WINDOW = 1_000
TABLES = {"s": "subjects s", "p": "persons p"}
_SCOPES = {
    "s": "s.site_id = $1 AND s.gen = $2 AND s.kind = 1",
    "p": "p.site_id = $1 AND p.gen = $2",
}
#: Both tables are bound to the site on their own: CROSS JOIN keeps SQLite to the order written.
JOINED = f"{_SCOPES['s']} AND {_SCOPES['p']} AND p.person_id = s.subject_id"
COLUMNS = (
    "s.subject_id, p.email, p.name, p.company, s.company, s.stage, s.score, s.fit, s.engagement,"
    " s.grade, p.level, s.first_seen, s.last_seen, s.sessions, s.page_views, s.source, s.channel,"
    " s.signals, p.tags, p.owner, p.do_not_contact"
)
WIDTH = COLUMNS.count(",") + 1


class Wanted(NamedTuple):
    """One page of a list: of whom, who of them, in which order, after which key, how many."""

    site: Site
    chosen: Sequence[Choice]
    order: Order
    key: Key | None
    limit: int


def people_sql(wanted: Wanted, way: str = "index") -> tuple[str, list[object]]:
    """The statement of one page, by one of the three ways; the sort's columns follow `COLUMNS`."""
    return _narrow(wanted) if way == "all" else _ordered(wanted, windowed=way == "window")


def _ordered(wanted: Wanted, *, windowed: bool) -> tuple[str, list[object]]:
    site, chosen, order, key, limit = wanted
    where = _where(site, JOINED, "s.subject_id", chosen, few=True)
    where.past(order.columns, key, down=order.down)
    lead = _window(wanted, where) if windowed else TABLES[order.lead]
    other = TABLES["p" if order.lead == "s" else "s"]
    most, by = where.arg(limit), order.by(order.columns)
    return (
        f"SELECT {COLUMNS}, {', '.join(order.columns)} FROM {lead} CROSS JOIN {other}"
        f" WHERE {where} ORDER BY {by} LIMIT {most}",
        where.args,
    )


def _window(wanted: Wanted, where: Where) -> str:
    """The next rows of the leading table, whoever they are."""
    order = wanted.order
    rows = Where(_SCOPES[order.lead])
    rows.args = where.args
    rows.past(order.columns, wanted.key, down=order.down)
    by = order.by(order.columns)
    return (
        f"(SELECT * FROM {TABLES[order.lead]} WHERE {rows} ORDER BY {by} LIMIT {WINDOW})"
        f" {order.lead}"
    )


def _narrow(wanted: Wanted) -> tuple[str, list[object]]:
    """First the ids of the page, from as few tables as it takes; then the whole rows of them."""
    site, chosen, order, key, limit = wanted
    columns = order.plain or order.columns
    tables, scope, subject_id = _tables(chosen, order.lead)
    where = _where(site, scope, subject_id, chosen)
    where.past(columns, key, down=order.down)
    names = [f"k{number}" for number in range(len(columns))]
    keys = ", ".join(f"{column} AS {name}" for column, name in zip(columns, names, strict=True))
    inner = (
        f"SELECT {subject_id} AS id, {keys} FROM {tables} WHERE {where}"
        f" ORDER BY {order.by(columns)} LIMIT {where.arg(limit)}"
    )
    return (
        f"SELECT {COLUMNS}, {', '.join(names)} FROM ({inner}) m CROSS JOIN subjects s"
        f" CROSS JOIN persons p WHERE {JOINED} AND s.subject_id = m.id AND p.person_id = m.id"
        f" ORDER BY {order.by(names)}",
        where.args,
    )


def _tables(chosen: Sequence[Choice], lead: str = "") -> tuple[str, str, str]:
    """The tables that filters and a sort read, the one with a filter first; how they are bound to
    the site, and the column of the id. A person has a row in both, or in none."""
    read = "".join(choice.filter.reads for choice in chosen)
    first = read[:1] or lead or "s"
    if not set(read + lead) - {first}:
        return TABLES[first], _SCOPES[first], {"s": "s.subject_id", "p": "p.person_id"}[first]
    second = "p" if first == "s" else "s"
    return f"{TABLES[first]} CROSS JOIN {TABLES[second]}", JOINED, "s.subject_id"


def _where(
    site: Site, scope: str, subject_id: str, chosen: Sequence[Choice], *, few: bool = False
) -> Where:
    where = Where(scope)
    where.args += [site.site_id, site.generation]
    ask = Ask(where, subject_id, few=few)
    for choice in chosen:
        where.add(choice.filter.condition(ask, choice.value))
    return where


# ---------------------------------------------------------------- reading


async def find(reader: Reader, wanted: Wanted) -> list[Row]:
    """The rows of a page: `COLUMNS`, then the key.

    A filter that many meet fills the page from the next rows in order. One that few meet would read
    the whole index and jump to each row: then reading everybody in line is faster.
    """
    order = wanted.order
    ways: tuple[str, ...] = ("all",)
    if order.indexed and not any(choice.filter.whole for choice in wanted.chosen):
        ways = ("window", "all") if wanted.chosen else ("index",)
    rows: list[Row] = []
    for way in ways:
        sql, args = people_sql(wanted, way)
        rows = await reader.fetch(sql, *args)
        if len(rows) >= wanted.limit:
            break
    return rows


async def people(
    reader: Reader,
    site: Site,
    asked: PeopleFilter,
    sort: str,
    page: Paging,
    now: int,
    *,
    count: bool = False,
) -> People:
    """One page of people; with `count` also how many they are. `now` (ms) is what filters such as
    `seen_within` count from. Raises `BadRequest`."""
    order, chosen = ORDERS[sort], choices(asked, Frame(site, now))
    key = paging.decode(f"people{sort}", page.cursor, order.types)
    rows = await find(reader, Wanted(site, chosen, order, key, page.limit + 1))
    found, more = paging.bound(page.limit, rows)
    return People(
        items=[row_of(row) for row in found],
        next=paging.encode(f"people{sort}", found[-1][WIDTH:]) if more else None,
        total=await count_people(reader, site, chosen) if count else UNSET,
        rescoring=await rescoring_share(reader, site),
    )


async def people_count(reader: Reader, site: Site, asked: PeopleFilter, now: int) -> Total:
    """How many people there are, counted up to 1,000. Raises `BadRequest`."""
    return await count_people(reader, site, choices(asked, Frame(site, now)))


async def count_people(reader: Reader, site: Site, chosen: Sequence[Choice]) -> Total:
    tables, scope, subject_id = _tables(chosen)
    where = _where(site, scope, subject_id, chosen)
    rows = await reader.fetch(
        f"SELECT count(*) FROM (SELECT 1 AS one FROM {tables} WHERE {where} LIMIT {COUNTED + 1}) m",
        *where.args,
    )
    count: int = rows[0][0]
    return Total(count=min(count, COUNTED), more=count > COUNTED)


async def ids_of(
    reader: Reader, site: Site, asked: PeopleFilter, now: int, after: int, limit: int
) -> list[int]:
    """The next people of a filter by id. Raises `BadRequest`."""
    tables, scope, subject_id = _tables(chosen := choices(asked, Frame(site, now)))
    where = _where(site, scope, subject_id, chosen)
    where.add(f"{subject_id} > {where.arg(after)}")
    rows = await reader.fetch(
        f"SELECT {subject_id} FROM {tables} WHERE {where}"
        f" ORDER BY {subject_id} LIMIT {where.arg(limit)}",
        *where.args,
    )
    return [row[0] for row in rows]


async def met_by(
    reader: Reader, site: Site, chosen: Sequence[Choice], person_id: int
) -> tuple[PersonRow, list[bool]] | None:
    """A person, and which of the filters are met, by the conditions of the lists; None: nobody."""
    where = Where(JOINED)
    where.args += [site.site_id, site.generation]
    ask = Ask(where)
    cases = "".join(
        f", CASE WHEN {choice.filter.condition(ask, choice.value)} THEN 1 ELSE 0 END"
        for choice in chosen
    )
    rows = await reader.fetch(
        f"SELECT {COLUMNS}{cases} FROM subjects s CROSS JOIN persons p"
        f" WHERE {where} AND s.subject_id = {where.arg(person_id)}",
        *where.args,
    )
    return (row_of(rows[0]), [bool(met) for met in rows[0][WIDTH:]]) if rows else None


def row_of(row: Row) -> PersonRow:
    """A row of `COLUMNS` as lists show it."""
    return PersonRow(
        id=f"p{row[0]}",
        email=row[1],
        name=row[2],
        company=row[3] or row[4],
        stage=STAGES[row[5]],
        score=points(row[6]),
        fit=points(row[7]),
        engagement=points(row[8]),
        grade=row[9],
        level=Level(row[10]).word,
        first_seen=iso(row[11]),
        last_seen=iso(row[12]),
        sessions=row[13],
        page_views=row[14],
        source=row[15],
        channel=row[16],
        signals=row[17].split(),
        tags=row[18].split("\n") if row[18] else [],
        owner=row[19],
        do_not_contact=bool(row[20]),
    )
