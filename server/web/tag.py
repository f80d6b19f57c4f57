"""The script tag's file: `GET /h/{key}.js`, and the plain `GET /h.js` with `data-` attributes.

`GET /h/c.{hash}.js` is the part that only some sites' widgets fetch; see `widget`.
`GET /h/h.{hash}.js` is the plain file for pages that pin it. `handraise.d.ts` beside them describes
the calls to TypeScript.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.errors import NotFound
from server.model import Site
from server.web.handover import handover_route
from server.web.state import State
from server.web.widget import (
    WidgetFile,
    optional_file,
    optional_hash,
    pinned_file,
    types_text,
    widget_file,
)

#: Short, so that a changed setting arrives; the ETag makes the next request an empty answer.
CACHE = "public, max-age=300, stale-while-revalidate=86400"
#: For a name that changes with what it names.
FOR_EVER = "public, max-age=31536000, immutable"


def widget_config(site: Site, key: str) -> dict[str, Any]:
    """The settings a page needs, defaults left out to keep the file small.

    `key` is the one in the page's tag. Browsers keep their visitor id under its name; `was` is the
    key before, under which one who was here earlier still has theirs.
    """
    settings = site.settings
    forms = {
        rule.key: {
            name: value
            for name, value in (
                ("deny", list(rule.deny)),
                ("ignore", int(rule.ignored)),
            )
            if value
        }
        for rule in settings.forms
    }
    config: dict[str, Any] = {**settings.widget, "key": key}
    config.pop("forms", None)  # of before: what is stored of forms is decided in their registry
    if key in site.keys[:-1]:
        config["was"] = site.keys[site.keys.index(key) + 1]
    if settings.consent != "on":
        config["consent"] = settings.consent
    elif config.get("tcf"):  # as `off`, until the consent manager says that nobody need be asked
        config["consent"] = "tcf"
    if not settings.honour_gpc:
        config["gpc"] = False
    elif settings.count_refused:
        config["count"] = True
    if config.get("links") or config.get("handover"):
        config["own"] = list(settings.own_hosts)
    if any(forms.values()):
        config["forms"] = {key: rule for key, rule in forms.items() if rule}
    return config


def script(request: Request, file: WidgetFile, cache: str = CACHE) -> Response:
    """The file, for pages of any origin; an empty answer to who has it already."""
    headers = {
        "ETag": file.etag,
        "Cache-Control": cache,
        "Vary": "Accept-Encoding",
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "X-Content-Type-Options": "nosniff",
    }
    if request.headers.get("if-none-match") == file.etag:
        return Response(status_code=304, headers=headers)
    if file.encoding:
        headers["Content-Encoding"] = file.encoding
    return Response(file.body, headers=headers, media_type="text/javascript")


async def optional(request: Request) -> Response:
    """A widget of before an update asks for an older one: it gets today's, and not for ever."""
    file = optional_file(request.headers.get("accept-encoding", ""))
    named = request.path_params["hash"] == optional_hash()
    return script(request, file, FOR_EVER if named else CACHE)


async def pinned(request: Request) -> Response:
    """A page that pins the file's hash refuses any other text: each name has one, for ever."""
    file = pinned_file(request.path_params["hash"], request.headers.get("accept-encoding", ""))
    if file is None:
        raise NotFound(
            "there is no widget of this name; the page Install has today's", code="no_widget"
        )
    return script(request, file, FOR_EVER)


def tag_routes(state: State) -> list[Route]:
    def answer(request: Request, config: dict[str, Any]) -> Response:
        return script(request, widget_file(config, request.headers.get("accept-encoding", "")))

    async def of_site(request: Request) -> Response:
        key = request.path_params["key"]
        site = state.sites.by_key.get(key)
        referrer, now = request.headers.get("referer", ""), state.clock()
        if site is None:
            state.arrivals.stranger(key, referrer, now)
            raise NotFound("no site has this key", code="unknown_key")
        state.arrivals.loaded(site.site_id, referrer, now)
        config = widget_config(site, key)
        if request.headers.get("sec-fetch-site") == "same-origin":
            config["mirror"] = True
        response = answer(request, config)
        response.headers["Vary"] = "Accept-Encoding, Sec-Fetch-Site"
        return response

    async def plain(request: Request) -> Response:
        return answer(request, {})

    async def types(request: Request) -> Response:
        del request
        return Response(types_text(), headers={"Cache-Control": CACHE}, media_type="text/plain")

    return [
        handover_route(state),
        Route("/h/handraise.d.ts", types),
        Route("/h/c.{hash}.js", optional),
        Route("/h/h.{hash}.js", pinned),
        Route("/h/{key}.js", of_site),
        Route("/h.js", plain),
    ]
