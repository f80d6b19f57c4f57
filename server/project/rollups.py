"""What sessions and leads add to the daily figures. Rollups change by −old +new, never by recount.

Distinct visitors of any range are exact without a recount: each session carries the day of its
visitor's session before, so a range's visitors are the sessions in it whose visitor was last seen
before it began. Hence sessions are counted by (day, day before). By names only what adds up from
day to day is counted: sessions, visitors on the day of their first session, and leads by the first
session of all, on the day they became leads.
"""

from collections.abc import Callable, Mapping
from operator import sub
from typing import NamedTuple, Protocol

from server.model import STAGE_RANK, STAGES

Cell = tuple[str, int, str]  # name, day, key
#: What sessions are counted by; each is the name of its cells and of the session's column.
DIMENSIONS = ("source", "channel", "campaign", "landing", "country", "device", "browser", "os")
#: Visits by landing page over all days, on day 0: which pages a group has is asked of every one.
LANDINGS = "landings"
_NEW = tuple(f"new_{name}" for name in DIMENSIONS)
_LEAD = STAGE_RANK["lead"]


class Counted(NamedTuple):
    """What the rollups count of one session; `before` is the day of the session before, or -1.

    What seldom changes while a session goes on comes first, the sums last.
    """

    visitor_id: int
    day: int
    before: int
    alone: int
    source: str
    channel: str
    campaign: str
    landing: str
    country: str
    device: str
    browser: str
    os: str
    page_views: int
    engaged_ms: int
    leads: int


_NAMES = slice(Counted._fields.index(DIMENSIONS[0]), Counted._fields.index(DIMENSIONS[-1]) + 1)
_SUMS = Counted._fields.index("page_views")
_SAME = slice(0, _SUMS)


def cells_of(counted: Counted) -> dict[Cell, int]:
    """The cells a session fills, on the day it started in the site's zone."""
    found = _sums(counted, counted.page_views, counted.engaged_ms, counted.leads)
    day = counted.day
    if counted.alone or not counted.visitor_id:
        return found
    found["sessions", day, str(counted.before)] = 1
    names: tuple[str, ...] = counted[_NAMES]  # type: ignore[assignment]  # its type is of fields
    found |= {(name, day, key): 1 for name, key in zip(DIMENSIONS, names, strict=True)}
    found[LANDINGS, 0, counted.landing] = 1
    if counted.before < 0:
        found |= {(name, day, key): 1 for name, key in zip(_NEW, names, strict=True)}
    return found


def _sums(counted: Counted, page_views: int, engaged_ms: int, leads: int) -> dict[Cell, int]:
    """The cells of a session that add up what happened in it, where they are not 0."""
    day = counted.day
    found: dict[Cell, int] = {}
    if leads:
        found["submissions", day, ""] = leads
    if counted.alone or not counted.visitor_id:
        return found  # a submission or a server's call alone is nobody's visit
    if leads:
        found["lead_channel", day, counted.channel] = leads
        found["lead_landing", day, counted.landing] = leads
    if page_views:
        found["page_views", day, ""] = page_views
    if engaged_ms:
        found["engaged_ms", day, ""] = engaged_ms
    return found


def moved(old: Counted | None, new: Counted | None) -> dict[Cell, int]:
    """−old +new of a session. Mostly it goes on as it was, and a few sums grow."""
    if old is None or new is None:
        return change(cells_of(old) if old else {}, cells_of(new) if new else {})
    if old[_SAME] != new[_SAME]:
        return change(cells_of(old), cells_of(new))
    pages, engaged, leads = map(sub, new[_SUMS:], old[_SUMS:])
    return _sums(new, pages, engaged, leads)


class First(Protocol):
    """The first session of a person, as far as leads are counted by it."""

    @property
    def start_at(self) -> int: ...
    @property
    def alone(self) -> int: ...


def person_cells(
    reached: Mapping[int, int], first: First | None, day_of: Callable[[int], int]
) -> dict[Cell, int]:
    """The cells a person fills: the stages, each on the day (of the moment, ms) it was first
    reached, and of a lead what the first session was, and how long it took from there (ms)."""
    found = {("stage", day_of(at), STAGES[stage]): 1 for stage, at in reached.items()}
    at = reached.get(_LEAD)
    if at is None or first is None:
        return found
    day = day_of(at)
    found |= {(f"won_{name}", day, getattr(first, name)): 1 for name in DIMENSIONS}
    if not first.alone:
        found["lead_after", day, str(max(0, at - first.start_at))] = 1
    return found


def change(old: dict[Cell, int], new: dict[Cell, int]) -> dict[Cell, int]:
    """−old +new, without what stays the same."""
    delta = {cell: -value for cell, value in old.items() if cell not in new}
    for cell, value in new.items():
        before = old.get(cell, 0)
        if value != before:
            delta[cell] = value - before
    return delta
