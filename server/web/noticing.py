"""What another node has decided: looked for once a second, and read again once it has changed.

Several nodes serve one PostgreSQL, and each keeps sites and tokens in memory; the command line
without a server beside it is such a node too. A node on SQLite is alone.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from server.errors import Overloaded
from server.storage import changes
from server.storage.database import Database

log = logging.getLogger("handraise.noticing")
EVERY_S = 1.0
#: After so long every node knows, unless its database does not answer.
KNOWN_S = 2 * EVERY_S


class Noticing:
    """Calls `reload` whenever anybody has changed what it reads."""

    def __init__(self, database: Database, reload: Callable[[], Awaitable[None]]) -> None:
        self.database = database
        self.reload = reload
        self._seen = -1

    async def serve(self) -> None:
        """Until cancelled."""
        while True:
            with suppress(Overloaded):  # the database does not answer: the next look finds it
                await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> bool:
        """Look once; whether anything had changed. The number is older than what is read after it,
        so at worst the same is read twice."""
        async with self.database.snapshot() as reader:
            number = await changes.number(reader)
        if number == self._seen:
            return False
        await self.reload()
        self._seen = number
        return True
