"""Where visits came from, where they landed, on what they were made: the names with the most."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from server.model import Site
from server.project.rollups import DIMENSIONS
from server.reports import paging
from server.reports.filters import Filters, chosen
from server.reports.overview_shapes import PartRow, Parts
from server.reports.paging import Key, Paging, Where
from server.reports.reaches import Reach, leads_by, reaches
from server.reports.spans import Span
from server.reports.traffic import SUBMITTED, Tally, scan
from server.storage.database import Reader

TOP = 10
_TYPES = (int, str)


class Part(NamedTuple):
    """One name. `submissions` is None where nobody counts them."""

    name: str
    sessions: int
    submissions: int | None


async def parts(
    reader: Reader, site: Site, span: Span, filters: Filters, by: str, page: Paging
) -> Parts:
    """One page of the names of one of the `DIMENSIONS`, the most sessions first. Raises
    `BadRequest`."""
    sort = f"parts-{by}"
    wanted = await chosen(reader, site, filters)
    key = paging.decode(sort, page.cursor, _TYPES)
    if wanted:
        tally = (await scan(reader, site, span, wanted, (by,))).tallies[by]
        found, returned = ranked(tally, by, key, page.limit + 1), tally.again
    else:
        found = await most(reader, site, span, by, page.limit + 1, key)
        returned = (await again(reader, site, span, (by,)))[by]
    leads = leads_by(await reaches(reader, site, span, wanted, dimensions=(by,)), 0)
    rows, more = paging.bound(page.limit, found)
    following = paging.encode(sort, (rows[-1].sessions, rows[-1].name)) if more else None
    return Parts(items=part_rows(rows, returned, leads), next=following)


def part_rows(
    found: Sequence[Part], returned: Mapping[str, int], leads: Mapping[str, int]
) -> list[PartRow]:
    """Names with those who came by them and those of them who became leads. `returned` are the
    sessions of visitors who had been there in the span before: each visitor has one other."""
    rows: list[PartRow] = []
    for part in found:
        visitors = part.sessions - returned.get(part.name, 0)
        won = leads.get(part.name, 0)
        rows.append(
            PartRow(
                name=part.name,
                visitors=visitors,
                sessions=part.sessions,
                leads=won,
                conversion=round(won / visitors, 4) if visitors else None,
                submissions=part.submissions,
            )
        )
    return rows


# ---------------------------------------------------------------- of everybody


async def tops(
    reader: Reader, site: Site, span: Span, found: Sequence[Reach]
) -> dict[str, list[PartRow]]:
    """The first names of each dimension. `found` are the new leads, with all their names."""
    returned = await again(reader, site, span, DIMENSIONS)
    rows: dict[str, list[PartRow]] = {}
    for number, by in enumerate(DIMENSIONS):
        part = await most(reader, site, span, by, TOP, None)
        rows[by] = part_rows(part, returned[by], leads_by(found, number))
    return rows


async def most(
    reader: Reader, site: Site, span: Span, by: str, limit: int, key: Key | None
) -> list[Part]:
    """The names with the most sessions after `key` (sessions, name), from the cells."""
    cells = f"lead_{by}" if by in SUBMITTED else ""
    where = Where("site_id = $1 AND gen = $2 AND name IN ($3, $4) AND day >= $5 AND day <= $6")
    where.args += [site.site_id, site.generation, by, cells or by, span.first, span.last]
    count = "sum(CASE WHEN name = $3 THEN value ELSE 0 END)"
    having = f"{count} > 0"
    if key is not None:
        sessions, name = where.arg(key[0]), where.arg(key[1])
        having += f" AND ({count} < {sessions} OR ({count} = {sessions} AND key > {name}))"
    rows = await reader.fetch(
        f"SELECT key, {count}, sum(CASE WHEN name = $3 THEN 0 ELSE value END) FROM rollups"
        f" WHERE {where} GROUP BY key HAVING {having}"
        f" ORDER BY {count} DESC, key LIMIT {where.arg(limit)}",
        *where.args,
    )
    return [Part(name, int(count), int(sent) if cells else None) for name, count, sent in rows]


async def again(
    reader: Reader, site: Site, span: Span, dimensions: Sequence[str]
) -> dict[str, Counter[str]]:
    """By dimension and name, the sessions whose visitor had been there in the span before."""
    columns = ", ".join(dimensions)
    rows = await reader.fetch(
        f"SELECT {columns} FROM sessions WHERE site_id = $1 AND gen = $2 AND day >= $3"
        " AND day <= $4 AND prev_day >= $3 AND alone = 0 AND visitor_id > 0",
        site.site_id,
        site.generation,
        max(span.first, 0),
        span.last,
    )
    names = list(zip(*rows, strict=True)) if rows else [()] * len(dimensions)
    return {by: Counter(found) for by, found in zip(dimensions, names, strict=True)}


# ---------------------------------------------------------------- of some


def ranked(tally: Tally, by: str, key: Key | None, limit: int) -> list[Part]:
    """The names with the most sessions after `key`, from what was counted."""
    sent = tally.submissions if by in SUBMITTED else None
    order = sorted((-count, name) for name, count in tally.sessions.items())
    after = [one for one in order if key is None or one > (-int(key[0]), key[1])]
    return [
        Part(name, -count, None if sent is None else sent[name]) for count, name in after[:limit]
    ]


def tops_of(tallies: Mapping[str, Tally], found: Sequence[Reach]) -> dict[str, list[PartRow]]:
    """The first names of each dimension, of sessions that were read."""
    return {
        by: part_rows(ranked(tallies[by], by, None, TOP), tallies[by].again, leads)
        for number, by in enumerate(DIMENSIONS)
        for leads in (leads_by(found, number),)
    }
