"""What each route takes in its query: a parameter that is not named here is an error."""

import re
from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.requests import Request

from server.errors import BadRequest
from server.reports import paging
from server.reports.filters import MOST_VALUE
from server.reports.overview_shapes import Compare
from server.reports.people_csv import ColumnName
from server.reports.people_filters import PeopleFilter, Since

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


PeopleSort = Literal[
    "-score",
    "score",
    "-last_seen",
    "last_seen",
    "email",
    "name",
    "company",
    "-created",
    "stage",
    "-stage",
    "id",
]
Count = Annotated[bool, Meta(description="Count them too, up to 1,000.")]


class PeopleQuery(PeopleFilter, frozen=True, kw_only=True):
    sort: PeopleSort = "-score"
    limit: Limit = paging.DEFAULT
    cursor: Cursor = ""
    count: Count = False


class EverybodyQuery(PeopleFilter, frozen=True, kw_only=True):
    who: Annotated[
        Literal["everybody", "people", "visitors"],
        Meta(description="People, anonymous visitors with a score above 0, or both in one list."),
    ] = "everybody"
    sort: Literal["-score", "score", "-last_seen", "last_seen"] = "-score"
    limit: Limit = paging.DEFAULT
    cursor: Cursor = ""
    count: Count = False


class ListQuery(Struct, frozen=True, kw_only=True):
    """A page of the people of a segment."""

    sort: PeopleSort = "-score"
    limit: Limit = paging.DEFAULT
    cursor: Cursor = ""
    count: Count = False


Columns = Annotated[
    tuple[ColumnName, ...],
    Meta(max_length=40, description="Columns in this order; a good choice by default."),
]
Bom = Annotated[bool, Meta(description="Begin with a byte order mark, by which Excel knows UTF-8.")]


class FileQuery(PeopleFilter, frozen=True, kw_only=True):
    sort: PeopleSort = "id"  # in any other order somebody who moves may come twice
    column: Columns = ()
    bom: Bom = False


class SegmentFileQuery(Struct, frozen=True, kw_only=True):
    """A segment as a file."""

    sort: PeopleSort = "id"
    column: Columns = ()
    bom: Bom = False


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


Dimension = Literal[
    "source", "channel", "campaign", "landing", "country", "device", "browser", "os"
]
Value = Annotated[
    str,
    Meta(
        max_length=MOST_VALUE,
        description="Exactly this value of a visit; `(none)` where it is not known.",
        examples=["google"],
    ),
]


class OverviewQuery(Struct, frozen=True, kw_only=True):
    first: Annotated[date, Meta(description="First day; 28 days by default.")] | UnsetType = (
        msgspec.field(name="from", default=UNSET)
    )
    last: Annotated[date, Meta(description="Last day; today by default.")] | UnsetType = (
        msgspec.field(name="to", default=UNSET)
    )
    compare: Annotated[
        Compare,
        Meta(description="With as many days right before, with the same of a year before, or not."),
    ] = "before"
    source: Value = ""
    channel: Value = ""
    campaign: Value = ""
    country: Value = ""
    device: Value = ""
    browser: Value = ""
    os: Value = ""
    landing: Value = ""
    group: Annotated[
        str, Meta(max_length=200, description="A page group that the landing page is in.")
    ] = ""


class PartsQuery(OverviewQuery, frozen=True, kw_only=True):
    by: Annotated[Dimension, Meta(description="What to tell apart.")] = "source"
    limit: Limit = paging.DEFAULT
    cursor: Cursor = ""


class PagedQuery(Struct, frozen=True, kw_only=True):
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
_FAULT = re.compile(r"(?P<what>.*) - at `\$\.(?P<name>\w+)(\[[\d.]+\])?`", re.S)


def read_query(request: Request, shape: type[T], *, blanks: bool = True) -> T:
    """The query of a request. Raises `BadRequest` with the parameter and what is valid.

    Without `blanks` an empty field of a form asks nothing, whatever it is of.
    """
    names = [field.encode_name for field in msgspec.structs.fields(shape)]
    lists, values = _lists(shape), {}  # type: frozenset[str], dict[str, str | list[str]]
    for name, value in request.query_params.multi_items():
        if name not in names:
            raise BadRequest(f"parameter `{name[:60]}` is unknown; {_valid(names)}")
        if name in values and name not in lists:
            raise BadRequest(f"parameter `{name}` is given twice")
        if "\x00" in value:
            raise BadRequest(f"parameter `{name}` holds a NUL character")
        if name not in lists:
            if value or blanks:
                values[name] = value
        elif value:  # an empty field of a form chooses nothing
            values.setdefault(name, []).append(value)  # type: ignore[union-attr]
    try:
        return msgspec.convert(values, shape, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(_sentence(str(error), shape)) from error


@cache
def _lists(shape: type[Struct]) -> frozenset[str]:
    """The parameters that may be given several times."""
    info = msgspec.inspect.type_info(shape)
    assert isinstance(info, msgspec.inspect.StructType)  # noqa: S101 - a Struct by its type
    return frozenset(
        field.encode_name
        for field in info.fields
        if any(isinstance(one, msgspec.inspect.VarTupleType) for one in _parts(field.type))
    )


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
        for one in _parts(field.type, inside=True):
            if isinstance(one, msgspec.inspect.LiteralType):
                found[field.encode_name] = [str(value) for value in one.values]
    return found


def _parts(kind: Any, *, inside: bool = False) -> list[Any]:
    """The types a value may be of; with `inside`, of a list what it holds."""
    if isinstance(kind, msgspec.inspect.Metadata):
        return _parts(kind.type, inside=inside)
    if isinstance(kind, msgspec.inspect.UnionType):
        return [part for one in kind.types for part in _parts(one, inside=inside)]
    if inside and isinstance(kind, msgspec.inspect.VarTupleType):
        return _parts(kind.item_type)
    return [kind]


class AuditQuery(Struct, frozen=True, kw_only=True):
    what: Annotated[
        Literal["acts", "decisions"],
        Meta(description="Acts of administration, or decisions of the log with their authors."),
    ] = "acts"
    limit: Limit = paging.DEFAULT
    cursor: Cursor = ""


class LiveQuery(Struct, frozen=True, kw_only=True):
    after: Annotated[
        int,
        Meta(
            ge=-1,
            le=2**53,
            description="The last entry known, as `Last-Event-ID` says on a reconnect."
            " -1 begins with what comes from now on.",
        ),
    ] = -1
