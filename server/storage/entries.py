"""The log: gapless numbers, once per event id, and nothing on the way but two b-trees."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from server.errors import DataError, NotFound
from server.model import Class, Door, Event
from server.storage.buried import Buried
from server.storage.database import Query, Reader, Row, Script, chunks, in_list, padded
from server.storage.names import Names

INSERT = (
    "INSERT INTO entries (site_id, seq, event_id, kind, at, lag, visitor_id, tab, q, url_id,"
    " title_id, referrer_id, agent_id, campaign_id, place_id, screen_id, class, reason_id, door,"
    " consent, flags, page_view, data) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,"
    " $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)"
    " ON CONFLICT (site_id, event_id) DO NOTHING"
)


class Appended(NamedTuple):
    """What became of each event: its seq, 0 for a duplicate, -1 if the database refused it."""

    seqs: list[int]

    @property
    def accepted(self) -> int:
        return sum(1 for seq in self.seqs if seq > 0)


def append(
    site_id: int, events: Sequence[Event], names: Names, buried: Buried | None = None
) -> Script[Appended]:
    """Append events to a site's log, in order, once per event id.

    Fast path: number all and insert. Only if fewer rows went in than were sent are the numbers
    given back and the new events found. An event that the database refuses is kept apart, so that
    its neighbours go in. Of what is of somebody erased whom another node has buried only a stub is
    stored; `buried` is None where there is no other node.
    """
    seqs = [0] * len(events)
    first: dict[bytes, int] = {}
    for index, event in enumerate(events):
        first.setdefault(event.event_id, index)
    todo = list(first.values())
    yield from _append_part(site_id, events, todo, names, seqs, buried)
    return Appended(seqs)


def _append_part(
    site_id: int,
    events: Sequence[Event],
    todo: list[int],
    names: Names,
    seqs: list[int],
    buried: Buried | None,
) -> Script[None]:
    """Append `events[i] for i in todo`; on a refused statement halve until it stands alone."""
    if not todo:
        return
    yield Query("SAVEPOINT part")
    try:
        numbers = yield from _insert(site_id, [events[i] for i in todo], names, buried)
    except DataError:
        yield Query("ROLLBACK TO part")
        yield Query("RELEASE part")
        names.rollback()
        if len(todo) == 1:
            seqs[todo[0]] = -1
            return
        half = len(todo) // 2
        yield from _append_part(site_id, events, todo[:half], names, seqs, buried)
        yield from _append_part(site_id, events, todo[half:], names, seqs, buried)
        return
    if numbers is None:  # duplicates among them
        yield Query("ROLLBACK TO part")
        yield Query("RELEASE part")
        names.rollback()
        known = yield from _known(site_id, [events[i].event_id for i in todo])
        fresh = [i for i in todo if events[i].event_id not in known]
        yield from _append_part(site_id, events, fresh, names, seqs, buried)
        return
    yield Query("RELEASE part")
    names.commit()
    for index, seq in zip(todo, numbers, strict=True):
        seqs[index] = seq


def _insert(
    site_id: int, events: Sequence[Event], names: Names, buried: Buried | None
) -> Script[range | None]:
    """Number and insert; None if some were there already (the caller rolls back)."""
    rows = yield Query(
        "UPDATE heads SET seq = seq + $2 WHERE site_id = $1 RETURNING seq, strings, epoch",
        (site_id, len(events)),
    )
    if not rows:
        raise NotFound(f"site {site_id} has no log")
    last, strings, epoch = rows[0]
    if buried is not None:
        events = yield from buried.cleared(site_id, epoch, events)
    start = last - len(events) + 1
    names.begin(epoch)
    rows = yield from _rows(site_id, events, names, start, strings)
    (changed,) = (yield Query(INSERT, rows, many=True))[0]
    return range(start, last + 1) if changed == len(events) else None


def _rows(
    site_id: int, events: Sequence[Event], names: Names, start: int, strings: int
) -> Script[list[Row]]:
    """A row for each event, numbered from `start`. Nine of ten have nothing in them that is not
    known by a number already."""
    rows: list[Row] = []
    new: list[int] = []
    for index, event in enumerate(events):
        try:
            rows.append(_row(site_id, start + index, event, names))
        except KeyError:
            rows.append(())
            new.append(index)
    if new:
        yield from _intern(site_id, {start + i: events[i] for i in new}, names, strings)
        for index in new:
            rows[index] = _row(site_id, start + index, events[index], names)
    return rows


def _intern(site_id: int, events: Mapping[int, Event], names: Names, strings: int) -> Script[None]:
    """Give numbers to what has none yet in events, which are named by their seqs."""
    known, visitors = names.strings, names.visitors
    missing: list[str] = []
    first_seqs: dict[bytes, int] = {}
    for seq, event in events.items():
        if event.visitor not in visitors and event.visitor is not None:
            first_seqs.setdefault(event.visitor, seq)
        for text in (
            event.url,
            event.title,
            event.referrer,
            event.agent,
            event.campaign,
            event.place,
            event.screen,
            event.reason,
        ):
            if text not in known:
                missing.append(text)
    if missing:
        last = yield from names.learn_strings(site_id, missing, strings)
        if last != strings:
            yield Query("UPDATE heads SET strings = $2 WHERE site_id = $1", (site_id, last))
    if first_seqs:
        yield from names.learn_visitors(site_id, first_seqs)


def _row(site_id: int, seq: int, event: Event, names: Names) -> Row:
    string = names.strings
    return (
        site_id,
        seq,
        event.event_id,
        int(event.kind),
        event.at,
        event.received - event.at,
        names.visitors[event.visitor],
        event.tab,
        event.q,
        string[event.url],
        string[event.title],
        string[event.referrer],
        string[event.agent],
        string[event.campaign],
        string[event.place],
        string[event.screen],
        int(event.class_),
        string[event.reason],
        int(event.door),
        int(event.consent),
        event.flags,
        event.page_view,
        event.data or None,
    )


def _known(site_id: int, event_ids: Sequence[bytes]) -> Script[set[bytes]]:
    known: set[bytes] = set()
    for part in chunks(event_ids):
        rows = yield Query(
            "SELECT event_id FROM entries WHERE site_id = $1 AND event_id IN " + in_list(part, 2),
            (site_id, *padded(part)),
        )
        known.update(bytes(row[0]) for row in rows)
    return known


COLUMNS = (
    "seq, event_id, kind, at, lag, visitor_id, tab, q, url_id, title_id, referrer_id, agent_id,"
    " campaign_id, place_id, screen_id, class, reason_id, door, consent, flags, page_view, data"
)


class Entry(NamedTuple):
    """One row of the log with interned ids; `texts` of `Lookup` turns them into words."""

    seq: int
    event_id: bytes
    kind: int
    at: int
    lag: int
    visitor_id: int | None
    tab: int | None
    q: int
    url_id: int | None
    title_id: int | None
    referrer_id: int | None
    agent_id: int | None
    campaign_id: int | None
    place_id: int | None
    screen_id: int | None
    class_: int
    reason_id: int | None
    door: int
    consent: int
    flags: int
    page_view: bytes | None
    data: str | None


async def after(reader: Reader, site_id: int, seq: int, limit: int) -> list[Entry]:
    """The next entries of a site's log, in seq order."""
    rows = await reader.fetch(
        f"SELECT {COLUMNS} FROM entries WHERE site_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        site_id,
        seq,
        limit,
    )
    return [Entry._make(row) for row in rows]


