"""A timeline: what a person, or an anonymous visitor, did and what followed from it, newest first.

Each visitor's events are read backwards along their key, a page at most, and merged: the cost of a
page does not grow with what lies before it.
"""

from server.errors import NotFound
from server.model import EVENT_KINDS, Kind, Site
from server.reports import paging
from server.reports.consequences import ABOUT_PERSONS, decided_before
from server.reports.paging import Key, Paging, Where
from server.reports.shapes import Timeline
from server.reports.timeline_items import PERSON, Moment, Subject, items_of
from server.storage.database import Reader

#: Engagement may come after its session's end, as long as the page stays open.
_TRAIL_MS = 86_400_000
_KEY = ("e.at", "e.q", "e.seq")
_COLUMNS = "e.at, e.q, e.seq, e.visitor_id, e.session_id, e.ms, e.scroll"
#: Outside of every session: an event that came late.
_LATE = "e.session_id = 0"
_LINKED = (
    "EXISTS (SELECT 1 FROM links l WHERE l.site_id = e.site_id AND l.gen = e.gen"
    " AND l.visitor_id = e.visitor_id AND l.from_at <= e.at AND (l.to_at = 0 OR l.to_at >= e.at)"
)


async def timeline(
    reader: Reader, site: Site, subject: Subject, kind: str, page: Paging
) -> Timeline:
    """One page. `kind` is empty for all events, `all` for decisions and consequences too, or one
    kind's name."""
    sort = f"timeline:{kind}"
    key = paging.decode(sort, page.cursor, (int, int, int))
    moments: list[Moment] = []
    if kind in {"", "all"} or kind in EVENT_KINDS:
        moments = await _events(reader, site, subject, EVENT_KINDS.get(kind), key, page.limit + 1)
    if subject.kind == PERSON and kind and kind not in EVENT_KINDS:
        about = ABOUT_PERSONS.get(kind)
        decided = await decided_before(reader, site, subject.subject_id, about, key, page.limit + 1)
        moments += [Moment(at, 0, seq, 0, 0, 0, 0) for at, seq in decided]
    moments.sort(reverse=True)
    found, more = paging.bound(page.limit, moments)
    following = paging.encode(sort, found[-1][:3]) if more else None
    return Timeline(items=await items_of(reader, site, subject, found), next=following)


async def known_visitor(reader: Reader, site: Site, visitor_id: int) -> None:
    """Raises `NotFound` if no visitor has this id."""
    found = await reader.fetch(
        "SELECT 1 FROM visitors WHERE site_id = $1 AND visitor_id = $2", site.site_id, visitor_id
    )
    if not found:
        raise NotFound("no such visitor")


async def _events(
    reader: Reader, site: Site, subject: Subject, kind: Kind | None, key: Key | None, count: int
) -> list[Moment]:
    """The newest `count` events before `key`, in no order; a few more may come with them."""
    found: list[Moment] = []
    visitors = [(subject.subject_id, 0)]
    if subject.kind == PERSON:
        found = await _without_visitor(reader, site, subject, kind, key, count)
        visitors = await _visitors_of(reader, site, subject)
    for visitor_id, last in visitors:
        if len(found) >= count:
            found = sorted(found, reverse=True)[:count]
            if last and found[-1].at > last + _TRAIL_MS:
                break  # this visitor and all after it are older than the whole page
        found += await _of_visitor(reader, site, subject, visitor_id, kind, key, count)
    return found


async def _visitors_of(reader: Reader, site: Site, subject: Subject) -> list[tuple[int, int]]:
    """(visitor, when last) of a person, the latest first.

    Put together here: asked to group by visitor, SQLite reads every session of the site.
    """
    rows = await reader.fetch(
        "SELECT visitor_id, end_at FROM sessions WHERE site_id = $1 AND gen = $2"
        " AND person_id = $3 AND visitor_id <> 0 ORDER BY start_at",
        site.site_id,
        site.generation,
        subject.subject_id,
    )
    last: dict[int, int] = {}
    for visitor_id, end_at in rows:
        last[visitor_id] = max(end_at, last.get(visitor_id, 0))
    return sorted(last.items(), key=lambda one: (-one[1], one[0]))


def _narrowed(where: Where, kind: Kind | None, key: Key | None, count: int) -> str:
    if kind is not None:
        where.add(f"e.kind = {where.arg(int(kind))}")
    where.past(_KEY, key, down=True)
    limit = where.arg(count)
    return f" WHERE {where} ORDER BY e.at DESC, e.q DESC, e.seq DESC LIMIT {limit}"


async def _of_visitor(
    reader: Reader,
    site: Site,
    subject: Subject,
    visitor_id: int,
    kind: Kind | None,
    key: Key | None,
    count: int,
) -> list[Moment]:
    """Events of one visitor that are the subject's: in its sessions, or late ones of its time."""
    where = Where("e.site_id = $1 AND e.gen = $2 AND e.visitor_id = $3")
    where.args += [site.site_id, site.generation, visitor_id]
    if subject.kind == PERSON:
        owner = where.arg(subject.subject_id)
        where.add(f"(s.person_id = {owner} OR ({_LATE} AND {_LINKED} AND l.person_id = {owner})))")
    else:
        where.add(f"(s.person_id = 0 OR ({_LATE} AND NOT {_LINKED})))")
    rows = await reader.fetch(
        f"SELECT {_COLUMNS} FROM session_events e LEFT JOIN sessions s"
        " ON s.site_id = e.site_id AND s.gen = e.gen AND s.session_id = e.session_id"
        + _narrowed(where, kind, key, count),
        *where.args,
    )
    return [Moment(*row) for row in rows]


async def _without_visitor(
    reader: Reader, site: Site, subject: Subject, kind: Kind | None, key: Key | None, count: int
) -> list[Moment]:
    """Events of nobody's browser, such as a form sent without JavaScript: each is a session."""
    where = Where(
        "s.site_id = $1 AND s.gen = $2 AND s.person_id = $3 AND +s.visitor_id = 0"
        " AND e.site_id = $1 AND e.gen = $2 AND e.visitor_id = 0 AND e.at = s.start_at"
        " AND e.session_id = s.session_id"
    )
    where.args += [site.site_id, site.generation, subject.subject_id]
    rows = await reader.fetch(
        f"SELECT {_COLUMNS} FROM sessions s CROSS JOIN session_events e"
        + _narrowed(where, kind, key, count),
        *where.args,
    )
    return [Moment(*row) for row in rows]
