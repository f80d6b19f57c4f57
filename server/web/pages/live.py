"""Who is on the site now, and what they do, as they do it."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from starlette.responses import Response

from server.model import STAGES
from server.reports.live import LiveEvent
from server.web import listening
from server.web.page_queries import PageQuery, SiteId
from server.web.pages.deeds import call_of
from server.web.pages.view import View
from server.web.queries import LiveQuery

#: Kinds of events in words, and the filter they belong to.
WORDS = {
    "page_view": ("read", "pages"),
    "form_start": ("began the form", "forms"),
    "form_submit": ("sent the form", "forms"),
    "form_confirm": ("confirmed a form", "forms"),
    "identify": ("said who they are", "forms"),
    "download": ("downloaded", "other"),
    "click": ("clicked", "other"),
    "track": ("did", "other"),
    "consent": ("answered about consent", "other"),
    "email_open": ("opened a mail", "other"),
    "email_click": ("clicked in a mail", "other"),
}


class PageOfStream(LiveQuery, frozen=True, kw_only=True):
    """Where the page's stream begins."""

    site: SiteId = ""


class PageOfLive(PageQuery, frozen=True, kw_only=True):
    """What of it is shown; the page sifts by itself."""

    kind: Literal["", "pages", "forms", "other"] = ""
    page: Annotated[str, Meta(max_length=200)] = ""
    known: Literal["", "1"] = ""


async def live(view: View) -> Response:
    query = view.query(PageOfLive)
    found = await listening.look(call_of(view, None))
    today = datetime.fromtimestamp(view.now / 1000, view.zone).date()
    clock = {one.seq: clock_of(view.local(one.at), today) for one in found.events}
    return view.page(
        "live.html",
        query=query,
        found=found,
        events=found.events[::-1],
        clock=clock,
        words=WORDS,
        words_json=msgspec.json.encode(WORDS).decode(),
        said_of=said_of,
        stay=lambda text: stay(text, view.now),
        stream=view.path("/live/stream", after=str(found.seq)),
        suffix=view.path("").partition("?")[2],
        stages=STAGES,
    )


def clock_of(moment: datetime, today: date) -> str:
    """When it was; with its day where that is not today."""
    return moment.strftime("%H:%M:%S" if moment.date() == today else "%-d %b, %H:%M:%S")


def said_of(one: LiveEvent) -> str:
    """What an event is about, beside its verb."""
    return one.form if WORDS.get(one.kind, ("", ""))[1] == "forms" and one.form else one.title


def stay(text: str, now: int) -> str:
    """How long somebody has been here."""
    minutes = int((now / 1000 - datetime.fromisoformat(text).timestamp()) // 60)
    return f"for {minutes} min" if minutes > 0 else "just came"


async def stream(view: View) -> Response:
    query = view.query(PageOfStream)
    after = None if query.after < 0 else query.after
    return await listening.stream(view.state, view.request, view.site, after)


Handler = Callable[[View], Awaitable[Response]]
#: (method, path, scope, handler)
ROUTES: tuple[tuple[str, str, str, Handler], ...] = (
    ("GET", "/live", "read", live),
    ("GET", "/live/stream", "read", stream),
)
