"""Doors for pages without JavaScript: a pixel and a form post. Pure translators into the one event.

A form may carry a signed time token (`_token`, from the hosted form): it proves that a person had
time to read, and makes a second click the same submission. Without one, equal fields of one form
within ten minutes are one submission. A field nobody sees (`_website`) must stay empty.
"""

import asyncio
import hashlib
import os
from collections.abc import Mapping

import msgspec
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer
from jinja2 import Environment, PackageLoader
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from server.errors import BadRequest, Forbidden, HandraiseError, Overloaded, Refusal
from server.ingest import limits
from server.ingest.payload import Envelope, WireEvent, read_id, write_id
from server.model import Door, Site
from server.web.batches import CORS, Answer, accept, arrival_of
from server.web.state import State

GIF = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
HONEYPOT, TOKEN = "_website", "_token"
TOKEN_SALT = "form"  # noqa: S105 - a salt per purpose, not a secret
LEAST_MS, MOST_S = 1_500, 86_400
REPEAT_MS = 600_000
PAGE_CSP = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'"


def event_id(at: int, seed: bytes = b"") -> str:
    """An event id: 48 bits of time, then random bits or a digest of `seed`."""
    tail = hashlib.blake2b(seed, digest_size=10).digest() if seed else os.urandom(10)
    return write_id(at.to_bytes(6, "big") + tail)


