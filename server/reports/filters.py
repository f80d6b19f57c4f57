"""Filters of the figures: exact values of a session, any of them together.

Visits are those of sessions that match. People count where their first session matches: it is the
only one of which it can be said whatever brought them later.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from server.errors import BadRequest
from server.ingest.urls import groups_of
from server.model import PageGroup, Site
from server.project.rollups import DIMENSIONS, LANDINGS
from server.reports.paging import Where
from server.storage.database import Reader, chunks, in_list, padded

#: Asks for what is not known: an empty value asks nothing.
NOT_KNOWN = "(none)"
#: Characters of a value: as long as an address may be.
MOST_VALUE = 2_048
#: Pages of a group that one statement can name.
MOST_PAGES = 20_000


class Filters(NamedTuple):
    """What is asked of a session; what is empty asks nothing. `group` is a page group of the site
    that the landing page is in."""

    source: str = ""
    channel: str = ""
    campaign: str = ""
    country: str = ""
    device: str = ""
    browser: str = ""
    os: str = ""
    landing: str = ""
    group: str = ""

    def asked(self) -> dict[str, str]:
        """What is set, by name."""
        return {name: value for name, value in self._asdict().items() if value}

    def dimensions(self) -> set[str]:
        """The dimensions it asks about: a page group is one of landing pages."""
        return {"landing" if name == "group" else name for name in self.asked()}


NO_FILTERS = Filters()


class GroupPages(dict[str | int, bool]):
    """The landing pages of the page group that is asked for: each is looked at once, when somebody
    first asks about it. Raises `BadRequest` for a group that the site has not."""

    def __init__(self, site: Site, filters: Filters) -> None:
        super().__init__()
        check_group(site, filters)
        self._group = _group_of(site, filters)

    def __missing__(self, page: str | int) -> bool:
        known = self[page] = bool(groups_of(str(page).partition("?")[0], self._group))
        return known

    #: Whether it is in the group: a function in Python took a third of a filtered overview.
    __contains__ = dict.__getitem__  # type: ignore[assignment]


class Chosen(NamedTuple):
    """Filters ready for statements: with the landing pages of the group, if one is asked."""

    filters: Filters = NO_FILTERS
    pages: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.filters != NO_FILTERS

    def narrow(self, where: Where, alias: str) -> None:
        """Add the conditions on a row of the sessions."""
        for name in DIMENSIONS:
            value = getattr(self.filters, name)
            if value:
                known = "" if value == NOT_KNOWN else value
                where.add(f"{alias}.{name} = {where.arg(known)}")
        if self.filters.group:
            where.add(f"({' OR '.join(self._pages(where, alias)) or '1 = 0'})")

    def _pages(self, where: Where, alias: str) -> Iterator[str]:
        for part in chunks(self.pages):
            marks = in_list(part, len(where.args) + 1)
            where.args += padded(part)
            yield f"{alias}.landing IN {marks}"


EVERYTHING = Chosen()


def check_group(site: Site, filters: Filters) -> None:
    """Raises `BadRequest` for a page group that the site has not."""
    names = [group.name for group in site.settings.page_groups]
    if filters.group and filters.group not in names:
        valid = f"valid are: {', '.join(names)}" if names else "it has none at all"
        raise BadRequest(f"parameter `group`: the site has no such page group; {valid}")


def _group_of(site: Site, filters: Filters) -> tuple[PageGroup, ...]:
    return tuple(one for one in site.settings.page_groups if one.name == filters.group)


async def chosen(reader: Reader, site: Site, filters: Filters) -> Chosen:
    """Filters with what statements need to know. Raises `BadRequest` for a page group that the site
    has not, or that is too large."""
    check_group(site, filters)
    if not filters.group:
        return Chosen(filters)
    group = _group_of(site, filters)
    known = await _landings(reader, site)
    pages = tuple(page for page in known if groups_of(page.partition("?")[0], group))
    if len(pages) > MOST_PAGES:
        raise BadRequest(
            f"parameter `group`: visits began on more than {MOST_PAGES:,} of its pages;"
            " ask for one of them with `landing`"
        )
    return Chosen(filters, pages)


async def _landings(reader: Reader, site: Site) -> Sequence[str]:
    """Every page a visit began on, in order."""
    rows = await reader.fetch(
        "SELECT key FROM rollups WHERE site_id = $1 AND gen = $2 AND name = $3 AND day = 0"
        " AND value > 0 ORDER BY key",
        site.site_id,
        site.generation,
        LANDINGS,
    )
    return [row[0] for row in rows]
