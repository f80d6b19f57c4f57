"""The form for one rule of any type: what counts, how much, how often, and how it fades."""

import re
from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta
from starlette.responses import Response

from server.errors import BadRequest, Conflict, NotFound
from server.project.checking import Problem
from server.project.conditions import CHANNELS, PURPOSES
from server.project.document import RulesetRefused
from server.project.rule_words import COUNTED_WORDS, KIND_WORDS, OP_WORDS
from server.web import drafts
from server.web.drafts import Working, working
from server.web.page_queries import PageQuery
from server.web.pages.deeds import call_of
from server.web.pages.scoring_draft import encode
from server.web.pages.scoring_rule_fields import (
    Made,
    collected,
    field_of,
    fields_of,
    in_order_of,
    key_of,
    one,
    rule_of,
    steps_filled,
    steps_of,
)
from server.web.pages.view import View, form_fields

Name = Annotated[str, Meta(max_length=64)]
#: (type, what it is called, what it is for) of the types of rules.
TYPES = (
    ("event", "Something happens", "A page is viewed or read, a form sent, a file downloaded."),
    ("sequence", "One thing after another", "Within one visit: pricing first, then the demo form."),
    ("session", "A visit", "Coming back within a week, three visits within two."),
    ("form_left", "A form is left", "Started, but not sent in the same visit."),
    ("inactivity", "Silence", "No visit for so many days. Usually takes points away."),
    ("property", "Who somebody is", "E-mail, title, company, anything a form or your site says."),
)
#: How each type may be counted.
COUNTED = {
    "event": tuple(COUNTED_WORDS),
    "sequence": tuple(COUNTED_WORDS),
    "session": tuple(word for word in COUNTED_WORDS if word != "once_per_page"),
    "form_left": ("each", "first_only", "once_per_session", "count"),
    "inactivity": (),
    "property": (),
}
#: Properties that are worth offering, beside any other name.
KNOWN_FIELDS = (
    *("email_class", "email_domain", "seniority", "title", "company", "industry"),
    *("employees", "country", "budget", "authority", "need", "timeframe"),
)
MOST_STEPS, MOST_TESTS = 10, 10


class PageOfRule(PageQuery, frozen=True, kw_only=True):
    """The rule `key` of the draft, or a new one: like another, or of a type."""

    key: Name = ""
    like: Name = ""
    type: Name = ""


async def rule(view: View) -> Response:
    """The form, or the types to choose from."""
    query = view.query(PageOfRule)
    async with view.state.database.snapshot() as reader:
        now = await working(reader, view.site)
    known = _known(now, query.key or query.like)
    if query.like:
        keys = now.ruleset.by_key
        known |= {"label": f"{known['label']} (copy)", "key": key_of(query.like, keys)}
    if query.type:
        known = {**known, "when": {"type": query.type}}
    if not known:
        return view.page("rule_types.html", types=TYPES, rule_key="")
    return _form(view, now, fields_of(known), query.key)


async def save(view: View) -> Response:
    given = collected(await form_fields(view.request))
    if one(given, "type") not in COUNTED:
        raise BadRequest("the form does not say which type of rule it is", code="bad_form")
    async with view.state.database.snapshot() as reader:
        now = await working(reader, view.site)
    was, deed = one(given, "was"), one(given, "do")
    if deed != "save":
        return _form(view, now, _rearranged(given, deed), was, one(given, "revision"))
    try:
        document, place = _changed(now, given, was)
        if one(given, "revision") != now.revision:
            raise Conflict(drafts.CHANGED if now.revision else drafts.GONE)
        await drafts.keep(call_of(view, None), encode(document), now.revision)
    except RulesetRefused as error:
        shown = fields_of(document["rules"][place])
        return _form(view, now, shown, was, problems=error.problems, place=place)
    except Conflict as error:
        shown = fields_of(rule_of(given))
        return _form(view, now, shown, was, clash=error.detail)
    return view.go("/scoring/draft", "saved")


