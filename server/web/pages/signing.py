"""The pages before any other: sign in, open a link, choose a password, sign out."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import quote

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from server.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    HandraiseError,
    TooManyTries,
    Unauthorised,
)
from server.ingest.emails import normalise_email
from server.storage import sign_ins, users
from server.storage.database import Script
from server.storage.users import User
from server.web import passwords, sign_in
from server.web.access import check_same_origin, secure, user_of
from server.web.pages.templates import Templates
from server.web.pages.view import form_fields, problem_values, read_form
from server.web.state import State

Line = Annotated[str, Meta(max_length=320)]
Secret = Annotated[str, Meta(max_length=1_000)]


class SignIn(Struct, frozen=True, kw_only=True):
    email: Line = ""
    password: Secret = ""
    next: Annotated[str, Meta(max_length=2_000)] = "/"


class Welcome(Struct, frozen=True, kw_only=True):
    name: Annotated[str, Meta(max_length=100)] = ""
    email: Line = ""
    password: Secret = ""
    before: Secret = ""


class Signing:
    """The routes, on one state."""

    def __init__(self, state: State, templates: Templates) -> None:
        self.state = state
        self.templates = templates

    def _guarded(
        self, handler: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                check_same_origin(request)
                return await handler(request)
            except Unauthorised:
                return RedirectResponse("/sign-in", 303)
            except HandraiseError as error:
                return self.templates.answer("problem.html", error.status, **problem_values(error))

        return answer

    def routes(self) -> list[BaseRoute]:
        table = (
            ("GET", "/sign-in", self.show),
            ("POST", "/sign-in", self.sign_in),
            ("POST", "/sign-out", self.sign_out),
            ("GET", "/open/{link}", self.open),
            ("POST", "/open/{link}", self.use),
            ("GET", "/welcome", self.welcome),
            ("POST", "/welcome", self.choose),
        )
        return [
            *(Route(path, self._guarded(handler), methods=[m]) for m, path, handler in table),
            Route("/robots.txt", robots, methods=["GET"]),
            Route("/.well-known/change-password", change_password, methods=["GET"]),
        ]

    # ------------------------------------------------------------ signing in

    async def show(self, request: Request) -> Response:
        back = sign_in.way_back(request.query_params.get("next", "/"))
        if await user_of(self.state, request):
            return RedirectResponse(back, 303)
        return await self._sign_in_page(request, back)

    async def _sign_in_page(
        self, request: Request, back: str, status: int = 200, wrong: str = "", email: str = ""
    ) -> Response:
        async with self.state.database.snapshot() as reader:
            begun = await users.anybody_has_a_password(reader)
        return self.templates.answer(
            "sign_in.html",
            status,
            next=back,
            begun=begun,
            wrong=wrong,
            email=email,
            insecure=not secure(self.state, request),
        )

    async def sign_in(self, request: Request) -> Response:
        state = self.state
        given = read_form(await form_fields(request), SignIn)
        back, email = sign_in.way_back(given.next), normal(given.email)
        sign_in.check_transport(state, request)
        try:
            user_id, cookie = await sign_in.by_password(state, request, email, given.password)
        except TooManyTries as error:
            answer = await self._sign_in_page(request, back, 429, error.detail, given.email)
            answer.headers["Retry-After"] = str(error.retry_after)
            return answer
        except Unauthorised:
            return await self._sign_in_page(request, back, 401, sign_in.WRONG, given.email)
        answer = RedirectResponse(back, 303)
        sign_in.put_cookie(state, request, answer, cookie, user_id)
        return answer

    async def open(self, request: Request) -> Response:
        """A one-time link. One seen by a preview or a prefetch stays good."""
        if request.method == "HEAD" or "prefetch" in request.headers.get("sec-purpose", ""):
            return Response(status_code=204)
        sign_in.check_transport(self.state, request)
        async with self.state.database.snapshot() as reader:
            site_id = await sign_ins.site_of_link(reader, request.path_params["link"])
        if site_id:  # it came by mail, and programs that look into mail open what they find
            return self.templates.answer("invited.html", link=request.path_params["link"])
        return await self.use(request)

    async def use(self, request: Request) -> Response:
        """Sign in by a link, or accept the invitation that it is."""
        sign_in.check_transport(self.state, request)
        link = request.path_params["link"]
        inside = await user_of(self.state, request)
        opened, cookie = await sign_in.by_link(
            self.state, request, link, inside.user_id if inside else 0
        )
        if not opened.user_id:
            return self.templates.answer("link_used.html", 401)
        if opened.waits and inside:
            raise Conflict("this invitation is for another account: sign out, then open it again")
        if opened.waits:
            return RedirectResponse(f"/sign-in?next=/open/{quote(link, safe='')}", 303)
        async with self.state.database.snapshot() as reader:
            user = await users.by_id(reader, opened.user_id)
        answer = RedirectResponse("/" if user.password else "/welcome", 303)
        if not opened.inside:
            sign_in.put_cookie(self.state, request, answer, cookie, user.user_id)
        return answer

    async def sign_out(self, request: Request) -> Response:
        answer = RedirectResponse("/sign-in", 303)
        await sign_in.end(self.state, request, answer)
        self.state.live.hang_up()  # a stream of this browser is not let in again
        return answer

    # ------------------------------------------------------------ e-mail and password

    async def welcome(self, request: Request) -> Response:
        return self._welcome_page(await self._user(request))

    def _welcome_page(
        self, user: User, status: int = 200, wrong: str = "", given: Welcome | None = None
    ) -> Response:
        return self.templates.answer(
            "welcome.html",
            status,
            user=user,
            wrong=wrong,
            name=given.name if given else user.name,
            email=given.email if given else user.email,
            least=passwords.LEAST,
        )

    async def choose(self, request: Request) -> Response:
        """Set e-mail and password: everybody else who is signed in as this user is signed out."""
        user = await self._user(request)
        given = read_form(await form_fields(request), Welcome)
        try:
            await self._choose(user, given)
        except (BadRequest, Conflict, Forbidden, TooManyTries) as error:
            return self._welcome_page(user, error.status, error.detail, given)
        answer = RedirectResponse("/?said=welcome", 303)
        cookie = await sign_in.begin(self.state, request, user.user_id)
        sign_in.put_cookie(self.state, request, answer, cookie, user.user_id)
        return answer

    async def _choose(self, user: User, given: Welcome) -> None:
        """Raises `BadRequest`, `Conflict`, and `Forbidden` where the password before is wrong."""
        state, email = self.state, normal(given.email)
        if "@" not in email:
            raise BadRequest("this is no e-mail address: one looks like ada@yourcompany.com")
        if not user.owner and user.email and email != user.email:
            raise BadRequest(
                "your e-mail is the one you were invited by: ask for an invitation to another"
            )
        passwords.check(given.password, email)
        if user.password:
            self._not_too_often(user)
            async with state.database.snapshot() as reader:
                _, known = await users.password_of(reader, user.email)
            if not await state.passwords.fits(known, given.before, known=True):
                raise Forbidden("the password you have now is another one")
            state.backoff.succeeded([_before(user)])
        hashed, name = await state.passwords.hashed(given.password), given.name.strip()

        def script() -> Script[None]:
            yield from users.choose(user.user_id, email, name, hashed)
            yield from sign_ins.close_all(user.user_id)

        await state.writer.run(script)
        state.live.hang_up()

    def _not_too_often(self, user: User) -> None:
        """Whoever got hold of a browser does not guess its user's password in it.

        Raises `TooManyTries`.
        """
        wait = self.state.backoff.wait_ms([_before(user)], self.state.clock())
        if wait:
            raise TooManyTries(-(-wait // 1000))
        self.state.backoff.tried([_before(user)], self.state.clock())

    async def _user(self, request: Request) -> User:
        user = await user_of(self.state, request)
        if user is None:
            raise Unauthorised("sign in first")
        return user


async def robots(request: Request) -> Response:
    """Nothing here is for search engines."""
    del request
    return PlainTextResponse("User-agent: *\nDisallow: /\n")


async def change_password(request: Request) -> Response:
    """Where password managers look (W3C, A Well-Known URL for Changing Passwords)."""
    del request
    return RedirectResponse("/welcome", 302)


def routes(state: State, templates: Templates) -> list[BaseRoute]:
    return Signing(state, templates).routes()


def _before(user: User) -> str:
    """By what tries at the password of now are counted."""
    return f"password of {user.user_id}"


def normal(email: str) -> str:
    """An e-mail as it is compared; what is none comes back trimmed, and belongs to nobody."""
    found = normalise_email(email.strip())
    return found or email.strip().lower().replace("@", " ")
