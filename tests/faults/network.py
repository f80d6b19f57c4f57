"""A network to PostgreSQL that resets what is open, or carries nothing more of it and says so to
nobody."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.storage.proxy import Proxy

AT_ONCE = struct.pack("ii", 1, 0)  # a close that is a reset


class Network(Proxy):
    """Relays, and knows what is open."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.open: set[asyncio.StreamWriter] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open.add(writer)
        try:
            await super().accept(reader, writer)
        finally:
            self.open.discard(writer)

    def swallow(self) -> None:
        """What is open stays open, and nothing arrives any more."""
        self.swallowed = self.connections

    def reset(self) -> None:
        """RST to whatever is open."""
        for writer in list(self.open):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            writer.transport.abort()


@asynccontextmanager
async def between(folder: Path) -> AsyncIterator[Network]:
    """The network to the server whose socket is in that folder."""
    network = Network(folder / ".s.PGSQL.5432")
    server = await asyncio.start_server(network.accept, "127.0.0.1", 0)
    network.port = server.sockets[0].getsockname()[1]
    try:
        yield network
    finally:
        server.close()
        await network.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 2)
