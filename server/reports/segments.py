"""Segments as they are shown: what each asks, how many people are in it, and why somebody is."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from server.errors import BadRequest, NotFound
from server.model import Site
from server.reports.filter_values import Frame
from server.reports.filter_words import Labels, listed
from server.reports.people_filters import (
    Choice,
    PeopleFilter,
    choices,
    describe,
    read_filter,
    text_of,
)
from server.reports.people_list import count_people, met_by
from server.reports.people_shapes import Total
from server.reports.shapes import Next, PersonId, Shape, Time, iso
from server.storage import segments as rows
from server.storage.database import Reader
from server.storage.segments import Segment

SegmentId = Annotated[str, Meta(pattern="^g[1-9][0-9]{0,17}$", examples=["g3"])]
#: Traits that name a person: kept in a segment they would outlive an erasure.
_NAMING = frozenset({"phone", "user_id", "email", "name", "first_name", "last_name"})


class SegmentRow(Shape, frozen=True, kw_only=True):
    """A filter with a name. `sentence` says what it asks."""

    id: SegmentId
    name: str
    filter: PeopleFilter
    sentence: Annotated[str, Meta(examples=["stage is MQL and score ≥ 60"])]
    author: str
    created_at: Time
    changed_at: Time
    total: Annotated[Total, Meta(description="How many people; counted where asked for.")] | (
        UnsetType
    ) = UNSET


class Segments(Shape, frozen=True, kw_only=True):
    """All segments of a site, by name."""

    items: list[SegmentRow]
    next: Next = None


class Membership(Shape, frozen=True, kw_only=True):
    """Whether a person is in a segment. `because` is the reason in one sentence; `met` and `unmet`
    are its parts."""

    person: PersonId
    segment: SegmentId
    is_in: bool
    because: Annotated[str, Meta(examples=["in because stage is MQL and score 72 ≥ 60"])]
    met: list[str]
    unmet: list[str]


async def segments(
    reader: Reader, site: Site, labels: Labels, now: int, *, counts: bool = False
) -> Segments:
    """All of a site; with `counts` also how many people are in each, which takes some milliseconds
    a segment. `labels` are the rules' names in words, `now` is ms."""
    found = []
    for one in await rows.of_site(reader, site.site_id):
        chosen = choices(read_filter(one.filter), Frame(site, now))
        total = await count_people(reader, site, chosen) if counts else UNSET
        found.append(_row(one, chosen, labels, total))
    return Segments(items=found)


async def segment(reader: Reader, site: Site, number: int, labels: Labels, now: int) -> SegmentRow:
    """One, with how many people are in it. Raises `NotFound`."""
    one = await rows.get(reader, site.site_id, number)
    chosen = choices(read_filter(one.filter), Frame(site, now))
    return _row(one, chosen, labels, await count_people(reader, site, chosen))


async def stored_filter(reader: Reader, site: Site, number: int) -> PeopleFilter:
    """What a segment asks. Raises `NotFound`."""
    return read_filter((await rows.get(reader, site.site_id, number)).filter)


def _row(
    one: Segment, chosen: Sequence[Choice], labels: Labels, total: Total | UnsetType
) -> SegmentRow:
    return SegmentRow(
        id=f"g{one.segment_id}",
        name=one.name,
        filter=read_filter(one.filter),
        sentence=describe(chosen, labels),
        author=one.author,
        created_at=iso(one.created_at),
        changed_at=iso(one.changed_at),
        total=total,
    )


async def membership(
    reader: Reader, site: Site, number: int, person_id: int, labels: Labels, now: int
) -> Membership:
    """Whether and why a person is in a segment, by the very conditions of the list. Raises
    `NotFound`."""
    asked = await stored_filter(reader, site, number)
    chosen = choices(asked, Frame(site, now))
    found = await met_by(reader, site, chosen, person_id)
    if found is None:
        raise NotFound("no such person")
    person, marks = found
    met = [one.explain(person, labels) for one, good in zip(chosen, marks, strict=True) if good]
    unmet = [one.explain(None, labels) for one, good in zip(chosen, marks, strict=True) if not good]
    return Membership(
        person=f"p{person_id}",
        segment=f"g{number}",
        is_in=not unmet,
        because=f"not in: it takes {listed(unmet, 'and')}"
        if unmet
        else f"in because {listed(met, 'and') or 'everybody is'}",
        met=met,
        unmet=unmet,
    )


def check_keepable(name: str, asked: PeopleFilter, frame: Frame) -> None:
    """Whether a filter may be kept under a name: it asks something, and names nobody by an address
    that erasing that person would not find. Raises `BadRequest`."""
    if not choices(asked, frame):
        raise BadRequest("a segment asks something: name at least one filter")
    texts = [name, *text_of(asked)]
    if any("@" in text for text in texts) or (
        asked.trait and any(one.partition(":")[0].strip().lower() in _NAMING for one in asked.trait)
    ):
        raise BadRequest(
            "a segment holds no name, address, phone number or user id: it would be kept when the"
            " person is erased; use `domain`, `company` or a tag"
        )
