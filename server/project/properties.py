"""Rules about what is known of a subject: traits as given, and the two derived from them."""

import math
from collections.abc import Mapping
from functools import lru_cache

from server.project.rules import FieldTest, Value
from server.project.titles import seniority

Traits = Mapping[str, Value]
_RANGES = frozenset({"at_least", "at_most", "between"})
#: Whole numbers beyond these are written as floats, or not at all: they have thousands of digits.
_LARGEST, _TOO_LARGE = 10**18, 10**300


def with_derived(traits: Traits) -> Traits:
    """The traits with `email_domain` and `seniority`, unless somebody gave those."""
    derived: dict[str, Value] = dict(traits)
    email, title = traits.get("email"), traits.get("title")
    if isinstance(email, str) and "@" in email:
        derived.setdefault("email_domain", email.rpartition("@")[2])
    if isinstance(title, str) and title:
        derived.setdefault("seniority", seniority(title))
    return derived


def met(when: FieldTest, traits: Traits) -> bool:
    """Whether the traits meet the test. A trait that is missing or empty meets none, nor does it
    meet one that is turned around: only that it does not exist is known of it. So it is with what
    is no number where a range is asked for."""
    given = traits.get(when.field, "")
    if given == "" and isinstance(given, str):
        return when.op == "exists" and when.negate
    if when.op in _RANGES and _number(given) is None:
        return False
    return _holds(when, given) != when.negate


def met_by_any(when: FieldTest, given: object) -> bool:
    """`met` for one value as an event holds it: of a list of values, one must meet the test, and
    none where it is turned around; anything but plain values is missing."""
    several = given if isinstance(given, list) else [given]
    plain = [one for one in several if isinstance(one, str | int | float)]
    asked = [met(when, {when.field: one}) for one in plain] or [met(when, {})]
    return all(asked) if when.negate else any(asked)


def _holds(when: FieldTest, given: Value) -> bool:
    wanted = when.value
    match when.op:
        case "exists":
            return True
        case "in":
            return isinstance(wanted, tuple) and _word(given) in _words(wanted)
        case "at_least" | "at_most" | "between":
            return _in_range(when.op, _number(given), wanted)
        case "contains":
            return not isinstance(wanted, tuple) and _word(wanted) in _word(given)
        case _:
            return not isinstance(wanted, tuple) and _word(given) == _word(wanted)


def _words(values: tuple[Value, ...]) -> frozenset[str]:
    # 1 and true are equal, so only lists of text can be remembered.
    return _texts(values) if set(map(type, values)) == {str} else frozenset(map(_word, values))


@lru_cache(maxsize=1_024)
def _texts(values: tuple[Value, ...]) -> frozenset[str]:
    return frozenset(map(_word, values))


def _word(value: object) -> str:
    """A value as it is compared: words without case and outer spaces, 5.0 as 5, true as `true`."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and abs(value) > _LARGEST:
        value = float(value) if abs(value) < _TOO_LARGE else "∞"
    return " ".join(str(value).casefold().split())


def _number(value: object) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return None if isinstance(value, float) and math.isnan(value) else value


def _in_range(op: str, given: int | float | None, wanted: object) -> bool:
    if op == "between":
        if not isinstance(wanted, tuple) or len(wanted) != 2:
            return False
        low, high = _number(wanted[0]), _number(wanted[1])
    else:
        low = _number(wanted) if op == "at_least" else -math.inf
        high = _number(wanted) if op == "at_most" else math.inf
    if given is None or low is None or high is None:
        return False
    return low <= given <= high
