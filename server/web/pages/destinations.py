"""Where it is told: all destinations, one with what it was told, and the forms for them."""

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import UNSET
from starlette.responses import Response

from server.errors import BadRequest
from server.model import STAGES
from server.reports.shapes import iso
from server.storage import deliveries
from server.storage.database import Reader
from server.web import destinations as api
from server.web.destination_bodies import (
    DeliveriesQuery,
    DestinationRow,
    State,
    TestOutcome,
    WantsBody,
)
from server.web.operations import Call
from server.web.page_queries import PageQuery
from server.web.pages.deeds import call_of
from server.web.pages.destinations_words import (
    KIND_WORDS,
    Health,
    health,
    told,
    wants_words,
)
from server.web.pages.view import View
from server.web.queries import Cursor

SHOWN = 30
LOOKED_AT = 50  # deliveries by which the health of a destination is told


class PageOfNew(PageQuery, frozen=True, kw_only=True):
    kind: Literal["webhook", "mail"] = "webhook"


class PageOfDestination(PageQuery, frozen=True, kw_only=True):
    state: State | Literal[""] = ""
    cursor: Cursor = ""


async def destinations(view: View) -> Response:
    view.query(PageQuery)
    found = await api.list_destinations(call_of(view, None))
    async with view.state.database.snapshot() as reader:
        doing = {one.id: await _health(reader, view, one) for one in found.items}
    return view.page(
        "destinations.html", found=found.items, doing=doing, words=wants_words, iso=iso
    )


async def destination(view: View) -> Response:
    query = view.query(PageOfDestination)
    return await page_of(view, query)


async def page_of(
    view: View,
    query: PageOfDestination | None = None,
    *,
    outcome: TestOutcome | None = None,
    wrong: str = "",
    status: int = 200,
) -> Response:
    """One destination and its deliveries, with what came of a test or why something failed."""
    query = query or PageOfDestination()
    one = await api.get_destination(call_of(view, None))
    listing = DeliveriesQuery(state=query.state or UNSET, limit=SHOWN, cursor=query.cursor)
    call = Call(view.state, view.request, view.caller, view.site, listing, None)
    listed = await api.list_deliveries(call)
    async with view.state.database.snapshot() as reader:
        doing = await _health(reader, view, one)
        about = await told(reader, view.site, [int(row.event[1:]) for row in listed.items])
    return view.page(
        "destination.html",
        status,
        one=one,
        doing=doing,
        listed=listed,
        about={f"e{seq}": said for seq, said in about.items()},
        query=query,
        outcome=outcome,
        wrong=wrong,
        words=wants_words(one.wants),
        iso=iso,
    )


async def _health(reader: Reader, view: View, one: DestinationRow) -> Health:
    number = int(one.id[1:])
    site_id = view.site.site_id
    newest = await deliveries.newest(reader, site_id, number, "", api.LAST, LOOKED_AT)
    return health(newest, enabled=one.enabled, reason=one.reason)


async def secret(view: View) -> Response:
    """What signs messages: shown after it was made, and where it is asked for."""
    view.query(PageQuery)
    call = call_of(view, None)
    one = await api.get_destination(call)
    return view.page("destination_secret.html", one=one, found=await api.get_secret(call))


# ---------------------------------------------------------------- forms


async def new(view: View) -> Response:
    query = view.query(PageOfNew)
    return form_page(view, {"kind": query.kind})


async def edit(view: View) -> Response:
    view.query(PageQuery)
    one = await api.get_destination(call_of(view, None))
    typed = {"kind": one.kind, "name": one.name, "url": one.url, "to": "\n".join(one.to)}
    return form_page(view, typed, one.wants, one.id)


def form_page(
    view: View,
    typed: dict[str, str],
    wants: WantsBody | None = None,
    number: str = "",
    *,
    wrong: str = "",
    status: int = 200,
) -> Response:
    """The form with what was typed; `number` is empty for a new destination."""
    values: dict[str, Any] = {"name": "", "url": "", "to": "", **typed}
    return view.page(
        "destination_form.html",
        status,
        typed=values,
        wants=wants or WantsBody(),
        number=number,
        wrong=wrong,
        kinds=KIND_WORDS,
        stages=STAGES,
        thresholds=_thresholds(view, wants),
        no_mail=no_mail(view) if values["kind"] == "mail" else "",
    )


def _thresholds(view: View, wants: WantsBody | None) -> Sequence[str]:
    """Those of the rules in force, and those that were chosen when there were others."""
    known = [one.key for one in view.rules.thresholds]
    chosen = (wants.thresholds if wants else None) or ()
    return [*known, *(key for key in chosen if key not in known)]


def no_mail(view: View) -> str:
    """Why this server sends no mail, or nothing."""
    try:
        view.state.teller.post.mailbox.check()
    except BadRequest as error:
        return error.detail
    return ""
