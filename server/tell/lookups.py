"""Lookups of names, so that nobody waits for the dead name server of somebody else.

A lookup that nobody waits for any more goes on: the system gives no way to end it. It counts until
it ends, so a site that names many dead hosts is kept waiting, and no other site is.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

OF_SITE = 2  # under way at a time


class Lookups:
    """One lookup of a host at a time, whoever asks, and `of_site` that one site has begun."""

    def __init__(self, of_site: int = OF_SITE) -> None:
        self._under_way: dict[str, asyncio.Future[Sequence[str]]] = {}
        self._slots: dict[int, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(of_site))

    async def of(
        self, site_id: int, host: str, ask: Callable[[], Awaitable[Sequence[str]]]
    ) -> Sequence[str]:
        """The addresses of a host. Raises what `ask` raises; cancelling it ends the waiting."""
        if host not in self._under_way:
            slot = self._slots[site_id]
            await slot.acquire()
            if host in self._under_way:  # somebody has begun it meanwhile
                slot.release()
            else:
                self._begin(host, ask, slot)
        return await asyncio.shield(self._under_way[host])

    def _begin(
        self, host: str, ask: Callable[[], Awaitable[Sequence[str]]], slot: asyncio.Semaphore
    ) -> None:
        lookup = asyncio.ensure_future(ask())
        self._under_way[host] = lookup

        def ended(lookup: asyncio.Future[Sequence[str]]) -> None:
            del self._under_way[host]
            slot.release()
            if not lookup.cancelled():
                lookup.exception()  # looked at, though nobody may wait for it any more

        lookup.add_done_callback(ended)

    async def close(self) -> None:
        """Nobody waits for what is under way."""
        lookups = list(self._under_way.values())
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)
