"""What the routes of decisions take and answer beside the reports' shapes."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from server.reports.shapes import EntryId, PersonId, Shape, VisitorId
from server.web.bodies import Body
from server.web.queries import Stage

Tag = Annotated[str, Meta(min_length=1, max_length=100, examples=["partner"])]
Reason = Annotated[str, Meta(max_length=1_000)]


class OtherPerson(Body, frozen=True, kw_only=True):
    """Whom to merge with."""

    other: PersonId


class WhichMerge(Body, frozen=True, kw_only=True):
    """The merge that never was: an `id` of the person's `merges`."""

    merge: EntryId


class Known(Body, frozen=True, kw_only=True):
    """An identifier that is known to be this person's, whoever claimed it."""

    type: Literal["email", "user_id", "phone"]
    value: Annotated[str, Meta(min_length=1, max_length=320, examples=["ann@brew.example"])]


class NewStage(Body, frozen=True, kw_only=True):
    """Where the person stands now."""

    stage: Stage


class TagChange(Body, frozen=True, kw_only=True):
    """Tags to add and to remove; a person has at most 50."""

    add: Annotated[tuple[Tag, ...], Meta(max_length=50)] = ()
    remove: Annotated[tuple[Tag, ...], Meta(max_length=50)] = ()


class NewNote(Body, frozen=True, kw_only=True):
    """Something to remember about the person."""

    text: Annotated[str, Meta(min_length=1, max_length=10_000)]


class NewOwner(Body, frozen=True, kw_only=True):
    """Who looks after the person; empty is nobody."""

    owner: Annotated[str, Meta(max_length=200)]


class DoNotContact(Body, frozen=True, kw_only=True):
    """Whether the person asked to be left alone."""

    on: bool = True
    reason: Reason = ""


class NewClass(Body, frozen=True, kw_only=True):
    """What this is. Empty takes back what was said before: what the server recognised counts."""

    class_: Literal["bot", "internal", "test", "spam", "human", ""] = msgspec.field(name="class")
    reason: Reason = ""


class Classified(Shape, frozen=True, kw_only=True):
    """What was classified: whole visitors, and single events where no visitor is known."""

    class_: str = msgspec.field(name="class")
    visitors: list[VisitorId]
    events: list[EntryId]


class Later(Shape, frozen=True, kw_only=True):
    """The number of the decision in the log."""

    seq: int
