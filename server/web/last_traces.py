"""The last traces of somebody erased: words that no entry uses, and bytes in the files."""

import asyncio
from typing import TYPE_CHECKING

from server.errors import Overloaded
from server.storage import entries, erasing

if TYPE_CHECKING:
    from server.web.state import State

WAIT_S = 0.1
#: Entries looked through in one query: few at first, since what is common is found among them.
SLICE_LEAST, SLICE = 500, 20_000


async def clear_files(state: "State") -> bool:
    """Whether the database's files are clean. Whoever reads its log of writes, such as a backup, is
    waited for."""
    while True:
        try:
            return await state.database.scrub()
        except Overloaded:
            await asyncio.sleep(WAIT_S)


async def drop_words(state: "State", site_id: int, words: set[int]) -> set[int]:
    """Delete the strings that no entry uses; which."""
    if not words:
        return set()
    database, run = state.database, state.writer.run
    async with database.snapshot() as reader:
        texts = await entries.texts(reader, site_id, sorted(words))
        until = head = await entries.head(reader, site_id)
    await _drop_samples(state, site_id, frozenset(texts.values()))
    left, size = set(texts), SLICE_LEAST
    while until > 0 and left:
        after = max(0, until - size)
        async with database.snapshot() as reader:
            left -= await erasing.used_in(reader, site_id, left, after, until)
        until, size = after, min(size * 2, SLICE)
        await asyncio.sleep(0)
    if left:
        gone = await run(lambda: erasing.drop_strings(site_id, left, head), moves=False)
        left = set(gone)
    return left


async def _drop_samples(state: "State", site_id: int, urls: frozenset[str]) -> None:
    """Also those that wait for their table: samples are few, and soon there are others."""
    waiting = state.refused.samples
    for key in [key for key in waiting if key[0] == site_id]:
        del waiting[key]
    await state.writer.run(lambda: erasing.drop_samples(site_id, urls), moves=False)
