"""People as a file for spreadsheets: CSV, a page of rows at a time, whatever their number.

Each page is read in a snapshot of its own, so no reader is kept while a slow client reads, and a
reader's time limit is for one page. In the order of ids everybody who is there all the while comes
exactly once; in another order somebody who moves meanwhile may come twice or not at all.

A cell that a spreadsheet would take for a formula gets an apostrophe in front.
"""

import io
import re
import unicodedata
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, NamedTuple

from defusedcsv import csv

from server.model import Site
from server.reports.filter_values import Frame
from server.reports.paging import Key
from server.reports.people_filters import PeopleFilter, choices
from server.reports.people_list import ORDERS, WIDTH, Wanted, find, row_of
from server.reports.shapes import PersonRow
from server.storage.database import Reader

PAGE = 1_000  # rows
BOM = b"\xef\xbb\xbf"
Snapshots = Callable[[], AbstractAsyncContextManager[Reader]]
ColumnName = Literal[
    "id",
    "email",
    "name",
    "company",
    "stage",
    "score",
    "fit",
    "engagement",
    "grade",
    "level",
    "first_seen",
    "last_seen",
    "sessions",
    "page_views",
    "source",
    "channel",
    "signals",
    "tags",
    "owner",
    "do_not_contact",
]


class Column(NamedTuple):
    """A column: the head of it, and the cell of a person."""

    label: str
    cell: Callable[[PersonRow], str | float]


COLUMNS: Mapping[str, Column] = {
    "id": Column("Id", lambda row: row.id),
    "email": Column("E-mail", lambda row: row.email),
    "name": Column("Name", lambda row: row.name),
    "company": Column("Company", lambda row: row.company),
    "stage": Column("Stage", lambda row: row.stage),
    "score": Column("Score", lambda row: row.score),
    "fit": Column("Fit", lambda row: row.fit),
    "engagement": Column("Engagement", lambda row: row.engagement),
    "grade": Column("Grade", lambda row: row.grade),
    "level": Column("Known by", lambda row: row.level),
    "first_seen": Column("First seen (UTC)", lambda row: row.first_seen or ""),
    "last_seen": Column("Last seen (UTC)", lambda row: row.last_seen or ""),
    "sessions": Column("Sessions", lambda row: row.sessions),
    "page_views": Column("Page views", lambda row: row.page_views),
    "source": Column("Source", lambda row: row.source),
    "channel": Column("Channel", lambda row: row.channel),
    "signals": Column("Signals", lambda row: " ".join(row.signals)),
    "tags": Column("Tags", lambda row: ", ".join(row.tags)),
    "owner": Column("Owner", lambda row: row.owner),
    "do_not_contact": Column("Do not contact", lambda row: "yes" if row.do_not_contact else "no"),
}
DEFAULT_COLUMNS: tuple[ColumnName, ...] = (
    *("id", "email", "name", "company", "stage", "score", "grade"),
    *("last_seen", "source", "signals", "tags", "owner", "do_not_contact"),
)
#: Spreadsheets skip these before they look for a formula; some of them end a cell.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
#: The ASCII ones are the library's; these look the same to a spreadsheet.
_FORMULA = frozenset("＝＋－＠")


async def csv_pages(
    snapshots: Snapshots,
    site_now: Callable[[], Site],
    asked: PeopleFilter,
    sort: str,
    columns: Sequence[str],
    now: int,
    *,
    bom: bool,
) -> AsyncIterator[bytes]:
    """The file, a page of rows at a time. `site_now` gives the site as it is at each page: a
    rebuild may end meanwhile. Raises `BadRequest` before the first page."""
    named = columns or DEFAULT_COLUMNS
    head = _lines([[COLUMNS[name].label for name in named]])
    order = ORDERS[sort]
    key: Key | None = None
    chosen = choices(asked, Frame(site_now(), now))
    before = (BOM if bom else b"") + head
    while True:
        async with snapshots() as reader:
            rows = await find(reader, Wanted(site_now(), chosen, order, key, PAGE))
        yield before + _lines(_cells(row_of(row), named) for row in rows)
        if len(rows) < PAGE:
            return
        before = b""
        key = tuple(rows[-1][WIDTH:])


def _cells(row: PersonRow, named: Sequence[str]) -> list[str | float]:
    return [_plain(COLUMNS[name].cell(row)) for name in named]


def _plain(cell: str | float) -> str | float:
    """A cell in one line that begins with what can be seen, and never with what a spreadsheet
    takes for a formula: full-width signs too."""
    if not isinstance(cell, str):
        return cell
    text = _CONTROL.sub(" ", cell).strip()
    while text and unicodedata.category(text[0]) in {"Cc", "Cf", "Zs"}:
        text = text[1:]
    return f"'{text}" if text[:1] in _FORMULA else text


def _lines(rows: Iterable[Sequence[str | float]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue().encode("utf-8", "replace")
