"""Connections that end at public addresses only, decided at the moment of connecting.

The name is resolved here, every address is looked at, and the connection goes to the very address
that was looked at: a name that means another address a moment later changes nothing. TLS is checked
against the name as ever.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from httpcore2 import AnyIOBackend, AsyncNetworkBackend, AsyncNetworkStream, ConnectError

from server.tell.addresses import Exempt, literal, refused
from server.tell.lookups import Lookups

#: The addresses of a name, for a port; raises `OSError` where there are none.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
THREADS = 32


class Refused(Exception):
    """Nothing is sent there; the message says why."""


class SystemResolver:
    """The addresses that the system gives for a name, asked in threads of its own: a name server
    that hangs must keep nobody else's work waiting."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="handraise-names")
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return list(dict.fromkeys(str(one[4][0]) for one in found))

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None


class Guarded:
    """Connects to public addresses, and to what is exempt."""

    def __init__(
        self, resolve: Resolve, exempt: Exempt, wire: AsyncNetworkBackend | None = None
    ) -> None:
        self.resolve = resolve
        self.exempt = exempt
        self.wire = wire or AnyIOBackend()
        self._lookups = Lookups()

    def of_site(self, site_id: int) -> AsyncNetworkBackend:
        """What connects for one site: its names that nobody answers for delay no other's."""
        return _OfSite(self, site_id)

    async def close(self) -> None:
        await self._lookups.close()

    async def addresses(self, site_id: int, host: str, port: int) -> Sequence[str]:
        """Every address of the name; one that is refused refuses them all. Raises `Refused`, and
        the library's `ConnectError` where there is none."""
        bare = host.strip("[]").lower()
        written = literal(bare.rstrip("."))
        try:
            found = (
                [written]
                if written
                else await self._lookups.of(site_id, bare, lambda: self.resolve(bare, port))
            )
        except (OSError, UnicodeError) as error:
            raise ConnectError(f"the name {bare} has no address") from error
        if (bare, port) not in self.exempt:
            for address in found:
                what = refused(address)
                if what:
                    raise Refused(f"{bare} leads to {what}, where nothing is sent")
        return found


class _OfSite(AsyncNetworkBackend):
    """The edge of the network as the library knows it."""

    def __init__(self, guarded: Guarded, site_id: int) -> None:
        self._guarded = guarded
        self._site_id = site_id

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        """Raises `Refused`, or the library's `ConnectError` and `ConnectTimeout`."""
        error: Exception = ConnectError("no address")
        for address in await self._guarded.addresses(self._site_id, host, port):
            try:
                return await self._guarded.wire.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except ConnectError as failed:
                error = failed
        raise error
