"""Where consequences were told, for those who look at one person."""

from collections.abc import Sequence
from typing import NamedTuple

from server.model import Site
from server.storage import destinations
from server.storage.database import Reader, chunks, in_list, padded

#: What each state of a delivery is called.
WORDS = {"delivered": "told", "waiting": "is being told", "dead": "could not be told"}


class Telling(NamedTuple):
    """One destination and what became of it: a word of ours."""

    destination: str
    state: str
    words: str


async def tellings(reader: Reader, site: Site, seqs: Sequence[int]) -> dict[int, list[Telling]]:
    """By entry, every destination that it was or is to be told to."""
    found: dict[int, list[Telling]] = {}
    if not seqs:
        return found
    for one in await destinations.of_site(reader, site.site_id):
        for part in chunks(seqs):
            rows = await reader.fetch(
                "SELECT seq, state FROM deliveries WHERE site_id = $1 AND destination_id = $2"
                f" AND seq IN {in_list(part, 3)}",
                site.site_id,
                one.destination_id,
                *padded(part),
            )
            for seq, state in rows:
                if state in WORDS:
                    name = one.settings.name or f"{one.kind} d{one.destination_id}"
                    found.setdefault(seq, []).append(Telling(name, state, WORDS[state]))
    return found
