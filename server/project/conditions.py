"""What is wrong with one condition: what no event has, and what could never be met."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from server.model import EVENT_KINDS
from server.project.bounds import (
    MOST_CONDITIONS,
    MOST_DAYS,
    MOST_GAP_MINUTES,
    MOST_PATTERN,
    MOST_READ_MS,
    MOST_STARS,
    MOST_STEPS,
)
from server.project.patterns import fits
from server.project.rules import (
    Condition,
    EventCondition,
    FieldTest,
    FormLeftCondition,
    InactivityCondition,
    PropertyCondition,
    SequenceCondition,
)

#: Where in a rule something is wrong, and what follows the rule's name in a sentence.
Found: TypeAlias = tuple[tuple[str | int, ...], str]

PURPOSES = ("lead", "newsletter", "search", "login")
EMAIL_CLASSES = ("business", "free", "disposable")
#: As `ingest` names them; patterns may cover several.
CHANNELS = (
    "Direct",
    "Cross-network",
    "Paid Shopping",
    "Paid Search",
    "Paid Social",
    "Paid Video",
    "Display",
    "Paid Other",
    "Organic Shopping",
    "Organic Social",
    "Organic Video",
    "Organic Search",
    "AI Assistant",
    "Referral",
    "Email",
    "Affiliates",
    "Audio",
    "SMS",
    "Mobile Push Notifications",
    "Unassigned",
)
_FORM_KINDS = {"form_start", "form_submit", "form_confirm"}
_LINK_KINDS = {"click", "download"}


def condition(when: Condition, page_groups: frozenset[str] | None) -> Iterator[Found]:
    """What is wrong with a rule's condition."""
    at = ("when",)
    if isinstance(when, SequenceCondition):
        yield from _sequence(when, page_groups)
    elif isinstance(when, EventCondition):
        yield from _event(when, at, page_groups)
    elif isinstance(when, FormLeftCondition):
        yield from _named(when, at, page_groups)
        yield from _pattern((*at, "form"), when.form)
    elif isinstance(when, PropertyCondition):
        yield from _test(when, at)
    elif isinstance(when, InactivityCondition):
        yield from _silence(when, at)


def _silence(when: InactivityCondition, at: tuple[str | int, ...]) -> Iterator[Found]:
    if not 1 <= when.days <= MOST_DAYS:
        yield (*at, "days"), f"needs a silence of 1 to {MOST_DAYS} days"
    if not 0 <= when.repeat_days <= MOST_DAYS:
        yield (*at, "repeat_days"), f"can count again every 1 to {MOST_DAYS} days"


def _sequence(when: SequenceCondition, page_groups: frozenset[str] | None) -> Iterator[Found]:
    if not 2 <= len(when.steps) <= MOST_STEPS:
        yield ("when", "steps"), f"needs 2 to {MOST_STEPS} steps"
    if not 0 <= when.gap_minutes <= MOST_GAP_MINUTES:
        yield ("when", "gap_minutes"), f"needs a gap of 0 to {MOST_GAP_MINUTES:,} minutes"
    for number, step in enumerate(when.steps):
        yield from _event(step, ("when", "steps", number), page_groups)


def _event(
    when: EventCondition, at: tuple[str | int, ...], page_groups: frozenset[str] | None
) -> Iterator[Found]:
    kinds = set(when.kinds)
    if not kinds:
        yield (*at, "kinds"), "names no event: add one to `kinds`"
    for unknown in sorted(kinds - EVENT_KINDS.keys()):
        told = f"names the event “{unknown[:60]}”, which does not exist"
        yield (*at, "kinds"), f"{told}: choose of {', '.join(EVENT_KINDS)}"
    yield from _reading(when, at, kinds)
    yield from _form(when, at, kinds)
    yield from _named(when, at, page_groups)
    if when.name and kinds != {"track"}:
        yield (*at, "name"), "asks for a name, which only track events have: leave it out"
    if when.href and not kinds <= _LINK_KINDS:
        yield (*at, "href"), "asks where a link leads, which only clicks and downloads have"
    if kinds == {"email_open"} and (when.page or when.groups or when.asks_touch):
        yield at, "could never count: an opened mail is on no page and in no visit"
    for name in ("name", "href", "page", "form"):
        yield from _pattern((*at, name), getattr(when, name))
    yield from _where(when, at, kinds)
    yield from _touch(when, at)


def _reading(when: EventCondition, at: tuple[str | int, ...], kinds: set[str]) -> Iterator[Found]:
    if (when.min_ms or when.min_scroll) and kinds != {"engagement"}:
        told = "asks for reading time or scrolling, which only engagement events have"
        yield (*at, "kinds"), f"{told}: name only those"
    if not 0 <= when.min_ms <= MOST_READ_MS or not 0 <= when.min_scroll <= 100:
        yield at, "asks for a reading time below 0 or over a day, or scrolling outside 0 to 100"


