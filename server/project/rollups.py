"""What a session adds to the daily figures. Rollups change by −old +new, never by recount.

Distinct visitors of any range are exact without a recount: each session carries the day of its
visitor's session before, so a range's visitors are the sessions in it whose visitor was last seen
before it began. Hence sessions are counted by (day, day before).
"""

from collections import Counter

from server.project.sessions import Session, Zone

Cell = tuple[str, int, str]  # name, day, key


def cells(session: Session, zone: Zone) -> dict[Cell, int]:
    """The cells a session fills, on the day it started in the site's zone."""
    day = zone.day(session.start_at)
    if not session.visitor_id:  # a submission or a server's call alone is nobody's visit
        return {("submissions", day, ""): session.leads} if session.leads else {}
    before = day_before(session, zone)
    found: dict[Cell, int] = {
        ("sessions", day, str(before)): 1,
        ("page_views", day, ""): session.page_views,
        ("engaged_ms", day, ""): session.engaged_ms,
        ("submissions", day, ""): session.leads,
        ("channel", day, session.channel): 1,
        ("source", day, session.source): 1,
        ("landing", day, session.landing): 1,
    }
    if session.leads:
        found["lead_channel", day, session.channel] = session.leads
        found["lead_landing", day, session.landing] = session.leads
    return {cell: value for cell, value in found.items() if value and (cell[2] or cell[1])}


def day_before(session: Session, zone: Zone) -> int:
    """The day on which the visitor's session before this one started, -1 for a first session."""
    return zone.day(session.prev_start) if session.prev_start >= 0 else -1


def change(old: dict[Cell, int], new: dict[Cell, int]) -> Counter[Cell]:
    """−old +new, without what stays the same."""
    delta: Counter[Cell] = Counter(new)
    delta.subtract(old)
    return Counter({cell: value for cell, value in delta.items() if value})
