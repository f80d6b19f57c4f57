"""The registry of forms as a page: what is stored of each field, seen before it is saved."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from server.errors import BadRequest
from server.reports.forms import FormRow
from server.web import forms
from server.web.page_queries import PageQuery
from server.web.pages.deeds import call_of
from server.web.pages.settings import section
from server.web.pages.view import View

Word = Annotated[str, Meta(max_length=300)]
STORES = (
    ("contact", "Contact fields only", "e-mail, name, phone, company, job title"),
    ("all", "All fields but private ones", "passwords, cards and codes are never stored"),
    ("nothing", "Nothing", "the tag ignores the form"),
)
PURPOSES = (
    ("lead", "Lead"),
    ("newsletter", "Newsletter"),
    ("search", "Search"),
    ("login", "Sign-in"),
)


class FormForm(Struct, frozen=True, kw_only=True):
    """`field` and `stored_as` go together, row by row; `deny` are those that are left out."""

    key: Word
    stores: Literal["all", "contact", "nothing"] = "contact"
    purpose: Literal["lead", "newsletter", "search", "login"] = "lead"
    kiosk: Literal["", "1"] = ""
    field: list[Word] = []
    stored_as: list[Word] = []
    deny: list[Word] = []


async def list_forms(view: View) -> Response:
    view.query(PageQuery)
    return await _page(view)


async def _page(view: View, tried: FormRow | None = None, wrong: str = "") -> Response:
    """`tried` stands in place of the form in force, and is said not to be saved."""
    found = (await forms.list_forms(call_of(view, None))).items
    if tried is not None and all(one.key != tried.key for one in found):
        found = [tried, *found]
    rows = [tried if tried is not None and one.key == tried.key else one for one in found]
    answer: Response = section(
        view,
        "settings_forms.html",
        "/settings/forms",
        400 if wrong else 200,
        forms=rows,
        tried=tried.key if tried else "",
        stores=STORES,
        purposes=PURPOSES,
        wrong=wrong,
    )
    return answer


async def preview(view: View) -> Response:
    form = await view.form(FormForm)
    try:
        return await _page(view, await forms.preview_form(call_of(view, body_of(form))))
    except BadRequest as error:
        return await _page(view, wrong=error.detail)


async def save(view: View) -> Response:
    form = await view.form(FormForm)
    try:
        await forms.save_form(call_of(view, body_of(form)))
    except BadRequest as error:
        return await _page(view, wrong=error.detail)
    return view.go("/settings/forms", "rederived")


def body_of(form: FormForm) -> forms.FormBody:
    """The body of the API. Raises `BadRequest` for a blank key."""
    renamed = {
        name: new.strip()
        for name, new in zip(form.field, form.stored_as, strict=False)
        if new.strip() and new.strip() != name
    }
    body = forms.FormBody(
        key=form.key.strip(),
        stores=form.stores,
        purpose=form.purpose,
        kiosk=form.kiosk == "1",
        deny=tuple(form.deny),
        rename=renamed,
    )
    try:
        return msgspec.convert(msgspec.to_builtins(body), forms.FormBody)
    except msgspec.ValidationError as error:
        raise BadRequest(f"this does not fit: {str(error)[:200]}", code="bad_form") from error


Handler = Callable[[View], Awaitable[Response]]
#: (method, path, scope, handler)
ROUTES: tuple[tuple[str, str, str, Handler], ...] = (
    ("GET", "/settings/forms", "admin", list_forms),
    ("POST", "/settings/forms", "admin", save),
    ("POST", "/settings/forms/preview", "admin", preview),
)
