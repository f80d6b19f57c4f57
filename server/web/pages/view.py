"""What the handler of a page gets: who asks, for which site, and how to answer."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from server.errors import BadRequest, Forbidden, NotFound
from server.model import Site
from server.project.rules import Ruleset
from server.storage.users import User
from server.web.access import Caller, secure, sites_of
from server.web.collect import read_body
from server.web.pages.misfits import misfit
from server.web.pages.problem_words import page_words
from server.web.pages.said import SAID, UNDONE_BY_CLASS
from server.web.pages.templates import Templates
from server.web.problems import FAULT
from server.web.queries import read_query
from server.web.readings import ruleset_of
from server.web.state import State
from server.web.visits import ago

#: (path, name, drawing, key after `g`, scope) of the pages that every page leads to.
NAV = (
    ("/", "Today", "today", "t", "read"),
    ("/people", "People", "people", "p", "read"),
    ("/live", "Live", "live", "l", "read"),
    ("/conflicts", "Conflicts", "inbox", "c", "read"),
    ("/traffic", "Kept out", "traffic", "f", "read"),
    ("/scoring", "Scoring", "rules", "r", "read"),
    ("/destinations", "Destinations", "send", "d", "admin"),
    ("/install", "Install", "install", "i", "read"),
    ("/settings", "Settings", "settings", "s", "read"),
)
FORM_BYTES = 256_000
MOST_FIELDS = 2_000
S = TypeVar("S", bound=Struct)


@dataclass(frozen=True)
class View:
    """A request for a page that may be answered."""

    state: State
    templates: Templates
    request: Request
    caller: Caller
    site: Site
    scope: str  # what the caller may do on the site at most
    several: bool  # whether the site must be named in links
    waiting: int = 0  # open conflicts

    @property
    def user(self) -> User:
        assert self.caller.user is not None  # noqa: S101 - pages are for people who signed in
        return self.caller.user

    @property
    def author(self) -> str:
        return self.caller.author

    @cached_property
    def now(self) -> int:
        """UTC milliseconds."""
        return self.state.clock()

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.site.settings.zone)

    @cached_property
    def rules(self) -> Ruleset:
        """The rules by which the site is scored now."""
        return ruleset_of(self.state, self.site)

    @cached_property
    def labels(self) -> dict[str, str]:
        """What each rule is called, by its key."""
        return {rule.key: rule.label for rule in self.rules.rules}

    @property
    def partial(self) -> bool:
        """Whether a page in the browser asks for a piece of itself."""
        return self.request.headers.get("hx-request") == "true"

    def may(self, scope: str) -> bool:
        return self.caller.may(self.site.site_id, scope)

    def local(self, text: str) -> datetime:
        """An ISO time in the site's zone."""
        return datetime.fromisoformat(text).astimezone(self.zone)

    def query(self, shape: type[S]) -> S:
        """The query of the page. Raises `BadRequest` for what it does not take."""
        return read_query(self.request, shape, blanks=False)

    async def form(self, shape: type[S]) -> S:
        """The fields of a form that was sent here. Raises `BadRequest`."""
        return read_form(await form_fields(self.request), shape)

    # ------------------------------------------------------------ answers

    def path(self, to: str, /, **query: Any) -> str:
        """A link to a page of this site; empty values are left out, lists are repeated."""
        asked = [
            (name, one)
            for name, value in query.items()
            for one in (value if isinstance(value, list | tuple) else (value,))
            if one not in (None, "")
        ]
        if self.several:
            asked.append(("site", self.site.site_id))
        return f"{to}?{urlencode(asked)}" if asked else to

    def page(self, name: str, status: int = 200, **values: Any) -> Response:
        """A template of `server/templates`, in the frame of every page."""
        return self.templates.answer(name, status, **{**self.frame(), **values})

    def go(self, to: str, said: str = "", /, **query: Any) -> Response:
        """On to another page after a change; `said` names what it says on arrival."""
        headers = {"Cache-Control": "no-store"}
        return RedirectResponse(self.path(to, **query, said=said), 303, headers)

    def arrival(self) -> dict[str, Any]:
        """What the page says first, about whom, and whether it can be taken back there."""
        asked = self.request.query_params
        said, about = asked.get("said", ""), asked.get("about", "")
        known = about if re.fullmatch("p[1-9][0-9]{0,17}", about) else ""
        undo = bool(known) and said in UNDONE_BY_CLASS and self.may("write")
        return {"said": SAID.get(said, ""), "whom": known, "undo": undo}

    def frame(self) -> dict[str, Any]:
        """What every template may use."""
        moment = datetime.fromtimestamp(self.now / 1000, UTC)
        return {
            "view": self,
            "site": self.site,
            "sites": sites_of(self.state, self.caller),
            "user": self.user,
            "may": self.may,
            "nav": NAV,
            "path": self.path,
            "local": self.local,
            "day": lambda text: datetime.fromisoformat(text).strftime("%-d %b %Y"),
            "ago": lambda text: ago(self.local(text), moment),
            "labels": self.labels,
            "rules": self.rules,
            "insecure": not secure(self.state, self.request),
            **self.arrival(),
        }


def site_asked(state: State, caller: Caller, request: Request, scope: str) -> tuple[Site, bool]:
    """The site a page is about, and whether links must name it.

    Raises `NotFound` for one that is not the caller's, `Forbidden` where the role is too small.
    """
    sites = sites_of(state, caller)
    wanted = request.query_params.get("site")
    site = next((s for s in sites if wanted is None or str(s.site_id) == wanted), None)
    if site is None:
        raise (
            NotFound("no such site")
            if sites
            else NotFound(
                "you are on no site yet: ask an owner of this server to give you a role on one"
            )
        )
    if not caller.may(site.site_id, scope):
        raise Forbidden(NEEDED[scope], code="role")
    return site, len(sites) > 1


NEEDED = {
    "read": "you may not see this site: ask its owner for a role on it",
    "write": "you may look at this site but not change people: ask its owner for the role marketer",
    "admin": "only owners of this site may do this: ask one of them, or for that role",
}


async def form_fields(request: Request) -> list[tuple[str, str]]:
    """The fields of a urlencoded form, in order. Raises `BadRequest` and `TooLarge`."""
    body = await read_body(request.receive, FORM_BYTES)
    try:
        return parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError as error:
        raise BadRequest("the form could not be read", code="bad_form") from error


def read_form(fields: list[tuple[str, str]], shape: type[S]) -> S:
    """Fields as a struct: repeated names become lists where the struct has one.

    Raises `BadRequest` that names the field.
    """
    values: dict[str, Any] = {}
    lists = {f.encode_name for f in msgspec.structs.fields(shape) if _is_list(f.type)}
    for name, value in fields:
        clean = value.replace("\x00", "").replace("\r\n", "\n")
        if name in lists:
            values.setdefault(name, []).append(clean)
        else:
            values[name] = clean
    try:
        return msgspec.convert(values, shape, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(misfit(str(error)), code="bad_form") from error


def _is_list(annotation: Any) -> bool:
    origin = getattr(annotation, "__origin__", None)
    return origin in {list, tuple} or annotation in {list, tuple}


def problem_values(error: Any) -> Mapping[str, Any]:
    """What a page about an error says."""
    hidden = error.status >= 500 and error.status != 503
    said = FAULT if hidden else page_words(error.detail)
    return {"number": error.status, "detail": said}
