"""Signals as they come in: which rule was met, when, by whom, on which page."""

from collections.abc import Mapping

from server.model import SESSION_GAP_MS, Site
from server.reports import paging
from server.reports.paging import Paging, Where
from server.reports.shapes import SignalPerson, SignalRow, Signals, iso
from server.storage import entries
from server.storage.database import Reader, Row
from server.storage.entries import Entry

_KEY = ("g.at", "g.session_id", "g.rule", "g.seq", "g.key")
_TYPES = (int, int, str, int, str)
SORT = "signals"


async def signals(
    reader: Reader, site: Site, labels: Mapping[str, str], since: int, now: int, page: Paging
) -> Signals:
    """One page, newest first. A form counts as left once its session can no longer go on.

    `labels` are the rules' names in words.
    """
    where = Where(
        "g.site_id = $1 AND g.gen = $2 AND s.site_id = $1 AND s.gen = $2"
        " AND s.session_id = g.session_id AND g.at >= $3 AND (g.pending = 0 OR s.end_at < $4)"
    )
    where.args += [site.site_id, site.generation, since, now - SESSION_GAP_MS]
    where.past(_KEY, paging.decode(SORT, page.cursor, _TYPES), down=True)
    limit = where.arg(page.limit + 1)
    rows = await reader.fetch(
        "SELECT g.at, g.session_id, g.rule, g.seq, g.key, s.visitor_id, s.person_id, p.email,"
        " p.name FROM signals g CROSS JOIN sessions s LEFT JOIN persons p"
        " ON p.site_id = s.site_id AND p.gen = s.gen AND p.person_id = s.person_id"
        f" WHERE {where} ORDER BY g.at DESC, g.session_id DESC, g.rule DESC, g.seq DESC,"
        f" g.key DESC LIMIT {limit}",
        *where.args,
    )
    found, more = paging.bound(page.limit, rows)
    seen = await entries.by_seq(reader, site.site_id, [row[3] for row in found])
    wanted = sorted({i for e in seen.values() for i in (e.url_id, e.title_id) if i is not None})
    texts = await entries.texts(reader, site.site_id, wanted)
    items = [_item(row, seen.get(row[3]), texts, labels) for row in found]
    following = paging.encode(SORT, found[-1][:5]) if more else None
    return Signals(items=items, next=following)


def _item(
    row: Row, entry: Entry | None, texts: Mapping[int, str], labels: Mapping[str, str]
) -> SignalRow:
    at, session_id, rule, seq, _key, visitor_id, person_id, email, name = row
    return SignalRow(
        at=iso(at),
        rule=rule,
        label=labels.get(rule, rule),
        person=SignalPerson(id=f"p{person_id}", email=email or "", name=name or "")
        if person_id
        else None,
        visitor=f"v{visitor_id}" if visitor_id else None,
        session=f"s{session_id}",
        event=f"e{seq}",
        url=texts.get(entry.url_id or 0, "") if entry else "",
        title=texts.get(entry.title_id or 0, "") if entry else "",
    )
