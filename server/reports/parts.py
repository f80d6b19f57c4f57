"""Where visits came from, where they landed, on what they were made: the names with the most."""

from collections.abc import Mapping, Sequence
from heapq import nsmallest
from typing import NamedTuple

from server.model import Site
from server.project.rollups import DIMENSIONS
from server.reports import paging
from server.reports.filtered import Tally, filtered
from server.reports.filters import NO_FILTERS, Filters
from server.reports.leading import leading, only
from server.reports.overview_shapes import PartRow, Parts
from server.reports.paging import Key, Paging, Where
from server.reports.spans import Span
from server.reports.traffic import SUBMITTED
from server.storage.database import Reader, chunks, in_list, padded

TOP = 10
_TYPES = (int, str)


class Part(NamedTuple):
    """One name. `submissions` is None where nobody counts them."""

    name: str
    sessions: int
    new_visitors: int
    leads: int
    submissions: int | None


async def parts(
    reader: Reader, site: Site, span: Span, filters: Filters, by: str, page: Paging
) -> Parts:
    """One page of the names of one of the `DIMENSIONS`, the most sessions first. Raises
    `BadRequest`."""
    sort = f"parts-{by}"
    key = paging.decode(sort, page.cursor, _TYPES)
    if filters != NO_FILTERS:
        read = await filtered(reader, site, span, filters, (by,))
        found = ranked(read.tallies[by], by, key, page.limit + 1)
    else:
        found = await most(reader, site, span, by, page.limit + 1, key)
    rows, more = paging.bound(page.limit, found)
    following = paging.encode(sort, (rows[-1].sessions, rows[-1].name)) if more else None
    return Parts(items=[part_row(row) for row in rows], next=following)


def part_row(part: Part) -> PartRow:
    """A name in the answer."""
    return PartRow(
        name=part.name,
        sessions=part.sessions,
        new_visitors=part.new_visitors,
        leads=part.leads,
        conversion=round(part.leads / part.sessions, 4) if part.sessions else None,
        submissions=part.submissions,
    )


# ---------------------------------------------------------------- of everybody


async def tops(reader: Reader, site: Site, span: Span) -> dict[str, list[PartRow]]:
    """The first names of each dimension."""
    rows: dict[str, list[PartRow]] = {}
    for by in DIMENSIONS:
        found = await most(reader, site, span, by, TOP, None)
        rows[by] = [part_row(part) for part in found]
    return rows


async def most(
    reader: Reader, site: Site, span: Span, by: str, limit: int, key: Key | None
) -> list[Part]:
    """The names with the most sessions after `key` (sessions, name), from the cells."""
    where = Where("site_id = $1 AND gen = $2 AND name = $3")
    where.args += [site.site_id, site.generation, by]
    names = await leading(reader, site, span, by, limit) if key is None else None
    if names is not None:
        only(where, span, names)
    else:
        where.add(f"day >= {where.arg(span.first)}")
        where.add(f"day <= {where.arg(span.last)}")
    having = "sum(value) > 0"
    if key is not None:
        count, name = where.arg(key[0]), where.arg(key[1])
        having += f" AND (sum(value) < {count} OR (sum(value) = {count} AND key > {name}))"
    rows = await reader.fetch(
        f"SELECT key, sum(value) FROM rollups WHERE {where} GROUP BY key HAVING {having}"
        f" ORDER BY sum(value) DESC, key LIMIT {where.arg(limit)}",
        *where.args,
    )
    more = await _more(reader, site, span, by, [name for name, _ in rows])
    return [
        Part(
            name,
            int(sessions),
            more.get((f"new_{by}", name), 0),
            more.get((f"won_{by}", name), 0),
            more.get((f"lead_{by}", name), 0) if by in SUBMITTED else None,
        )
        for name, sessions in rows
    ]


async def _more(
    reader: Reader, site: Site, span: Span, by: str, names: Sequence[str]
) -> dict[tuple[str, str], int]:
    """What else is counted of some names. Asked apart: to sort every cell of three more kinds took
    three times as long as to find the first names."""
    found: dict[tuple[str, str], int] = {}
    for part in chunks(names):
        rows = await reader.fetch(
            "SELECT name, key, sum(value) FROM rollups WHERE site_id = $1 AND gen = $2"
            " AND name IN ($3, $4, $5) AND day >= $6 AND day <= $7"
            f" AND key IN {in_list(part, 8)} GROUP BY name, key",
            *(site.site_id, site.generation, f"new_{by}", f"won_{by}", f"lead_{by}"),
            *(span.first, span.last, *padded(part)),
        )
        found |= {(name, key): int(count) for name, key, count in rows}
    return found


# ---------------------------------------------------------------- of some


def ranked(tally: Tally, by: str, key: Key | None, limit: int) -> list[Part]:
    """The names with the most sessions after `key`, from what was counted."""
    order = ((-row[1], str(row[0]), *row[2:]) for row in tally.named())
    after = (one for one in order if key is None or one[:2] > (-int(key[0]), str(key[1])))
    return [
        Part(name, -count, new, leads, sent if by in SUBMITTED else None)
        for count, name, new, sent, leads in nsmallest(limit, after)
    ]


def tops_of(tallies: Mapping[str, Tally]) -> dict[str, list[PartRow]]:
    """The first names of each dimension, of those a filter leaves."""
    return {
        by: [part_row(part) for part in ranked(tally, by, None, TOP)]
        for by, tally in tallies.items()
    }
