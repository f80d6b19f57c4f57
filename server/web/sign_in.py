"""Signing in: a one-time link or an e-mail with its password becomes a cookie."""

import hashlib
import re
import secrets
from ipaddress import ip_address, ip_network

from itsdangerous import BadSignature, URLSafeSerializer
from starlette.requests import Request
from starlette.responses import Response

from server.errors import Forbidden, TooManyTries, Unauthorised
from server.storage import sign_ins, users
from server.web.access import COOKIE, HOST_COOKIE, cookie_of, secure
from server.web.address import client_address
from server.web.state import State

MAX_AGE_S = sign_ins.ABSOLUTE_MS // 1000
KNOWN = "handraise_known"
KNOWN_AGE_S = 400 * 86_400
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
FORWARDED = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded")
WRONG = "That e-mail and password do not belong together."


async def new_link(state: State) -> str:
    """A link that signs the owner in; good once and for a day."""
    secret, now = sign_ins.new_secret(), state.clock()
    await state.writer.run(lambda: sign_ins.new_link(secret, now))
    return f"{state.base_url}/open/{secret}"


def check_transport(state: State, request: Request) -> None:
    """A cookie never travels in the clear, except on this machine. Raises `Forbidden`."""
    host = request.url.hostname or ""
    forwarded = any(name in request.headers for name in FORWARDED)  # a proxy may rename the host
    here = (host in LOOPBACK or host.endswith(".localhost")) and not forwarded
    if secure(state, request) or here:
        return
    raise Forbidden(
        "signing in needs https: put a TLS proxy in front and set HANDRAISE_PUBLIC_URL to its"
        " https:// address, or sign in on the server itself",
        code="needs_https",
    )


async def by_link(
    state: State, request: Request, link: str, inside: int = 0
) -> tuple[sign_ins.Opened, str]:
    """Use a link up: (what came of it, the cookie). `inside` is who is signed in already."""
    cookie, now = sign_ins.new_secret(), state.clock()
    async with state.database.snapshot() as reader:
        if not await sign_ins.is_link(reader, link):  # strangers cost no turn of the writer
            return sign_ins.Opened(0), ""
    browser = browser_of(state, request)
    opened = await state.writer.run(lambda: sign_ins.open_link(link, cookie, browser, now, inside))
    return opened, cookie


async def by_password(state: State, request: Request, email: str, password: str) -> tuple[int, str]:
    """(user, cookie). Raises `Unauthorised`, and `TooManyTries` while a browser has to wait.

    The answer and its time are the same for an e-mail nobody has.
    """
    now = state.clock()
    async with state.database.snapshot() as reader:
        user_id, known = await users.password_of(reader, email)
    keys = _keys(state, request, email, user_id)
    wait = state.backoff.wait_ms(keys, now)
    if wait:
        raise TooManyTries(-(-wait // 1000))
    state.backoff.tried(keys, now)
    before = bool(_known_browser(state, request, user_id))
    if not await state.passwords.fits(known, password, known=before):
        raise Unauthorised(WRONG)
    state.backoff.succeeded(keys)
    assert known is not None  # noqa: S101 - nothing fits where there is none
    if state.passwords.is_old(known):
        stronger = await state.passwords.hashed(password)
        await state.writer.run(lambda: users.rehash(user_id, known, stronger))
    return user_id, await begin(state, request, user_id)


async def begin(state: State, request: Request, user_id: int) -> str:
    """A new cookie for a user: never one that was there before (session fixation)."""
    cookie, now = sign_ins.new_secret(), state.clock()
    browser = browser_of(state, request)
    await state.writer.run(lambda: sign_ins.sign_in(user_id, cookie, browser, now))
    return cookie


def put_cookie(state: State, request: Request, answer: Response, cookie: str, user_id: int) -> None:
    """Sign the browser in, and know it again the next time a password is typed."""
    https = secure(state, request)
    answer.set_cookie(
        HOST_COOKIE if https else COOKIE,
        cookie,
        max_age=MAX_AGE_S,
        path="/",
        secure=https,
        httponly=True,
        samesite="lax",
    )
    answer.set_cookie(
        KNOWN,
        _signer(state).dumps([user_id, secrets.token_hex(8)]),
        max_age=KNOWN_AGE_S,
        path="/sign-in",
        secure=https,
        httponly=True,
        samesite="strict",
    )


async def end(state: State, request: Request, answer: Response) -> None:
    """Forget the cookie on both sides."""
    cookie = cookie_of(state, request)
    if cookie:
        await state.writer.run(lambda: sign_ins.close(cookie))
    https = secure(state, request)
    answer.delete_cookie(HOST_COOKIE if https else COOKIE, path="/", secure=https, httponly=True)


def way_back(text: str) -> str:
    """Where to go after signing in: a path of ours, or the first page.

    One slash, then neither another nor a backslash, and nothing a browser would cut out: anything
    else may name a host (Datasette #2429, #2680).
    """
    plain = re.fullmatch(r"/(?![/\\])[!-~]*", text) and "\\" not in text
    return text if plain and len(text) <= 2_000 else "/"


def browser_of(state: State, request: Request) -> str:
    """The browser in words, for the list of sign-ins."""
    agent = state.tools.agents.read(request.headers.get("user-agent", ""))
    return f"{agent.browser or 'A browser'} on {agent.os or 'an unknown system'}"[:100]


def _signer(state: State) -> URLSafeSerializer:
    return URLSafeSerializer(state.secret, salt="known-browser")


def _keys(state: State, request: Request, email: str, user_id: int) -> list[str]:
    """What tries are counted by; see `server/web/backoff.py`.

    A browser counts as known only for the account that signed in with it.
    """
    browser = _known_browser(state, request, user_id)
    if browser:
        return [f"browser {user_id} {browser}"]
    account = hashlib.sha256(email.encode("utf-8", "surrogatepass")).hexdigest()
    settings = state.settings
    headers = {name.lower(): value for name, value in request.headers.items()}
    peer = request.client.host if request.client else ""
    address = client_address(peer, headers, settings.trusted_proxies, settings.client_ip_header)
    place = _place(address)
    return [f"account {account}", *([f"address {place}"] if place else [])]


def _known_browser(state: State, request: Request, user_id: int) -> str:
    """The number of a browser in which this user signed in before; empty for another."""
    given = request.cookies.get(KNOWN, "")
    try:
        owner, browser = _signer(state).loads(given) if len(given) < 200 else (0, "")
    except (BadSignature, TypeError, ValueError):
        return ""
    return str(browser) if owner == user_id else ""


def _place(address: str) -> str:
    """What an address stands for: one place, or nothing where everybody behind a proxy is one. Of
    IPv6 a customer has a /64 at least."""
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    if not found.is_global:
        return ""
    return str(ip_network(f"{address}/64", strict=False)) if found.version == 6 else address