def _form(when: EventCondition, at: tuple[str | int, ...], kinds: set[str]) -> Iterator[Found]:
    if when.purposes and not kinds <= _FORM_KINDS:
        yield (*at, "purposes"), "asks for the purpose of a form, which only form events have"
    if when.form and not kinds <= _FORM_KINDS:
        yield (*at, "form"), "asks for a form, which only form events have"
    if when.high_intent and not kinds & {"page_view", "form_submit"}:
        told = "asks for high intent, which only page views and submitted forms have"
        yield (*at, "high_intent"), told


def _named(
    when: EventCondition | FormLeftCondition,
    at: tuple[str | int, ...],
    page_groups: frozenset[str] | None,
) -> Iterator[Found]:
    for unknown in sorted(set(when.purposes) - set(PURPOSES)):
        told = f"asks for the purpose “{unknown[:60]}”, which no form has"
        yield (*at, "purposes"), f"{told}: choose of {', '.join(PURPOSES)}"
    if when.high_intent and when.purposes and "lead" not in when.purposes:
        yield (*at, "purposes"), "could never count: only forms for leads are of high intent"
    for unknown in sorted(set(when.groups) - page_groups) if page_groups is not None else ():
        told = f"asks for the page group “{unknown[:60]}”, which this site does not have"
        yield (*at, "groups"), f"{told}: add it in the settings, or choose another"


def _pattern(at: tuple[str | int, ...], pattern: str) -> Iterator[Found]:
    if len(pattern) > MOST_PATTERN:
        yield at, f"has a pattern of more than {MOST_PATTERN} characters: shorten it"
    if pattern.count("*") > MOST_STARS:
        yield at, f"has a pattern with more than {MOST_STARS} stars: use fewer"


def _where(when: EventCondition, at: tuple[str | int, ...], kinds: set[str]) -> Iterator[Found]:
    if not when.where:
        return
    if kinds not in ({"track"}, {"form_submit"}):
        told = "asks about properties, which track events have, or fields, which submitted forms"
        yield (*at, "where"), f"{told} have: name one of these kinds alone"
    if len(when.where) > MOST_CONDITIONS:
        yield (*at, "where"), f"asks more than {MOST_CONDITIONS} things at once: leave some out"
    for number, test in enumerate(when.where):
        yield from _test(test, (*at, "where", number))


def _touch(when: EventCondition, at: tuple[str | int, ...]) -> Iterator[Found]:
    for channel in when.channels:
        if not any(fits(channel.casefold(), known.casefold()) for known in CHANNELS):
            told = f"asks for the channel “{channel[:60]}”, which does not exist"
            yield (*at, "channels"), f"{told}: choose of {', '.join(CHANNELS)}"
    for name in ("channels", "sources", "mediums", "campaigns"):
        for pattern in getattr(when, name):
            if not pattern:
                yield (*at, name), "asks for an empty word, which never counts: leave it out"
            yield from _pattern((*at, name), pattern)


# ------------------------------------------------------------ tests of values


def _test(when: FieldTest, at: tuple[str | int, ...]) -> Iterator[Found]:
    if not when.field:
        yield (*at, "field"), "names no property: add it"
    value, several = when.value, isinstance(when.value, tuple)
    if (when.op in {"in", "between"}) != several:
        told = "needs a list of values for “in” and “between”, and one value for anything else"
        yield (*at, "value"), told
    elif when.op == "exists":
        if value != "":
            yield (*at, "value"), "asks whether something exists, which takes no value"
    elif when.op == "between":
        yield from _between(value, at)
    elif when.op in {"at_least", "at_most"}:
        if not _is_number(value):
            yield (*at, "value"), f"compares with “{when.op}”, which needs a number"
    elif when.op == "contains":
        if not str(value).strip():
            yield (*at, "value"), "asks whether nothing is contained, which is always so"
    else:
        yield from _words(when, at)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _between(value: object, at: tuple[str | int, ...]) -> Iterator[Found]:
    pair: Sequence[object] = value if isinstance(value, tuple) else ()
    if len(pair) != 2 or not all(map(_is_number, pair)):
        yield (*at, "value"), "lies between two numbers: the least and the most"
    elif pair[0] > pair[1]:  # type: ignore[operator]
        yield (*at, "value"), "could never count: put the smaller number first"


def _words(when: FieldTest, at: tuple[str | int, ...]) -> Iterator[Found]:
    """`equals` and `in`: a value that nothing can have makes a rule that never counts."""
    values = when.value if isinstance(when.value, tuple) else (when.value,)
    if not values:
        yield (*at, "value"), "could never count: the list is empty"
    for value in values:
        word = str(value).strip().casefold()
        if not word:
            yield (*at, "value"), "could never count: nothing equals an empty text; use “exists”"
        elif when.field == "email_class" and word not in EMAIL_CLASSES:
            yield (*at, "value"), f"could never count: it is one of {', '.join(EMAIL_CLASSES)}"
        elif when.field == "email_domain" and "@" in word:
            yield (*at, "value"), "could never count: a domain is what follows the @"
