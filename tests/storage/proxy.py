"""A network between us and PostgreSQL that can lose what it carries."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

COMMIT = b"COMMIT\x00"


class Proxy:
    """Relays loopback connections to the server's socket. `mode` says what gets lost:

    - `lose_answer`: the answer to the next COMMIT, and the connection with it
    - `lose_commit`: the next COMMIT itself, and the connection

    The first `swallowed` connections stay open and carry nothing.
    """

    def __init__(self, socket: Path) -> None:
        self.socket = str(socket)
        self.mode = ""
        self.port = 0
        self.connections = 0
        self.swallowed = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        number = self.connections
        up_reader, up_writer = await asyncio.open_unix_connection(self.socket)
        losing = asyncio.Event()
        both = [
            asyncio.create_task(self._relay(reader, up_writer, number, losing, up=True)),
            asyncio.create_task(self._relay(up_reader, writer, number, losing, up=False)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for part in both:
                part.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            for end in (writer, up_writer):
                end.transport.abort()
            self._tasks.discard(task)

    async def _relay(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        number: int,
        losing: asyncio.Event,
        *,
        up: bool,
    ) -> None:
        while data := await source.read(65_536):
            if number <= self.swallowed:
                continue
            if losing.is_set() and not up:
                return  # the server has answered; nobody will know
            if up and COMMIT in data and self.mode:
                mode, self.mode = self.mode, ""
                if mode == "lose_commit":
                    return
                losing.set()
            target.write(data)
            await target.drain()

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def proxied(folder: Path) -> AsyncIterator[Proxy]:
    proxy = Proxy(folder / ".s.PGSQL.5432")
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 2)
