"""Taking a name out of what somebody else sent, and leaving the rest as it was."""

from collections.abc import Sequence
from typing import Any

import msgspec

Named = tuple[str, str]  # type and value of an identifier
PHONE_DIGITS = 8  # by which two ways of writing a number are known to be one


def without(data: str, names: Sequence[Named]) -> str:
    """The JSON of an event without these identifiers, however they are written.

    A value that holds one goes whole: nobody can say what else it tells of them.
    """
    cleaned = _clean(msgspec.json.decode(data), names)
    ids = cleaned.get("ids")
    if "proven" in cleaned:
        cleaned["proven"] = [kind for kind in cleaned["proven"] if kind in (ids or {})]
    kept = {key: value for key, value in cleaned.items() if value not in (None, {}, [])}
    return msgspec.json.encode(kept, order="deterministic").decode()


def _holds(text: str, name: Named) -> bool:
    kind, value = name
    if kind == "user_id":  # may be as short as "7"
        return text.strip() == value
    digits = "".join(filter(str.isdigit, text)) if kind == "phone" else ""
    same_end = len(digits) >= PHONE_DIGITS and value.endswith(digits[-PHONE_DIGITS:])
    return value.casefold() in text.casefold() or same_end


def _clean(value: Any, names: Sequence[Named]) -> Any:
    """None for what must go."""
    if isinstance(value, str):
        return None if any(_holds(value, name) for name in names) else value
    if isinstance(value, dict):
        cleaned = {key: _clean(item, names) for key, item in value.items()}
        return {key: item for key, item in cleaned.items() if item is not None}
    if isinstance(value, list):
        return [item for each in value if (item := _clean(each, names)) is not None]
    return value
