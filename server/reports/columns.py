"""Rows as columns: who matches is one bit a row in an integer, so that counting costs little.

Python joins and counts the bits of an integer at the speed of memory. A column of few words holds,
for each word, the bits of its rows; one of many words (landing pages) holds the number of each
row's word. Row 0 is the highest bit, as it is the first letter of the number written out. Pure.
"""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from itertools import compress
from struct import pack, unpack
from typing import Any

import msgspec

#: More different words than this are held by number: a set of bits for each would be larger.
FEW_WORDS = 64
_SELECTS = bytes.maketrans(b"01", b"\0\1")
_DIGITS = bytes.maketrans(b"\0\1", b"01")

Word = str | int


class Stored(msgspec.Struct, frozen=True, array_like=True):
    """A column as bytes: `bits` are those of each word, or `numbers` has four bytes a row."""

    words: tuple[Word, ...]
    bits: tuple[bytes, ...] = ()
    numbers: bytes = b""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Stored)


class StoredRows(msgspec.Struct, frozen=True, array_like=True):
    """Rows as bytes: how many, and each column by its name, still closed."""

    count: int
    columns: dict[str, msgspec.Raw]


def chosen(mask: int, count: int) -> bytes:
    """For each of `count` rows a byte, 1 where its bit is set: what `itertools.compress` selects
    by."""
    return f"{mask:0{count}b}".encode().translate(_SELECTS) if count else b""


def mask_of(selected: bytes) -> int:
    """The bits of rows from a byte each, 0 or 1: the other way round."""
    return int(selected.translate(_DIGITS), 2) if selected else 0


class Column:
    """One column of `count` rows."""

    def __init__(self, stored: Stored, count: int) -> None:
        self._words = stored.words
        self._count = count
        self._bits = [int.from_bytes(bits) for bits in stored.bits]
        self._numbers = unpack(f"<{len(stored.numbers) // 4}I", stored.numbers)

    def having(self, words: Container[Word]) -> int:
        """The rows whose word is one of these."""
        wanted = bytes(map(words.__contains__, self._words))
        if self._numbers:
            return mask_of(bytes(map(wanted.__getitem__, self._numbers))) if any(wanted) else 0
        mask = 0
        for bits in compress(self._bits, wanted):
            mask |= bits
        return mask

    def add(self, counts: Counter[Word], mask: int, times: int = 1) -> None:
        """Add how many of the rows of `mask` have each word, each row `times`; a word of none of
        them is left out."""
        if self._numbers:  # each row by itself: there are hardly more rows than words
            rows = compress(self._numbers, chosen(mask, self._count))
            words = map(self._words.__getitem__, rows)
            counts.update(words if times == 1 else [word for word in words for _ in range(times)])
            return
        for word, bits in zip(self._words, self._bits, strict=True):
            count = (bits & mask).bit_count()
            if count:
                counts[word] += count * times

    def counts(self, mask: int) -> Counter[Word]:
        """How many of the rows of `mask` have each word."""
        found: Counter[Word] = Counter()
        self.add(found, mask)
        return found

    def total(self, mask: int) -> int:
        """The sum of what the rows of `mask` have; the words are numbers."""
        return sum(int(word) * count for word, count in self.counts(mask).items())


class Rows:
    """Some rows. A column is opened when it is first asked for."""

    def __init__(self, stored: StoredRows) -> None:
        self.count = stored.count
        self._closed = stored.columns
        self._open: dict[str, Column] = {}

    @property
    def all(self) -> int:
        """Every row."""
        return (1 << self.count) - 1

    def column(self, name: str) -> Column:
        found = self._open.get(name)
        if found is None:
            found = Column(_decoder.decode(self._closed[name]), self.count)
            self._open[name] = found
        return found


def stored_rows(columns: Mapping[str, Sequence[Any]]) -> StoredRows:
    """Columns of one length, by name, as bytes."""
    count = len(next(iter(columns.values()), ()))
    return StoredRows(
        count,
        {name: msgspec.Raw(_encoder.encode(_stored(column))) for name, column in columns.items()},
    )


def _stored(column: Sequence[Word]) -> Stored:
    words = tuple(sorted(set(column)))
    place = {word: number for number, word in enumerate(words)}
    numbers = [place[word] for word in column]
    if len(words) > FEW_WORDS:
        return Stored(words, numbers=pack(f"<{len(numbers)}I", *numbers))
    size = (len(numbers) + 7) // 8
    row_bytes = bytes(numbers)
    return Stored(words, bits=tuple(_bits(row_bytes, n).to_bytes(size) for n in range(len(words))))


def _bits(numbers: bytes, wanted: int) -> int:
    """The rows that have one number."""
    only = bytearray(256)
    only[wanted] = 1
    return mask_of(numbers.translate(bytes(only)))
