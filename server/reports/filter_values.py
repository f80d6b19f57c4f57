"""What a filter asks, checked and turned into what is compared: ranks, milli-points, ms, words.

Each function takes the filter's name, which a refusal names, what was asked, and the frame.
"""

import math
import re
from datetime import date, timedelta
from typing import NamedTuple

import msgspec

from server.errors import BadRequest
from server.ingest.emails import normalise_email
from server.model import DAY_MS, STAGE_RANK, Site
from server.reports.moments import milli, read_since, start_of

MOST_WORDS = 5
NOBODY = "nobody"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


class Frame(NamedTuple):
    """Where and when (ms) is asked."""

    site: Site
    now: int


class Ago(NamedTuple):
    """Days back from now, and the moment (ms) that they reach back to."""

    days: int
    at: int


class Bound(NamedTuple):
    """A day and the moment (ms) that bounds it."""

    day: date
    at: int


class Fact(NamedTuple):
    """A trait and the JSON texts that are this value, in lower case."""

    name: str
    value: str
    texts: tuple[str, ...]


def lowered(text: str) -> str:
    """ASCII letters in lower case, as both databases do it in the collation of our columns."""
    return text.translate(_ASCII_LOWER)


def line(name: str, text: str, frame: Frame) -> str:
    """A text in one line. Raises `BadRequest` for control characters."""
    del frame
    found = " ".join(text.split())
    if _CONTROL.search(found):
        raise BadRequest(f"parameter `{name}` holds a control character")
    return found


def plain(name: str, value: bool, frame: Frame) -> bool:
    del name, frame
    return value


def names(name: str, given: tuple[str, ...], frame: Frame) -> tuple[str, ...]:
    """Each text once, in one line, without blanks."""
    found = dict.fromkeys(line(name, one, frame) for one in given)
    return tuple(one for one in found if one)


def domains(name: str, given: tuple[str, ...], frame: Frame) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.lower() for one in names(name, given, frame)))


def owners(name: str, given: tuple[str, ...], frame: Frame) -> tuple[str, ...]:
    """Names of owners; nobody's is the empty one."""
    return tuple("" if one == NOBODY else one for one in names(name, given, frame))


def ranks(name: str, given: tuple[str, ...], frame: Frame) -> tuple[int, ...]:
    """Stages by rank."""
    del name, frame
    return tuple(sorted({STAGE_RANK[one] for one in given}))


def least(name: str, score: float, frame: Frame) -> int:
    """Milli-points; a fourth decimal place asks for more."""
    del name, frame
    return milli(score) or 0


def most(name: str, score: float, frame: Frame) -> int:
    """Milli-points; a fourth decimal place allows no more."""
    del name, frame
    return math.floor(round(score * 1000, 6))


def search(name: str, text: str, frame: Frame) -> tuple[str, ...]:
    """The words of a search in lower case. Raises `BadRequest` for too many."""
    found = tuple(dict.fromkeys(line(name, text, frame).lower().split()))
    if len(found) > MOST_WORDS:
        raise BadRequest(f"parameter `{name}`: at most {MOST_WORDS} words")
    return found


def email(name: str, text: str, frame: Frame) -> str:
    """The one form of an address, or the text itself, which nobody has then."""
    return normalise_email(text) or line(name, text, frame)


def since(name: str, text: str, frame: Frame) -> int:
    """ms of a time or a cursor."""
    del name, frame
    return read_since(text) or 0


def days_ago(name: str, days: int, frame: Frame) -> Ago:
    del name
    return Ago(days, frame.now - days * DAY_MS)


def first_day(name: str, day: date, frame: Frame) -> Bound:
    """A day with its beginning in the site's zone."""
    return Bound(day, _start(name, day, frame))


def last_day(name: str, day: date, frame: Frame) -> Bound:
    """A day with the beginning of the next one."""
    _start(name, day, frame)
    return Bound(day, _start(name, day + timedelta(days=1), frame))


def _start(name: str, day: date, frame: Frame) -> int:
    if not 1970 <= day.year <= 2100:
        raise BadRequest(f"parameter `{name}`: only days from 1970 to 2099")
    return start_of(day, frame.site.settings.zone)


def traits(name: str, given: tuple[str, ...], frame: Frame) -> tuple[Fact, ...]:
    """Traits with their values as they may be stored. Raises `BadRequest`."""
    return tuple(_fact(name, one) for one in names(name, given, frame))


def _fact(name: str, text: str) -> Fact:
    trait, colon, value = text.partition(":")
    trait, value = trait.strip(), value.strip()
    if not (trait and colon and value):
        raise BadRequest(f"parameter `{name}`: write a trait as name:value, such as budget:50k")
    stored = [_json(value)]
    if value.lower() in {"true", "false"}:
        stored.append(value.lower())
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if math.isfinite(number):
        stored.append(_json(number))
        if number.is_integer() and abs(number) < 2**63:
            stored.append(str(int(number)))
    return Fact(trait, value, tuple(dict.fromkeys(lowered(one) for one in stored)))


def _json(value: str | float) -> str:
    return msgspec.json.encode(value).decode()
