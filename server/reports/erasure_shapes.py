"""What the routes of erasing and of a person's export answer."""

from typing import Annotated, Any

from msgspec import Meta

from server.reports.shapes import (
    EntryId,
    LogEntry,
    PersonDetail,
    PersonId,
    SessionId,
    Shape,
    Time,
    VisitorId,
)

ErasureId = Annotated[
    str,
    Meta(
        pattern="^[rw][1-9][0-9]*$",
        description="`w` begins one that followed from consent withdrawn.",
        examples=["r3"],
    ),
]


class VisitorFate(Shape, frozen=True, kw_only=True):
    """A browser of the person: it goes whole, or stays without the person's visits because others
    use it too."""

    visitor: VisitorId
    whole: bool
    sessions: Annotated[int, Meta(description="Visits that go.")]


class ErasurePreview(Shape, frozen=True, kw_only=True):
    """What erasing would take now. `reworded` are events of others that name the person: only the
    name is taken out of them."""

    subject: Annotated[str, Meta(examples=["p57"])]
    events: int
    sessions: int
    claims: int
    decisions: Annotated[int, Meta(description="Decisions and consequences about nobody else.")]
    identifiers: int
    visitors: list[VisitorFate]
    others: Annotated[list[PersonId], Meta(description="Who shares a browser with the person.")]
    reworded: int


class Receipt(Shape, frozen=True, kw_only=True):
    """What was erased: counts only."""

    events: int = 0
    sessions: int = 0
    visitors: int = 0
    claims: int = 0
    decisions: int = 0
    reworded: int = 0
    strings: Annotated[
        int, Meta(description="Addresses, titles and the like that nobody else's events use.")
    ] = 0
    tombstones: int = 0
    files_clean: Annotated[
        bool,
        Meta(description="Whether the database's own files hold no trace; PostgreSQL: see docs."),
    ] = False


class Erasure(Shape, frozen=True, kw_only=True):
    """One erasure, under way as long as it has no receipt."""

    id: ErasureId
    subject: Annotated[str, Meta(examples=["p57"])]
    author: str
    asked_at: Time
    done_at: Time | None
    receipt: Receipt | None


class ErasureStarted(Shape, frozen=True, kw_only=True):
    """It takes longer: ask for its state under this id."""

    erasure: ErasureId


class Erasures(Shape, frozen=True, kw_only=True):
    """The newest erasures of a site."""

    items: list[Erasure]


class TraitGiven(Shape, frozen=True, kw_only=True):
    """One value of a trait, and what gave it."""

    name: str
    value: Any
    type: str
    level: str
    at: Time
    event: EntryId


class Visit(Shape, frozen=True, kw_only=True):
    """A visit of the person."""

    id: SessionId
    visitor: VisitorId | None
    state: str
    start: Time
    end: Time
    page_views: int
    landing: str
    source: str
    channel: str
    country: str
    company: str
    device: str
    browser: str
    os: str
    language: str
    signals: list[str]


class StageMove(Shape, frozen=True, kw_only=True):
    """A move between stages."""

    stage_from: str
    stage_to: str
    at: Time
    cause: str


class DoubtRow(Shape, frozen=True, kw_only=True):
    """Something doubtful about the person."""

    kind: str
    at: Time
    open: bool
    evidence: Any


class PersonExport(Shape, frozen=True, kw_only=True):
    """Everything that is stored of a person. `entries` are events, decisions and consequences in
    the order of the log; at the end, so that they can be read while they arrive."""

    person: PersonDetail
    traits: list[TraitGiven]
    sessions: list[Visit]
    stages: list[StageMove]
    conflicts: list[DoubtRow]
    entries: list[LogEntry]