class Doors:
    """The routes, on one state."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.tokens = URLSafeTimedSerializer(state.secret, salt=TOKEN_SALT)
        self.pages = Environment(
            loader=PackageLoader("server", "templates"), autoescape=True, auto_reload=False
        )

    def routes(self) -> list[Route]:
        return [
            Route("/p/{key}.gif", self.pixel, methods=["GET"]),
            Route("/f/{key}/{form}", self.form_page, methods=["GET"]),
            Route("/f/{key}/{form}", self.form_post, methods=["POST"]),
        ]

    def _site(self, request: Request) -> Site:
        site = self.state.sites.by_key.get(request.path_params["key"])
        if site is None:
            raise Forbidden("no site has this key", code="unknown_key")
        return site

    # ------------------------------------------------------------ pixel

    async def pixel(self, request: Request) -> Response:
        """`GET /p/{key}.gif?u=&r=&n=`: a page view without a visitor."""
        site = self._site(request)
        headers = dict(request.headers)
        arrival = arrival_of(self.state, request.scope, headers, Door.PIXEL)
        query = request.query_params
        event = WireEvent(
            i=event_id(arrival.received),
            y="page_view",
            t=arrival.received,
            u=query.get("u") or headers.get("referer"),
            r=query.get("r"),
            n=query.get("n"),
        )
        wire = Envelope(k=site.keys[0], t=arrival.received, e=[event])
        answer = await accept(self.state, site, arrival, wire)
        out = Response(GIF, media_type="image/gif", headers={"Cache-Control": "no-store"})
        _name_drops(out, answer)
        return out

    # ------------------------------------------------------------ form

    async def form_page(self, request: Request) -> Response:
        """A hosted form that works without JavaScript, with its token."""
        site = self._site(request)
        form = request.path_params["form"][: limits.NAME]
        stamp = {"f": form, "s": site.site_id, "at": self.state.clock(), "n": event_id(0)}
        return self._page("form.html", 200, site=site, form=form, token=self.tokens.dumps(stamp))

    async def form_post(self, request: Request) -> Response:
        """`POST /f/{key}/{form}`: one submission; an error is a page that a person can read."""
        site = self._site(request)
        form = request.path_params["form"][: limits.NAME]
        try:
            fields = await self._fields(request)
            answer = await self._submit(request, site, form, fields)
        except HandraiseError as error:
            page = self._page("form_problem.html", error.status, detail=error.detail)
            if isinstance(error, Overloaded):
                page.headers["Retry-After"] = str(error.retry_after)
            return page
        back = _back(request)
        out = self._page("form_thanks.html", 200, site=site, back=back)
        _name_drops(out, answer)
        return out

    async def _fields(self, request: Request) -> dict[str, object]:
        """The posted fields within the limits. Raises `BadRequest` for anything else."""
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > limits.EVENT_BYTES:
            raise BadRequest("the form is larger than 32 kB", code="too_large")
        try:
            async with asyncio.timeout(limits.BODY_SECONDS):
                posted = await request.form(
                    max_files=0, max_fields=200, max_part_size=limits.EVENT_BYTES
                )
        except (HTTPException, ClientDisconnect, TimeoutError, ValueError) as error:
            raise BadRequest("the form could not be read", code="bad_form") from error
        fields: dict[str, object] = {}
        for given, found in posted.multi_items():
            if not isinstance(found, str):
                continue
            name, value = _whole(given), _whole(found)
            known = fields.get(name)
            if known is None:
                fields[name] = value
            elif isinstance(known, list):
                known.append(value)
            else:
                fields[name] = [known, value]
        return fields

    async def _submit(
        self, request: Request, site: Site, form: str, fields: dict[str, object]
    ) -> Answer:
        headers = dict(request.headers)
        arrival = arrival_of(self.state, request.scope, headers, Door.FORM)
        trap, token = fields.pop(HONEYPOT, ""), fields.pop(TOKEN, "")
        refusal = Refusal.HONEYPOT if trap else None
        name, late = self._name(site, form, fields, token, arrival.received)
        refusal = refusal or late
        if refusal is not None:
            self.state.refused.add(site.site_id, str(refusal), arrival.received, {"form": form})
            if refusal is Refusal.HONEYPOT:  # a robot learns nothing
                return Answer(1, 0, [])
            raise BadRequest(
                "the form was open too long or sent too quickly: go back, reload and send it again",
                code=str(refusal),
            )
        data = msgspec.json.encode({"form": form, "fields": fields})
        if len(data) > limits.EVENT_BYTES:
            raise BadRequest("the form is larger than 32 kB", code="too_large")
        event = WireEvent(
            i=name,
            y="form_submit",
            t=arrival.received,
            u=headers.get("referer"),
            d=msgspec.Raw(data),
        )
        wire = Envelope(k=site.keys[0], t=arrival.received, e=[event])
        if token:  # `_name` has verified it
            arrival = msgspec.structs.replace(arrival, own_page=True)
        answer = await accept(self.state, site, arrival, wire)
        if answer.dropped:
            raise BadRequest(
                "this form could not be taken; the site's owner can see why",
                code=str(answer.dropped[0][1]),
            )
        return answer

    def _name(
        self, site: Site, form: str, fields: Mapping[str, object], token: object, now: int
    ) -> tuple[str, Refusal | None]:
        """The event id by which a second click is the same submission, or why not."""
        if not token:
            bucket = now // REPEAT_MS * REPEAT_MS
            seed = msgspec.json.encode([site.site_id, form, fields], order="sorted")
            return event_id(bucket, seed), None
        try:
            stamp = self.tokens.loads(str(token), max_age=MOST_S)
        except SignatureExpired:
            return "", Refusal.TOKEN
        except BadSignature:
            return "", Refusal.TOKEN
        if stamp.get("f") != form or stamp.get("s") != site.site_id:
            return "", Refusal.TOKEN
        if now - stamp["at"] < LEAST_MS:
            return "", Refusal.TOO_FAST
        nonce = read_id(stamp["n"]) or b""
        return event_id(stamp["at"], nonce), None

    def _page(self, name: str, status: int, **values: object) -> HTMLResponse:
        html = self.pages.get_template(name).render(**values)
        return HTMLResponse(
            html, status, headers={"Content-Security-Policy": PAGE_CSP, "Cache-Control": "no-store"}
        )


def _whole(text: str) -> str:
    """A text that can be written as UTF-8: odd charsets smuggle in lone surrogates."""
    return text.encode("utf-8", "replace").decode()


def _name_drops(out: Response, answer: Answer) -> None:
    if answer.dropped:
        out.headers["Handraise-Dropped"] = ", ".join(sorted({str(r) for _, r in answer.dropped}))
    for name, value in CORS[:1]:
        out.headers[name.decode()] = value.decode()


def _back(request: Request) -> str:
    """The page the form was on, if it is a web page: the only link the thank-you page offers."""
    referer = request.headers.get("referer", "")
    return referer if referer.startswith(("http://", "https://")) else ""
