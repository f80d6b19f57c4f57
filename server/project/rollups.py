"""What sessions and leads add to the daily figures. Rollups change by −old +new, never by recount.

Distinct visitors of any range are exact without a recount: each session carries the day of its
visitor's session before, so a range's visitors are the sessions in it whose visitor was last seen
before it began. Hence sessions are counted by (day, day before). By names only what adds up from
day to day is counted: sessions, visitors on the day of their first session, and leads by the first
session of all, on the day they became leads.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from server.model import STAGE_RANK, STAGES
from server.project.sessions import Session, Zone

Cell = tuple[str, int, str]  # name, day, key
#: What sessions are counted by; each is the name of its cells and of the session's column.
DIMENSIONS = ("source", "channel", "campaign", "landing", "country", "device", "browser", "os")
_LEAD = STAGE_RANK["lead"]


class Counted(NamedTuple):
    """What the rollups count of one session; `before` is the day of the session before, or -1."""

    day: int
    before: int
    page_views: int
    engaged_ms: int
    leads: int
    channel: str
    source: str
    landing: str
    campaign: str
    country: str
    device: str
    browser: str
    os: str
    alone: int = 0


def cells(session: Session, zone: Zone) -> dict[Cell, int]:
    """The cells a session fills, on the day it started in the site's zone."""
    counted = Counted(
        zone.day(session.start_at),
        day_before(session, zone),
        session.page_views,
        session.engaged_ms,
        session.leads,
        session.channel,
        session.source,
        session.landing,
        session.campaign,
        session.country,
        session.device,
        session.browser,
        session.os,
        int(session.alone),
    )
    return cells_of(counted, session.visitor_id)


def cells_of(counted: Counted, visitor_id: int) -> dict[Cell, int]:
    """The same from a row of the table, as it was written under whatever settings."""
    day, leads = counted.day, counted.leads
    if counted.alone or not visitor_id:  # a submission or a server's call alone is nobody's visit
        return {("submissions", day, ""): leads} if leads else {}
    found: dict[Cell, int] = {
        ("sessions", day, str(counted.before)): 1,
        ("page_views", day, ""): counted.page_views,
        ("engaged_ms", day, ""): counted.engaged_ms,
        ("submissions", day, ""): leads,
        ("lead_channel", day, counted.channel): leads,
        ("lead_landing", day, counted.landing): leads,
    }
    found |= {(name, day, getattr(counted, name)): 1 for name in DIMENSIONS}
    if counted.before < 0:
        found |= {(f"new_{name}", day, getattr(counted, name)): 1 for name in DIMENSIONS}
    return {cell: value for cell, value in found.items() if value and (cell[2] or cell[1])}


class First(Protocol):
    """The first session of a person, as far as leads are counted by it."""

    @property
    def start_at(self) -> int: ...
    @property
    def alone(self) -> int: ...


def person_cells(reached: Mapping[int, int], first: First | None, zone: Zone) -> dict[Cell, int]:
    """The cells a person fills: the stages, each on the day (of the moment, ms) it was first
    reached, and of a lead what the first session was, and how long it took from there (ms)."""
    found = {("stage", zone.day(at), STAGES[stage]): 1 for stage, at in reached.items()}
    at = reached.get(_LEAD)
    if at is None or first is None:
        return found
    day = zone.day(at)
    found |= {(f"won_{name}", day, getattr(first, name)): 1 for name in DIMENSIONS}
    if not first.alone:
        found["lead_after", day, str(max(0, at - first.start_at))] = 1
    return found


def day_before(session: Session, zone: Zone) -> int:
    """The day on which the visitor's session before this one started, -1 for a first session."""
    return zone.day(session.prev_start) if session.prev_start >= 0 else -1


def change(old: dict[Cell, int], new: dict[Cell, int]) -> dict[Cell, int]:
    """−old +new, without what stays the same."""
    delta = {cell: -value for cell, value in old.items() if cell not in new}
    for cell, value in new.items():
        before = old.get(cell, 0)
        if value != before:
            delta[cell] = value - before
    return delta
