"""Who was erased, looked at once more as events are stored: another node may have erased them.

A node asks at its door, by the tombstones in its memory. Whoever buries somebody raises the epoch
of the log in the same transaction; so the node that appends under an epoch it has not seen reads
the site's tombstones first, in the transaction that appends. From there on its door knows them, and
what had passed the door before does not wait for longer than `WATCH_S`.
"""

import time
from collections.abc import Callable, Sequence

from server.ingest.pipeline import NAMING_KINDS
from server.ingest.tombstones import Tombstone, Tombstones
from server.model import Event, Kind
from server.storage.database import Query, Script

#: Longer than any event waits between the door and the log.
WATCH_S = 60.0


class Buried:
    """The tombstones of this process, kept as those in the tables."""

    def __init__(
        self, tombstones: Tombstones, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.tombstones = tombstones
        self.monotonic = monotonic
        self._epochs: dict[int, int] = {}  # up to which the tombstones of a site are known
        self._until: dict[int, float] = {}  # how long what is stored is looked at, by site

    def cleared(self, site_id: int, epoch: int, events: Sequence[Event]) -> Script[Sequence[Event]]:
        """The events, with stubs in place of those of somebody erased, as the door makes them. Part
        of the script that appends, once it holds the head of the log, whose epoch is `epoch`."""
        if self._epochs.get(site_id) != epoch:
            rows = yield Query(
                "SELECT hash, erased_at FROM tombstones WHERE site_id = $1", (site_id,)
            )
            self.tombstones.add(Tombstone(site_id, bytes(mark), at) for mark, at in rows)
            self._epochs[site_id] = epoch
            self._until[site_id] = self.monotonic() + WATCH_S
        if self.monotonic() > self._until[site_id]:
            return events
        return [_stub(event) if self._covers(site_id, event) else event for event in events]

    def _covers(self, site_id: int, event: Event) -> bool:
        data = event.data if event.kind in NAMING_KINDS else ""
        return self.tombstones.covers(site_id, event.at, event.visitor, data)


def _stub(event: Event) -> Event:
    at = event.received
    return Event(event_id=event.event_id, kind=Kind.ERASED, at=at, received=at)
