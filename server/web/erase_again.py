"""After a restore: whoever was erased since the backup was made is in the database again."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from server.ingest.tombstones import IDENTIFIERS, Tombstone
from server.model import Site
from server.storage import entries, erasing

if TYPE_CHECKING:
    from server.web.state import State

SLICE = 2_000  # rows whose hashes are computed between two queries


async def erase_again(state: "State", missing: Sequence[Tombstone]) -> None:
    """Erase everybody whom these tombstones name, as of the moments they say, before it returns."""
    for site in state.sites.all:
        known = {one.hash: one.erased_at for one in missing if one.site_id == site.site_id}
        if not known:
            continue
        async with state.database.snapshot() as reader:
            head = await entries.head(reader, site.site_id)
        await state.projector.passed(site.site_id, head)
        # With its person a visitor mostly goes too, and with it what is nobody's.
        for find, letter in ((_named, "p"), (_visitors, "v"), (_named, "c")):
            for subject, at in sorted((await find(state, site, known)).items()):
                if subject.startswith(letter):
                    await state.eraser.ask(site.site_id, subject, "restore", at)
            while await state.eraser.round():
                continue


async def _named(state: "State", site: Site, known: dict[bytes, int]) -> dict[str, int]:
    """Owners of an erased identifier, and claims that name one of nobody's: subject → UTC ms."""
    found: dict[str, int] = {}
    after, more = (0, ""), True
    while more:
        async with state.database.snapshot() as reader:
            rows = await erasing.claims_after(reader, site.site_id, site.generation, after, SLICE)
        for seq, kind, value, owner in rows:
            named = next(name for name in IDENTIFIERS if name == kind)
            at = known.get(state.tombstones.mark(site.site_id, named, value), 0)
            if at:
                subject = f"p{owner}" if owner else f"c{seq}"
                found[subject] = max(at, found.get(subject, 0))
            after = (seq, kind)
        more = len(rows) == SLICE
    return found


async def _visitors(state: "State", site: Site, known: dict[bytes, int]) -> dict[str, int]:
    found: dict[str, int] = {}
    after, more = 0, True
    while more:
        async with state.database.snapshot() as reader:
            rows = await erasing.visitors_after(reader, site.site_id, after, SLICE)
        for after, key in rows:
            at = known.get(state.tombstones.mark(site.site_id, "visitor", bytes(key)), 0)
            if at:
                found[f"v{after}"] = at
        more = len(rows) == SLICE
    return found
