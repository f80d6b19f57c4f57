"""Rules in the words of people: what counts, how often, how it fades. Pure; for pages, the terminal
and the sentences of a difference alike."""

from collections.abc import Iterable
from typing import Any

from server.project.decay import Decay
from server.project.rules import (
    Condition,
    EventCondition,
    FieldTest,
    FormLeftCondition,
    InactivityCondition,
    PropertyCondition,
    Rule,
    SequenceCondition,
    SessionCondition,
)
from server.words import field_words

#: What each kind of event is called where rules are written.
KIND_WORDS = {
    "page_view": "a page viewed",
    "engagement": "a page read",
    "click": "a link clicked",
    "download": "a file downloaded",
    "form_start": "a form started",
    "form_submit": "a form sent",
    "form_confirm": "a form confirmed",
    "track": "an event of your own",
    "identify": "identified by your site",
    "consent": "a choice about consent",
    "email_open": "a mail opened",
    "email_click": "a link in a mail clicked",
}
COUNTED_WORDS = {
    "each": "every time",
    "first_only": "the first time only",
    "once_per_session": "once a visit",
    "once_per_day": "once a day",
    "once_per_page": "once a page",
    "count": "when it happens several times within some days",
    "returns_within": "when somebody comes back within some days",
}
OP_WORDS = {
    "exists": "is known",
    "equals": "is",
    "in": "is one of",
    "contains": "contains",
    "at_least": "is at least",
    "at_most": "is at most",
    "between": "is between",
}
_NOT_WORDS = {
    "exists": "is not known",
    "equals": "is not",
    "in": "is none of",
    "contains": "does not contain",
    "at_least": "is below",
    "at_most": "is above",
    "between": "is not between",
}
_SHOWN = 6  # values of one list


def points(milli: int) -> str:
    """Milli-points as exact decimals: `−2.5`."""
    whole, rest = divmod(abs(milli), 1_000)
    text = f"{whole}.{rest:03d}".rstrip("0").rstrip(".")
    return f"−{text}" if milli < 0 else text


def fading(decay: Decay) -> str:
    """How points fade: `halved every 30 days`."""
    match decay.kind:
        case "window":
            return f"gone after {_days(decay.days)}"
        case "half_life":
            return f"halved every {_days(decay.days)}"
        case "linear":
            return f"{decay.percent} % less every {_days(decay.days)}"
        case _:
            return "no decay"


def counting(rule: Rule) -> str:
    """How often a rule counts: `once a visit`."""
    if rule.counted == "count":
        return f"when it happens {rule.n} times within {_days(rule.within_days)}"
    if rule.counted == "returns_within":
        return f"when somebody comes back within {_days(rule.within_days)}"
    return COUNTED_WORDS[rule.counted]


def details(rule: Rule) -> list[str]:
    """What follows a rule's label: what counts, and whatever is not as usual about it."""
    found = [condition(rule.when)]
    if not isinstance(rule.when, PropertyCondition | InactivityCondition):
        found.append(counting(rule))
        found.append("does not fade" if rule.decay.kind == "none" else fading(rule.decay))
    if rule.cap is not None:
        sign = "−" if rule.points < 0 else ""
        found.append(f"at most {sign}{points(rule.cap)} points")
    return found


def condition(when: Condition) -> str:
    """A condition in a few words."""
    match when:
        case SequenceCondition():
            gap = f", at most {when.gap_minutes} minutes apart" if when.gap_minutes else ""
            return ", then ".join(map(condition, when.steps)) + gap
        case SessionCondition():
            return "a visit"
        case InactivityCondition():
            again = f", again every {when.repeat_days}" if when.repeat_days else ""
            return f"no visit for {_days(when.days)}{again}"
        case PropertyCondition():
            return test(when)
        case EventCondition():
            kinds = _any(KIND_WORDS.get(kind, kind) for kind in when.kinds)
            return " ".join([kinds, *_page(when), *_event(when)])
        case FormLeftCondition():
            return " ".join(["a form started and not sent", *_page(when)])


def test(asked: FieldTest) -> str:
    """What is asked of one value: `job title is not “intern”`."""
    name = field_words(asked.field)
    words = (_NOT_WORDS if asked.negate else OP_WORDS)[asked.op]
    if asked.op == "exists":
        return f"{name} {words}"
    if asked.op == "between" and isinstance(asked.value, tuple):
        return f"{name} {words} {' and '.join(map(_value, asked.value))}"
    return f"{name} {words} {_value(asked.value)}"


def _page(when: EventCondition | FormLeftCondition) -> list[str]:
    """Where it happened, and what form it was."""
    found = []
    if when.groups:
        found.append(f"on {_any(f'“{name}”' for name in when.groups)} pages")
    if isinstance(when, EventCondition) and when.page:
        found.append(f"on {when.page}")
    if when.form:
        found.append(f"in the form {when.form}")
    if when.purposes:
        found.append(f"for {_any(when.purposes)}")
    if when.high_intent is not None:
        found.append("with high intent" if when.high_intent else "without high intent")
    return found


def _event(when: EventCondition) -> list[str]:
    found = []
    if when.name:
        found.append(f"named “{when.name}”")
    if when.href:
        found.append(f"leading to {when.href}")
    if when.min_ms:
        found.append(f"for {when.min_ms / 1_000:g} s or longer")
    if when.min_scroll:
        both = "and " if when.min_ms else ""
        found.append(f"{both}scrolled to {when.min_scroll} % or further")
    if when.where:
        found.append("where " + " and ".join(map(test, when.where)))
    for word, patterns in (
        ("by the channel", when.channels),
        ("from", when.sources),
        ("by the medium", when.mediums),
        ("by the campaign", when.campaigns),
    ):
        if patterns:
            found.append(f"{word} {_any(patterns)}")
    return found


def _any(words: Iterable[str]) -> str:
    known = list(words)
    more = len(known) - _SHOWN
    shown = [*known[:_SHOWN], f"{more} more"] if more > 0 else known
    return " or ".join(shown) if len(shown) < 3 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return _any(map(_value, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int | float) else f"“{value}”"


def _days(count: int) -> str:
    return f"{count} day{'s' if count != 1 else ''}"
