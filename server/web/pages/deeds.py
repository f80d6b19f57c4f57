"""What somebody decides about a person on its page: a form in, the API's own handler, back again.

Nothing is decided here: a form becomes the body that the API takes, so both say the same things and
leave the same entries in the log.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from server.errors import BadRequest, NotFound
from server.reports import people
from server.web import decision_bodies as bodies
from server.web import decisions, erasure
from server.web.operations import Call
from server.web.page_queries import read_id
from server.web.pages.misfits import misfit
from server.web.pages.view import View

Text = Annotated[str, Meta(max_length=10_000)]
Line = Annotated[str, Meta(max_length=400)]


class StageForm(Struct, frozen=True, kw_only=True):
    stage: Line


class TagsForm(Struct, frozen=True, kw_only=True):
    """`add` holds tags with commas between; `remove` those whose cross was pressed."""

    add: Line = ""
    remove: list[Line] = []


class NoteForm(Struct, frozen=True, kw_only=True):
    text: Text


class OwnerForm(Struct, frozen=True, kw_only=True):
    owner: Line = ""


class ContactForm(Struct, frozen=True, kw_only=True):
    on: Literal["1", "0"]
    reason: Line = ""


class ClassForm(Struct, frozen=True, kw_only=True):
    class_: Line = msgspec.field(name="class", default="")
    reason: Line = ""


class TraitForm(Struct, frozen=True, kw_only=True):
    """One value by hand; an empty one takes back what was given."""

    name: Line
    value: Annotated[str, Meta(max_length=1_000)] = ""


class BantForm(Struct, frozen=True, kw_only=True):
    budget: Line = ""
    authority: Line = ""
    need: Line = ""
    timeframe: Line = ""


class KnownForm(Struct, frozen=True, kw_only=True):
    type: Literal["email", "user_id", "phone"] = "email"
    value: Line


class MergeForm(Struct, frozen=True, kw_only=True):
    merge: Line


class EraseForm(Struct, frozen=True, kw_only=True):
    """`sure` is typed: the number of the person."""

    sure: Line = ""


def call_of(view: View, body: Any) -> Call:
    """The same request as the API would read it."""
    return Call(view.state, view.request, view.caller, view.site, None, body)


async def done(view: View, answer: object, said: str) -> Response:
    """Back to the person; `wait` where the projector takes longer."""
    if isinstance(answer, Response) and answer.status_code >= 400:
        return answer
    later = isinstance(answer, Response) and answer.status_code == 202
    person = view.request.path_params["person_id"]
    return view.go(f"/people/{person}", "wait" if later else said)


def body_of(shape: Callable[..., Any], **values: Any) -> Any:
    """A body of the API. Raises `BadRequest` in words for the form."""
    made = shape(**values)
    try:
        return msgspec.convert(msgspec.to_builtins(made), type(made))
    except msgspec.ValidationError as error:
        raise BadRequest(misfit(str(error)), code="bad_form") from error


async def stage(view: View) -> Response:
    form = await view.form(StageForm)
    body = body_of(bodies.NewStage, stage=form.stage)
    person = view.request.path_params["person_id"]
    async with view.state.database.snapshot() as reader:
        there = await people.merged_into(reader, view.site, read_id(person, "p")) == 0
        if there and (await people.person(reader, view.site, int(person[1:]))).stage == form.stage:
            return view.go(f"/people/{person}", "same")
    return await done(view, await decisions.set_stage(call_of(view, body)), "stage")


async def tags(view: View) -> Response:
    form = await view.form(TagsForm)
    add = tuple(word.strip() for word in form.add.split(",") if word.strip())
    body = body_of(bodies.TagChange, add=add, remove=tuple(form.remove))
    return await done(view, await decisions.tag(call_of(view, body)), "tags")


async def note(view: View) -> Response:
    form = await view.form(NoteForm)
    body = body_of(bodies.NewNote, text=form.text)
    return await done(view, await decisions.add_note(call_of(view, body)), "note")


async def forget_note(view: View) -> Response:
    return await done(view, await decisions.delete_note(call_of(view, None)), "note")


async def owner(view: View) -> Response:
    form = await view.form(OwnerForm)
    body = body_of(bodies.NewOwner, owner=form.owner)
    return await done(view, await decisions.set_owner(call_of(view, body)), "owner")


async def contact(view: View) -> Response:
    form = await view.form(ContactForm)
    body = body_of(bodies.DoNotContact, on=form.on == "1", reason=form.reason)
    return await done(view, await decisions.do_not_contact(call_of(view, body)), "saved")


async def classify(view: View) -> Response:
    form = await view.form(ClassForm)
    body = body_of(bodies.NewClass, class_=form.class_, reason=form.reason)
    answer = await decisions.classify_person(call_of(view, body))
    if isinstance(answer, Response):
        return view.go("/people", "wait")
    person = view.request.path_params["person_id"]
    if await _is_somebody(view, person):
        return view.go(f"/people/{person}", "classified" if form.class_ else "back")
    return view.go("/people", form.class_ or "classified", about=person)


async def _is_somebody(view: View, person: str) -> bool:
    """Whether the id still leads to a person: of whoever is no lead, none is left."""
    async with view.state.database.snapshot() as reader:
        try:
            await people.merged_into(reader, view.site, int(person[1:]))
        except NotFound:
            return False
    return True


async def trait(view: View) -> Response:
    form = await view.form(TraitForm)
    return await _traits(view, {form.name.strip(): form.value.strip() or None})


async def bant(view: View) -> Response:
    form = await view.form(BantForm)
    return await _traits(view, {k: v.strip() or None for k, v in msgspec.to_builtins(form).items()})


async def _traits(view: View, values: dict[str, str | None]) -> Response:
    known = bodies.read_traits(msgspec.json.encode(values))
    return await done(view, await decisions.give_traits(call_of(view, None), known), "saved")


async def verify(view: View) -> Response:
    form = await view.form(KnownForm)
    body = body_of(bodies.Known, type=form.type, value=form.value.strip())
    return await done(view, await decisions.verify(call_of(view, body)), "saved")


async def split(view: View) -> Response:
    form = await view.form(MergeForm)
    body = body_of(bodies.WhichMerge, merge=form.merge)
    return await done(view, await decisions.split(call_of(view, body)), "split")


# ---------------------------------------------------------------- erasing


async def erase_preview(view: View) -> Response:
    """What would go, before anybody decides."""
    found = await erasure.preview_person(call_of(view, None))
    person = view.request.path_params["person_id"]
    async with view.state.database.snapshot() as reader:
        known = await people.person(reader, view.site, int(person[1:]))
    return view.page("erase.html", found=found, person_id=person, person=known)


async def erase(view: View) -> Response:
    form = await view.form(EraseForm)
    person = view.request.path_params["person_id"]
    if form.sure.strip().lower() != person:
        raise BadRequest(f"nothing was erased: type {person} to say that you are sure")
    await erasure.erase_person(call_of(view, None))
    return view.go("/people", "erased")


Deed = Callable[[View], Awaitable[Response]]
#: What stands behind `/people/{person_id}/`: (word, scope, handler).
DEEDS: tuple[tuple[str, str, Deed], ...] = (
    ("stage", "write", stage),
    ("tags", "write", tags),
    ("notes", "write", note),
    ("notes/{note_id}/delete", "write", forget_note),
    ("owner", "write", owner),
    ("contact", "write", contact),
    ("classify", "write", classify),
    ("trait", "write", trait),
    ("bant", "write", bant),
    ("verify", "write", verify),
    ("split", "write", split),
    ("erase", "admin", erase),
)
