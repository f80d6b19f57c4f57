"""Plain tables for the terminal."""

import unicodedata
from collections.abc import Sequence
from typing import Any


def width(text: str) -> int:
    """Columns a text takes: wide characters count two, combining ones none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def printable(value: Any, most: int = 60) -> str:
    """One line without control characters: tracked text must not steer a terminal."""
    text = "".join(c if c.isprintable() else " " for c in str(value if value is not None else ""))
    return text if len(text) <= most else text[: most - 1] + "…"


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]], empty: str, most: int = 60) -> str:
    """Columns as wide as their widest cell, `most` at most; `empty` says what to do where there is
    no row."""
    if not rows:
        return empty
    cells = [[printable(cell, most) for cell in row] for row in rows]
    widths = [max(width(head), *(width(row[i]) for row in cells)) for i, head in enumerate(heads)]

    def line(parts: Sequence[str]) -> str:
        return "  ".join(
            part + " " * (widths[i] - width(part)) for i, part in enumerate(parts)
        ).rstrip()

    return "\n".join([line(heads), line(["─" * w for w in widths]), *(line(row) for row in cells)])


def people(items: Sequence[dict[str, Any]]) -> str:
    rows = [
        [
            p["id"],
            p["score"],
            p["stage"],
            p["name"] or "–",
            p["email"] or "–",
            p["company"] or "–",
            p["last_seen"][:16].replace("T", " "),
            " ".join(p["signals"]),
        ]
        for p in items
    ]
    heads = ["id", "score", "stage", "name", "e-mail", "company", "last seen (UTC)", "signals"]
    return table(heads, rows, "nobody yet: people appear here when a visitor sends a form")


DELIVERED = ("missing", "late", "duplicates")


def delivery(found: dict[str, Any]) -> str:
    """Shares of what was sent, in a sentence and then by browser and page."""
    if not found["events"]:
        return "nothing to tell yet: no browser has sent numbered events"
    sent = found["events"] + found["missing"]
    shares = ", ".join(
        f"{word} {_share(found[name], sent)}"
        for word, name in zip(("missing", "late", "duplicate"), DELIVERED, strict=True)
    )
    tabs = f"{found['tabs']:,} tab{'' if found['tabs'] == 1 else 's'}"
    lines = [f"{shares} of {sent:,} events in {tabs} since {found['since'][:16]}"]
    for head, rows in (("browser", found["browsers"]), ("page", found["pages"])):
        cells = [
            [
                row["name"] or "unknown",
                f"{row['events']:,}",
                *(_share(row[name], row["events"] + row["missing"]) for name in DELIVERED),
            ]
            for row in rows
        ]
        lines += ["", table([head, "events", "missing", "late", "duplicate"], cells, "")]
    return "\n".join(lines)


STORES = {"all": "all but private", "contact": "contact fields", "nothing": "nothing"}


def forms(items: Sequence[dict[str, Any]]) -> str:
    rows = [
        [
            one["key"],
            STORES[one["stores"]],
            one["purpose"],
            one["submissions"],
            one["starts"],
            (one["last"] or "–")[:16].replace("T", " "),
            one["page"] or "–",
        ]
        for one in items
    ]
    heads = ["form", "stores", "purpose", "sent", "started", "last (UTC)", "page"]
    return table(heads, rows, "no form was seen yet: they appear here when somebody fills one in")


def form(one: dict[str, Any]) -> str:
    """What is stored of one form in a line, then its fields."""
    shared = ", on a shared device" if one["kiosk"] else ""
    head = f"{printable(one['key'])}: stores {STORES[one['stores']]}, purpose {one['purpose']}"
    rows = [[row["name"], row["stored_as"] or "–", row["why"]] for row in one["fields"]]
    fields = table(["field", "stored as", "why"], rows, "none of its fields was seen yet")
    return f"{head}{shared}\n\n{fields}"


def _share(count: int, of: int) -> str:
    """In per cent: `0.0 %` is none at all."""
    share = 100 * count / of if of else 0.0
    return f"{share:.1f} %" if share >= 0.05 or not count else "< 0.1 %"


def _when(line: dict[str, Any]) -> str:
    """The day of a line of a receipt, or of how many earlier ones it is the sum."""
    return f"{line['times']:,} earlier" if line["times"] > 1 else (line["at"] or "")[:10]


def timeline(person: dict[str, Any] | None, items: Sequence[dict[str, Any]]) -> str:
    """A person's head line, the receipt, and the events, newest first."""
    out = []
    if person is not None:
        out.append(
            f"{printable(person['name'] or person['email'] or person['id'])}"
            f"  {person['stage']}  score {person['score']}  grade {person['grade']}"
        )
        receipt = [
            [line["points"], line["rule"], _when(line), line["expires"] or ""]
            for line in person["receipt"]
        ]
        out.append(table(["points", "rule", "on", "expires"], receipt, "no points yet"))
        out.append("")
    rows = [
        [
            item["at"][:19].replace("T", " "),
            item["kind"],
            item.get("path") or "",
            item.get("title") or "",
            " ".join(f"{s['points']:+g} {s['rule']}" for s in item["signals"]),
        ]
        for item in items
    ]
    out.append(table(["at (UTC)", "kind", "page", "title", "signals"], rows, "no events"))
    return "\n".join(out)
