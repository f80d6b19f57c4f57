"""What reports answer, as frozen types: the API's documentation is made from them.

Ids are strings (`p57`, `v12`, `s33`, `e91`: the number inside the site), times are ISO 8601 in UTC,
points are decimals with at most three places.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY = date(1970, 1, 1)
LATEST_DAY = 47_482  # the year 2100: later is no date anybody means

Points = Annotated[float, Meta(description="A decimal with at most three places.", examples=[42.5])]
Time = Annotated[
    str,
    Meta(
        description="ISO 8601, UTC.",
        examples=["2026-11-20T09:30:00.000Z"],
        extra_json_schema={"format": "date-time"},
    ),
]
Day = Annotated[
    str,
    Meta(
        description="A day in the site's zone.",
        examples=["2026-11-20"],
        extra_json_schema={"format": "date"},
    ),
]
PersonId = Annotated[str, Meta(pattern="^p[1-9][0-9]*$", examples=["p57"])]
VisitorId = Annotated[str, Meta(pattern="^v[1-9][0-9]*$", examples=["v12"])]
SessionId = Annotated[str, Meta(pattern="^s[1-9][0-9]*$", examples=["s33"])]
EntryId = Annotated[str, Meta(pattern="^e[1-9][0-9]*$", examples=["e91"])]
_SHARE = "Of scoring everybody by the newest rules; only there while that goes on."
Share = Annotated[float, Meta(description=_SHARE, examples=[0.62])] | UnsetType
Next = Annotated[
    str | None, Meta(description="The `cursor` of the next page; null on the last one.")
]


def points(milli: int) -> float:
    """Milli-points as the exact decimal: whole numbers without a point, others to three places."""
    return milli // 1000 if milli % 1000 == 0 else milli / 1000


def iso(at: int) -> str:
    """Milliseconds since 1970 as ISO 8601."""
    moment = EPOCH + timedelta(milliseconds=at)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_day(day: int) -> str:
    """Days since 1970 as a date."""
    return (EPOCH_DAY + timedelta(days=day)).isoformat()


class Shape(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The base of all answers."""


# ---------------------------------------------------------------- people and visitors


class PersonRow(Shape, frozen=True, kw_only=True):
    """A person as lists show it."""

    id: PersonId
    email: str
    name: str
    company: str
    stage: str
    score: Points
    fit: Points
    engagement: Points
    grade: str
    level: str
    first_seen: Time | None
    last_seen: Time | None
    sessions: int
    page_views: int
    source: str
    channel: str
    signals: list[str]
    tags: list[str]
    owner: Annotated[str, Meta(description="Who looks after them; empty is nobody.")]
    do_not_contact: bool


class IdentifierRow(Shape, frozen=True, kw_only=True):
    """One way to name the person, the strongest first."""

    type: str
    value: str
    level: str
    at: Time
    event: EntryId


class LinkRow(Shape, frozen=True, kw_only=True):
    """A span of a visitor's sessions that belongs to the person, and why."""

    visitor: VisitorId
    level: str
    state: str
    reason: str
    since: Time
    until: Time | None
    evidence: EntryId


class ReceiptLine(Shape, frozen=True, kw_only=True):
    """One contribution to the score: `points` is `base × factor`. The points of all lines add up
    exactly to the score. Caps and floors are lines of their own, without an event. Of a rule that
    counted very often, the latest have lines of their own, all earlier ones share one."""

    rule: str
    axis: str
    points: Points
    base: Points
    factor: float
    at: Time | None
    event: EntryId | None
    expires: Annotated[
        str | None,
        Meta(description="The UTC day from which on nothing of it is left; null is never."),
    ]
    times: Annotated[int, Meta(description="More than 1: the sum of so many earlier ones.")]


class NoteRow(Shape, frozen=True, kw_only=True):
    """Something somebody wrote down about the person."""

    id: EntryId
    at: Time
    author: str
    text: str


class MergeRow(Shape, frozen=True, kw_only=True):
    """Two persons who are this one because somebody said so; it can be split again."""

    id: EntryId
    at: Time
    author: str
    persons: list[PersonId]


class TraitSource(Shape, frozen=True, kw_only=True):
    """Where the value of a trait comes from: the strongest evidence, then the newest. `decided` was
    given by hand, by the author; `event` is the entry that gave it."""

    name: str
    value: Any
    level: str
    at: Time
    event: EntryId
    author: str


