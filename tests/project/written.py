"""Events of a history and conditions of a rule, as their documents write them."""

from typing import Any

D1, D2, D3, D9 = "2026-05-01", "2026-05-02", "2026-05-03", "2026-05-09"


def at(time: str, event: str, page: str = "", **more: Any) -> dict[str, Any]:
    """An event of 1 May, or of another day if the time names it."""
    when = time if " " in time else f"{D1} {time}"
    return {"at": when, "event": event, "page": page} | more


def view(time: str, page: str = "/pricing", **more: Any) -> dict[str, Any]:
    return at(time, "page_view", page, **more)


def read(time: str, page: str, ms: int, scroll: int) -> dict[str, Any]:
    return at(time, "engagement", page, ms=ms, scroll=scroll)


def track(time: str, name: str, **props: Any) -> dict[str, Any]:
    return at(time, "track", name=name, props=props)


def form(time: str, key: str, kind: str = "form_submit", **fields: Any) -> dict[str, Any]:
    return at(time, kind, "/x", form=key, fields=fields)


def event(*kinds: str, **more: Any) -> dict[str, Any]:
    return {"type": "event", "kinds": list(kinds)} | more


def prop(field: str, op: str = "exists", **more: object) -> dict[str, Any]:
    return {"type": "property", "field": field, "op": op} | more


def unlike(field: str, op: str, **more: object) -> dict[str, Any]:
    return prop(field, op, **more) | {"not": True}
