"""What decisions came to, for the terminal."""

from collections.abc import Sequence
from typing import Any

from server.cli.tables import printable, table

_LATER = "decided; the server has not caught up yet, look again in a moment"


def _when(text: str) -> str:
    return text[:16].replace("T", " ")


def person(found: dict[str, Any]) -> str:
    """A person after a decision, in a few lines."""
    if "id" not in found:
        return _LATER
    name = found["name"] or found["email"] or found["id"]
    lines = [f"{found['id']}  {printable(name)}  {found['stage']}  score {found['score']}"]
    lines += [
        f"  {one['type']} {printable(one['value'])} ({one['level']})"
        for one in found["identifiers"]
    ]
    if found["tags"]:
        lines.append(f"  tags: {printable(', '.join(found['tags']), 200)}")
    lines += [
        f"  {printable(one['name'])}: {printable(one['value'])} (by hand)"
        for one in found["trait_sources"]
        if one["level"] == "decided"
    ]
    if found["owner"]:
        lines.append(f"  owner: {printable(found['owner'])}")
    if found["do_not_contact"]:
        lines.append("  do not contact")
    lines += [f"  merged by {one['id']}: {' and '.join(one['persons'])}" for one in found["merges"]]
    return "\n".join(lines)


def notes(items: Sequence[dict[str, Any]]) -> str:
    rows = [[one["id"], _when(one["at"]), one["author"], one["text"]] for one in items]
    return table(["id", "at (UTC)", "author", "note"], rows, "no notes")


def classified(found: dict[str, Any]) -> str:
    if "visitors" not in found:
        return _LATER
    what = ", ".join([*found["visitors"], *found["events"]])
    return f"{what}: {found['class'] or 'as the server recognised it'}"


def conflicts(items: Sequence[dict[str, Any]]) -> str:
    rows = [
        [
            one["id"],
            _when(one["at"]),
            one["decision"] or "open",
            one["what"],
            " ".join(one["actions"]),
        ]
        for one in items
    ]
    heads = ["id", "at (UTC)", "state", "what", "actions"]
    return table(heads, rows, "nothing to decide", most=100)


def merges(items: Sequence[dict[str, Any]]) -> str:
    rows = [
        [
            one["id"],
            _when(one["at"]),
            one["author"],
            f"{one['name']} ({one['person']})",
            " and ".join(side["known_as"] for side in one["persons"]),
        ]
        for one in items
    ]
    return table(["id", "at (UTC)", "author", "who", "made of"], rows, "nobody was merged")


def conflict(found: dict[str, Any]) -> str:
    if "id" not in found:
        return _LATER
    return (
        f"{found['id']}  {found['decision'] or found['state']}\n  {printable(found['what'], 300)}"
    )
