"""The form for everything of a ruleset but its rules: thresholds, the bounds of axes, groups."""

from collections.abc import Sequence
from decimal import Decimal

from starlette.responses import Response

from server.errors import BadRequest, Conflict
from server.model import STAGES
from server.project.checking import Problem
from server.project.document import RulesetRefused
from server.project.rules import AXES
from server.web import drafts
from server.web.drafts import working
from server.web.page_queries import PageQuery
from server.web.pages.deeds import call_of
from server.web.pages.scoring_draft import encode
from server.web.pages.scoring_rule_fields import (
    Made,
    Part,
    collected,
    key_of,
    number,
    one,
    shown,
)
from server.web.pages.scoring_words import AXIS_WORDS
from server.web.pages.view import View, form_fields

MOST_ROWS = 50
_THRESHOLD = ("key", "stage", "points", "hysteresis")
_GROUP = ("key", "label", "cap", "floor")


async def bounds(view: View) -> Response:
    view.query(PageQuery)
    async with view.state.database.snapshot() as reader:
        now = await working(reader, view.site)
    return _form(view, now.document, now.revision)


async def save(view: View) -> Response:
    given = collected(await form_fields(view.request))
    if "name" not in given:
        raise BadRequest("the form has no name of the ruleset", code="bad_form")
    async with view.state.database.snapshot() as reader:
        now = await working(reader, view.site)
    document = {**now.document, **parts_of(given)}
    try:
        if one(given, "revision") != now.revision:
            raise Conflict(drafts.CHANGED if now.revision else drafts.GONE)
        await drafts.keep(call_of(view, None), encode(document), now.revision)
    except RulesetRefused as error:
        return _form(view, document, now.revision, problems=error.problems)
    except Conflict as error:
        return _form(view, document, now.revision, clash=error.detail)
    return view.go("/scoring/draft", "saved")


# ---------------------------------------------------------------- from the form


def parts_of(given: Made) -> Part:
    """Name, thresholds, groups and axes of an author's document; empty and removed rows are out."""
    thresholds = [
        {**row, "stage": row.get("stage", "")} | ({} if one(given, f"{at}_notify") else _SILENT)
        for at, row in _rows(given, "threshold", _THRESHOLD)
    ]
    for row in thresholds:
        stem = row["stage"] or f"at_{row.get('points', '')}"
        row.setdefault("key", key_of(stem, [other.get("key", "") for other in thresholds]))
    if all(isinstance(row.get("points"), Decimal) for row in thresholds):
        thresholds.sort(key=lambda row: row["points"])
    groups = [row for _, row in _rows(given, "group", _GROUP)]
    for row in groups:
        row.setdefault("key", key_of(row.get("label", ""), [o.get("key", "") for o in groups]))
    axes = {axis: _filled(given, axis, ("cap", "floor")) for axis in AXES}
    return {
        "name": one(given, "name"),
        "thresholds": thresholds,
        "groups": groups,
        "axes": {axis: bound for axis, bound in axes.items() if bound},
    }


_SILENT = {"notify": False}
_TEXTS = frozenset({"key", "stage", "label"})


def _rows(given: Made, word: str, names: Sequence[str]) -> list[tuple[str, Part]]:
    found = []
    for n in range(MOST_ROWS + 1):
        at = f"{word}{n}"
        row = _filled(given, at, names)
        if row and set(row) != {"key"} and not one(given, f"{at}_gone"):
            found.append((at, row))
    return found


def _filled(given: Made, at: str, names: Sequence[str]) -> Part:
    return {
        name: text if name in _TEXTS else number(text)
        for name in names
        if (text := one(given, f"{at}_{name}"))
    }


# ---------------------------------------------------------------- to the form


def _form(
    view: View,
    document: Part,
    revision: str,
    *,
    problems: Sequence[Problem] = (),
    clash: str = "",
) -> Response:
    wrong, others = told(problems)
    return view.page(
        "scoring_bounds.html",
        409 if clash else 400 if problems else 200,
        document=document,
        axes=[(axis, AXIS_WORDS[axis], document.get("axes", {}).get(axis, {})) for axis in AXES],
        thresholds=[*document.get("thresholds", ()), {}],
        groups=[*document.get("groups", ()), {}],
        used=_used(document),
        revision=revision,
        stages=STAGES,
        shown=lambda row, name: shown(row.get(name, "")),
        wrong=wrong,
        others=others,
        clash=clash,
    )


def _used(document: Part) -> dict[str, int]:
    """How many rules each group bounds."""
    found: dict[str, int] = {}
    for rule in document.get("rules", ()):
        group = rule.get("group", "")
        found[group] = found.get(group, 0) + 1
    return found


def told(problems: Sequence[Problem]) -> tuple[dict[str, list[str]], list[str]]:
    """What is wrong by the field it stands beside, and what is wrong elsewhere."""
    wrong: dict[str, list[str]] = {}
    others = []
    for problem in problems:
        match problem.pointer.split("/"):
            case ["", "thresholds" | "groups" as part, place, *rest]:
                name = f"{part[:-1]}{place}_{rest[0] if rest else 'key'}"
            case ["", "axes", axis, name]:
                name = f"{axis}_{name}"
            case ["", "name"]:
                name = "name"
            case _:
                others.append(problem.sentence)
                continue
        wrong.setdefault(name, []).append(problem.sentence)
    return wrong, others
