"""The page that gives the tag and turns green when the first event arrives."""

from typing import Any

from starlette.responses import Response

from server.model import DAY_MS
from server.reports.arriving import Loaded, findings, newest_events
from server.reports.refused import refused
from server.web.administration import pinned_snippet, snippet
from server.web.page_queries import PageQuery
from server.web.pages.view import View

SHOWN = 6


async def install(view: View) -> Response:
    view.query(PageQuery)
    base = view.state.base_url
    return view.page(
        "install.html",
        snippet=snippet(view.state, view.site),
        pinned=pinned_snippet(view.state, view.site),
        script=f"{base}/h/{view.site.keys[0]}.js",
        base=base,
        **await _seen(view),
    )


async def status(view: View) -> Response:
    """The part of the page that asks for itself every two seconds."""
    view.query(PageQuery)
    return view.page("install_status.html", **await _seen(view))


async def _seen(view: View) -> dict[str, Any]:
    """What has arrived, and what may keep the rest away."""
    since = view.now - DAY_MS
    async with view.state.database.snapshot() as reader:
        newest = await newest_events(reader, view.site, SHOWN)
        turned_away = await refused(reader, view.site, since)
    arrivals = view.state.arrivals
    load = arrivals.last_load(view.site.site_id)
    strangers = [(key, one.host) for key, one in arrivals.strangers(since)]
    humans = [event for event in newest if event.class_ == "human"]
    return {
        "newest": newest,
        "received": humans[0] if humans else None,
        "loaded": Loaded(load.host, view.now - load.at) if load else None,
        "findings": findings(
            len(humans),
            turned_away.items,
            Loaded(load.host, view.now - load.at) if load else None,
            strangers if view.caller.user is not None and view.user.owner else [],
            view.state.base_url,
        ),
    }
