"""Which pages asked for a tag since the server started: what an installer needs to see first.

Kept in memory only, for hosts and keys: a page that loads the tag and sends nothing, and a tag with
a key that no site has, leave no other trace.
"""

from collections import OrderedDict
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

MOST = 200
LONGEST = 100  # characters of a host or key
K = TypeVar("K")


class Arrival(NamedTuple):
    """A tag that was asked for: from which host's pages, and when last (ms)."""

    host: str
    at: int


class Arrivals:
    def __init__(self) -> None:
        self._loads: OrderedDict[int, Arrival] = OrderedDict()
        self._strangers: OrderedDict[str, Arrival] = OrderedDict()

    def loaded(self, site_id: int, referrer: str, now: int) -> None:
        """A page of a host loaded a site's tag."""
        _keep(self._loads, site_id, Arrival(host_of(referrer), now))

    def stranger(self, key: str, referrer: str, now: int) -> None:
        """A page asked for the tag of a key that no site has."""
        _keep(self._strangers, key[:LONGEST], Arrival(host_of(referrer), now))

    def last_load(self, site_id: int) -> Arrival | None:
        return self._loads.get(site_id)

    def strangers(self, since: int) -> list[tuple[str, Arrival]]:
        """(key, arrival) of keys nobody has, the newest first."""
        found = [(key, one) for key, one in self._strangers.items() if one.at >= since]
        return found[::-1]


def host_of(referrer: str) -> str:
    """The host that a Referer names; empty where there is none."""
    try:
        return (urlsplit(referrer).hostname or "")[:LONGEST]
    except ValueError:
        return ""


def _keep(known: OrderedDict[K, Arrival], key: K, arrival: Arrival) -> None:
    known.pop(key, None)
    known[key] = arrival
    if len(known) > MOST:
        known.popitem(last=False)
