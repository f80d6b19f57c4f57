"""A rule as the fields of a form, and back: pure. What was typed stays as it was typed, so that the
checker of documents says what is wrong with it and the form shows both."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from server.project.conditions import CHANNELS

#: The fields of a form: every name with its values.
Given = Mapping[str, Sequence[str]]
Made = dict[str, list[str]]
Part = dict[str, Any]  # of an author's document

_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,10})?")
#: Texts that would be read as something else stand in quotes.
_QUOTED = re.compile(r'".*"|true|false', re.S)
#: Fields of a condition that are called otherwise in a form.
_NAMES = {"min_ms": "seconds", "days": "silence", "type": "when", "steps": "when"}


def one(given: Given, name: str) -> str:
    """The last value of a field, without spaces around it."""
    values = given.get(name) or ("",)
    return values[-1].strip()


def collected(pairs: Iterable[tuple[str, str]]) -> Made:
    """The fields of a form as they came."""
    found: Made = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value.replace("\x00", "").replace("\r\n", "\n"))
    return found


# ---------------------------------------------------------------- from a form


def rule_of(given: Given) -> Part:
    """The rule of an author's document; what is empty is left out."""
    kind = one(given, "type")
    found: Part = {"key": one(given, "key"), "label": one(given, "label"), "when": _when(given)}
    found |= _numbers(given, {"points": "points", "cap": "cap"})
    found |= _texts(given, {"axis": "axis", "group": "group"})
    if kind in {"property", "inactivity"}:
        return _kept(found)
    counted, decay = one(given, "counted") or "each", one(given, "decay") or "none"
    found["counted"] = counted if counted != "each" else ""
    if counted in {"count", "returns_within"}:
        found |= _numbers(given, {"within_days": "within_days"})
    if counted == "count":
        found |= _numbers(given, {"n": "n"})
    if decay != "none":
        names = {"days": "decay_days"} | ({"percent": "percent"} if decay == "linear" else {})
        found["decay"] = {"kind": decay, **_numbers(given, names)}
    return _kept(found)


def _kept(found: Part) -> Part:
    return {name: value for name, value in found.items() if value != "" or name == "key"}


def _when(given: Given) -> Part:
    kind = one(given, "type")
    match kind:
        case "event" | "form_left":
            return {"type": kind, **event_of(given, "", kind)}
        case "sequence":
            steps = [event_of(given, f"s{n}_", kind) for n in steps_filled(given)]
            typed = [{"type": "event", "kinds": [], **step} for step in steps]
            return {"type": kind, "steps": typed, **_numbers(given, {"gap_minutes": "gap_minutes"})}
        case "inactivity":
            return {"type": kind, **_numbers(given, {"days": "silence", "repeat_days": "repeat"})}
        case "property":
            return {"type": kind, **(test_of(given, "t0_") or {"field": ""})}
        case _:
            return {"type": kind}


def steps_of(given: Given) -> int:
    """How many steps of a sequence the form had."""
    text = one(given, "steps")
    return min(int(text), 11) if text.isascii() and text.isdigit() and len(text) < 4 else 0


def steps_filled(given: Given) -> list[int]:
    """The places of those steps that ask something; the others are left out."""
    return [n for n in range(steps_of(given)) if event_of(given, f"s{n}_", "sequence")]


def event_of(given: Given, prefix: str, kind: str) -> Part:
    """What is asked of one event; empty if nothing is."""
    found: Part = {}
    for name in ("kinds", "groups", "purposes"):
        found[name] = [value for value in given.get(prefix + name, ()) if value]
    found |= _texts(given, {name: prefix + name for name in ("name", "href", "page", "form")})
    asked = one(given, prefix + "high_intent")
    if asked:
        found["high_intent"] = asked == "yes"
    if kind != "form_left":
        found |= _numbers(given, {"min_scroll": prefix + "min_scroll"})
        found["min_ms"] = _milliseconds(one(given, prefix + "seconds"))
        found["channels"] = [*given.get(prefix + "channels", ()), *_lines(given, prefix + "others")]
        for name in ("sources", "mediums", "campaigns"):
            found[name] = _lines(given, prefix + name)
        found["where"] = [test for n in range(10) if (test := test_of(given, f"{prefix}t{n}_"))]
    return {name: value for name, value in found.items() if value not in ("", [])}


def test_of(given: Given, prefix: str) -> Part:
    """What is asked of one value; empty where no field is named."""
    field, op = one(given, prefix + "field"), one(given, prefix + "op") or "exists"
    if not field:
        return {}
    found: Part = {"field": field, "op": op}
    lines = _lines(given, prefix + "value")
    if op in {"in", "between"}:
        found["value"] = [_value(line) for line in lines]
    elif op != "exists":
        found["value"] = _value("\n".join(lines))
    if one(given, prefix + "not"):
        found["not"] = True
    return found


def _texts(given: Given, names: Mapping[str, str]) -> Part:
    return {name: text for name, field in names.items() if (text := one(given, field))}


def _numbers(given: Given, names: Mapping[str, str]) -> Part:
    return {name: number(text) for name, field in names.items() if (text := one(given, field))}


def _lines(given: Given, name: str) -> list[str]:
    return [line.strip() for line in one(given, name).splitlines() if line.strip()]


def number(text: str) -> Decimal | str:
    """A number, or what was typed in its place."""
    clean = text.replace("−", "-").removeprefix("+")
    return Decimal(clean) if _NUMBER.fullmatch(clean) else text


