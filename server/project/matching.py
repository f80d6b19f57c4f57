"""Which rules an event may meet: a ruleset, indexed by event kind and remembered per kind of event.

Most events differ only in page and time from one seen before, so what they may meet is looked up
under the few fields that the rules of their kind ask for. Properties, which are seldom twice the
same, are asked on every event, but only of the rules that are left then; time read and scrolling
are left to `signals`. A site without rules about properties or channels pays nothing for them.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from server.model import DEFAULT_PAGE_GROUPS, EVENT_KINDS, Kind, PageGroup
from server.project.patterns import fits
from server.project.properties import met_by_any
from server.project.rules import (
    Counted,
    EventCondition,
    FieldTest,
    FormLeftCondition,
    Rule,
    Ruleset,
    SequenceCondition,
)

PRICING = "pricing"
DEMO_OR_CONTACT = "demo_or_contact"
_FORM_KINDS = frozenset({Kind.FORM_START, Kind.FORM_SUBMIT, Kind.FORM_CONFIRM})
_DEMO_KEYS = ("demo*", "contact*", "book*")
_UNNAMED = re.compile(r"^[^a-z0-9]+")
_MOST_REMEMBERED = 16_384  # more than a large site has pages
MINUTE_MS = 60_000


class Touch(NamedTuple):
    """How a visit came about, as far as is known by the event."""

    channel: str = ""
    source: str = ""
    medium: str = ""
    campaign: str = ""


NO_TOUCH = Touch()


class Fact(msgspec.Struct, frozen=True, gc=False):
    """One event of a session, as far as rules ask about it.

    `page` is the page key, `groups` its page groups. `purpose` is that of the form, or empty.
    `ms` and `scroll` are the longest reading time and the deepest per cent of the page view so far.
    `page_seq` is the seq of the page view an engagement belongs to, else the event's own. `data` is
    the event's own; `touch` is only there if a rule asks, which `Matcher.asks_touch` says.
    """

    seq: int
    at: int
    kind: Kind
    page: str = ""
    groups: tuple[str, ...] = ()
    form: str = ""
    purpose: str = ""
    ms: int = 0
    scroll: int = 0
    name: str = ""
    href: str = ""
    page_seq: int = 0
    data: Mapping[str, Any] | None = None
    touch: Touch = NO_TOUCH

    @property
    def form_event(self) -> bool:
        return self.kind in _FORM_KINDS

    @property
    def properties(self) -> Mapping[str, Any]:
        """What `where` asks about: a track event's properties, a submitted form's fields."""
        name = {Kind.TRACK: "props", Kind.FORM_SUBMIT: "fields"}.get(self.kind, "")
        found = (self.data or {}).get(name)
        return found if isinstance(found, dict) else {}


class Slot(msgspec.Struct, frozen=True, gc=False):
    """One rule, or one step of one, that an event may meet. `last` is the last step's number, `gap`
    the longest time between two steps (ms, 0 is any)."""

    rule: str
    counted: Counted
    min_ms: int = 0
    min_scroll: int = 0
    step: int = 0
    last: int = 0
    left: bool = False
    gap: int = 0


class _Shelf:
    """The conditions on one kind of event, and what facts met when last asked. `tests` are the
    different ones about properties; those of each condition stand beside it by their numbers."""

    __slots__ = ("_numbers", "asked", "fields", "remembered", "tests")

    def __init__(self) -> None:
        self.asked: list[tuple[EventCondition, Slot, tuple[int, ...]]] = []
        self.fields: tuple[bool, bool, bool, bool] = (False, False, False, False)
        self.tests: list[FieldTest] = []
        self.remembered: dict[tuple[object, ...], _Met] = {}
        self._numbers: dict[bytes, int] = {}

    def add(self, condition: EventCondition, slot: Slot) -> None:
        tests = tuple(self._number(test) for test in condition.where)
        self.asked.append((condition, slot, tests))
        name, href, page, touch = self.fields
        self.fields = (
            name or bool(condition.name),
            href or bool(condition.href),
            page or bool(condition.page),
            touch or condition.asks_touch,
        )

    def _number(self, test: FieldTest) -> int:
        name = msgspec.json.encode(test)  # 1 and true are equal, but not the same
        if name not in self._numbers:
            self._numbers[name] = len(self.tests)
            self.tests.append(test)
        return self._numbers[name]

    def passing(self, met: "_Met", fact: Fact) -> tuple[Slot, ...]:
        """Of what an event may meet, that whose tests its properties pass: each asked once."""
        properties = fact.properties
        passed: dict[int, bool] = {}
        found = []
        for slot, numbers in zip(met.slots, met.tests or (), strict=True):
            for number in numbers:
                if number not in passed:
                    test = self.tests[number]
                    passed[number] = met_by_any(test, properties.get(test.field))
                if not passed[number]:
                    break
            else:
                found.append(slot)
        return tuple(found)


class _Met(NamedTuple):
    """What events of one sort may meet. `tests` are the numbers of each slot's, None if none has
    any."""

    slots: tuple[Slot, ...]
    tests: tuple[tuple[int, ...], ...] | None


class Matcher:
    """A ruleset ready to be asked about events, with the page groups of its site."""

    __slots__ = ("_form_keys", "_shelves", "asks_touch")

    def __init__(self, ruleset: Ruleset, groups: Sequence[PageGroup] = DEFAULT_PAGE_GROUPS) -> None:
        self._form_keys: Final = {group.name: _key_patterns(group) for group in groups}
        demo = self._form_keys.get(DEMO_OR_CONTACT, ())
        self._form_keys[DEMO_OR_CONTACT] = (*demo, *_DEMO_KEYS)
        self._shelves: Final[list[_Shelf | None]] = [None] * 256
        self.asks_touch = False
        for rule in ruleset.rules:
            for condition, slot in _slots(rule):
                self.asks_touch |= condition.asks_touch
                for word in EVENT_KINDS.keys() & set(condition.kinds):
                    self._shelf(EVENT_KINDS[word]).add(condition, slot)

    def _shelf(self, kind: Kind) -> _Shelf:
        shelf = self._shelves[kind] or _Shelf()
        self._shelves[kind] = shelf
        return shelf

    def slots(self, fact: Fact) -> tuple[Slot, ...]:
        """What the fact may meet in the order of the ruleset, later steps of a sequence first: so
        one event is never two steps."""
        shelf = self._shelves[fact.kind]
        if shelf is None:
            return ()
        name, href, page, touch = shelf.fields
        key = (
            fact.groups,
            fact.form,
            fact.purpose,
            name and fact.name,
            href and fact.href,
            page and fact.page,
            touch and fact.touch,
        )
        met = shelf.remembered.get(key)
        if met is None:
            found = [each for each in shelf.asked if self._meets(each[0], fact)]
            tests = tuple(each[2] for each in found)
            met = _Met(tuple(each[1] for each in found), tests if any(tests) else None)
            if len(shelf.remembered) >= _MOST_REMEMBERED:
                shelf.remembered.clear()
            shelf.remembered[key] = met
        return met.slots if met.tests is None else shelf.passing(met, fact)

    def _meets(self, condition: EventCondition, fact: Fact) -> bool:
        groups, intent = condition.groups, condition.high_intent
        return (
            (not groups or any(self._belongs(fact, group) for group in groups))
            and (not condition.purposes or (fact.purpose or "lead") in condition.purposes)
            and (intent is None or intent == self._intends(fact))
            and (not condition.name or fits(condition.name, fact.name))
            and (not condition.href or fits(condition.href, fact.href))
            and (not condition.page or fits(condition.page, fact.page))
            and (not condition.form or fits(condition.form, fact.form))
            and (not condition.asks_touch or _came(condition, fact.touch))
        )

    def _belongs(self, fact: Fact, group: str) -> bool:
        if group in fact.groups:
            return True
        if not fact.form_event:
            return False
        key = _UNNAMED.sub("", fact.form.casefold())
        return any(fits(pattern, key) for pattern in self._form_keys.get(group, ()))

    def demo_or_contact_form(self, fact: Fact) -> bool:
        """Whether a form event is of a lead form whose key or page asks for a demo or a contact."""
        return (fact.purpose or "lead") == "lead" and self._belongs(fact, DEMO_OR_CONTACT)

    def high_intent(self, fact: Fact) -> bool:
        """Whether somebody is about to talk: a pricing, demo or contact page was viewed, or a demo
        or contact form sent. Starting or confirming a form is no event of its own here."""
        if fact.kind == Kind.PAGE_VIEW:
            return PRICING in fact.groups or DEMO_OR_CONTACT in fact.groups
        return fact.kind == Kind.FORM_SUBMIT and self.demo_or_contact_form(fact)

    def _intends(self, fact: Fact) -> bool:
        return self.demo_or_contact_form(fact) if fact.form_event else self.high_intent(fact)


def _came(condition: EventCondition, touch: Touch) -> bool:
    """Whether the visit came about as the condition asks; patterns, without regard to case."""
    asked = (condition.channels, condition.sources, condition.mediums, condition.campaigns)
    return all(
        not patterns or any(fits(one.casefold(), given.casefold()) for one in patterns)
        for patterns, given in zip(asked, touch, strict=True)
    )


def _key_patterns(group: PageGroup) -> tuple[str, ...]:
    """The patterns of a page group as patterns of a form key: `/demo*` is `demo*`."""
    bare = (pattern.lstrip("/").casefold() for pattern in group.patterns)
    return tuple(pattern for pattern in bare if pattern.strip("*"))


def _slots(rule: Rule) -> list[tuple[EventCondition, Slot]]:
    when = rule.when
    if isinstance(when, EventCondition):
        return [(when, _slot(rule, when))]
    if isinstance(when, SequenceCondition):
        last, gap = len(when.steps) - 1, when.gap_minutes * MINUTE_MS
        steps = reversed(list(enumerate(when.steps)))
        return [(step, _slot(rule, step, number, last, gap)) for number, step in steps]
    if isinstance(when, FormLeftCondition):
        started = EventCondition(
            ("form_start",),
            when.groups,
            when.purposes,
            high_intent=when.high_intent,
            form=when.form,
        )
        return [(started, Slot(rule.key, rule.counted, left=True))]
    return []


def _slot(rule: Rule, when: EventCondition, step: int = 0, last: int = 0, gap: int = 0) -> Slot:
    return Slot(rule.key, rule.counted, when.min_ms, when.min_scroll, step, last, gap=gap)
