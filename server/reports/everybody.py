"""People and anonymous visitors in one list: who is hot, whether or not they said who they are.

Both kinds are read by their own index and merged here, in the order (what is sorted by, kind, id);
a person comes before a visitor with the same score.
"""

from collections.abc import Sequence

from msgspec import UNSET, structs

from server.errors import BadRequest
from server.model import Site
from server.reports import paging
from server.reports.filter_conditions import Ask
from server.reports.filter_values import Frame
from server.reports.paging import Key, Paging, Where
from server.reports.people_filters import Choice, PeopleFilter, choices
from server.reports.people_list import (
    ORDERS,
    WIDTH,
    WINDOW,
    Order,
    Wanted,
    count_people,
    find,
    row_of,
)
from server.reports.people_shapes import COUNTED, AnybodyRow, Everybody, Total
from server.reports.rulesets import rescoring_share
from server.reports.shapes import iso, points
from server.storage.database import Reader, Row

VISITOR, PERSON = 0, 1
SORTS = ("-score", "score", "-last_seen", "last_seen")
_LAST_ID = 2**63 - 1
#: A browser that gave no sign of interest is no news.
_SCOPE = "s.site_id = $1 AND s.gen = $2 AND s.kind = 0"
_WARM = "s.score > 0"
#: The same where no index shall serve it: another bound of the score is the better one.
_WARM_PLAIN = "+s.score > 0"
_COLUMNS = (
    "s.subject_id, s.company, s.score, s.fit, s.engagement, s.grade, s.first_seen, s.last_seen,"
    " s.sessions, s.page_views, s.source, s.channel, s.country, s.signals"
)
_WIDTH = _COLUMNS.count(",") + 1


async def everybody(
    reader: Reader,
    site: Site,
    asked: PeopleFilter,
    who: str,
    sort: str,
    page: Paging,
    now: int,
    *,
    count: bool = False,
) -> Everybody:
    """One page of `everybody`, `people` or `visitors`, in one of `SORTS`; with `count` also how
    many. A filter that no visitor can meet, such as a stage, leaves people only. Raises
    `BadRequest`, also where only visitors are asked for by such a filter."""
    order, chosen = ORDERS[sort], choices(asked, Frame(site, now))
    kinds = _kinds(who, chosen)
    name = f"{who}{sort}"
    key = paging.decode(name, page.cursor, (int, int, int))
    found: list[tuple[Key, AnybodyRow]] = []
    for kind in kinds:
        wanted = Wanted(site, chosen, order, _after(key, kind, down=order.down), page.limit + 1)
        found += await (_people(reader, wanted) if kind == PERSON else _visitors(reader, wanted))
    found.sort(key=lambda one: one[0], reverse=order.down)
    rows, more = paging.bound(page.limit, found)
    return Everybody(
        items=[row for _, row in rows],
        next=paging.encode(name, rows[-1][0]) if more else None,
        total=await _count(reader, site, chosen, kinds) if count else UNSET,
        rescoring=await rescoring_share(reader, site),
    )


def _kinds(who: str, chosen: Sequence[Choice]) -> Sequence[int]:
    alone = [choice.filter.name for choice in chosen if not choice.filter.visitors]
    if who == "visitors" and alone:
        raise BadRequest(f"parameter `{alone[0]}`: no anonymous visitor has it; ask for people")
    if who == "everybody":
        return (PERSON,) if alone else (PERSON, VISITOR)
    return (PERSON,) if who == "people" else (VISITOR,)


def _after(key: Key | None, kind: int, *, down: bool) -> Key | None:
    """The key among rows of one kind after which a page begins."""
    if key is None or key[1] == kind:
        return key and (key[0], key[2])
    past = (int(key[1]) < kind) if down else (int(key[1]) > kind)
    # Of the rows with the same value all were shown, or none.
    return (key[0], 0 if past is down else _LAST_ID)


async def _people(reader: Reader, wanted: Wanted) -> list[tuple[Key, AnybodyRow]]:
    found: list[tuple[Key, AnybodyRow]] = []
    for row in await find(reader, wanted):
        known = structs.asdict(row_of(row))
        found.append(((row[WIDTH], PERSON, row[0]), AnybodyRow(kind="person", country="", **known)))
    return found


async def _visitors(reader: Reader, wanted: Wanted) -> list[tuple[Key, AnybodyRow]]:
    """The same three ways as for people, on one table."""
    ways = ("window", "all") if wanted.chosen or "score" not in wanted.order.columns[0] else ("",)
    rows: list[Row] = []
    for way in ways:
        sql, args = visitors_sql(wanted, way)
        rows = await reader.fetch(sql, *args)
        if len(rows) >= wanted.limit:
            break
    return [((row[_WIDTH], VISITOR, row[0]), _visitor(row)) for row in rows]


def visitors_sql(wanted: Wanted, way: str) -> tuple[str, list[object]]:
    """The statement of one page of visitors with a score above 0."""
    site, chosen, order, key, limit = wanted
    columns = order.plain if way == "all" else order.columns
    where = _where(site, chosen, _WARM_PLAIN if way == "all" else _WARM)
    where.past(columns, key, down=order.down)
    table = _window(order, key, where) if way == "window" else "subjects s"
    return (
        f"SELECT {_COLUMNS}, {columns[0]} FROM {table} WHERE {where}"
        f" ORDER BY {order.by(columns)} LIMIT {where.arg(limit)}",
        where.args,
    )


def _where(site: Site, chosen: Sequence[Choice], warm: str) -> Where:
    where = Where(_SCOPE, warm)
    where.args += [site.site_id, site.generation]
    ask = Ask(where)
    for choice in chosen:
        if choice.filter.of_visitor is not None:
            where.add(choice.filter.of_visitor(ask, choice.value))
    return where


def _window(order: Order, key: Key | None, where: Where) -> str:
    rows = Where(_SCOPE)
    rows.args = where.args
    rows.past(order.columns, key, down=order.down)
    by = order.by(order.columns)
    return f"(SELECT * FROM subjects s WHERE {rows} ORDER BY {by} LIMIT {WINDOW}) s"


def _visitor(row: Row) -> AnybodyRow:
    return AnybodyRow(
        kind="visitor",
        id=f"v{row[0]}",
        email="",
        name="",
        company=row[1],
        stage="",
        score=points(row[2]),
        fit=points(row[3]),
        engagement=points(row[4]),
        grade=row[5],
        level="",
        first_seen=iso(row[6]),
        last_seen=iso(row[7]),
        sessions=row[8],
        page_views=row[9],
        source=row[10],
        channel=row[11],
        country=row[12],
        signals=row[13].split(),
        tags=[],
        owner="",
        do_not_contact=False,
    )


async def _count(
    reader: Reader, site: Site, chosen: Sequence[Choice], kinds: Sequence[int]
) -> Total:
    count = 0
    if PERSON in kinds:
        people = await count_people(reader, site, chosen)
        count += people.count + people.more
    if VISITOR in kinds and count <= COUNTED:
        where = _where(site, chosen, _WARM_PLAIN)
        rows = await reader.fetch(
            f"SELECT count(*) FROM (SELECT 1 AS one FROM subjects s WHERE {where}"
            f" LIMIT {COUNTED + 1}) m",
            *where.args,
        )
        count += rows[0][0]
    return Total(count=min(count, COUNTED), more=count > COUNTED)
