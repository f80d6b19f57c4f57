"""What the conflict inbox answers, as frozen types."""

from typing import Annotated, Any

from msgspec import Meta

from server.reports.shapes import EntryId, Next, PersonId, SessionId, Shape, Time, VisitorId

ConflictId = Annotated[
    str, Meta(pattern="^x[1-9][0-9]*-[a-z_]+$", examples=["x57-quarantined", "x91-typo"])
]


class GivenRow(Shape, frozen=True, kw_only=True):
    """One way to name a person, as it was given."""

    type: str
    value: str


class ConflictSession(Shape, frozen=True, kw_only=True):
    """A session, to compare one side with the other."""

    id: SessionId
    visitor: VisitorId | None
    start: Time
    end: Time
    page_views: int
    landing: str
    source: str
    device: str
    browser: str
    os: str
    country: str
    company: str


class ConflictPerson(Shape, frozen=True, kw_only=True):
    """One side: who this is, how well that is known, and the last sessions that count."""

    id: PersonId
    email: str
    name: str
    level: str
    sessions: list[ConflictSession]


class ConflictEvent(Shape, frozen=True, kw_only=True):
    """The other side: what was claimed, where, and what else happened in that browser."""

    id: EntryId
    at: Time
    kind: str
    url: str
    path: str
    title: str
    form: str
    fields: dict[str, Any]
    ids: list[GivenRow]
    visitor: VisitorId | None
    sessions: list[ConflictSession]


class ConflictRow(Shape, frozen=True, kw_only=True):
    """Something that was refused or is doubtful, with the evidence on both sides."""

    id: ConflictId
    kind: str
    state: Annotated[str, Meta(description="`open` or `closed`.")]
    at: Time
    what: Annotated[str, Meta(description="A sentence for people.")]
    decision: Annotated[
        str, Meta(description="`accepted`, `refused`, `merged`, `dismissed`; empty while open.")
    ]
    person: ConflictPerson | None
    other: ConflictPerson | None
    identifier: Annotated[
        GivenRow | None, Meta(description="What two want to have, where it is one identifier.")
    ]
    other_ids: Annotated[
        list[GivenRow], Meta(description="What was given before, where this looks like a typo.")
    ]
    event: ConflictEvent | None
    actions: Annotated[
        list[str], Meta(description="What may be done: POST to this path and the word.")
    ]


class MergedFrom(Shape, frozen=True, kw_only=True):
    """One of the two that a merge named."""

    id: PersonId
    known_as: Annotated[str, Meta(description="The e-mail or other identifier they came with.")]


class SiteMerge(Shape, frozen=True, kw_only=True):
    """Two persons who are one because somebody said so; the person can be split again."""

    id: EntryId
    at: Time
    author: str
    person: Annotated[PersonId, Meta(description="Who they are now.")]
    name: str
    persons: list[MergedFrom]


class Merges(Shape, frozen=True, kw_only=True):
    """One page of the merges that nobody took back, the newest first."""

    items: list[SiteMerge]
    next: Next


class Conflicts(Shape, frozen=True, kw_only=True):
    """One page of conflicts, the newest first."""

    items: list[ConflictRow]
    next: Next
