"""The ruleset as its author writes it: one JSON object, points as decimals, no version.

What is wrong is told all at once, each problem with its place and a sentence that says what to do.
What was read and is written again is read as the same ruleset.
"""

from functools import cache
from itertools import islice
from typing import Any

import msgspec
from msgspec import inspect

from server.errors import BadRequest
from server.project.bounds import MOST_BODY, MOST_PROBLEMS
from server.project.checking import Placed, Problem, pointer, problems
from server.project.reading import (
    BAD,
    Members,
    NoJson,
    Path,
    parse,
    quoted,
    read,
)
from server.project.rules import Axes, Groups, Label, Rules, Ruleset, Thresholds
from server.project.ruleset import too_long
from server.project.writing import schema_of, written


class Document(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A ruleset: what counts, the thresholds that follow from it, and the bounds of both axes."""

    name: Label
    rules: Rules
    thresholds: Thresholds = ()
    groups: Groups = ()
    axes: Axes = Axes()


class RulesetRefused(BadRequest):
    """A document that cannot be used. `problems` has at least one part, each safe to show."""

    code = "ruleset"

    def __init__(self, found: tuple[Problem, ...]) -> None:
        first, more = found[0].sentence, len(found) - 1
        rest = f" And {more} more problem{'s' if more > 1 else ''}." if more else ""
        super().__init__(first + rest)
        self.problems = found


def read_document(
    body: bytes | str, version: int = 0, page_groups: frozenset[str] | None = None
) -> Ruleset:
    """The ruleset of an author's document. Raises `RulesetRefused` with everything that is wrong.

    `version` is what the ruleset will be known as, `page_groups` are the names of the site's, if it
    is known: a rule about another could never count.
    """
    given = _parsed(body)
    reading = _Reading(given)
    found = reading.found
    try:
        document = read(_type(), given, (), reading.tell)
    except _Enough:
        raise RulesetRefused(tuple(found)) from None
    placed = Placed.of(_ruleset(document, 0)) if document is not BAD else reading.placed()
    found += islice(problems(placed, page_groups), MOST_PROBLEMS)
    if document is not BAD and (size := too_long(msgspec.json.encode(written(_type(), document)))):
        found.append(Problem("", "", size))
    if found:
        raise RulesetRefused(tuple(found[:MOST_PROBLEMS]))
    return _ruleset(document, version)


def write_document(ruleset: Ruleset) -> bytes:
    """The document of a ruleset: the same bytes for the same ruleset, made to be read by people."""
    document = Document(
        ruleset.name, ruleset.rules, ruleset.thresholds, ruleset.groups, ruleset.axes
    )
    return msgspec.json.format(msgspec.json.encode(written(_type(), document)), indent=2) + b"\n"


@cache
def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the document. Do not change what is returned."""
    return schema_of(Document) | {"title": "A ruleset of Handraise"}


@cache
def _type() -> inspect.Type:
    return inspect.type_info(Document)


def _ruleset(document: Document, version: int) -> Ruleset:
    return Ruleset(
        version, document.name, document.rules, document.thresholds, document.groups, document.axes
    )


def _parsed(body: bytes | str) -> Any:
    size = len(body)
    if size > MOST_BODY:
        told = f"A ruleset is sent as at most {MOST_BODY:,} bytes, this one has {size:,}."
        raise RulesetRefused((Problem("", "", told),))
    try:
        return parse(body)
    except NoJson as problem:
        raise RulesetRefused((Problem("", "", f"This is not JSON: {problem}."),)) from None


class _Enough(Exception):
    """More is wrong than anybody reads."""


class _Reading:
    """What is told while a document is read, in sentences that name the rule."""

    def __init__(self, given: Any) -> None:
        self.given = given
        self.found: list[Problem] = []

    def tell(self, path: Path, what: str) -> None:
        if len(self.found) >= MOST_PROBLEMS:
            raise _Enough
        subject, rule, rest = self._subject(path)
        place = ".".join(str(part)[:60] for part in rest)
        dot = "" if what.endswith("?") else "."
        named = f"{subject}: `{quoted(place)[1:-1]}`" if place else subject
        said = f"{named} {what}{dot}"
        clean = said.encode("utf-8", "replace").decode()
        self.found.append(Problem(pointer(*path), rule, clean))

    def _subject(self, path: Path) -> tuple[str, str, Path]:
        """What a path lies in, the key of its rule, and what is left of the path."""
        if len(path) < 2 or path[0] not in {"rules", "thresholds", "groups"}:
            return "The ruleset", "", path
        word = str(path[0])[:-1]
        part = self.given[path[0]][path[1]]
        key = part.get("key") if isinstance(part, Members) else None
        if not isinstance(key, str) or not key:
            return f"{word.capitalize()} {int(path[1]) + 1}", "", path[2:]
        name = quoted(key)
        return f"{word.capitalize()} {name}", name[1:-1] if word == "rule" else "", path[2:]

    def placed(self) -> Placed:
        """The parts of a broken document that are whole."""
        given = self.given if isinstance(self.given, Members) else Members()
        fields = {field.name: field.type for field in _fields()}
        whole: dict[str, list[Any]] = {"rules": [], "thresholds": [], "groups": []}
        for name, parts in whole.items():
            listed = given.get(name)
            kind = _item(fields[name])
            for place, one in enumerate(listed if isinstance(listed, list) else ()):
                found = read(kind, one, (name, place), lambda *_: None)
                if found is not BAD:
                    parts.append((place, found))
        axes = read(fields["axes"], given.get("axes", Members()), ("axes",), lambda *_: None)
        return Placed(**whole, axes=axes if axes is not BAD else Axes())


def _fields() -> tuple[inspect.Field, ...]:
    known = _type()
    assert isinstance(known, inspect.StructType)  # noqa: S101 - it is made from a struct
    return known.fields


def _item(wanted: inspect.Type) -> inspect.Type:
    listed = wanted.type if isinstance(wanted, inspect.Metadata) else wanted
    assert isinstance(listed, inspect.VarTupleType)  # noqa: S101 - as the fields are declared
    return listed.item_type
