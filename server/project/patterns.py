"""Patterns with `*` for any run of characters; everything else stands for itself."""

from functools import lru_cache


@lru_cache(maxsize=4096)
def _parts(pattern: str) -> tuple[str, ...]:
    return tuple(pattern.split("*"))


def fits(pattern: str, text: str) -> bool:
    """Whether the whole text is described by the pattern. Upper and lower case differ.

    No regular expression: several stars would make one backtrack for ever on a hostile text.
    """
    first, *rest = _parts(pattern)
    if not rest:
        return text == first
    last = rest.pop()
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    place, end = len(first), len(text) - len(last)
    for part in rest:
        place = text.find(part, place, end)
        if place < 0:
            return False
        place += len(part)
    return True
