"""The merges of a site that are in force, the newest first: who is one person by somebody's word.

What was taken apart again is not among them; the persons' timelines tell both.
"""

from collections.abc import Sequence
from typing import NamedTuple

from server.model import Kind, Site
from server.project.registry import read_said
from server.project.standing import Told
from server.reports import paging
from server.reports.conflict_shapes import MergedFrom, Merges, SiteMerge
from server.reports.names import given, names
from server.reports.paging import Key, Paging, Where
from server.reports.shapes import iso
from server.storage import identities
from server.storage.database import Reader

_SORT = "merges"
#: Rows read at a time: a merge has one for each claim it names.
WINDOW = 200


class _Merge(NamedTuple):
    told: Told
    person_id: int  # who they are now


async def merges(reader: Reader, site: Site, page: Paging) -> Merges:
    """One page of them."""
    key = paging.decode(_SORT, page.cursor, (int, int))
    found: list[_Merge] = []
    while len(found) <= page.limit:
        window, last = await _window(reader, site, key)
        found += window
        if last is None:
            break
        key = last
    kept, more = paging.bound(page.limit, found)
    following = paging.encode(_SORT, (kept[-1].told.at, kept[-1].told.seq)) if more else None
    return Merges(items=await _shown(reader, site, kept), next=following)


async def _window(reader: Reader, site: Site, key: Key | None) -> tuple[list[_Merge], Key | None]:
    """The merges in force among the next rows, and where to go on; None at the end."""
    where = Where(f"site_id = $1 AND gen = $2 AND kind = {int(Kind.MERGE)}")
    where.args += [site.site_id, site.generation]
    where.past(("at", "seq"), key, down=True)
    rows = await reader.fetch(
        f"SELECT claim, seq, kind, at, person_id FROM person_entries WHERE {where}"
        f" ORDER BY at DESC, seq DESC LIMIT {where.arg(WINDOW + 1)}",
        *where.args,
    )
    kept, more = paging.bound(WINDOW, rows)
    owners = {row[1]: row[4] for row in kept if row[4]}
    firsts = {row[1]: row for row in reversed(kept)}
    taken_back = await _taken_back(reader, site, sorted({row[0] for row in kept}))
    found = [
        _Merge(one, owners[one.seq])
        for one in await read_said(reader, site.site_id, list(firsts.values()))
        if one.seq in owners and one.seq not in taken_back
    ]
    found.sort(key=lambda one: (one.told.at, one.told.seq), reverse=True)
    return found, (kept[-1][3], kept[-1][1]) if more else None


async def _taken_back(reader: Reader, site: Site, claims: Sequence[int]) -> set[int]:
    """The merges that a split ended: it names the same claims as its merge."""
    rows = await identities.said_of_claims(reader, site.site_id, site.generation, claims)
    splits = [row for row in rows if row[2] == Kind.SPLIT]
    return {one.said.merge for one in await read_said(reader, site.site_id, splits)}


async def _shown(reader: Reader, site: Site, found: Sequence[_Merge]) -> list[SiteMerge]:
    claims = sorted({claim for one in found for claim in one.told.said.claims})
    known_as = await given(reader, site, claims)
    called = await names(reader, site, sorted({one.person_id for one in found}))
    return [
        SiteMerge(
            id=f"e{one.told.seq}",
            at=iso(one.told.at),
            author=one.told.said.author,
            person=f"p{one.person_id}",
            name=called.get(one.person_id, f"Person {one.person_id}"),
            persons=[
                MergedFrom(id=f"p{claim}", known_as=known_as.get(claim, f"Person {claim}"))
                for claim in one.told.said.claims
            ],
        )
        for one in found
    ]
