"""Who was erased, as keyed hashes: enough to know them again, of no use to anybody without the key.

A tombstone says that everything of one visitor, e-mail, user id or phone number up to a moment is
gone. What arrives later with an older time, such as a batch that waited on a phone, vanishes.
"""

import hashlib
from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec

KEY_BYTES, MARK_BYTES = 32, 16
Named = Literal["visitor", "email", "user_id", "phone"]
IDENTIFIERS: tuple[Named, ...] = ("email", "user_id", "phone")


class Tombstone(NamedTuple):
    """One erasure of one mark on one site; `erased_at` is UTC ms."""

    site_id: int
    hash: bytes
    erased_at: int


class Naming(msgspec.Struct):
    """What names somebody in the data of an event."""

    ids: dict[str, str] = {}
    email: str = ""


_naming = msgspec.json.Decoder(Naming)


class Tombstones:
    """The tombstones of every site in memory. They only grow; without a key there are none."""

    def __init__(self, key: bytes = b"") -> None:
        self._key = key
        #: Per site hash → UTC ms. Whether a site is in it is nearly always all that is asked.
        self.sites: dict[int, dict[bytes, int]] = {}

    def mark(self, site_id: int, kind: Named, value: bytes | str) -> bytes:
        """The hash that stands for 16 raw bytes of a visitor id, or for a normalised identifier.

        Never equal for two sites or two kinds.
        """
        raw = value.encode() if isinstance(value, str) else value
        text = site_id.to_bytes(8, "big") + kind.encode() + b"\0" + raw
        return self._hash(text)

    def witness(self) -> bytes:
        """What only this key gives and what tells nothing else: by it a wrong key is known."""
        return self._hash(b"witness")

    def _hash(self, text: bytes) -> bytes:
        if len(self._key) != KEY_BYTES:
            raise ValueError("a tombstone needs the erasure key")  # a hash without one is a name
        return hashlib.blake2b(text, key=self._key, digest_size=MARK_BYTES).digest()

    def add(self, tombstones: Iterable[Tombstone]) -> None:
        """Of two erasures of one mark the later one counts."""
        for site_id, digest, erased_at in tombstones:
            known = self.sites.setdefault(site_id, {})
            known[digest] = max(known.get(digest, 0), erased_at)

    def erased_at(self, site_id: int, kind: Named, value: bytes | str) -> int:
        """When, in UTC ms, it was last erased; 0 if never."""
        known = self.sites.get(site_id)
        return known.get(self.mark(site_id, kind, value), 0) if known else 0

    def covers(self, site_id: int, at: int, visitor: bytes | None, data: str) -> bool:
        """Whether what happened at a moment (UTC ms) is of somebody erased then or later.

        `data` is the JSON of an event that may name somebody, or empty.
        """
        at = max(at, 1)  # an `erased_at` of 0 means never
        if visitor is not None and at <= self.erased_at(site_id, "visitor", visitor):
            return True
        if not data:
            return False
        naming = _naming.decode(data)
        named = {"email": naming.email} | naming.ids
        return any(
            at <= self.erased_at(site_id, kind, named[kind])
            for kind in IDENTIFIERS
            if named.get(kind)
        )
