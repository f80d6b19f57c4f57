"""The consequences decided about one person, found without an index of their own.

A consequence is decided once because its event id is made of what it says. So the ids it may have
are known, and the log's unique index finds those that were appended.
"""

from collections.abc import Iterable, Iterator

import msgspec

from server.model import STAGES, Site
from server.project.stages import Standing, consequence_id
from server.storage import people as rows
from server.storage.database import Reader, chunks, in_list, padded
from server.storage.entries import COLUMNS, Entry

AUTOMATIC = ("first_stage", "high_intent", "product_event")
MOVES = ("stage_moved", "crossed", "rearmed")
#: Armings looked back at: more of one threshold is a score that trembles around it.
MOST_ARMINGS = 40


def consequence_ids(person_id: int, standing: Standing) -> list[bytes]:
    """Every event id that a consequence about this person may have."""
    return [
        consequence_id(person_id, kind, reason, number, stage)
        for kind, reason, number in _moves(standing)
        for stage in STAGES
    ]


def _moves(standing: Standing) -> Iterator[tuple[str, str, int]]:
    for reason in AUTOMATIC:
        yield "stage_moved", reason, 0
    for arming in standing.arming:
        for number in range(max(1, arming.number - MOST_ARMINGS), arming.number + 1):
            for kind in MOVES:
                yield kind, arming.threshold, number


async def consequences_of(reader: Reader, site: Site, person_id: int) -> list[Entry]:
    """What was decided about a person, in no order."""
    row = await rows.person(reader, site.site_id, site.generation, person_id)
    if row is None:
        return []
    standing = msgspec.json.decode(row[9], type=Standing) if row[9] else Standing()
    return await _by_event_id(reader, site.site_id, consequence_ids(person_id, standing))


async def _by_event_id(reader: Reader, site_id: int, ids: Iterable[bytes]) -> list[Entry]:
    found: list[Entry] = []
    for part in chunks(list(ids)):
        answer = await reader.fetch(
            f"SELECT {COLUMNS} FROM entries WHERE site_id = $1 AND event_id IN " + in_list(part, 2),
            site_id,
            *padded(part),
        )
        found += [Entry._make(one) for one in answer]
    return found
