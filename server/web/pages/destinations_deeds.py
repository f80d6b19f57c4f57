"""What an owner changes about destinations: the API's own handlers, by forms."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from server.errors import BadRequest, Conflict, NotFound
from server.web import destinations as api
from server.web.destination_bodies import (
    DestinationChange,
    EnableBody,
    NewDestination,
    ReplayBody,
    WantsBody,
)
from server.web.pages.deeds import call_of
from server.web.pages.destinations import form_page, page_of
from server.web.pages.view import View

Line = Annotated[str, Meta(max_length=4_000)]
S = TypeVar("S", bound=Struct)


class DestinationForm(Struct, frozen=True, kw_only=True):
    """`which` chooses `thresholds`; without it they are all that notify. `to` are addresses with
    commas or lines between."""

    kind: Literal["webhook", "mail"]
    name: Line = ""
    url: Line = ""
    to: Line = ""
    kinds: list[Line] = []
    stages: list[Line] = []
    which: Literal["", "chosen"] = ""
    thresholds: list[Line] = []


class EnableForm(Struct, frozen=True, kw_only=True):
    """`catch_up`: what was decided meanwhile is told as well."""

    catch_up: Literal["", "1"] = ""


class ReplayForm(Struct, frozen=True, kw_only=True):
    """One delivery, or everything since a moment in the site's zone."""

    event: Line = ""
    since: Line = ""


async def add(view: View) -> Response:
    form = await view.form(DestinationForm)
    try:
        body = _made(NewDestination, kind=form.kind, **_said(form))
        made = await api.add_destination(call_of(view, body))
    except (BadRequest, Conflict) as error:
        return _again(view, form, "", error)
    place = f"/destinations/{made.id}"
    return view.go(f"{place}/secret" if made.secret else place, "told")


async def change(view: View) -> Response:
    form = await view.form(DestinationForm)
    number = view.request.path_params["destination_id"]
    try:
        await api.change_destination(call_of(view, _made(DestinationChange, **_said(form))))
    except (BadRequest, Conflict) as error:
        return _again(view, form, number, error)
    return view.go(f"/destinations/{number}", "saved")


def _said(form: DestinationForm) -> dict[str, Any]:
    """What a form says, as the API takes it."""
    where: dict[str, Any] = {"url": form.url.strip()}
    if form.kind == "mail":
        where = {"to": [one.strip() for one in form.to.replace(",", "\n").split("\n")]}
        where["to"] = [one for one in where["to"] if one]
    wants: dict[str, Any] = {"kinds": form.kinds, "stages": form.stages}
    if form.which:
        wants["thresholds"] = form.thresholds
    return {"name": form.name, "wants": wants, **where}


def _made(shape: type[S], **values: Any) -> S:
    """A body of the API. Raises `BadRequest` with a sentence."""
    if not values["wants"]["kinds"]:
        raise BadRequest("choose at least one thing that is told")
    try:
        return msgspec.convert(values, shape)
    except msgspec.ValidationError as error:
        raise BadRequest(f"this does not fit: {str(error)[:200]}", code="bad_form") from error


def _again(
    view: View, form: DestinationForm, number: str, error: BadRequest | Conflict
) -> Response:
    """The form with what was typed, and why it was not taken."""
    typed = {"kind": form.kind, "name": form.name, "url": form.url, "to": form.to}
    try:
        wants: WantsBody | None = msgspec.convert(_said(form)["wants"], WantsBody)
    except msgspec.ValidationError:
        wants = None
    return form_page(view, typed, wants, number, wrong=error.detail, status=error.status)


# ---------------------------------------------------------------- single deeds


def _here(view: View, said: str) -> Response:
    return view.go(f"/destinations/{view.request.path_params['destination_id']}", said)


async def test(view: View) -> Response:
    """Send an example; what came of it stands on the page and nowhere else."""
    outcome = await api.test_destination(call_of(view, None))
    if view.partial:
        return view.page("destination_outcome.html", outcome=outcome)
    return await page_of(view, outcome=outcome)


async def replay(view: View) -> Response:
    form = await view.form(ReplayForm)
    try:
        body = ReplayBody(event=form.event) if form.event else ReplayBody(since=_moment(view, form))
        await api.replay(call_of(view, body))
    except (BadRequest, Conflict) as error:
        return await page_of(view, wrong=error.detail, status=error.status)
    except NotFound as error:
        if "deliver" not in error.detail:
            raise
        return await page_of(view, wrong=error.detail, status=error.status)
    return _here(view, "replayed")


def _moment(view: View, form: ReplayForm) -> str:
    """A moment of the site's zone as the API takes it. Raises `BadRequest`."""
    try:
        local = datetime.fromisoformat(form.since.strip())
        zoned = local if local.tzinfo else local.replace(tzinfo=view.zone)
        return zoned.astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        raise BadRequest("choose a day and a time to tell again from") from None


async def enable(view: View) -> Response:
    form = await view.form(EnableForm)
    await api.enable_destination(call_of(view, EnableBody(catch_up=form.catch_up == "1")))
    return _here(view, "saved")


async def disable(view: View) -> Response:
    await api.disable_destination(call_of(view, None))
    return _here(view, "saved")


async def remove(view: View) -> Response:
    await api.remove_destination(call_of(view, None))
    return view.go("/destinations", "untold")


async def rotate(view: View) -> Response:
    await api.rotate_secret(call_of(view, None))
    number = view.request.path_params["destination_id"]
    return view.go(f"/destinations/{number}/secret", "resecret")


Deed = Callable[[View], Awaitable[Response]]
#: What stands behind `/destinations/{destination_id}/`.
DEEDS: tuple[tuple[str, Deed], ...] = (
    ("secret", rotate),
    ("test", test),
    ("replay", replay),
    ("enable", enable),
    ("disable", disable),
    ("remove", remove),
)
