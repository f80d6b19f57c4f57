"""Rulesets for the terminal: rules, differences, problems and backtests as plain tables."""

import json
from collections.abc import Sequence
from typing import Any

from server.cli.tables import printable, table
from server.project.document import read_document
from server.project.rule_words import condition, counting, fading, points
from server.project.rules import Rule

NOTHING = "–"


def when(text: str | None) -> str:
    """An ISO time as lists show it."""
    return (text or "")[:16].replace("T", " ")


def ruleset(found: dict[str, Any]) -> str:
    """A version, draft or preset: a head line, its rules, its thresholds."""
    known = read_document(json.dumps(found["document"]))
    lines = [_head(found)]
    if found.get("stale"):
        lines.append("  another version was published since: compare it before you publish")
    if found.get("rescoring"):
        share = found["rescoring"]
        lines.append(
            f"  rescoring {share['share'] * 100:.0f} %: {share['done']:,} of {share['total']:,}"
        )
    rows = [_rule(rule) for rule in known.rules]
    heads = ["rule", "points", "axis", "counted", "cap", "fades", "when"]
    lines.append(table(heads, rows, "no rules", most=70))
    for one in known.thresholds:
        lines.append(f"{one.key}: from {points(one.points)} points → {one.stage or 'no stage'}")
    return "\n".join(lines)


def _head(found: dict[str, Any]) -> str:
    name = printable(found["name"])
    if "at" not in found:
        return f"preset {name}"
    version = found.get("version")
    what = f"version {version}" if version else f"draft, begun from version {found['base']}"
    by = f" by {printable(found['author'])}" if found["author"] else ""
    return f"{what}: {name}, {when(found['at'])} UTC{by}"


def _rule(rule: Rule) -> list[str]:
    fades = NOTHING if rule.decay.kind == "none" else fading(rule.decay)
    cap = NOTHING if rule.cap is None else points(rule.cap)
    return [
        rule.key,
        points(rule.points),
        rule.axis,
        counting(rule),
        cap,
        fades,
        condition(rule.when),
    ]


def problems(errors: Sequence[dict[str, Any]]) -> str:
    """What is wrong with a document, each with its place."""
    count = len(errors)
    lines = [f"{count} problem{'s' if count != 1 else ''}:"]
    for one in errors:
        lines.append(f"  {printable(one['pointer'] or '/', 200)}")
        lines.append(f"    {printable(one['detail'], 500)}")
    return "\n".join(lines)


def diff(found: dict[str, Any]) -> str:
    """The differences as sentences, and what they mean."""
    if not found["changes"]:
        return f"nothing differs between {found['from']} and {found['to']}"
    lines = [f"from {found['from']} to {found['to']}:"]
    lines += [f"  {printable(one['sentence'], 300)}" for one in found["changes"]]
    if found["rereads"]:
        lines.append("what people did is asked by other rules: publishing reads it again")
    elif found["rescores"]:
        lines.append("scores are worked out again; what people did is not read again")
    else:
        lines.append("no score changes")
    return "\n".join(lines)


def history(items: Sequence[dict[str, Any]]) -> str:
    rows = [
        [
            one["version"],
            one["name"],
            when(one["at"]),
            one["author"] or NOTHING,
            one["rules"],
            ("told" if one["notify"] else "silent") if one["event"] else NOTHING,
            one["note"],
        ]
        for one in items
    ]
    heads = ["version", "name", "at (UTC)", "by", "rules", "crossings", "note"]
    return table(heads, rows, "no version")


def presets(items: Sequence[dict[str, Any]]) -> str:
    rows = [[one["name"], one["rules"], ", ".join(one["thresholds"])] for one in items]
    return table(["preset", "rules", "thresholds"], rows, "no presets")


# ---------------------------------------------------------------- backtests


def backtest(found: dict[str, Any]) -> str:
    """A backtest that is over."""
    result = found["result"]
    if result is None:
        return f"{found['state']}: {found['detail']}"
    head = (
        f"{result['people']:,} people at {when(found['at'])} UTC, {result['customers']:,} of them"
        f" customers later; {result['sampled']:,} of {result['everybody']:,} were looked at"
    )
    if result["unknown"]:
        head += f"; of {result['unknown']:,} nothing was known by then"
    if result["sentence"]:
        return f"{head}\n{result['sentence']}"
    first, last = found["from"], found["to"]
    return "\n".join(
        [
            head,
            "",
            _thresholds(first, result["before"]),
            "",
            _thresholds(last, result["after"]),
            "",
            _rules(last, result["after"]),
            "",
            _buckets(first, last, result["buckets"]),
            "",
            f"{result['moved']:,} people reach another threshold",
        ]
    )


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{share * 100:.1f} %"


def _lift(lift: float | None) -> str:
    return NOTHING if lift is None else f"{lift:.2f} ×"


def _thresholds(name: str, figures: dict[str, Any]) -> str:
    rows = [
        [
            one["threshold"],
            one["points"],
            one["reached"],
            one["customers"],
            _percent(one["precision"]),
            _percent(one["recall"]),
            _lift(one["lift"]),
        ]
        for one in figures["thresholds"]
    ]
    heads = [
        name,
        "points",
        "reached",
        "customers",
        "of those reached",
        "of all customers",
        "lift",
    ]
    return table(heads, rows, f"{name} has no threshold")


def _rules(name: str, figures: dict[str, Any]) -> str:
    rows = [
        [
            one["rule"],
            one["points"],
            one["people"],
            one["customers"],
            _percent(one["rate"]),
            _lift(one["lift"]),
        ]
        for one in figures["rules"]
    ]
    heads = [f"rule of {name}", "points in all", "people", "customers", "rate", "lift"]
    return table(heads, rows, "no rules")


def _buckets(first: str, last: str, buckets: Sequence[dict[str, Any]]) -> str:
    rows = [
        [
            f"{one['low']} to {one['high']}",
            one["before"],
            one["customers_before"],
            one["after"],
            one["customers_after"],
        ]
        for one in buckets
    ]
    heads = ["score", f"people ({first})", "customers", f"people ({last})", "customers"]
    return table(heads, rows, "nobody")
