"""What is wrong with an address, in the words that stand on the page it belongs to."""

import re

from server.reports.people_filters import FILTERS

_LABELS = {name: one.label for name, one in FILTERS.items()} | {
    "from": "From", "to": "To", "range": "Range", "compare": "Compare with", "sort": "Order",
    "column": "Columns", "cursor": "Page", "segment": "Segment", "who": "Who", "said": "said",
}  # fmt: skip
_ZONE = "is no time zone"
_SOME_ZONE = f"{_ZONE}: choose one that the field offers, such as Europe/Berlin"
_PLACE = re.compile(r"parameters? `(\w+)`(?: and `(\w+)`)?")
_EXPECTED = re.compile(r"Expected `([^`]+)`[^;]*")
_KINDS = (
    (re.compile(r"float|int"), "a number belongs here"),
    (re.compile(r"date"), "a day belongs here, such as 2026-11-22"),
    (re.compile(r"bool"), "only yes or no fits here"),
    (re.compile(r"str"), "this is too long, or no such text as belongs here"),
)


def page_words(detail: str) -> str:
    """A sentence about parameters as one about the fields people see."""
    said = _EXPECTED.sub(_expected, _PLACE.sub(_fields, detail))
    said = said.replace("setting `zone`", "time zone").replace(_ZONE, _SOME_ZONE)
    return said.replace("Invalid RFC3339 encoded date", "a day belongs here, such as 2026-11-22")


def _fields(found: re.Match[str]) -> str:
    return " and ".join(f"“{_LABELS.get(name, name)}”" for name in found.groups() if name)


def _expected(found: re.Match[str]) -> str:
    return next((words for kind, words in _KINDS if kind.search(found[1])), found[0])