class PersonDetail(PersonRow, frozen=True, kw_only=True):
    """A person with everything that is known, and the receipt of the score."""

    created_at: Time
    ruleset: Annotated[int, Meta(description="The version the receipt was made by.")]
    traits: dict[str, Any]
    trait_sources: list[TraitSource]
    identifiers: list[IdentifierRow]
    links: list[LinkRow]
    receipt: list[ReceiptLine]
    notes: list[NoteRow]
    merges: list[MergeRow]


class VisitorRow(Shape, frozen=True, kw_only=True):
    """An anonymous visitor: the sessions of a browser that belong to nobody yet."""

    id: VisitorId
    score: Points
    engagement: Points
    grade: str
    first_seen: Time
    last_seen: Time
    sessions: int
    page_views: int
    source: str
    channel: str
    country: str
    company: str
    signals: list[str]


class Visitors(Shape, frozen=True, kw_only=True):
    """One page of anonymous visitors."""

    items: list[VisitorRow]
    next: Next
    rescoring: Share = UNSET


class VisitorDetail(VisitorRow, frozen=True, kw_only=True):
    """An anonymous visitor with the receipt of its score."""

    ruleset: Annotated[int, Meta(description="The version the receipt was made by.")]
    receipt: list[ReceiptLine]


# ---------------------------------------------------------------- timeline and signals


class LinkOfItem(Shape, frozen=True, kw_only=True):
    """How well it is known that this was the person."""

    level: str
    state: str


class SignalOfItem(Shape, frozen=True, kw_only=True):
    """A rule this event met, and the points it gives now; 0 where it counts no more."""

    rule: str
    points: Points


class TimelineItem(Shape, frozen=True, kw_only=True):
    """Something that happened. A page view's `data` holds `ms` (time read) and `scroll` (per cent)
    as far as they are known."""

    id: EntryId
    at: Time
    kind: str
    url: str
    path: str
    title: str
    session: SessionId | None
    visitor: VisitorId | None
    link: LinkOfItem | None
    signals: list[SignalOfItem]
    data: dict[str, Any]


class Timeline(Shape, frozen=True, kw_only=True):
    """One page of a timeline, newest first."""

    items: list[TimelineItem]
    next: Next


class SignalPerson(Shape, frozen=True, kw_only=True):
    """Who gave a signal."""

    id: PersonId
    email: str
    name: str


class SignalRow(Shape, frozen=True, kw_only=True):
    """A rule met by somebody. `person` is null for an anonymous visitor."""

    at: Time
    rule: str
    label: str
    person: SignalPerson | None
    visitor: VisitorId | None
    session: SessionId
    event: EntryId
    url: str
    title: str


class Signals(Shape, frozen=True, kw_only=True):
    """One page of signals, newest first."""

    items: list[SignalRow]
    next: Next


# ---------------------------------------------------------------- figures


class DayFigures(Shape, frozen=True, kw_only=True):
    """One day. Its visitors are those of that day alone."""

    date: Day
    visitors: int
    sessions: int
    page_views: int
    submissions: int
    leads: int


# ---------------------------------------------------------------- replays


class UnlikeTable(Shape, frozen=True, kw_only=True):
    """Rows of a table that the log does not give, or gives otherwise; the keys of the first few."""

    table: str
    rows: int
    keys: list[str]


class ReplayStatus(Shape, frozen=True, kw_only=True):
    """A rebuild or verification: `done` of `total` entries are read. `state` is never, waiting,
    running, done or failed; `detail` says why it has failed."""

    kind: str
    state: str
    done: int
    total: int
    detail: str
    unlike: list[UnlikeTable]


# ---------------------------------------------------------------- the log


class LogEntry(Shape, frozen=True, kw_only=True, omit_defaults=True):
    """One entry of the log in words; what is empty is left out. An erased entry keeps its number
    and its event id."""

    seq: int
    event_id: str
    kind: str
    at: Time | None = None
    received: Time | None = None
    visitor: VisitorId | None = None
    visitor_key: str = ""
    tab: int | None = None
    q: int = 0
    url: str = ""
    title: str = ""
    referrer: str = ""
    agent: str = ""
    campaign: Any = None
    place: Any = None
    screen: Any = None
    page_view: str = ""
    class_: str = msgspec.field(default="human", name="class")
    reason: str = ""
    door: str = "collect"
    consent: str = "unknown"
    flags: list[str] = []
    data: Any = None
