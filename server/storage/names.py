"""Interning: long texts and visitor ids become small integers, per site, behind a bounded cache.

Only the writer's turn touches these caches. What a turn learns is kept apart until it has
committed, since a rolled-back row must not be remembered.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

from server.storage.database import Query, Script, chunks, in_list, padded

#: Texts and visitors of a site that are known by heart, and characters of these texts: addresses of
#: 2,000 characters, which anybody may send, had taken 60 MB.
CACHE_SIZE = 30_000
CACHE_LENGTH = 4_000_000
#: Finer than elsewhere: nearly every turn looks some names up, and each one that only fills a list
#: costs as much as a real one.
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


def text_hash(text: str) -> bytes:
    """The 16 bytes by which a text is unique in its site."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Names:
    """The caches of one site. The empty text and the missing visitor have the id None."""

    def __init__(self) -> None:
        self.epoch = -1
        self.strings: dict[str, int | None] = {"": None}
        self.visitors: dict[bytes | None, int | None] = {None: None}
        self._length = 0  # of the strings, in characters
        self._fresh_strings: list[str] = []
        self._fresh_visitors: list[bytes] = []

    def begin(self, epoch: int) -> None:
        """Start a transaction; another epoch means that interned rows were deleted."""
        if epoch != self.epoch:
            self.strings, self.visitors = {"": None}, {None: None}
            self.epoch, self._length = epoch, 0
        if len(self.strings) > CACHE_SIZE or self._length > CACHE_LENGTH:
            _trim(self.strings)
            self._length = sum(map(len, self.strings))
        if len(self.visitors) > CACHE_SIZE:
            _trim(self.visitors)

    def rollback(self) -> None:
        """Forget what was learned since the last commit."""
        for text in self._fresh_strings:
            self.strings.pop(text, None)
        for key in self._fresh_visitors:
            self.visitors.pop(key, None)
        self.commit()

    def commit(self) -> None:
        self._fresh_strings.clear()
        self._fresh_visitors.clear()

    def _learn_string(self, text: str, string_id: int) -> None:
        self.strings[text] = string_id
        self._length += len(text)
        self._fresh_strings.append(text)

    def _learn_visitor(self, key: bytes, visitor_id: int) -> None:
        self.visitors[key] = visitor_id
        self._fresh_visitors.append(key)

    def learn_strings(self, site_id: int, texts: Iterable[str], last: int) -> Script[int]:
        """Give every text an id, counting on from `last`; the last id in use afterwards."""
        missing = [text for text in dict.fromkeys(texts) if text not in self.strings]
        for part in chunks(missing):
            hashes = {text_hash(text): text for text in part}
            keys = list(hashes)
            rows = yield Query(
                "SELECT hash, string_id FROM strings WHERE site_id = $1 AND hash IN "
                + in_list(keys, 2, SIZES),
                (site_id, *padded(keys, SIZES)),
            )
            for digest, string_id in rows:
                self._learn_string(hashes.pop(bytes(digest)), string_id)
            new = []
            for digest, text in hashes.items():
                last += 1
                new.append((site_id, last, digest, text))
                self._learn_string(text, last)
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
                + in_list(part, 2, SIZES),
                (site_id, *padded(part, SIZES)),
            )
            for key, visitor_id in rows:
                self._learn_visitor(bytes(key), visitor_id)
            new = [key for key in part if key not in self.visitors]
            for key in new:
                self._learn_visitor(key, first_seqs[key])
            if new:
                yield Query(
                    "INSERT INTO visitors (site_id, visitor_id, key) VALUES ($1, $2, $3)",
                    [(site_id, first_seqs[key], key) for key in new],
                    many=True,
                )


def _trim(cache: dict[Any, int | None]) -> None:
    """Between two turns: leave the oldest third out; dicts keep their order."""
    for key in list(cache)[1 : len(cache) // 3 + 1]:  # the first is nothing's
        del cache[key]
