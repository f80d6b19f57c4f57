"""Moments and points as people write them in a query, a filter or a body."""

import math
import re
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from msgspec import UNSET, UnsetType

from server.errors import BadRequest
from server.ingest.limits import LATEST_MS
from server.reports import paging

#: Lists by time: a cursor of theirs names a moment, its first part.
_BY_TIME = (
    ("people-last_seen", (int, int)),
    ("visitors-last_seen", (int, int)),
    ("signals", (int, int, str, int, str)),
)


def read_time(name: str, text: str) -> int:
    """An ISO 8601 time as ms; without a zone it is UTC. Raises `BadRequest`."""
    # A plus that was not escaped in the address arrives as a space.
    text = re.sub(r" (\d\d:?\d\d)$", r"+\1", text.strip())
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRequest(
            f"parameter `{name}`: not an ISO 8601 time such as 2026-11-01T00:00:00Z"
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    at = round(moment.timestamp() * 1000)
    if not 0 <= at < LATEST_MS:
        raise BadRequest(f"parameter `{name}`: only times from 1970 to 2099")
    return at


def read_since(text: str) -> int | None:
    """ms of an ISO time or of a cursor; None where nothing is asked. Raises `BadRequest`."""
    if not text:
        return None
    for sort, types in _BY_TIME:
        try:
            key = paging.decode(sort, text, types)
        except BadRequest:
            continue
        return int(key[0]) if key else None
    return read_time("since", text)


def milli(score: float | UnsetType) -> int | None:
    """Points as milli-points; a fourth decimal place only ever asks for more."""
    return None if score is UNSET else math.ceil(round(score * 1000, 6))


def start_of(day: date, zone: str) -> int:
    """The ms at which a day begins in a zone."""
    moment = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    return round(moment.timestamp() * 1000)
