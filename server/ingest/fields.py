"""Form capture at the server: what a form's fields mean, and which of them are kept.

The widget leaves out private fields already; this is the second wall (trust T26). A form that the
owner has not allowed keeps contact fields only (settled: Forms). Limits are widget item 92.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

import msgspec

from server.ingest.emails import normalise_email, normalise_phone
from server.ingest.meanings import (
    COMPANY,
    CONTACT,
    EMAIL,
    FIRST,
    LAST,
    NAME,
    PHONE,
    TITLE,
    USER_ID,
    is_message,
    is_private_field,
    meaning_of,
    qualifying,
)
from server.ingest.private import MASK, clean_line, clean_text, has_card, mask_cards, vocabulary
from server.model import FormRule

MAX_FIELDS = 50
MAX_TOTAL = 24_000  # bytes of names and values
MAX_MESSAGE = 8_000  # characters
MAX_VALUE = 1_000
MAX_NAME = 100
MAX_TRAITS = 100
_MAX_READ = 200  # fields looked at
_SALUTATIONS = vocabulary("mr mrs ms miss mx dr prof herr frau mme mlle m monsieur madame sr sra")


class FormData(msgspec.Struct, frozen=True, kw_only=True):
    """A submission as it is stored. Contact values are as typed: nothing is normalised yet.

    `traits` are the other short fields of an allowed form; `qualifying` is what BANT and MEDDIC
    ask for; `masked` names the fields dropped as private or denied, `left_out` those that wait
    until the owner allows the form; `cut` says that something was shortened or did not fit.
    """

    fields: dict[str, str | list[str]]
    email: str = ""
    user_id: str = ""
    phone: str = ""
    name: str = ""
    first_name: str = ""
    last_name: str = ""
    company: str = ""
    title: str = ""
    traits: dict[str, str] = {}
    qualifying: dict[str, str] = {}
    cut: bool = False
    masked: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


class _Field(NamedTuple):
    name: str
    value: str | list[str]
    meaning: str
    long: bool
    cut: bool


def read_form(
    form: str, fields: Mapping[str, object], kinds: Mapping[str, str], rule: FormRule | None
) -> FormData:
    """Read one submission of the form with this key. `kinds` are HTML types or autocomplete tokens.

    `rule` is None for a form nobody has registered. Never raises on any value.
    """
    del form  # the rule has been looked up by it
    masked: list[str] = []
    found: list[_Field] = []
    for given, value in list(fields.items())[:_MAX_READ]:
        kind = kinds.get(given)
        field = _read_field(given, kind if isinstance(kind, str) else "", value, rule, masked)
        if field is not None:
            found.append(field)
    allowed = rule is not None and rule.allow
    kept = [field for field in found if allowed or field.meaning in CONTACT]
    stored, cut = _fit(kept)
    return FormData(
        fields=stored,
        **_people(kept),
        traits={
            field.name: field.value
            for field in kept
            if not field.meaning and not field.long and isinstance(field.value, str)
            if field.name in stored
        },
        qualifying=_qualifying(kept) if allowed else {},
        cut=cut or len(fields) > _MAX_READ or any(field.cut for field in kept),
        masked=tuple(masked),
        left_out=() if allowed else tuple(f.name for f in found if f.meaning not in CONTACT),
    )


def _read_field(
    given: str, kind: str, value: object, rule: FormRule | None, masked: list[str]
) -> _Field | None:
    """One field in its stored form; None if it is empty or, noted in `masked`, private."""
    name = clean_line(given)[:MAX_NAME]
    kind = kind[:40].lower()
    renamed = rule.rename.get(given, name) if rule else name
    if not renamed:
        return None
    denied = rule is not None and not {given, name, renamed}.isdisjoint(rule.deny)
    if denied or is_private_field(name, kind) or is_private_field(renamed, ""):
        masked.append(renamed)
        return None
    long = is_message(renamed, kind)
    if kind == "select-multiple":
        value = listed(value)
    texts, cut = _texts(value, MAX_MESSAGE if long else MAX_VALUE)
    if not texts:
        return None
    one = texts[0] if len(texts) == 1 else ""
    meaning = _meaning(renamed, kind, one)
    if not (meaning == PHONE and normalise_phone(one)):
        texts = [mask_cards(text) for text in texts]
    stored = texts[0] if len(texts) == 1 else texts
    return _Field(renamed, stored, meaning, long, cut)


def _meaning(name: str, kind: str, value: str) -> str:
    """What the field is, if its value can be that; a lone e-mail address speaks for itself."""
    meaning = meaning_of(name, kind)
    fits = {
        "": False,
        EMAIL: "@" in value,
        PHONE: sum(char.isdigit() for char in value) >= 5,
        TITLE: bool(value) and value.lower().rstrip(".") not in _SALUTATIONS,
    }
    if fits.get(meaning, bool(value)):
        return meaning
    plain = kind in ("", "text", "email") and meaning_of("x", kind) in ("", EMAIL)
    if not meaning and plain and "@" in value and _own_address(name) and normalise_email(value):
        return EMAIL
    return ""


def _own_address(name: str) -> bool:
    """Whether an address in this field can be the sender's: `friend_email` is somebody else's."""
    return meaning_of(f"{name} email", "") == EMAIL


def listed(value: object) -> object:
    """A list that a page has made text of: Prototype.js teaches all lists to become JSON, which is
    then sent as a string (widget item 10). Whatever else it is comes back as it is."""
    if isinstance(value, str) and value.startswith("["):
        with suppress(msgspec.MsgspecError, RecursionError):
            found = msgspec.json.decode(value)
            return found if isinstance(found, list) else value
    return value


def _texts(value: object, limit: int) -> tuple[list[str], bool]:
    """The value as texts that are not empty, and whether anything was shortened."""
    items = value[:MAX_FIELDS] if isinstance(value, list | tuple) else (value,)
    whole = [text for text in map(_text, items) if text]
    cut = isinstance(value, list | tuple) and len(value) > MAX_FIELDS
    return [text[:limit] for text in whole], cut or any(len(text) > limit for text in whole)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return clean_text(value)
    try:
        return clean_text(msgspec.json.encode(value).decode())
    except (TypeError, ValueError, RecursionError, OverflowError, msgspec.MsgspecError):
        return ""


def _fit(fields: list[_Field]) -> tuple[dict[str, str | list[str]], bool]:
    """As many fields as may be stored, contact first, and whether any was left out or shortened."""
    stored: dict[str, str | list[str]] = {}
    room, cut = MAX_TOTAL, False
    for field in sorted(fields, key=lambda field: field.meaning not in CONTACT):
        if field.name in stored:
            continue
        size = len(field.name.encode()) + sum(len(text.encode()) for text in _parts(field.value))
        if len(stored) == MAX_FIELDS or (size > room and not isinstance(field.value, str)):
            cut = True
            continue
        value = field.value
        if size > room and isinstance(value, str):
            left = max(0, room - len(field.name.encode()))
            value, cut = value.encode()[:left].decode(errors="ignore"), True
        if value:
            stored[field.name] = value
            room -= min(size, room)
    return stored, cut


def _parts(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _people(fields: list[_Field]) -> dict[str, str]:
    """Who the submission is from: the first value of each meaning, a valid address preferred."""
    found: dict[str, str] = {}
    for field in fields:
        if field.meaning and isinstance(field.value, str):
            found.setdefault(field.meaning, field.value)
            if field.meaning == EMAIL and not normalise_email(found[EMAIL]):
                found[EMAIL] = field.value
    name = found.get(NAME)
    if name and FIRST in found and LAST not in found:  # German and French forms: Vorname, Name
        found[LAST] = found.pop(NAME)
    elif name and LAST in found and FIRST not in found:  # Spanish ones: Nombre, Apellidos
        found[FIRST] = found.pop(NAME)
    keys = (EMAIL, PHONE, NAME, FIRST, LAST, COMPANY, TITLE, USER_ID)
    return {key: found[key] for key in keys if key in found}


def _qualifying(fields: list[_Field]) -> dict[str, str]:
    """BANT and MEDDIC by the names of the fields; several values as one text, the first of each."""
    found: dict[str, str] = {}
    for field in fields:
        name = "" if field.meaning else qualifying(field.name)
        if name:
            found.setdefault(name, ", ".join(_parts(field.value))[:MAX_VALUE])
    return found


def read_traits(traits: Mapping[str, object]) -> dict[str, str | int | float | bool]:
    """Properties of a person as `identify` gives them: plain values only, secrets left out.

    At most 100, texts of at most 1,000 characters. Whole numbers over 64 bits become text.
    """
    read: dict[str, str | int | float | bool] = {}
    for name, value in _plain(traits):
        if len(read) == MAX_TRAITS:
            break
        if isinstance(value, str):
            text = clean_text(value)[:MAX_VALUE]
            phone = meaning_of(name, "") == PHONE and normalise_phone(text)
            read[name] = text if phone else mask_cards(text)
        elif isinstance(value, bool | float):
            read[name] = value
        elif has_card(str(value)):
            read[name] = MASK
        else:
            read[name] = value if -(2**63) <= value < 2**63 else str(value)[:MAX_VALUE]
    return read


def _plain(traits: Mapping[str, object]) -> Iterator[tuple[str, str | int | float | bool]]:
    for given, value in traits.items():
        name = clean_line(given)[:MAX_NAME]
        if not name or not isinstance(value, str | int | float) or is_private_field(name, ""):
            continue
        if not isinstance(value, float) or math.isfinite(value):
            yield name, value
