"""Keyset paging: a page starts where the one before ended, however many rows came in between.

A cursor is the sort and the last key, as base64url of JSON: opaque to clients, and checked like
anything else that comes from outside.
"""

import base64
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from server.errors import BadRequest

MOST = 200
DEFAULT = 50
_INT64 = 2**63

Key = tuple[int | str, ...]
_decoder = msgspec.json.Decoder(list[int | str])


class Paging(NamedTuple):
    """How many rows, and the cursor as it came; empty for the first page."""

    limit: int = DEFAULT
    cursor: str = ""


def encode(sort: str, key: Sequence[int | str]) -> str:
    """The cursor of the page after `key`."""
    text = msgspec.json.encode([sort, *key])
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def decode(sort: str, cursor: str, types: Sequence[type]) -> Key | None:
    """The key in a cursor of this sort; None for the first page. Raises `BadRequest`."""
    if not cursor:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        named, *key = _decoder.decode(text)
    except (ValueError, msgspec.MsgspecError) as error:
        raise BadRequest("parameter `cursor`: not a cursor of this list") from error
    if named != sort:
        raise BadRequest("parameter `cursor`: it belongs to another list, sort or filter")
    if [type(part) for part in key] != list(types) or not all(map(_fits, key)):
        raise BadRequest("parameter `cursor`: not a cursor of this list")
    return tuple(key)


def _fits(part: int | str) -> bool:
    if isinstance(part, int):
        return -_INT64 <= part < _INT64
    return len(part) <= 4_000 and "\x00" not in part


class Where:
    """The conditions of one statement with their numbered arguments."""

    def __init__(self, *parts: str) -> None:
        self.parts = list(parts)
        self.args: list[Any] = []

    def arg(self, value: Any) -> str:
        """The placeholder of a value."""
        self.args.append(value)
        return f"${len(self.args)}"

    def add(self, condition: str) -> None:
        self.parts.append(condition)

    def past(self, columns: Sequence[str], key: Key | None, *, down: bool) -> None:
        """Only rows after `key` in the order of these columns, all up or all `down`.

        The first column is bounded on its own as well, so that an index can start there.
        """
        if key is None:
            return
        sign = "<" if down else ">"
        marks = [self.arg(part) for part in key]
        condition = f"{columns[-1]} {sign} {marks[-1]}"
        for column, mark in reversed(list(zip(columns[:-1], marks[:-1], strict=True))):
            condition = f"({column} {sign} {mark} OR ({column} = {mark} AND {condition}))"
        self.add(f"{columns[0]} {sign}= {marks[0]}")
        self.add(condition)

    def __str__(self) -> str:
        return " AND ".join(self.parts)


def bound(limit: int, rows: Sequence[Any]) -> tuple[Sequence[Any], bool]:
    """The rows of a page out of `limit + 1` that were asked for, and whether more follow."""
    return rows[:limit], len(rows) > limit
