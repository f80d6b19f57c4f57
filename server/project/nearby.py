"""A late event of an unowned visitor concerns the sessions around it, and no others.

While nobody owns any of a visitor's sessions, nothing passes from one to the next but the moment at
which the one before began. So only what lies within the gap of 30 minutes of an event, and what
joins on to that, is folded anew. Whatever may reach further has the whole visitor folded anew.
"""

from collections.abc import Sequence
from typing import NamedTuple

from server.model import SESSION_GAP_MS, Kind
from server.project.claims import CLAIMING
from server.project.people import Part, read_parts
from server.project.rows import END, SESSION, START
from server.project.seen import Seen
from server.project.sessions import OPENERS
from server.project.subjects import ordered
from server.project.visitor import COOKIELESS, LATE
from server.storage import entries
from server.storage import people as stored
from server.storage.database import Reader, Row
from server.storage.entries import Entry

PLACE, AT = 4, 1  # of a row of session_events
#: Kinds that open sessions and claim nothing.
PLAIN = OPENERS - CLAIMING


def is_plain(events: Sequence[Seen]) -> bool:
    """Whether events are of a kind that only matters to the session it is in."""
    views = {seen.event_id for seen in events if seen.kind is Kind.PAGE_VIEW}
    return all(
        seen.counts
        and seen.human
        and (seen.kind in PLAIN or (seen.kind is Kind.ENGAGEMENT and seen.page_view in views))
        for seen in events
    )


def is_free(sessions: Sequence[Row]) -> bool:
    """Whether no session belongs to anybody, and the events of all are still there."""
    owner, state, alone, sealed = (SESSION[n] for n in ("person_id", "state", "alone", "sealed"))
    return not any(row[owner] or row[state] or row[alone] or row[sealed] for row in sessions)


def is_settled(rows: Sequence[Row], sessions: Sequence[Row], since: int) -> bool:
    """Whether every event from `since` (ms) on is where it would be however it is folded: none
    waits for consent, and none stands outside the span of its session."""
    ends = {row[0]: row[END] for row in sessions}
    return not any(
        row[PLACE] == COOKIELESS
        or (row[AT] >= since and (row[PLACE] == LATE or row[AT] > ends.get(row[PLACE], row[AT])))
        for row in rows
    )


def around(sessions: Sequence[Row], events: Sequence[Seen]) -> slice:
    """Which sessions, in the order of their start, the events may change: those within the gap,
    those within the gap of these, and so on. They stand together; there may be none."""
    first = min(seen.at for seen in events) - SESSION_GAP_MS
    last = max(seen.at for seen in events) + SESSION_GAP_MS
    start = next((i for i, row in enumerate(sessions) if row[END] >= first), len(sessions))
    end = start
    while end < len(sessions) and sessions[end][START] <= last:
        last = max(last, sessions[end][END] + SESSION_GAP_MS)
        end += 1
    while (
        start
        and end > start
        and sessions[start][START] - sessions[start - 1][END] <= SESSION_GAP_MS
    ):
        start -= 1
    return slice(start, end)


class Near(NamedTuple):
    """What is folded anew: rows by key, the stored events, and what stands beside it."""

    stored: list[Entry]
    events: dict[Row, Row]
    sessions: dict[Row, Row]
    signals: dict[Row, Row]
    others: list[Part]  # the sessions that stay as they are
    before: int  # when the session before began (ms), -1 if there is none
    following: Row | None  # the session after


async def near(
    reader: Reader, site_id: int, gen: int, visitor_id: int, events: Sequence[Seen]
) -> Near | None:
    """What events concern of a visitor's history, None where that may be all of it."""
    if not is_plain(events):
        return None
    scope = (reader, site_id, gen)
    sessions = await stored.sessions_of(*scope, visitor_id)
    rows = await stored.event_rows(*scope, visitor_id)
    if not is_free(sessions) or not is_settled(rows, sessions, min(seen.at for seen in events)):
        return None
    span = around(sessions, events)
    mine = {row[0] for row in sessions[span]}
    views = [seen.event_id for seen in events if seen.kind is Kind.PAGE_VIEW]
    read_in = await stored.sessions_reading(*scope, visitor_id, views)
    if not set(read_in) <= mine:
        return None  # engagement that came before its page view counts elsewhere
    kept = [row for row in rows if row[PLACE] in mine]
    found = await entries.by_seq(reader, site_id, [row[3] for row in kept])
    parts = await read_parts(
        *scope, [r for r in await stored.visitor_sessions(*scope, visitor_id) if r[0] not in mine]
    )
    signals = await stored.signals(*scope, sorted(mine))
    after = sessions[span.stop : span.stop + 1]
    return Near(
        list(found.values()),
        {row[:4]: row for row in kept},
        {row[:1]: row for row in sessions[span]},
        {row[:4]: row for row in signals},
        ordered(parts.values()),
        sessions[span.start - 1][START] if span.start else -1,
        after[0] if after else None,
    )
