"""Rulesets as others use them: the types, the presets, and the sentences that say what is wrong."""

from server.project.bounds import MOST_BYTES
from server.project.checking import RESERVED, Placed, problems
from server.project.decay import Decay
from server.project.presets import DEFAULT, PRESETS, SEED
from server.project.rules import (
    Axes,
    Bounds,
    Condition,
    EventCondition,
    FieldTest,
    FormLeftCondition,
    Group,
    InactivityCondition,
    PropertyCondition,
    Rule,
    Ruleset,
    SequenceCondition,
    SessionCondition,
    Threshold,
    decode,
    encode,
)

__all__ = [
    "DEFAULT",
    "PRESETS",
    "RESERVED",
    "SEED",
    "Axes",
    "Bounds",
    "Condition",
    "Decay",
    "EventCondition",
    "FieldTest",
    "FormLeftCondition",
    "Group",
    "InactivityCondition",
    "PropertyCondition",
    "Rule",
    "Ruleset",
    "SequenceCondition",
    "SessionCondition",
    "Threshold",
    "check",
    "decode",
    "encode",
    "too_long",
]


def check(ruleset: Ruleset, page_groups: frozenset[str] | None = None) -> list[str]:
    """What is wrong with a ruleset, as sentences for its author; empty if it can be published.

    `page_groups` are the names of the site's, if it is known.
    """
    told = [one.sentence for one in problems(Placed.of(ruleset), page_groups)]
    size = too_long(encode(ruleset))
    return [*told, size] if size else told


def too_long(document: bytes) -> str:
    """The sentence for a document without spaces that is too long, or nothing."""
    if len(document) <= MOST_BYTES:
        return ""
    return f"A ruleset is at most {MOST_BYTES:,} bytes long, this one is {len(document):,}."