def _milliseconds(text: str) -> Decimal | str:
    seconds = number(text)
    return seconds if isinstance(seconds, str) else (seconds * 1_000).normalize()


def _value(text: str) -> Decimal | str | bool:
    if text in {"true", "false"}:
        return text == "true"
    if _QUOTED.fullmatch(text):
        try:
            return str(json.loads(text))
        except ValueError:
            return text
    return number(text)


# ---------------------------------------------------------------- to a form


def fields_of(rule: Part) -> Made:
    """The fields of a form that stand for a rule, whole or not."""
    when, decay = _part(rule.get("when")), _part(rule.get("decay"))
    found: Part = {name: value for name, value in rule.items() if name not in {"when", "decay"}}
    found |= {"type": when.get("type"), "decay": decay.get("kind"), "percent": decay.get("percent")}
    found |= {"decay_days": decay.get("days"), "gap_minutes": when.get("gap_minutes")}
    found |= {"silence": when.get("days"), "repeat": when.get("repeat_days")}
    made = {name: [shown(value)] for name, value in found.items() if value is not None}
    match when.get("type"):
        case "event" | "form_left":
            made |= _event_fields(when, "")
        case "sequence":
            steps = when.get("steps") or []
            made["steps"] = [str(max(2, len(steps)))]
            for n, step in enumerate(steps):
                made |= _event_fields(step, f"s{n}_")
        case "property":
            made |= _test_fields(when, "t0_")
    return made


def _part(value: Any) -> Part:
    return value if isinstance(value, dict) else {}


def _event_fields(when: Part, prefix: str) -> Made:
    made: Made = {}
    for name in ("kinds", "groups", "purposes"):
        made[prefix + name] = list(when.get(name, ()))
    for name in ("name", "href", "page", "form", "min_scroll"):
        made[prefix + name] = [shown(when.get(name, ""))]
    ms, asked = when.get("min_ms", ""), when.get("high_intent")
    made[prefix + "seconds"] = [shown(ms if isinstance(ms, str) else Decimal(ms) / 1_000)]
    made[prefix + "high_intent"] = ["" if asked is None else "yes" if asked else "no"]
    channels = when.get("channels", ())
    made[prefix + "channels"] = [name for name in channels if name in CHANNELS]
    made[prefix + "others"] = ["\n".join(name for name in channels if name not in CHANNELS)]
    for name in ("sources", "mediums", "campaigns"):
        made[prefix + name] = ["\n".join(when.get(name, ()))]
    for n, test in enumerate(when.get("where", ())):
        made |= _test_fields(test, f"{prefix}t{n}_")
    return made


def _test_fields(test: Part, prefix: str) -> Made:
    value = test.get("value", "")
    text = "\n".join(map(_quoted, value)) if isinstance(value, list) else _quoted(value)
    return {
        prefix + "field": [shown(test.get("field", ""))],
        prefix + "op": [test.get("op", "exists")],
        prefix + "value": [text],
        prefix + "not": ["1"] if test.get("not") else [],
    }


def _quoted(value: Any) -> str:
    """A value as it is typed: a text that looks like something else stands in quotes."""
    if isinstance(value, str) and value:
        alike = _QUOTED.fullmatch(value) or value != value.strip()
        if alike or not isinstance(_value(value), str):
            return json.dumps(value, ensure_ascii=False)
    return shown(value)


def shown(value: Any) -> str:
    """A plain value as a field shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, float):
        return shown(Decimal(repr(value)))
    return str(value)


def in_order_of(new: Any, old: Any) -> Any:
    """The same value; lists of words that hold the same ones as before keep their order."""
    if isinstance(new, dict) and isinstance(old, dict):
        return {name: in_order_of(value, old.get(name)) for name, value in new.items()}
    if not (isinstance(new, list) and isinstance(old, list)):
        return new
    if all(isinstance(word, str) for word in (*new, *old)):
        return old if sorted(new) == sorted(old) else new
    both = zip(new, old, strict=False)
    return [in_order_of(*pair) for pair in both] + new[len(old) :]


# ---------------------------------------------------------------- what is wrong, and where


def field_of(path: Sequence[str]) -> str:
    """The field of the form that stands for a place in a rule; empty is the rule as a whole."""
    match list(path):
        case ["when", "steps", place, *rest]:
            return f"s{place}_{_event_field(rest)}"
        case ["when", *rest]:
            return _event_field(rest)
        case ["decay", "days"]:
            return "decay_days"
        case ["decay", "percent"]:
            return "percent"
        case [name, *_]:
            return name
        case _:
            return ""


def _event_field(path: Sequence[str]) -> str:
    match list(path):
        case ["where", place, *rest]:
            return f"t{place}_{rest[0] if rest else 'field'}"
        case ["field" | "op" | "value" | "not" as name, *_]:
            return f"t0_{name}"
        case [name, *_]:
            return {"repeat_days": "repeat"}.get(name) or _NAMES.get(name, name)
        case _:
            return "when"


def key_of(label: str, taken: Iterable[str]) -> str:
    """A key made of a label that no other rule has."""
    plain = re.sub(r"[^a-z0-9]+", "_", label.casefold()).strip("_")[:56]
    stem = plain if re.match(r"[a-z]", plain) else f"rule_{plain}".rstrip("_")
    known, found, n = set(taken), stem, 2
    while found in known:
        found, n = f"{stem}_{n}", n + 1
    return found
