"""Decisions about many people from the list: asked first where the list does not show them all."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from server.errors import BadRequest, Conflict
from server.reports.filter_values import Frame
from server.reports.people_filters import FILTERS, PeopleFilter, choices, describe, read_filter
from server.web import bulk as many
from server.web import segment_bodies as bodies
from server.web.operations import Call
from server.web.page_queries import PageOfPeople
from server.web.pages.deeds import call_of
from server.web.pages.people import listed
from server.web.pages.people_words import asked_words
from server.web.pages.view import View

#: What a form may say of the list it was sent from.
BACK = frozenset({"segment", "sort", "who", "column", *FILTERS})
#: Its parameters that may stand there more than once.
SEVERAL = {one.name for one in msgspec.structs.fields(PageOfPeople) if one.default == ()}


class BulkForm(Struct, frozen=True, kw_only=True):
    """`everybody` means all that the filter finds, not only those whose box is ticked; `sure` is
    how many of them there were when that was asked back."""

    do: Literal["tag", "untag", "owner", "stage", "leave", "contact"]
    value: Annotated[str, Meta(max_length=400)] = ""
    stage: Annotated[str, Meta(max_length=20)] = ""
    people: list[str] = []
    everybody: str = ""
    sure: Annotated[int, Meta(ge=0)] = 0
    filter: Annotated[str, Meta(max_length=20_000)] = ""
    back: Annotated[str, Meta(max_length=8_000)] = ""


async def bulk(view: View) -> Response:
    form = await view.form(BulkForm)
    back = _back(form.back)  # refused before anything is decided
    try:
        call = call_of(view, _body(form))
        if form.everybody:
            found = len(await many.whom(call, call.body))
            if not found:
                raise BadRequest("nobody fits any more")
            if form.sure != found:
                return _ask(view, form, back, found)
        return await _decide(view, form, back, call)
    except (BadRequest, Conflict) as error:
        return await listed(view, _query(back), error.detail, error.status)


async def _decide(view: View, form: BulkForm, back: dict[str, list[str]], call: Call) -> Response:
    done = await many.bulk_people(call)
    counts = {"done": done.done, "unchanged": done.unchanged, "refused": len(done.refused)}
    what = {"did": form.do, "to": form.stage if form.do == "stage" else ""}
    return view.go("/people", "" if done.applied else "wait", **{**back, **counts, **what})


def _ask(view: View, form: BulkForm, back: dict[str, list[str]], found: int) -> Response:
    """What is about to be done with how many, for one more click."""
    chosen = choices(read_filter(form.filter), Frame(view.site, view.now))
    return view.page(
        "people_sure.html",
        form=form,
        found=found,
        question=asked_words(form.do, form.value.strip(), form.stage, found),
        sentence=describe(chosen, view.labels),
        back=view.path("/people", **back),
    )


def _body(form: BulkForm) -> bodies.BulkBody:
    """The decision as the API takes it. Raises `BadRequest`."""
    body: dict[str, Any] = {"action": _action(form)}
    if form.everybody:
        asked: PeopleFilter = read_filter(form.filter)
        body["filter"] = msgspec.to_builtins(asked)
    elif form.people:
        body["people"] = form.people
    else:
        raise BadRequest("nobody was chosen: tick the boxes of some people first")
    if form.do in {"tag", "untag"} and not form.value.strip(" ,"):
        raise BadRequest("no tag was named: write one beside the choice, or several with commas")
    try:
        return msgspec.convert(body, bodies.BulkBody)
    except msgspec.ValidationError as error:
        raise BadRequest(_misfit(form)) from error


def _misfit(form: BulkForm) -> str:
    if form.do in {"tag", "untag"}:
        return "a tag has 1 to 100 characters, and at most 50 are changed at once"
    if form.do == "owner":
        return "an owner has at most 200 characters"
    return f"choose at most {bodies.MOST_PEOPLE} people and one of the stages"


def _action(form: BulkForm) -> dict[str, Any]:
    words = [word.strip() for word in form.value.split(",") if word.strip()]
    actions: dict[str, dict[str, Any]] = {
        "tag": {"do": "tag", "add": words},
        "untag": {"do": "tag", "remove": words},
        "owner": {"do": "owner", "owner": form.value.strip()},
        "stage": {"do": "stage", "stage": form.stage},
        "leave": {"do": "do_not_contact", "on": True},
        "contact": {"do": "do_not_contact", "on": False},
    }
    return actions[form.do]


def _back(text: str) -> dict[str, list[str]]:
    """The list one was at. Raises `BadRequest`."""
    try:
        known: dict[str, list[str]] = msgspec.json.decode(text or "{}", type=dict[str, list[str]])
    except msgspec.MsgspecError as error:
        raise BadRequest("the form could not be read", code="bad_form") from error
    return {name: known[name] for name in known.keys() & BACK}


def _query(back: dict[str, list[str]]) -> PageOfPeople:
    """The same as the list's own query. Raises `BadRequest`."""
    asked = {name: v if name in SEVERAL else v[0] for name, v in back.items() if any(v)}
    try:
        return msgspec.convert(asked, PageOfPeople, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest("the form could not be read", code="bad_form") from error
