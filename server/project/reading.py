"""Reading a JSON document into typed structs, with everything that is wrong with it told at once.

The types say what is allowed; what a schema adds to them (lengths) is checked here too. A number
marked `milli` is a decimal outside and thousandths inside, exactly. Work is bounded by the length
of the text: nothing of an unknown field is looked at, and no number is worked out before it is
known to be short.
"""

import difflib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple, TypeAlias

from msgspec import inspect

Path: TypeAlias = tuple[str | int, ...]
#: Told of a place in the document; `what` follows the name of what lies there.
Tell: TypeAlias = Callable[[Path, str], None]
Schema: TypeAlias = Mapping[str, Any]
#: Stands for what could not be read, and has been told.
BAD: Final = object()
_MOST_DIGITS = 30
_LARGEST = 2**53  # beyond, JSON readers disagree
_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class NoJson(ValueError):
    """The text is no JSON; says where."""


class Number(NamedTuple):
    """A number as it is written; also NaN and Infinity, which JSON does not know."""

    text: str


class Members(dict[str, Any]):
    """A JSON object, and the names that it gives more than once."""

    twice: tuple[str, ...] = ()


def parse(text: bytes | str) -> Any:
    """The JSON of a text: numbers as `Number`, objects as `Members`. Raises `NoJson`."""
    try:
        plain = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        return json.loads(
            plain,
            parse_int=Number,
            parse_float=Number,
            parse_constant=Number,
            object_pairs_hook=_members,
        )
    except UnicodeDecodeError:
        raise NoJson("it is not UTF-8") from None
    except RecursionError:
        raise NoJson("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise NoJson(f"{error.msg} at line {error.lineno}, column {error.colno}") from None


def _members(pairs: list[tuple[str, Any]]) -> Members:
    found = Members(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = [name for name, _ in pairs if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
        found.twice = tuple(dict.fromkeys(twice))
    return found


def quoted(text: object) -> str:
    """A piece of the document as it may stand in a sentence: short, and nothing unseen in it."""
    clean = _UNSHOWN.sub("�", str(text)[:200])
    return f"“{clean[:60]}{'…' if len(str(text)) > 60 else ''}”"


def read(wanted: inspect.Type, given: Any, path: Path, tell: Tell) -> Any:
    """The value as the type wants it, or `BAD`, which has been told."""
    schema: Schema = {}
    if isinstance(wanted, inspect.Metadata):
        schema, wanted = wanted.extra_json_schema or {}, wanted.type
    return _READERS[type(wanted)](wanted, schema, given, path, tell)


def _read_bool(wanted: Any, schema: Schema, given: Any, path: Path, tell: Tell) -> Any:
    del wanted, schema
    if isinstance(given, bool):
        return given
    return _refuse(path, "must be true or false", given, tell)


def _read_literal(wanted: Any, schema: Schema, given: Any, path: Path, tell: Tell) -> Any:
    del schema
    if isinstance(given, str) and given in wanted.values:
        return given
    return _refuse(path, f"must be one of {', '.join(map(str, wanted.values))}", given, tell)


def _refuse(path: Path, must: str, given: Any, tell: Tell) -> Any:
    tell(path, f"{must}, and is {_shown(given)}")
    return BAD


def _shown(given: Any) -> str:
    if given is None or isinstance(given, bool):
        return "null" if given is None else str(given).lower()
    if isinstance(given, Number):
        return given.text if len(given.text) <= 40 else f"a number of {len(given.text)} characters"
    if isinstance(given, str):
        return quoted(given)
    return "a list" if isinstance(given, list) else "an object"


# ------------------------------------------------------------ structs


def _read_struct(wanted: Any, schema: Schema, given: Any, path: Path, tell: Tell) -> Any:
    del schema
    if not isinstance(given, Members):
        return _refuse(path, "must be an object", given, tell)
    tag = wanted.tag_field
    if tag is not None and given.get(tag, wanted.tag) != wanted.tag:
        return _refuse((*path, tag), f"must be {wanted.tag}", given[tag], tell)
    fields = {field.encode_name: field for field in wanted.fields}
    for name in given.twice:
        tell((*path, name), "is given twice: keep one")
    for name in [name for name in given if name not in fields and name != tag]:
        tell((*path, name), f"does not exist{_instead(name, list(fields))}")
    found: dict[str, Any] = {}
    for name, field in fields.items():
        if name in given:
            found[field.name] = read(field.type, given[name], (*path, name), tell)
        elif field.required:
            tell((*path, name), "is missing: add it")
            found[field.name] = BAD
    whole = all(value is not BAD for value in found.values())
    return wanted.cls(**found) if whole and not given.twice else BAD


def _instead(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1) if len(name) <= 40 else []
    return f": did you mean `{close[0]}`?" if close else f": it may be one of {', '.join(known)}"


def _read_union(wanted: Any, schema: Schema, given: Any, path: Path, tell: Tell) -> Any:
    left = [one for one in wanted.types if not isinstance(one, inspect.NoneType)]
    if given is None and len(left) < len(wanted.types):
        return None
    if len(left) == 1:
        return read(left[0], given, path, tell)
    tagged = {one.tag: one for one in left if isinstance(one, inspect.StructType)}
    if tagged:
        return _read_tagged(tagged, given, path, tell)
    return _read_plain(left, schema, given, path, tell)


def _read_plain(
    wanted: Sequence[inspect.Type], schema: Schema, given: Any, path: Path, tell: Tell
) -> Any:
    """A plain value of any type, or a list of them where that is wanted."""
    if isinstance(given, Number):
        return _any_number(given, path, tell)
    if isinstance(given, str):
        return _read_text(None, schema, given, path, tell)
    lists = [one for one in wanted if _is_list(one)] if isinstance(given, list) else []
    if lists:
        return read(lists[0], given, path, tell)
    if isinstance(given, bool):
        return given
    return _refuse(path, "must be a text, a number, true or false", given, tell)


def _is_list(wanted: inspect.Type) -> bool:
    plain = wanted.type if isinstance(wanted, inspect.Metadata) else wanted
    return isinstance(plain, inspect.VarTupleType)


def _read_tagged(
    tagged: Mapping[str | int | None, inspect.StructType], given: Any, path: Path, tell: Tell
) -> Any:
    if not isinstance(given, Members):
        return _refuse(path, "must be an object", given, tell)
    words = ", ".join(map(str, tagged))
    if "type" not in given:
        tell((*path, "type"), f"is missing: it may be one of {words}")
        return BAD
    kind = given["type"]
    if not isinstance(kind, str) or kind not in tagged:
        return _refuse((*path, "type"), f"must be one of {words}", kind, tell)
    return _read_struct(tagged[kind], {}, given, path, tell)


def _read_list(wanted: Any, schema: Schema, given: Any, path: Path, tell: Tell) -> Any:
    if not isinstance(given, list):
        return _refuse(path, "must be a list", given, tell)
    most, least = schema.get("maxItems", len(given)), schema.get("minItems", 0)
    if len(given) > most:
        tell(path, f"has {len(given):,} parts: at most {most:,} are allowed")
        return BAD
    found = [read(wanted.item_type, one, (*path, place), tell) for place, one in enumerate(given)]
    if len(given) < least:
        tell(path, f"has {len(given)} parts: it needs at least {least}")
        return BAD
    return BAD if any(one is BAD for one in found) else tuple(found)


# ------------------------------------------------------------ plain values


def _read_text(wanted: Any, schema: Schema, given: Any, path: Path, tell: Tell) -> Any:
    del wanted
    if not isinstance(given, str):
        return _refuse(path, "must be a text", given, tell)
    most = schema.get("maxLength", 1_000)
    if len(given) > most:
        tell(path, f"is {len(given):,} characters long: at most {most:,} are allowed")
    elif _UNSHOWN.search(given):
        tell(path, "has characters that cannot be shown: leave them out")
    else:
        return given
    return BAD


def _exact(given: Number) -> Decimal | None:
    """The number, None if it is absurdly long, large or small."""
    if len(given.text) > _MOST_DIGITS:
        return None
    try:
        value = Decimal(given.text)
    except InvalidOperation:  # an exponent that is no number of this machine
        return None
    if not value.is_finite():
        return None
    return value if not value or -_MOST_DIGITS < value.adjusted() < _MOST_DIGITS else None


def _read_number(wanted: Any, schema: Schema, given: Any, path: Path, tell: Tell) -> Any:
    del wanted
    milli = bool(schema.get("milli"))
    must = "must be a number" if milli else "must be a whole number"
    if not isinstance(given, Number):
        return _refuse(path, must, given, tell)
    value = _exact(given)
    if value is None or abs(value) > _LARGEST:
        return _refuse(path, f"{must} of a sensible size", given, tell)
    exact = value * 1_000 if milli else value
    if exact != exact.to_integral_value():
        places = " with at most three decimal places" if milli else ""
        return _refuse(path, must + places, given, tell)
    return int(exact)


def _any_number(given: Number, path: Path, tell: Tell) -> Any:
    value = _exact(given)
    if value is None or abs(value) > _LARGEST or not math.isfinite(float(value)):
        return _refuse(path, "must be a number of a sensible size", given, tell)
    return int(value) if value == value.to_integral_value() else float(value)


_READERS: Final[Mapping[type, Callable[[Any, Schema, Any, Path, Tell], Any]]] = {
    inspect.UnionType: _read_union,
    inspect.StructType: _read_struct,
    inspect.VarTupleType: _read_list,
    inspect.LiteralType: _read_literal,
    inspect.StrType: _read_text,
    inspect.BoolType: _read_bool,
    inspect.IntType: _read_number,
}
