"""Settings that open doors: tokens, keys and secrets; and what was done and erased."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from starlette.responses import Response

from server.web import administration, erasure, members
from server.web.bodies import NewToken
from server.web.operations import Call
from server.web.page_queries import PageQuery
from server.web.pages import audited
from server.web.pages.deeds import call_of
from server.web.pages.settings import section
from server.web.pages.view import View
from server.web.queries import AuditQuery, Cursor


class TokenForm(Struct, frozen=True, kw_only=True):
    scope: Literal["read", "write", "admin"] = "read"
    name: Annotated[str, Meta(max_length=200)] = ""


class PageOfAudit(PageQuery, frozen=True, kw_only=True):
    what: Literal["acts", "decisions"] = "acts"
    cursor: Cursor = ""


class Nothing(Struct, frozen=True):
    """A form of one button."""


# ---------------------------------------------------------------- tokens


async def tokens(view: View) -> Response:
    view.query(PageQuery)
    return await _tokens(view)


async def _tokens(view: View, made: Any = None) -> Response:
    found = await administration.list_tokens(call_of(view, None))
    answer: Response = section(
        view, "settings_tokens.html", "/settings/tokens", tokens=found.items, made=made
    )
    return answer


async def add_token(view: View) -> Response:
    """The page itself, once, with the token on it: no address ever holds it."""
    form = await view.form(TokenForm)
    made = await administration.add_token(call_of(view, NewToken(scope=form.scope, name=form.name)))
    return await _tokens(view, made)


async def revoke_token(view: View) -> Response:
    await view.form(Nothing)
    await administration.revoke_token(call_of(view, None))
    return view.go("/settings/tokens", "revoked")


# ---------------------------------------------------------------- keys


async def keys(view: View) -> Response:
    view.query(PageQuery)
    return _keys(view)


def _keys(view: View, secret: Any = None) -> Response:
    answer: Response = section(
        view,
        "settings_keys.html",
        "/settings/keys",
        snippet=administration.snippet(view.state, view.site),
        secret=secret,
    )
    return answer


async def rotate_key(view: View) -> Response:
    await view.form(Nothing)
    await administration.rotate_key(call_of(view, None))
    return view.go("/settings/keys", "rotated")


async def show_secret(view: View) -> Response:
    await view.form(Nothing)
    return _keys(view, await administration.get_identify_secret(call_of(view, None)))


async def rotate_secret(view: View) -> Response:
    await view.form(Nothing)
    return _keys(view, await administration.rotate_identify_secret(call_of(view, None)))


# ---------------------------------------------------------------- what was done


async def audit(view: View) -> Response:
    query = view.query(PageOfAudit)
    asked = AuditQuery(what=query.what, cursor=query.cursor)
    call = Call(view.state, view.request, view.caller, view.site, asked, None)
    found = await members.list_audit(call)
    async with view.state.database.snapshot() as reader:
        known = await audited.called(reader, view.site)
        about = await audited.named(reader, view.site, found.items)
    answer: Response = section(
        view,
        "settings_audit.html",
        "/settings/audit",
        found=found,
        what=query.what,
        paged=bool(query.cursor),
        names=known,
        about=about,
        told=lambda action, detail: audited.with_names(action, detail, known),
    )
    return answer


async def erasures(view: View) -> Response:
    view.query(PageQuery)
    found = await erasure.list_erasures(call_of(view, None))
    answer: Response = section(
        view, "settings_erasures.html", "/settings/erasures", erasures=found.items
    )
    return answer


Handler = Callable[[View], Awaitable[Response]]
#: (method, path, scope, handler)
ROUTES: tuple[tuple[str, str, str, Handler], ...] = (
    ("GET", "/settings/tokens", "admin", tokens),
    ("POST", "/settings/tokens", "admin", add_token),
    ("POST", "/settings/tokens/{token_id}/revoke", "admin", revoke_token),
    ("GET", "/settings/keys", "admin", keys),
    ("POST", "/settings/keys/rotate", "admin", rotate_key),
    ("POST", "/settings/keys/secret", "admin", show_secret),
    ("POST", "/settings/keys/secret/rotate", "admin", rotate_secret),
    ("GET", "/settings/audit", "admin", audit),
    ("GET", "/settings/erasures", "admin", erasures),
)
