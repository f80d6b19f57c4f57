"""What PostgreSQL's planner knows of our tables, brought up to date as they grow.

Of a table that is new, or that was small when a statement was planned, it knows nothing: to it any
index is as good as another, and none as good as reading all there is. A delete by key took 1 ms
instead of 15 µs. The server looks by itself, but only once a minute.
"""

import asyncio
from contextlib import suppress
from typing import NoReturn

from server.storage.postgres import PostgresDatabase

LOOK_S = 1.0
#: Tables with so many changes that nobody has looked at, and half as many as they have rows.
GROWN = """
SELECT quote_ident(s.relname) FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
WHERE s.schemaname = current_schema()
  AND s.n_mod_since_analyze > 500 + greatest(c.reltuples, 0) / 2
ORDER BY s.relname"""


class Statistics:
    """Looks after one database, as long as the program runs."""

    def __init__(self, database: PostgresDatabase) -> None:
        self.database = database
        self._looked = 0

    async def serve(self) -> NoReturn:
        while True:
            await asyncio.sleep(LOOK_S)
            if self.database.turns != self._looked:
                self._looked = self.database.turns
                with suppress(Exception):  # nothing is lost: the server looks by itself
                    await self.look()

    async def look(self) -> list[str]:
        """Have the planner told of what has grown; which tables those were."""
        tables = [name for (name,) in await self.database.fetch(GROWN)]
        if tables:
            await self.database.analyze(tables)
        return tables
