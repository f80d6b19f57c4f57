"""What each route takes in its query: a parameter that is not named here is an error."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.requests import Request

from server.errors import BadRequest
from server.ingest.limits import LATEST_MS
from server.reports import paging

Stage = Literal[
    "other",
    "subscriber",
    "lead",
    "mql",
    "pql",
    "sql",
    "opportunity",
    "customer",
    "evangelist",
]
TimelineKind = Literal[
    "all",
    "page_view",
    "engagement",
    "click",
    "download",
    "form_start",
    "form_submit",
    "form_confirm",
    "identify",
    "track",
    "consent",
    "email_open",
    "email_click",
    "merge",
    "split",
    "verify",
    "release",
    "refuse",
    "set_stage",
    "tag",
    "note",
    "trait",
    "owner",
    "do_not_contact",
    "dismiss",
    "stage_moved",
    "crossed",
    "rearmed",
    "retracted",
]
Text = Annotated[str, Meta(max_length=200)]
Limit = Annotated[int, Meta(ge=1, le=paging.MOST, description="Rows on a page.")]
Cursor = Annotated[
    str,
    Meta(
        max_length=6_000,
        pattern="^[A-Za-z0-9_-]*$",
        description="The `next` of the page before.",
    ),
]
Since = Annotated[
    str,
    Meta(
        max_length=6_000,
        pattern="^[A-Za-z0-9_.:+ -]*$",
        description="Only what was seen since: an ISO 8601 time, or a cursor of a list by time.",
        examples=["2026-11-01T00:00:00Z"],
    ),
]
MinScore = Annotated[float, Meta(ge=-1_000_000, le=1_000_000, description="At least this score.")]
Signal = Annotated[
    str, Meta(max_length=64, description="A rule in force.", examples=["pricing_page"])
]


class NoQuery(Struct, frozen=True):
    """No parameter at all."""


class VisitorsQuery(Struct, frozen=True, kw_only=True):
    signal: Signal = ""
    min_score: MinScore | UnsetType = UNSET
    source: Text = ""
    company: Text = ""
    since: Since = ""
    sort: Literal["-score", "-last_seen"] = "-score"
    limit: Limit = paging.DEFAULT
    cursor: Cursor = ""


class PeopleQuery(Struct, frozen=True, kw_only=True):
    stage: Stage | UnsetType = UNSET
    signal: Signal = ""
    min_score: MinScore | UnsetType = UNSET
    source: Text = ""
    company: Annotated[str, Meta(max_length=200, description="A company's name or domain.")] = ""
    q: Annotated[
        str,
        Meta(
            max_length=200,
            description="Starts of the e-mail, of any word of the name, or of the company's domain;"
            " several words must all be found.",
        ),
    ] = ""
    tag: Annotated[str, Meta(max_length=100, description="Only people with this tag.")] = ""
    email: Annotated[
        str, Meta(max_length=320, description="Whoever has this address, also beside others.")
    ] = ""
    since: Since = ""
    sort: Literal["-score", "-last_seen", "email"] = "-score"
    limit: Limit = paging.DEFAULT
    cursor: Cursor = ""


class PersonQuery(Struct, frozen=True, kw_only=True):
    at: Annotated[
        str,
        Meta(
            max_length=64,
            description="The score at this ISO 8601 time, by today's links and rules.",
            examples=["2026-11-01T00:00:00Z"],
        ),
    ] = ""


class TimelineQuery(Struct, frozen=True, kw_only=True):
    kind: (
        Annotated[
            TimelineKind,
            Meta(
                description="One kind, or `all`: decisions and consequences too. Default: events."
            ),
        ]
        | UnsetType
    ) = UNSET
    limit: Limit = paging.DEFAULT
    cursor: Cursor = ""


class SignalsQuery(Struct, frozen=True, kw_only=True):
    since: Since = ""
    limit: Limit = paging.DEFAULT
    cursor: Cursor = ""


ConflictKind = Literal[
    "quarantined",
    "too_many_devices",
    "two_persons",
    "taken",
    "second_address",
    "second_user_id",
    "too_many_addresses",
    "typo",
]


class ConflictsQuery(Struct, frozen=True, kw_only=True):
    state: Literal["open", "closed", "all"] = "open"
    kind: ConflictKind | UnsetType = UNSET
    limit: Limit = paging.DEFAULT
    cursor: Cursor = ""


class RefusedQuery(Struct, frozen=True, kw_only=True):
    since: Since = ""


class OverviewQuery(Struct, frozen=True, kw_only=True):
    first: Annotated[date, Meta(description="First day; 28 days by default.")] | UnsetType = (
        msgspec.field(name="from", default=UNSET)
    )
    last: Annotated[date, Meta(description="Last day; today by default.")] | UnsetType = (
        msgspec.field(name="to", default=UNSET)
    )


class RulesHistoryQuery(Struct, frozen=True, kw_only=True):
    limit: Limit = paging.DEFAULT
    cursor: Cursor = ""


RulesetName = Annotated[
    str,
    Meta(
        max_length=64,
        pattern="^[a-z0-9_]+$",
        description="A version's number, `draft`, `published`, or a preset's name.",
    ),
]


class DiffQuery(Struct, frozen=True, kw_only=True):
    first: RulesetName = msgspec.field(name="from", default="published")
    last: RulesetName = msgspec.field(name="to", default="draft")


class DraftQuery(Struct, frozen=True, kw_only=True):
    base: Annotated[
        int, Meta(ge=0, lt=2**31, description="The version it was begun from; 0: that in force.")
    ] = 0
    note: Annotated[str, Meta(max_length=1_000, description="What it is for.")] = ""


class LogQuery(Struct, frozen=True, kw_only=True):
    after: Annotated[
        int, Meta(ge=0, lt=2**53, description="Only entries with a higher number.")
    ] = 0


T = TypeVar("T", bound=Struct)
_FAULT = re.compile(r"(?P<what>.*) - at `\$\.(?P<name>\w+)`", re.S)


def read_query(request: Request, shape: type[T]) -> T:
    """The query of a request. Raises `BadRequest` with the parameter and what is valid."""
    names = [field.encode_name for field in msgspec.structs.fields(shape)]
    values: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in names:
            raise BadRequest(f"parameter `{name[:60]}` is unknown; {_valid(names)}")
        if name in values:
            raise BadRequest(f"parameter `{name}` is given twice")
        if "\x00" in value:
            raise BadRequest(f"parameter `{name}` holds a NUL character")
        values[name] = value
    try:
        return msgspec.convert(values, shape, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(_sentence(str(error), shape)) from error


def _valid(names: list[str]) -> str:
    return f"valid are: {', '.join(names)}" if names else "this route takes none"


def _sentence(fault: str, shape: type[Struct]) -> str:
    """msgspec's message with the parameter in front, and the words it may be."""
    found = _FAULT.fullmatch(fault)
    if found is None:
        return fault
    words = _words(shape).get(found["name"])
    valid = f"; valid are: {', '.join(words)}" if words else ""
    return f"parameter `{found['name']}`: {found['what'][:200]}{valid}"