class Numbered(NamedTuple):
    """An event that a browser has numbered within one of its tabs."""

    visitor_id: int | None
    tab: int
    q: int
    at: int
    lag: int
    url_id: int | None
    agent_id: int | None
    #: How often it came again.
    again: int


async def numbered(reader: Reader, site_id: int, after: int, until: int) -> list[Numbered]:
    """Events with a number within a tab, sent by browsers, with `after` < seq ≤ `until`."""
    rows = await reader.fetch(
        "SELECT e.visitor_id, e.tab, e.q, e.at, e.lag, e.url_id, e.agent_id, coalesce(r.count, 0)"
        " FROM entries e LEFT JOIN repeats r ON r.site_id = e.site_id AND r.seq = e.seq"
        " WHERE e.site_id = $1 AND e.seq > $2 AND e.seq <= $3"
        " AND e.tab IS NOT NULL AND e.q > 0 AND e.door = $4 AND e.class = $5 ORDER BY e.seq",
        site_id,
        after,
        until,
        int(Door.COLLECT),
        int(Class.HUMAN),
    )
    return [Numbered._make(row) for row in rows]


async def by_seq(reader: Reader, site_id: int, seqs: Sequence[int]) -> dict[int, Entry]:
    """Entries by number; numbers that do not exist are absent."""
    found: dict[int, Entry] = {}
    for part in chunks(seqs):
        rows = await reader.fetch(
            f"SELECT {COLUMNS} FROM entries WHERE site_id = $1 AND seq IN " + in_list(part, 2),
            site_id,
            *padded(part),
        )
        for row in rows:
            found[row[0]] = Entry._make(row)
    return found


