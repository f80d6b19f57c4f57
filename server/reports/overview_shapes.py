"""What the figures of a span of days and the lists of the page "Today" answer, as frozen types."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta

from server.reports.conflict_shapes import ConflictId
from server.reports.shapes import (
    Day,
    DayFigures,
    EntryId,
    Next,
    PersonRow,
    Points,
    Shape,
    Share,
    SignalPerson,
    Time,
    VisitorId,
    VisitorRow,
)

Compare = Literal["before", "year", "none"]
Rate = Annotated[float | None, Meta(description="Per visitor; null without visitors.")]
Milliseconds = Annotated[int | None, Meta(description="Milliseconds; null without leads.")]

# ---------------------------------------------------------------- figures


class Totals(Shape, frozen=True, kw_only=True):
    """What a span of days came to. Visitors are exact for the whole span, never a sum of days; a
    person counts for a stage on the day it was first reached."""

    visitors: int
    sessions: int
    page_views: int
    cookieless_views: Annotated[
        int | None,
        Meta(description="Views of nobody; null under a filter: nothing is known to filter by."),
    ]
    submissions: int
    leads: int
    mqls: int
    sqls: int
    customers: int
    visitor_to_lead: Annotated[
        float | None, Meta(description="Leads per visitor; null without visitors.")
    ]
    time_to_lead_ms: Annotated[
        int | None,
        Meta(
            description="Median, in ms, from the first session to becoming a lead, of those who"
            " became one in the span; null without any."
        ),
    ]


class Kpi(Shape, frozen=True, kw_only=True):
    """One figure beside that of the span compared with."""

    name: Annotated[str, Meta(description="A field of the totals.", examples=["visitors"])]
    value: float | None
    before: Annotated[float | None, Meta(description="Null where nothing is compared.")]
    change: Annotated[
        float | None,
        Meta(
            description="Of the value before: 0.25 is a quarter more. Null where there was none.",
            examples=[0.25],
        ),
    ]


class Trend(Shape, frozen=True, kw_only=True):
    """A series for each figure, each as long as `dates`. A week begins on the day that the site's
    setting `week_start` says, Monday if it says nothing; of the first and the last one only the
    days in the span are counted. The span before is cut into steps of as many days, to compare one
    with one. Visitors are those of the step alone."""

    step: Literal["day", "week"]
    dates: Annotated[list[Day], Meta(description="The first day of each step that is in the span.")]
    visitors: list[int]
    sessions: list[int]
    page_views: list[int]
    submissions: list[int]
    leads: list[int]
    mqls: list[int]
    sqls: list[int]
    customers: list[int]
    visitor_to_lead: list[Rate]
    time_to_lead_ms: list[Milliseconds]


class PartRow(Shape, frozen=True, kw_only=True):
    """What came from one source, or landed on one page, and so on. An empty name is not known;
    it is asked for as `(none)`."""

    name: str
    sessions: int
    new_visitors: Annotated[
        int, Meta(description="Visitors whose first session of all was here, in the span.")
    ]
    leads: Annotated[
        int,
        Meta(description="People who became leads in the span and whose first session was here."),
    ]
    conversion: Annotated[float | None, Meta(description="Leads per session; null without any.")]
    submissions: Annotated[
        int | None, Meta(description="Forms sent; known for channels and landing pages.")
    ] = None


class Parts(Shape, frozen=True, kw_only=True):
    """One page of parts, the most sessions first."""

    items: list[PartRow]
    next: Next


class FunnelStep(Shape, frozen=True, kw_only=True):
    """One step: visitors of the span, then people who first reached the stage in the span, whenever
    they came first. So a step is no subset of the one before, and a rate may exceed 1."""

    stage: Annotated[str, Meta(examples=["visitor", "lead"])]
    count: int
    of_before: Annotated[float | None, Meta(description="Of the step before; null for the first.")]
    of_first: Annotated[float | None, Meta(description="Of the visitors.")]


class Compared(Shape, frozen=True, kw_only=True):
    """The days compared with: as many, right before or from the same date a year before on."""

    to_what: Compare = msgspec.field(name="kind")
    first: Day = msgspec.field(name="from")
    last: Day = msgspec.field(name="to")


class Overview(Shape, frozen=True, kw_only=True):
    """The figures of a span of days, beside those of the span compared with."""

    first: Day = msgspec.field(name="from")
    last: Day = msgspec.field(name="to")
    zone: str
    compared: Compared | None
    filters: Annotated[dict[str, str], Meta(description="What was asked for, by name.")]
    total: Totals
    previous: Totals | None
    kpis: list[Kpi]
    days: list[DayFigures]
    trend: Trend
    trend_before: Trend | None
    funnel: list[FunnelStep]
    sources: list[PartRow]
    channels: list[PartRow]
    campaigns: list[PartRow]
    landings: list[PartRow]
    countries: list[PartRow]
    devices: list[PartRow]
    browsers: list[PartRow]
    systems: list[PartRow]
    rescoring: Share = UNSET


# ---------------------------------------------------------------- today


class Reason(Shape, frozen=True, kw_only=True):
    """A rule and all the points it gives somebody now."""

    rule: str
    label: str
    points: Points


class HotPerson(Shape, frozen=True, kw_only=True):
    """Somebody with a high score, and the three rules that give the most."""

    person: PersonRow
    why: list[Reason]


class HotVisitor(Shape, frozen=True, kw_only=True):
    """An anonymous visitor with a high score, and the three rules that give the most."""

    visitor: VisitorRow
    why: list[Reason]


class NewLead(Shape, frozen=True, kw_only=True):
    """Somebody who became a lead. `source` and `channel` are those of the first touch; `form` and
    `path` are of the event that did it, empty where somebody did it by hand."""

    person: SignalPerson
    company: str
    stage: Annotated[str, Meta(description="Where they stand now.")]
    score: Points
    at: Time
    source: str
    channel: str
    campaign: str
    form: str
    path: str
    event: EntryId | None


class Crossing(Shape, frozen=True, kw_only=True):
    """A threshold crossed or a stage reached, and the event that did it."""

    id: EntryId
    at: Annotated[Time, Meta(description="When it was decided; the list is in this order.")]
    cause_at: Annotated[Time, Meta(description="When what caused it happened.")]
    kind: Annotated[str, Meta(description="`crossed`, `stage_moved` or `set_stage`.")]
    person: SignalPerson
    stage_from: str = msgspec.field(name="from")
    stage_to: str = msgspec.field(name="to")
    reason: Annotated[
        str,
        Meta(
            description="The threshold, or `first_stage`, `high_intent`, `product_event`, `hand`."
        ),
    ]
    score: Annotated[Points | None, Meta(description="At that moment; null where set by hand.")]
    author: Annotated[str, Meta(description="Who did it by hand; else empty.")]
    event: Annotated[EntryId | None, Meta(description="What caused it.")]
    event_kind: str
    path: str
    title: str
    form: str


class WaitingClaim(Shape, frozen=True, kw_only=True):
    """A claim that waits for somebody's word: POST accept or refuse to the conflict."""

    id: ConflictId
    at: Time
    what: Annotated[
        str,
        Meta(
            description="A sentence for people.",
            examples=["Ada Lovelace? asked for a demo from a new device"],
        ),
    ]
    person: SignalPerson | None
    visitor: VisitorId | None
    event: EntryId
    form: str
    path: str
    actions: list[str]


class Today(Shape, frozen=True, kw_only=True):
    """What somebody should look at. Leads and crossings are those of the span."""

    hottest: list[HotPerson]
    leads: list[NewLead]
    crossings: list[Crossing]
    waiting: list[WaitingClaim]
    visitors: list[HotVisitor]