def _words(shape: type[Struct]) -> Mapping[str, list[str]]:
    """The closed lists among the fields of a query."""
    found: dict[str, list[str]] = {}
    info = msgspec.inspect.type_info(shape)
    assert isinstance(info, msgspec.inspect.StructType)  # noqa: S101 - a Struct by its type
    for field in info.fields:
        for one in _parts(field.type):
            if isinstance(one, msgspec.inspect.LiteralType):
                found[field.encode_name] = [str(value) for value in one.values]
    return found


def _parts(kind: Any) -> list[Any]:
    if isinstance(kind, msgspec.inspect.Metadata):
        return _parts(kind.type)
    if isinstance(kind, msgspec.inspect.UnionType):
        return [part for one in kind.types for part in _parts(one)]
    return [kind]


def read_time(name: str, text: str) -> int:
    """An ISO 8601 time as ms; without a zone it is UTC. Raises `BadRequest`."""
    # A plus that was not escaped in the address arrives as a space.
    text = re.sub(r" (\d\d:?\d\d)$", r"+\1", text.strip())
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRequest(
            f"parameter `{name}`: not an ISO 8601 time such as 2026-11-01T00:00:00Z"
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    at = round(moment.timestamp() * 1000)
    if not 0 <= at < LATEST_MS:
        raise BadRequest(f"parameter `{name}`: only times from 1970 to 2099")
    return at


_BY_TIME = (
    ("people-last_seen", (int, int)),
    ("visitors-last_seen", (int, int)),
    ("signals", (int, int, str, int, str)),
)


def read_since(text: str) -> int | None:
    """ms of an ISO time or of a cursor; None where nothing is asked. Raises `BadRequest`."""
    if not text:
        return None
    for sort, types in _BY_TIME:
        try:
            key = paging.decode(sort, text, types)
        except BadRequest:
            continue
        return int(key[0]) if key else None
    return read_time("since", text)


def milli(score: float | UnsetType) -> int | None:
    """Points as milli-points; a fourth decimal place only ever asks for more."""
    return None if score is UNSET else math.ceil(round(score * 1000, 6))