class Placed(NamedTuple):
    """An event of a visitor, with the session it was given to and how long it was read."""

    entry: Entry
    visitor_id: int
    at: int
    q: int
    session_id: int
    kind: int
    ms: int
    scroll: int


_OF_VISITOR = (
    f"SELECT {', '.join(f'e.{column}' for column in COLUMNS.split(', '))},"
    " s.visitor_id, s.at, s.q, s.session_id, s.kind, s.ms, s.scroll"
    " FROM session_events s JOIN entries e ON e.site_id = s.site_id AND e.seq = s.seq"
    " WHERE s.site_id = $1 AND s.gen = $2 AND s.visitor_id "
)


async def of_visitor(reader: Reader, site_id: int, gen: int, visitor_id: int) -> list[Placed]:
    """All projected events of a visitor, in the order of rules; the plan follows session_events."""
    rows = await reader.fetch(
        _OF_VISITOR + "= $3 ORDER BY s.at, s.q, s.seq", site_id, gen, visitor_id
    )
    return [Placed(Entry._make(row[:-7]), *row[-7:]) for row in rows]


async def of_visitors(
    reader: Reader, site_id: int, gen: int, visitor_ids: Sequence[int]
) -> list[Placed]:
    """All projected events of some visitors, in no order."""
    rows: list[Row] = []
    for part in chunks(visitor_ids):
        rows += await reader.fetch(
            _OF_VISITOR + "IN " + in_list(part, 3), site_id, gen, *padded(part)
        )
    return [Placed(Entry._make(row[:-7]), *row[-7:]) for row in rows]


async def alone(
    reader: Reader, site_id: int, gen: int, moments: Sequence[tuple[int, int]]
) -> list[Placed]:
    """Projected events of nobody's browser by (seq, at), whatever is left of their entries."""
    stored = await by_seq(reader, site_id, [seq for seq, _ in moments])
    found = []
    for seq, at in moments:
        rows = await reader.fetch(
            "SELECT visitor_id, at, q, session_id, kind, ms, scroll FROM session_events"
            " WHERE site_id = $1 AND gen = $2 AND visitor_id = 0 AND at = $3 AND seq = $4",
            site_id,
            gen,
            at,
            seq,
        )
        found += [Placed(stored[seq], *row) for row in rows]
    return found


async def head(reader: Reader, site_id: int) -> int:
    rows = await reader.fetch("SELECT seq FROM heads WHERE site_id = $1", site_id)
    return rows[0][0] if rows else 0


async def texts(reader: Reader, site_id: int, ids: Sequence[int]) -> dict[int, str]:
    """The texts of interned ids."""
    found: dict[int, str] = {}
    for part in chunks(ids):
        rows = await reader.fetch(
            "SELECT string_id, text FROM strings WHERE site_id = $1 AND string_id IN "
            + in_list(part, 2),
            site_id,
            *padded(part),
        )
        found.update(dict(rows))
    return found
