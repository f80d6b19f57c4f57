"""The demo site: a small Starlette application on an origin of its own, like a customer's site."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.demo import content, forms
from server.demo.policy import content_security_policy

HERE = Path(__file__).parent
LARGEST_BODY = 64_000

Handler = Callable[[Request], Awaitable[Response]]


def demo_site(tag: str, dashboard_url: str = "/", script_origin: str = "") -> Starlette:
    """Build the site with `tag` in the head of every page and a link to the dashboard."""
    pages = _Pages(tag, dashboard_url)
    shown = [Route(page.path, _show(pages, page)) for page in content.PAGES]
    posted = [Route(form.action, _take(pages, form), methods=["POST"]) for form in forms.FORMS]
    assets = Mount("/assets", StaticFiles(directory=HERE / "assets"))
    return Starlette(
        routes=[*posted, *shown, assets],
        middleware=[Middleware(_Headers, policy=content_security_policy(tag, script_origin))],
        exception_handlers={404: _missing(pages)},
    )


class _Pages:
    """Renders templates with what every page needs."""

    def __init__(self, tag: str, dashboard_url: str) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._always = {
            # The tag is the one thing that must reach the page as markup.
            "tag": Markup(tag),  # noqa: S704
            "dashboard_url": dashboard_url,
            "company": content.COMPANY,
            "forms": forms.BY_KEY,
            "posts": content.POSTS,
            "docs": content.DOCS,
            "pages": content.BY_PATH,
            "ebook_file": content.EBOOK_FILE,
            "consent_text": forms.CONSENT_TEXT,
            "consent_version": forms.CONSENT_VERSION,
        }

    def render(
        self, page: content.Page, status: int = 200, answers: forms.Answers | None = None
    ) -> HTMLResponse:
        text = self._templates.get_template(page.template).render(
            **self._always, page=page, answers=answers or forms.Answers()
        )
        return HTMLResponse(text, status)


def _show(pages: _Pages, page: content.Page) -> Handler:
    async def show(_request: Request) -> Response:
        return pages.render(page)

    return show


def _take(pages: _Pages, form: forms.Form) -> Handler:
    """Check what was typed and lead on. The demo site itself keeps nothing."""

    async def take(request: Request) -> Response:
        body = await _read_body(request)
        if body is None:
            return PlainTextResponse("This form is too large.", 413)
        answers = forms.read_answers(form, body)
        if answers.errors:
            return pages.render(content.BY_PATH[form.action], 422, answers)
        return RedirectResponse(form.thanks, 303)

    return take


async def _read_body(request: Request) -> bytes | None:
    """The body, or nothing if it is larger than a form of ours could be."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_BODY:
            return None
    return bytes(body)


def _missing(pages: _Pages) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def missing(_request: Request, _error: Exception) -> Response:
        return pages.render(content.NOT_FOUND, 404)

    return missing


class _Headers:
    """Puts the security headers on every answer."""

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self._app = app
        self._headers = {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            # A visitor's own address is no secret, but other sites need not know the page.
            "Referrer-Policy": "strict-origin-when-cross-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        await self._app(scope, receive, send_with_headers)