def _known(now: Working, key: str) -> dict[str, Any]:
    """A rule of the draft's document; nothing for no key. Raises `NotFound`."""
    if not key:
        return {}
    if key not in now.ruleset.by_key:
        raise NotFound("there is no such rule in the draft: somebody may have removed it")
    found: dict[str, Any] = now.document["rules"][now.ruleset.by_key[key][0]]
    return found


def _changed(now: Working, given: Made, was: str) -> tuple[dict[str, Any], int]:
    """The draft's document with the rule of the form, and the rule's place in it."""
    document, made = now.document, rule_of(given)
    rules: list[Any] = document["rules"]
    if was in now.ruleset.by_key:
        place = now.ruleset.by_key[was][0]
        made["key"] = was
        rules[place] = in_order_of(made, rules[place])
        return document, place
    made["key"] = made["key"] or key_of(made.get("label", ""), now.ruleset.by_key)
    rules.append(made)
    return document, len(rules) - 1


def _rearranged(given: Made, deed: str) -> Made:
    """The same form with one more step or test, or without a step."""
    rule_ = rule_of(given)
    steps = rule_["when"].get("steps")
    if steps is not None and re.fullmatch(r"drop_[0-9]{1,3}", deed):
        shown, gone = steps_filled(given), int(deed[5:])
        if gone in shown:
            del steps[shown.index(gone)]
    fields = fields_of(rule_)
    if deed == "step" and steps is not None:
        fields["steps"] = [str(min(len(steps) + 1, MOST_STEPS))]
    return fields


def _form(
    view: View,
    now: Working,
    given: Made,
    was: str,
    revision: str | None = None,
    *,
    problems: Sequence[Problem] = (),
    place: int = -1,
    clash: str = "",
) -> Response:
    kind = one(given, "type")
    if kind not in COUNTED:
        raise NotFound("there is no such type of rule")
    wrong, others = told(problems, place)
    return view.page(
        "rule.html",
        409 if clash else 400 if problems else 200,
        given=given,
        one=lambda name: one(given, name),
        every=lambda name: given.get(name, []),
        tests=lambda prefix: tests_of(given, prefix),
        kind=kind,
        was=was,
        revision=now.revision if revision is None else revision,
        wrong=wrong,
        others=others,
        clash=clash,
        type_words={name: (word, about) for name, word, about in TYPES},
        types=TYPES,
        kinds=KIND_WORDS,
        counted=[(name, COUNTED_WORDS[name]) for name in COUNTED[kind]],
        ops=OP_WORDS,
        purpose_boxes=[(name, name) for name in PURPOSES],
        channel_boxes=[(name, name) for name in CHANNELS],
        group_boxes=[(each.name, each.name) for each in view.site.settings.page_groups],
        known_fields=KNOWN_FIELDS,
        groups=now.ruleset.groups,
        group_options=[(each.key, each.label or each.key) for each in now.ruleset.groups],
        steps=max(2, steps_of(given)),
    )


def tests_of(given: Made, prefix: str) -> list[int]:
    """The numbers of the tests a form shows: those that ask something, and one more."""
    filled = [n for n in range(MOST_TESTS) if one(given, f"{prefix}t{n}_field")]
    return [*filled, len(filled)] if len(filled) < MOST_TESTS else filled


def told(problems: Sequence[Problem], place: int) -> tuple[dict[str, list[str]], list[str]]:
    """What is wrong by the field it stands beside, and what is wrong elsewhere."""
    wrong: dict[str, list[str]] = {}
    others = []
    at = f"/rules/{place}"
    for problem in problems:
        if problem.pointer != at and not problem.pointer.startswith(f"{at}/"):
            others.append(problem.sentence)
            continue
        name = field_of([part for part in problem.pointer[len(at) :].split("/") if part])
        wrong.setdefault(name, []).append(_sentence(problem))
    return wrong, others


def _sentence(problem: Problem) -> str:
    """Beside a field nobody needs to be told which rule and which field it is."""
    _, _, rest = problem.sentence.partition(f"“{problem.rule}”")
    if not problem.rule or not rest:
        return problem.sentence
    if rest.startswith(": `"):
        said = rest[3:].partition("` ")[2]
        return f"This {said}"
    return f"This rule{rest}"
