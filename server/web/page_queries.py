"""What the pages take in their query."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from server.errors import NotFound
from server.reports.people_csv import ColumnName
from server.reports.people_filters import Stage
from server.web.queries import Cursor, PeopleQuery, VisitorsQuery

Count = Annotated[int, Meta(ge=0, le=1_000_000)]
SiteId = Annotated[str, Meta(max_length=16)]
About = Annotated[str, Meta(pattern="^(p[1-9][0-9]{0,17})?$")]


class PageQuery(Struct, frozen=True, kw_only=True):
    """What every page takes: which site, and what to say on arrival, about which person."""

    site: SiteId = ""
    said: Annotated[str, Meta(max_length=20)] = ""
    about: About = ""


class PageOfPeople(PeopleQuery, frozen=True, kw_only=True):
    """The list's own query, or a segment in place of it; and what came of a decision about many."""

    site: SiteId = ""
    said: Annotated[str, Meta(max_length=20)] = ""
    about: About = ""
    who: Literal["people", "everybody", "visitors"] = "people"
    segment: Annotated[str, Meta(pattern="^(g[1-9][0-9]{0,17})?$")] = ""
    column: Annotated[tuple[ColumnName, ...], Meta(max_length=40)] = ()
    done: Count = 0
    unchanged: Count = 0
    refused: Count = 0
    did: Literal["", "tag", "untag", "owner", "stage", "leave", "contact"] = ""
    to: Stage | Literal[""] = ""


class PageOfVisitors(VisitorsQuery, frozen=True, kw_only=True):
    site: SiteId = ""


class PageOfTimeline(PageQuery, frozen=True, kw_only=True):
    cursor: Cursor = ""


def read_id(text: str, letter: str) -> int:
    """The number of an id in a page's path. Raises `NotFound` for anything else."""
    number = text[1:]
    if text[:1] != letter or not (number.isascii() and number.isdigit()) or len(number) > 18:
        raise NotFound("there is no such page")
    return int(number)
