"""Names that the program keeps, as people write them: stages, thresholds, fields."""

import re

_INITIALS = {"mql", "pql", "sql"}
_APART = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_\-\s]+")


def stage_words(stage: str) -> str:
    """A stage, or a threshold's key, within a sentence: MQL, but lead."""
    return stage.upper() if stage in _INITIALS else stage.replace("_", " ")


def stage_word(stage: str) -> str:
    """A stage, or a threshold's key, by itself: MQL, but Lead."""
    words = stage_words(stage)
    return words[:1].upper() + words[1:]


def field_words(name: str) -> str:
    """The name of a field within a sentence: `job_title` and `jobTitle` are job title."""
    apart = _APART.sub(" ", name).split()
    return " ".join(word if word.isupper() else word.lower() for word in apart)


def field(name: str) -> str:
    """The name of a field by itself: Job title."""
    words = field_words(name)
    return words[:1].upper() + words[1:]
