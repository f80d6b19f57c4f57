"""What the lists of people answer: one page of them, how many there are, and everybody in one."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from server.reports.shapes import Next, PersonRow, Points, Shape, Share, Time

#: Counting ends here: nobody needs to know whether it is 31,415 or 31,416.
COUNTED = 1_000


class Total(Shape, frozen=True, kw_only=True):
    """How many in all, counted up to 1,000; `more`: there are more than that."""

    count: int
    more: bool

    def __str__(self) -> str:
        """As pages write it: `57` or `1,000+`."""
        return f"{self.count:,}{'+' if self.more else ''}"


class People(Shape, frozen=True, kw_only=True):
    """One page of people."""

    items: list[PersonRow]
    next: Next
    total: Annotated[Total, Meta(description="Only with `count=true`.")] | UnsetType = UNSET
    rescoring: Share = UNSET


class AnybodyRow(Shape, frozen=True, kw_only=True):
    """A person or an anonymous visitor in one list. What a visitor does not have is empty."""

    kind: Literal["person", "visitor"]
    id: Annotated[str, Meta(pattern="^[pv][1-9][0-9]*$", examples=["p57", "v12"])]
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
    country: Annotated[str, Meta(description="Of a visitor; empty for a person.")]
    signals: list[str]
    tags: list[str]
    owner: str
    do_not_contact: bool


class Everybody(Shape, frozen=True, kw_only=True):
    """One page of people and visitors, by score or by when they were last seen."""

    items: list[AnybodyRow]
    next: Next
    total: Annotated[Total, Meta(description="Only with `count=true`.")] | UnsetType = UNSET
    rescoring: Share = UNSET
