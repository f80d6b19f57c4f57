"""Rules about what is known of a subject: traits as given, and the two derived from them."""

import math
from collections.abc import Mapping

from server.project.rules import PropertyCondition, Value
from server.project.titles import seniority

Traits = Mapping[str, Value]


def with_derived(traits: Traits) -> Traits:
    """The traits with `email_domain` and `seniority`, unless somebody gave those."""
    derived: dict[str, Value] = dict(traits)
    email, title = traits.get("email"), traits.get("title")
    if isinstance(email, str) and "@" in email:
        derived.setdefault("email_domain", email.rpartition("@")[2])
    if isinstance(title, str) and title:
        derived.setdefault("seniority", seniority(title))
    return derived


def met(when: PropertyCondition, traits: Traits) -> bool:
    """Whether the traits meet the condition. A trait that is missing or empty meets none."""
    given = traits.get(when.field, "")
    if given == "" and isinstance(given, str):
        return False
    wanted = when.value
    match when.op:
        case "exists":
            return True
        case "in":
            return isinstance(wanted, tuple) and _word(given) in {_word(one) for one in wanted}
        case "at_least" | "at_most":
            return _in_range(when.op, _number(given), _number(wanted))
        case "contains":
            return _word(wanted) in _word(given)
        case _:
            return _word(given) == _word(wanted)


def _word(value: object) -> str:
    """A value as it is compared: words without case and outer spaces, 5.0 as 5, true as `true`."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return " ".join(str(value).casefold().split())


def _number(value: object) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return None if math.isnan(value) else value


def _in_range(op: str, given: int | float | None, wanted: int | float | None) -> bool:
    if given is None or wanted is None:
        return False
    return given >= wanted if op == "at_least" else given <= wanted
