"""Rows as columns: who matches is one bit a row in an integer, so that counting costs little.

Python joins and counts the bits of an integer at the speed of memory. A column of few words holds,
for each word, the bits of its rows; one of many words (landing pages) holds, for each row, the
place of its word among the column's own. Row 0 is the highest bit, as it is the first letter of the
number written out. Pure.
"""

import sys
from array import array
from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import compress
from typing import Any

import msgspec

#: More different words than this are held by number: a set of bits for each would be larger.
FEW_WORDS = 64
#: What an object of Python's takes beside what is in it.
OBJECT_BYTES = 64
_SELECTS = bytes.maketrans(b"01", b"\0\1")
_DIGITS = bytes.maketrans(b"\0\1", b"01")

Word = str | int


class Stored(msgspec.Struct, frozen=True, array_like=True):
    """A column as bytes: `bits` are those of each word, or `places` has for each row the place of
    its word, as `small_bytes`."""

    words: tuple[Word, ...]
    bits: tuple[bytes, ...] = ()
    places: bytes = b""


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


class Words:
    """A number for each word of a kind, in the order of their coming: what many columns have in
    common is counted by number."""

    def __init__(self) -> None:
        self.words: list[Word] = []
        self._numbers = _Numbers(self.words)

    def __len__(self) -> int:
        return len(self.words)

    def numbers_of(self, words: Iterable[Word]) -> "array[int]":
        return array("I", map(self._numbers.__getitem__, words))


class _Numbers(dict[Word, int]):
    """The number of a word; one that is new gets the next."""

    def __init__(self, words: list[Word]) -> None:
        self._words = words

    def __missing__(self, word: Word) -> int:
        number = self[word] = len(self._words)
        self._words.append(word)
        return number


#: By the name of the column. One that is not among them has words of its own.
Vocabulary = Mapping[str, Words]


class Column:
    """One column of `count` rows. Its words are known by their numbers among those of all columns
    of that kind, its rows by the place of their word among its own: nothing is done for each row
    until it is asked for."""

    def __init__(self, stored: Stored, count: int, words: Words) -> None:
        self._count = count
        self._words = words
        self._numbers = words.numbers_of(stored.words)
        self._bits = [int.from_bytes(bits) for bits in stored.bits]
        #: Empty where the words have bits.
        self._places = from_small_bytes(stored.places, count)

    @property
    def bytes(self) -> int:
        """About how much memory it takes."""
        numbers = sum(len(part) * part.itemsize for part in (self._numbers, self._places))
        return numbers + (self._count // 8 + OBJECT_BYTES) * len(self._bits) + OBJECT_BYTES

    def having(self, words: Container[Word]) -> int:
        """The rows whose word is one of these."""
        known = map(self._words.words.__getitem__, self._numbers)
        wanted = list(map(words.__contains__, known))
        if self._places:
            return flagged(self._places, bytes(wanted)) if any(wanted) else 0
        mask = 0
        for bits in compress(self._bits, wanted):
            mask |= bits
        return mask

    def add(self, counts: list[int], mask: int, times: int = 1) -> None:
        """Add how many of the rows of `mask` have each word, each row `times`; `counts` are by the
        number of the word, and made longer where there are more."""
        counts.extend([0] * (len(self._words) - len(counts)))
        if self._places:  # each row by itself: there are hardly more rows than words
            found = [0] * len(self._numbers)
            for place in compress(self._places, chosen(mask, self._count)):
                found[place] += times
            for number, count in zip(
                compress(self._numbers, found), filter(None, found), strict=True
            ):
                counts[number] += count
            return
        for number, bits in zip(self._numbers, self._bits, strict=True):
            counts[number] += (bits & mask).bit_count() * times

    def counts(self, mask: int) -> dict[Word, int]:
        """How many of the rows of `mask` have each word, but for those that none has."""
        found: list[int] = []
        self.add(found, mask)
        return {word: count for word, count in zip(self._words.words, found, strict=True) if count}

    def total(self, mask: int) -> int:
        """The sum of what the rows of `mask` have; the words are numbers."""
        return sum(int(word) * count for word, count in self.counts(mask).items())


class Rows:
    """Some rows, and those of their columns that were opened."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._open: dict[str, Column] = {}

    @property
    def all(self) -> int:
        """Every row."""
        return (1 << self.count) - 1

    @property
    def bytes(self) -> int:
        """About how much memory they take."""
        return sum(column.bytes for column in self._open.values()) + OBJECT_BYTES

    def open(self, stored: StoredRows, names: Iterable[str], vocabulary: Vocabulary) -> None:
        """Open these of the columns, as far as there are such."""
        for name in names:
            if name in stored.columns and name not in self._open:
                words = vocabulary.get(name)
                closed = _decoder.decode(stored.columns[name])
                self._open[name] = Column(closed, self.count, Words() if words is None else words)

    def column(self, name: str) -> Column:
        """One that was opened."""
        return self._open[name]


def small(numbers: Sequence[int], most: int) -> "array[int]":
    """Numbers from 0 to `most`, in as little memory as they need."""
    code = next((code for code in "BHI" if most < 256 ** array(code).itemsize), "Q")
    return array(code, numbers)


#: Of more parts than this each row is looked up by itself.
_FEW_PARTS = 4
#: The kind of array for numbers of so many bytes.
_CODES = {array(code).itemsize: code for code in "BHIQ"}


def small_bytes(numbers: Sequence[int], most: int) -> bytes:
    """Numbers from 0 to `most` as bytes, the lowest first on every machine."""
    found = small(numbers, most)
    if sys.byteorder == "big":
        found.byteswap()
    return found.tobytes()


def from_small_bytes(text: bytes, count: int) -> "array[int]":
    """So many numbers again."""
    found = array(_CODES[len(text) // count] if text else "B", text)
    if sys.byteorder == "big":
        found.byteswap()
    return found


def flagged(places: "array[int]", flags: bytes) -> int:
    """The rows, as bits, whose place has the flag 1; `flags` has a byte for each place.

    Two bytes a row are looked up byte by byte, 256 places at a time: where the flags are among few
    such parts that takes a third of the time of a look for each row.
    """
    parts = [part for part in range(0, len(flags), 256) if 1 in flags[part : part + 256]]
    if places.itemsize != 2 or len(parts) > _FEW_PARTS:
        return mask_of(bytes(map(flags.__getitem__, places)))
    text = places.tobytes()
    low, high = (text[::2], text[1::2]) if sys.byteorder == "little" else (text[1::2], text[::2])
    found = 0
    for part in parts:
        of_part = high.translate(bytes(part >> 8) + b"\1" + bytes(255 - (part >> 8)))
        some = low.translate(flags[part : part + 256].ljust(256, b"\0"))
        found |= int.from_bytes(some) & int.from_bytes(of_part)
    return mask_of(found.to_bytes(len(places)))


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
    places = [place[word] for word in column]
    if len(words) > FEW_WORDS:
        return Stored(words, places=small_bytes(places, len(words)))
    size = (len(places) + 7) // 8
    row_bytes = bytes(places)
    return Stored(words, bits=tuple(_bits(row_bytes, n).to_bytes(size) for n in range(len(words))))


def _bits(numbers: bytes, wanted: int) -> int:
    """The rows that have one number."""
    only = bytearray(256)
    only[wanted] = 1
    return mask_of(numbers.translate(bytes(only)))
