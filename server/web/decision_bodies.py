"""What the routes of decisions take and answer beside the reports' shapes."""

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from server.errors import BadRequest
from server.ingest.private import is_secret_name, mask_cards
from server.project.rules import Value
from server.reports.people_filters import Stage
from server.reports.shapes import EntryId, PersonId, Shape, VisitorId
from server.web.bodies import Body

Tag = Annotated[str, Meta(min_length=1, max_length=100, examples=["partner"])]
Reason = Annotated[str, Meta(max_length=1_000)]


class OtherPerson(Body, frozen=True, kw_only=True):
    """Whom to merge with."""

    other: PersonId


class WhichMerge(Body, frozen=True, kw_only=True):
    """The merge that never was: an `id` of the person's `merges`."""

    merge: EntryId


class Known(Body, frozen=True, kw_only=True):
    """An identifier that is known to be this person's, whoever claimed it."""

    type: Literal["email", "user_id", "phone"]
    value: Annotated[str, Meta(min_length=1, max_length=320, examples=["ann@brew.example"])]


class NewStage(Body, frozen=True, kw_only=True):
    """Where the person stands now."""

    stage: Stage


class TagChange(Body, frozen=True, kw_only=True):
    """Tags to add and to remove; a person has at most 50."""

    add: Annotated[tuple[Tag, ...], Meta(max_length=50)] = ()
    remove: Annotated[tuple[Tag, ...], Meta(max_length=50)] = ()


class NewNote(Body, frozen=True, kw_only=True):
    """Something to remember about the person."""

    text: Annotated[str, Meta(min_length=1, max_length=10_000)]


class NewOwner(Body, frozen=True, kw_only=True):
    """Who looks after the person; empty is nobody."""

    owner: Annotated[str, Meta(max_length=200)]


class DoNotContact(Body, frozen=True, kw_only=True):
    """Whether the person asked to be left alone."""

    on: bool = True
    reason: Reason = ""


class NewClass(Body, frozen=True, kw_only=True):
    """What this is. Empty takes back what was said before: what the server recognised counts."""

    class_: Literal["bot", "internal", "test", "spam", "human", ""] = msgspec.field(name="class")
    reason: Reason = ""


#: Traits by name; null takes back what was given by hand.
TRAITS = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": 50,
    "propertyNames": {"pattern": "^[a-z][a-z0-9_]{0,39}$"},
    "additionalProperties": {
        "anyOf": [
            {"type": "string", "minLength": 1, "maxLength": 1_000},
            {"type": "number"},
            {"type": "boolean"},
            {"type": "null"},
        ]
    },
    "examples": [{"budget": "50k", "need": None}],
}
_TRAIT = re.compile(r"[a-z][a-z0-9_]{0,39}")
#: What is known of an address is no word of anybody's.
_OTHERWISE = {"email": "verify it", "user_id": "verify it", "email_class": "the address says it"}
_LARGEST = 2**63


def read_traits(body: bytes) -> dict[str, Value | None]:
    """The traits of a body. Raises `BadRequest`, which names the one that does not fit."""
    try:
        given = msgspec.json.decode(body, type=dict[str, str | int | float | bool | None])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the body does not fit: {str(error)[:300]}", code="bad_body") from error
    if not 0 < len(given) <= 50:
        raise BadRequest("name 1 to 50 traits: a value for each, or null to take it back")
    return {_trait_name(name, value): _trait(name, value) for name, value in given.items()}


def _trait_name(name: str, value: Value | None) -> str:
    if not _TRAIT.fullmatch(name):
        raise BadRequest(
            f"`{name[:40]}` is no name of a trait: one is at most 40 lower-case letters, digits and"
            " underscores, and begins with a letter"
        )
    if name in _OTHERWISE:
        raise BadRequest(f"`{name}` is no trait to give by hand: {_OTHERWISE[name]}")
    if value is not None and is_secret_name(name):
        raise BadRequest(f"`{name}` is the name of a secret, and secrets are not stored")
    return name


def _trait(name: str, value: Value | None) -> Value | None:
    if isinstance(value, str):
        value = mask_cards(value.strip())
        if not 0 < len(value) <= 1_000 or "\x00" in value:
            raise BadRequest(
                f"trait `{name}`: a text has 1 to 1,000 characters; null takes it back"
            )
    elif isinstance(value, int | float) and abs(value) >= _LARGEST:
        raise BadRequest(f"trait `{name}`: the number is too large")
    return value


class Classified(Shape, frozen=True, kw_only=True):
    """What was classified: whole visitors, and single events where no visitor is known."""

    class_: str = msgspec.field(name="class")
    visitors: list[VisitorId]
    events: list[EntryId]


class Later(Shape, frozen=True, kw_only=True):
    """The number of the decision in the log."""

    seq: int
