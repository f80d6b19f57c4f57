"""What a rebuild begins with: sessions whose events were thinned, as they stand.

No entry tells of them any more, so they are copied, with their signals and what follows from both:
the cells they fill and the scores of their visitors. Then the log is read, as ever. How far the
copying is stands in the generation's cursor, below zero, so a kill neither loses nor doubles any.
"""

from collections.abc import Sequence

from server.model import DAY_MS
from server.project.people import Part, read_parts
from server.project.retention import SEALED_VIEWS
from server.project.rollups import cells_of
from server.project.rows import SESSION, counted
from server.project.scoring import score
from server.project.site_projector import SiteProjector
from server.project.subjects import VISITOR, ordered, put_subject
from server.storage import derived, retention
from server.storage import people as rows
from server.storage.database import Reader
from server.storage.derived import Changes

#: The cursor of a generation into which nothing was copied yet; then −1 − the last session's id.
BEGUN = -1
PAGE = 100


async def copy_sealed(projector: SiteProjector, live: int) -> bool:
    """Copy the next sessions of the generation `live`; False if there was nothing left to do."""
    site_id, gen = projector.site.site_id, projector.gen
    if projector.cursor >= 0:
        return False
    changes = Changes()
    async with projector.database.snapshot() as reader:
        old = await rows.cursor(reader, site_id, gen)
        if old >= 0:
            return False
        ids, last = await retention.sealed_after(reader, site_id, live, -1 - old, PAGE)
        if old == BEGUN:
            for day, views in await retention.cells(reader, site_id, live, SEALED_VIEWS):
                changes.rollups[SEALED_VIEWS, day, ""] += views
                changes.rollups["cookieless_views", day, ""] += views
        visitors = await _copy(reader, projector, live, ids, changes)
        await _put_visitors(reader, projector, live, visitors, changes)
    new = -1 - last if last else 0
    await projector.writer.run(
        lambda: derived.apply(site_id, gen, old, new, changes, decides=False), moves=False
    )
    return True


async def _copy(
    reader: Reader, projector: SiteProjector, live: int, ids: Sequence[int], changes: Changes
) -> list[int]:
    """The rows of sessions, their signals and cells; whose visitors they are."""
    scope = (reader, projector.site.site_id, live)
    found = await rows.sessions(*scope, ids)
    for session in found:
        changes.put(derived.SESSIONS, session)
        changes.rollups.update(cells_of(counted(session)))
    for signal in await rows.signals(*scope, ids):
        changes.put(derived.SIGNALS, signal)
    return sorted({session[SESSION["visitor_id"]] for session in found} - {0})


async def _put_visitors(
    reader: Reader, projector: SiteProjector, live: int, visitors: Sequence[int], changes: Changes
) -> None:
    """Visitors with the score of all that is sealed of them: what follows is added to it."""
    scope = (reader, projector.site.site_id, live)
    sessions = await retention.sealed_of(*scope, visitors)
    parts = await read_parts(*scope, sessions)
    by_visitor: dict[int, list[Part]] = {}
    for part in ordered(parts.values()):
        by_visitor.setdefault(part.row.visitor_id, []).append(part)
    ruleset, day = projector.ruleset, projector.clock() // DAY_MS
    for visitor_id, mine in by_visitor.items():
        receipt = score(ruleset, [part.hits for part in mine], {}, day)
        put_subject(changes, VISITOR, visitor_id, mine, receipt, day, ruleset.version)
