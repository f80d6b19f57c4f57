"""What the pages take in their query."""

from typing import Annotated

from msgspec import Meta, Struct

from server.errors import NotFound
from server.web.queries import Cursor, PeopleQuery, VisitorsQuery

SiteId = Annotated[str, Meta(max_length=16)]


class PageOfPeople(PeopleQuery, frozen=True, kw_only=True):
    """The list's own query, and which site."""

    site: SiteId = ""


class PageOfVisitors(VisitorsQuery, frozen=True, kw_only=True):
    site: SiteId = ""


class PageOfTimeline(Struct, frozen=True, kw_only=True):
    cursor: Cursor = ""
    site: SiteId = ""


def read_id(text: str, letter: str) -> int:
    """The number of an id in a page's path. Raises `NotFound` for anything else."""
    number = text[1:]
    if text[:1] != letter or not (number.isascii() and number.isdigit()) or len(number) > 18:
        raise NotFound("there is no such page")
    return int(number)
