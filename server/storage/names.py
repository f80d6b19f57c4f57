"""Interning: long texts and visitor ids become small integers, per site, behind a bounded cache.

Only the writer's turn touches these caches. What a turn learns is kept apart until it has
committed, since a rolled-back row must not be remembered.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

from server.storage.database import Query, Script, chunks, in_list, padded

CACHE_SIZE = 60_000


def text_hash(text: str) -> bytes:
    """The 16 bytes by which a text is unique in its site."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Names:
    """The caches of one site."""

    def __init__(self) -> None:
        self.epoch = -1
        self.strings: dict[str, int] = {}
        self.visitors: dict[bytes, int] = {}
        self._fresh_strings: dict[str, int] = {}
        self._fresh_visitors: dict[bytes, int] = {}

    def begin(self, epoch: int) -> None:
        """Start a transaction; another epoch means that interned rows were deleted."""
        if epoch != self.epoch:
            self.strings.clear()
            self.visitors.clear()
            self.epoch = epoch
        self.rollback()

    def rollback(self) -> None:
        self._fresh_strings = {}
        self._fresh_visitors = {}

    def commit(self) -> None:
        _keep(self.strings, self._fresh_strings)
        _keep(self.visitors, self._fresh_visitors)
        self.rollback()

    def string(self, text: str) -> int | None:
        """The id of a text known by now; None for the empty text."""
        if not text:
            return None
        known = self.strings.get(text)
        return known if known is not None else self._fresh_strings[text]

    def visitor(self, key: bytes | None) -> int | None:
        if key is None:
            return None
        known = self.visitors.get(key)
        return known if known is not None else self._fresh_visitors[key]

    def learn_strings(self, site_id: int, texts: Iterable[str], last: int) -> Script[int]:
        """Give every text an id, counting on from `last`; the last id in use afterwards."""
        missing = [t for t in dict.fromkeys(texts) if t and t not in self.strings]
        for part in chunks(missing):
            hashes = {text_hash(text): text for text in part}
            keys = list(hashes)
            rows = yield Query(
                "SELECT hash, string_id FROM strings WHERE site_id = $1 AND hash IN "
                + in_list(keys, 2),
                (site_id, *padded(keys)),
            )
            for digest, string_id in rows:
                self._fresh_strings[hashes.pop(bytes(digest))] = string_id
            new = []
            for digest, text in hashes.items():
                last += 1
                new.append((site_id, last, digest, text))
                self._fresh_strings[text] = last
            if new:
                yield Query(
                    "INSERT INTO strings (site_id, string_id, hash, text) VALUES ($1, $2, $3, $4)",
                    new,
                    many=True,
                )
        return last

    def learn_visitors(self, site_id: int, first_seqs: dict[bytes, int]) -> Script[None]:
        """Give every visitor key an id: the seq of its first entry."""
        missing = [key for key in first_seqs if key not in self.visitors]
        for part in chunks(missing):
            rows = yield Query(
                "SELECT key, visitor_id FROM visitors WHERE site_id = $1 AND key IN "
                + in_list(part, 2),
                (site_id, *padded(part)),
            )
            for key, visitor_id in rows:
                self._fresh_visitors[bytes(key)] = visitor_id
            new = [k for k in part if k not in self._fresh_visitors]
            for key in new:
                self._fresh_visitors[key] = first_seqs[key]
            if new:
                yield Query(
                    "INSERT INTO visitors (site_id, visitor_id, key) VALUES ($1, $2, $3)",
                    [(site_id, first_seqs[key], key) for key in new],
                    many=True,
                )


def _keep(cache: dict[Any, int], fresh: dict[Any, int]) -> None:
    if len(cache) + len(fresh) > CACHE_SIZE:
        for key in list(cache)[: CACHE_SIZE // 4]:  # the oldest; dicts keep their order
            del cache[key]
    cache.update(fresh)
