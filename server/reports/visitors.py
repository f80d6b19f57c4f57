"""Anonymous visitors: browsers whose sessions belong to nobody yet, scored by the same rules."""

from typing import NamedTuple

from server.errors import NotFound
from server.model import Site
from server.reports import paging
from server.reports.paging import Paging, Where
from server.reports.people_list import WINDOW
from server.reports.receipts import receipt_of
from server.reports.rulesets import rescoring_share
from server.reports.shapes import VisitorDetail, VisitorRow, Visitors, iso, points
from server.storage.database import Reader, Row

VISITOR = 0
ORDERS = {"-score": "s.score", "-last_seen": "s.last_seen"}
_COLUMNS = (
    "s.subject_id, s.score, s.engagement, s.grade, s.first_seen, s.last_seen, s.sessions,"
    " s.page_views, s.source, s.channel, s.country, s.company, s.signals"
)


class VisitorFilter(NamedTuple):
    """Which visitors; what is empty asks nothing. `min_score` is milli-points, `since` ms."""

    signal: str = ""
    min_score: int | None = None
    source: str = ""
    company: str = ""
    since: int | None = None


def visitors_sql(
    site: Site, chosen: VisitorFilter, sort: str, page: Paging, way: str = "index"
) -> tuple[str, list[object]]:
    """The statement of one page of the list; the three ways are those of `people`."""
    column = f"+{ORDERS[sort]}" if way == "all" else ORDERS[sort]
    where = Where("s.site_id = $1 AND s.gen = $2 AND s.kind = 0")
    where.args += [site.site_id, site.generation]
    if chosen.company:
        exact, low = where.arg(chosen.company), where.arg(chosen.company.lower())
        where.add(f"(s.company = {exact} OR lower(s.company) = {low})")
    _conditions(where, chosen)
    key = paging.decode(f"visitors{sort}", page.cursor, (int, int))
    where.past((column, "s.subject_id"), key, down=True)
    table = "subjects s"
    if way == "window":
        rows = Where("s.site_id = $1 AND s.gen = $2 AND s.kind = 0")
        rows.args = where.args
        rows.past((column, "s.subject_id"), key, down=True)
        by = f"{column} DESC, s.subject_id DESC"
        table = f"(SELECT * FROM subjects s WHERE {rows} ORDER BY {by} LIMIT {WINDOW}) s"
    limit = where.arg(page.limit + 1)
    sql = (
        f"SELECT {_COLUMNS} FROM {table} WHERE {where}"
        f" ORDER BY {column} DESC, s.subject_id DESC LIMIT {limit}"
    )
    return sql, where.args


def _conditions(where: Where, chosen: VisitorFilter) -> None:
    if chosen.signal:
        # Keys stand in one text with spaces between: taking this one out must change it.
        mark = where.arg(f" {chosen.signal} ")
        where.add(f"replace(' ' || s.signals || ' ', {mark}, '') <> ' ' || s.signals || ' '")
    if chosen.min_score is not None:
        where.add(f"s.score >= {where.arg(chosen.min_score)}")
    if chosen.source:
        where.add(f"s.source = {where.arg(chosen.source)}")
    if chosen.since is not None:
        where.add(f"s.last_seen >= {where.arg(chosen.since)}")


async def visitors(
    reader: Reader, site: Site, chosen: VisitorFilter, sort: str, page: Paging
) -> Visitors:
    """One page of anonymous visitors."""
    ways = ("window", "all") if chosen != VisitorFilter() else ("index",)
    rows: list[Row] = []
    for way in ways:
        sql, args = visitors_sql(site, chosen, sort, page, way)
        rows = await reader.fetch(sql, *args)
        if len(rows) > page.limit:
            break
    found, more = paging.bound(page.limit, rows)
    items = [_item(row) for row in found]
    share = await rescoring_share(reader, site)
    if not more:
        return Visitors(items=items, next=None, rescoring=share)
    last = found[-1]
    key = last[1] if sort == "-score" else last[5]
    following = paging.encode(f"visitors{sort}", (key, last[0]))
    return Visitors(items=items, next=following, rescoring=share)


def _item(row: Row) -> VisitorRow:
    return VisitorRow(
        id=f"v{row[0]}",
        score=points(row[1]),
        engagement=points(row[2]),
        grade=row[3],
        first_seen=iso(row[4]),
        last_seen=iso(row[5]),
        sessions=row[6],
        page_views=row[7],
        source=row[8],
        channel=row[9],
        country=row[10],
        company=row[11],
        signals=row[12].split(),
    )


async def visitor(reader: Reader, site: Site, visitor_id: int) -> VisitorDetail:
    """One anonymous visitor. Raises `NotFound`, also for one whose sessions all have an owner."""
    found = await reader.fetch(
        f"SELECT {_COLUMNS}, s.ruleset FROM subjects s WHERE s.site_id = $1 AND s.gen = $2"
        " AND s.kind = 0 AND s.subject_id = $3",
        site.site_id,
        site.generation,
        visitor_id,
    )
    if not found:
        raise NotFound("no such anonymous visitor")
    item = _item(found[0])
    return VisitorDetail(
        **{name: getattr(item, name) for name in VisitorRow.__struct_fields__},
        ruleset=found[0][13],
        receipt=await receipt_of(reader, site, VISITOR, visitor_id),
    )
