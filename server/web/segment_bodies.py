"""What the routes of segments, of files and of bulk decisions take and answer."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from server.reports.people_filters import PeopleFilter, Stage
from server.reports.segments import SegmentId
from server.reports.shapes import PersonId, Shape
from server.storage.segments import MOST_NAME
from server.web.bodies import Body
from server.web.decision_bodies import Reason, Tag

MOST_PEOPLE = 500
SegmentName = Annotated[
    str, Meta(min_length=1, max_length=MOST_NAME, examples=["Hot and without owner"])
]


class SegmentsQuery(Struct, frozen=True, kw_only=True):
    count: Annotated[bool, Meta(description="Count the people of each, up to 1,000.")] = False


class NewSegment(Body, frozen=True, kw_only=True):
    """A filter with a name, which no other segment of the site has."""

    name: SegmentName
    filter: PeopleFilter


class SegmentChange(Body, frozen=True, kw_only=True):
    """Another name, another filter, or both. A filter is replaced as a whole."""

    name: SegmentName | UnsetType = UNSET
    filter: PeopleFilter | UnsetType = UNSET


class TagThem(Body, frozen=True, kw_only=True, tag_field="do", tag="tag"):
    """Tags to add to everybody and to remove from everybody."""

    add: Annotated[tuple[Tag, ...], Meta(max_length=50)] = ()
    remove: Annotated[tuple[Tag, ...], Meta(max_length=50)] = ()


class OwnThem(Body, frozen=True, kw_only=True, tag_field="do", tag="owner"):
    """Who looks after them; empty is nobody."""

    owner: Annotated[str, Meta(max_length=200)]


class MoveThem(Body, frozen=True, kw_only=True, tag_field="do", tag="stage"):
    """Where they stand now, up or down."""

    stage: Stage


class LeaveThem(Body, frozen=True, kw_only=True, tag_field="do", tag="do_not_contact"):
    """Whether they asked to be left alone."""

    on: bool = True
    reason: Reason = ""


Action = TagThem | OwnThem | MoveThem | LeaveThem


class BulkBody(Body, frozen=True, kw_only=True):
    """One decision about many: name `people`, a `filter` or a `segment`, exactly one of them."""

    people: Annotated[tuple[PersonId, ...], Meta(min_length=1, max_length=MOST_PEOPLE)] | (
        UnsetType
    ) = UNSET
    filter: PeopleFilter | UnsetType = UNSET
    segment: SegmentId | UnsetType = UNSET
    action: Action


class NotDone(Shape, frozen=True, kw_only=True):
    """Somebody about whom it was not decided, and why not."""

    id: PersonId
    reason: str


class Bulk(Shape, frozen=True, kw_only=True):
    """What became of a decision about many. `unchanged` are those of whom it was true already: no
    entry says it again. `applied` is false where what follows is not to be seen yet."""

    done: int
    unchanged: int
    refused: list[NotDone]
    applied: bool
