"""The routes of forms: what was seen, what is stored of it, and saying otherwise."""

from typing import Annotated, Literal

from msgspec import Meta, field

from server.errors import BadRequest
from server.model import FormRule
from server.reports import forms as report
from server.reports.forms import FormRow, Forms, Stores
from server.web import commands
from server.web.bodies import Body, Word
from server.web.operations import Call

__all__ = ["FormBody", "FormRow", "Forms", "list_forms", "preview_form", "save_form"]


class FormBody(Body, frozen=True, kw_only=True):
    """What is stored of one form. Under `contact` nothing else is kept of what is said here: that
    is how a form nobody decided about is treated."""

    key: Annotated[str, Meta(min_length=1, max_length=300, pattern="[^\\s]")]
    stores: Stores = "all"
    purpose: Literal["lead", "newsletter", "search", "login"] = "lead"
    kiosk: bool = False
    deny: Annotated[tuple[Word, ...], Meta(max_length=200)] = ()
    rename: dict[Word, Word] = field(default_factory=dict)

    def rule(self) -> FormRule | None:
        """As it is stored among the settings; None is no rule. Raises `BadRequest` where a purpose
        would be lost in silence."""
        if self.stores == "contact":
            if self.purpose != "lead" or self.kiosk:
                raise BadRequest(
                    "a form that stores contact fields only counts as a lead form on nobody's"
                    " shared device: to give it another purpose, let it store all but private"
                )
            return None
        return FormRule(
            key=self.key,
            purpose=self.purpose,
            allow=self.stores == "all",
            kiosk=self.kiosk,
            deny=self.deny,
            rename=self.rename,
        )


async def list_forms(call: Call) -> Forms:
    async with call.state.database.snapshot() as reader:
        return await report.forms(reader, call.site)


async def preview_form(call: Call) -> FormRow:
    body: FormBody = call.body
    async with call.state.database.snapshot() as reader:
        return await report.form(reader, call.site, body.key, body.rule())


async def save_form(call: Call) -> FormRow:
    body: FormBody = call.body
    state, now, author = call.state, call.state.clock(), call.caller.author
    site_id, rule = call.site.site_id, body.rule()
    shapes = await state.writer.run(
        lambda: commands.change_form(site_id, body.key, rule, author, now)
    )
    await state.reload()
    if shapes:
        state.replays.ask(site_id, swaps=True)
    site = state.sites.by_id[site_id]
    async with state.database.snapshot() as reader:
        return await report.form(reader, site, body.key, rule)
