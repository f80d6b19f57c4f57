"""Taking a name out of what somebody else sent, and leaving the rest as it was."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

Named = tuple[str, str]  # type and value of an identifier
PHONE_DIGITS = 8  # by which two ways of writing a number are known to be one


def without(data: str, names: Sequence[Named]) -> str:
    """The JSON of an event without these identifiers, however they are written.

    A value that holds one goes whole: nobody can say what else it tells of them.
    """
    said = msgspec.json.decode(data)
    ids = {
        kind: value
        for kind, value in (said.pop("ids", None) or {}).items()
        if (kind, value) not in names
    }
    cleaned = _clean(said, names) | {"ids": ids}
    if "proven" in cleaned:
        cleaned["proven"] = [kind for kind in cleaned["proven"] if kind in ids]
    kept = {key: value for key, value in cleaned.items() if value not in (None, {}, [])}
    return msgspec.json.encode(kept, order="deterministic").decode()


def wordless(data: str) -> str:
    """The JSON of a decision without what somebody wrote to explain it."""
    said = msgspec.json.decode(data)
    return msgspec.json.encode(said | {"reason": ""}, order="deterministic").decode()


def _holds(text: str, name: Named) -> bool:
    kind, value = name
    if kind == "user_id":  # may be as short as "7"
        return text.strip() == value
    digits = "".join(filter(str.isdigit, text)) if kind == "phone" else ""
    same_end = len(digits) >= PHONE_DIGITS and value.endswith(digits[-PHONE_DIGITS:])
    if same_end or kind == "phone":
        return same_end
    # An address inside a longer one is another one: ann@x.example is not joann@x.example.
    whole = rf"(?<![\w.+-]){re.escape(value.casefold())}(?![\w-])(?!\.\w)"
    return re.search(whole, text.casefold()) is not None


def _clean(value: Any, names: Sequence[Named]) -> Any:
    """None for what must go."""
    if isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
        return None if any(_holds(str(value), name) for name in names) else value
    if isinstance(value, dict):
        told = {key: item for key, item in value.items() if _clean(key, names) is not None}
        cleaned = {key: _clean(item, names) for key, item in told.items()}
        return {key: item for key, item in cleaned.items() if item is not None}
    if isinstance(value, list):
        return [item for each in value if (item := _clean(each, names)) is not None]
    return value
