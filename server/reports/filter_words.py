"""Filters in words: what one asks or, given a person who meets it, why that person does."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

from server.model import STAGES
from server.reports.filter_values import NOBODY, Ago, Bound, Fact
from server.reports.shapes import PersonRow, points
from server.words import stage_words

#: Rules by key in words.
Labels = Mapping[str, str]


def listed(parts: Sequence[str], last: str) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def _one_of(what: str, asked: Sequence[str], actual: str | None) -> str:
    return f"{what} is {actual if actual is not None else listed(asked, 'or')}"


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count:,} days"


def _seen(person: PersonRow | None) -> str:
    """When they were, as an addition."""
    if person is None or not person.last_seen:
        return ""
    return f" ({_day(datetime.fromisoformat(person.last_seen).date())})"


def _score(person: PersonRow | None) -> str:
    return "score" if person is None else f"score {person.score:g}"


def stage(ranks: Sequence[int], person: PersonRow | None, labels: Labels) -> str:
    del labels
    asked = [stage_words(STAGES[rank]) for rank in ranks]
    return _one_of("stage", asked, stage_words(person.stage) if person else None)


def signals(keys: Sequence[str], person: PersonRow | None, labels: Labels) -> str:
    del person
    named = listed([f"“{labels.get(key, key)}”" for key in keys], "and")
    return f"{'signal' if len(keys) == 1 else 'signals'} {named}"


def least(milli: int, person: PersonRow | None, labels: Labels) -> str:
    del labels
    return f"{_score(person)} ≥ {points(milli)}"


def most(milli: int, person: PersonRow | None, labels: Labels) -> str:
    del labels
    return f"{_score(person)} ≤ {points(milli)}"


def grade(grades: Sequence[str], person: PersonRow | None, labels: Labels) -> str:
    del labels
    return _one_of("grade", grades, person.grade if person else None)


def source(sources: Sequence[str], person: PersonRow | None, labels: Labels) -> str:
    del labels
    return _one_of("source", sources, person.source if person else None)


def channel(channels: Sequence[str], person: PersonRow | None, labels: Labels) -> str:
    del labels
    asked = [one.replace("_", " ") for one in channels]
    return _one_of("channel", asked, person.channel.replace("_", " ") if person else None)


def company(text: str, person: PersonRow | None, labels: Labels) -> str:
    del person, labels
    return f"company is {text}"


def domain(domains: Sequence[str], person: PersonRow | None, labels: Labels) -> str:
    del labels
    own = person.email.rpartition("@")[2] if person else None
    return _one_of("domain", domains, own if own in domains else None)


def search(found: Sequence[str], person: PersonRow | None, labels: Labels) -> str:
    del person, labels
    return f"found by {listed([f'“{word}”' for word in found], 'and')}"


def tags(names: Sequence[str], person: PersonRow | None, labels: Labels) -> str:
    del person, labels
    named = listed([f"“{name}”" for name in names], "and")
    return f"{'tag' if len(names) == 1 else 'tags'} {named}"


def owner(owners: Sequence[str], person: PersonRow | None, labels: Labels) -> str:
    del labels
    asked = [one or NOBODY for one in owners]
    return _one_of("owner", asked, (person.owner or NOBODY) if person else None)


def email(address: str, person: PersonRow | None, labels: Labels) -> str:
    del person, labels
    return f"has the address {address}"


def since(at: int, person: PersonRow | None, labels: Labels) -> str:
    del labels
    return f"seen since {_day(datetime.fromtimestamp(at / 1000, UTC).date())}{_seen(person)}"


def seen_within(ago: Ago, person: PersonRow | None, labels: Labels) -> str:
    del labels
    return f"seen within {_days(ago.days)}{_seen(person)}"


def not_seen_for(ago: Ago, person: PersonRow | None, labels: Labels) -> str:
    del labels
    return f"not seen for {_days(ago.days)}{_seen(person)}"


def lead_from(bound: Bound, person: PersonRow | None, labels: Labels) -> str:
    del person, labels
    return f"became a lead on {_day(bound.day)} or later"


def lead_to(bound: Bound, person: PersonRow | None, labels: Labels) -> str:
    del person, labels
    return f"became a lead on {_day(bound.day)} or before"


def do_not_contact(on: bool, person: PersonRow | None, labels: Labels) -> str:
    del person, labels
    return "asked to be left alone" if on else "may be contacted"


def traits(facts: Sequence[Fact], person: PersonRow | None, labels: Labels) -> str:
    del person, labels
    return listed([f"{fact.name.replace('_', ' ')} is {fact.value}" for fact in facts], "and")


def conflict(there: bool, person: PersonRow | None, labels: Labels) -> str:
    del person, labels
    return "an open conflict concerns them" if there else "no open conflict concerns them"
