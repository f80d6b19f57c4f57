"""What the routes of rulesets take and answer beside the reports' shapes."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, UnsetType

from server.project.document import json_schema
from server.reports.shapes import Shape
from server.web.bodies import Body, RuleProblem

PREFIX = "Ruleset"  # of the names of the document's parts among the components
_REF = "#/components/schemas/"
#: What saving and checking take.
DOCUMENT = {"$ref": f"{_REF}{PREFIX}Document"}
DRAFT = {
    "anyOf": [
        DOCUMENT,
        {
            "type": "object",
            "properties": {"preset": {"type": "string", "examples": ["seed"]}},
            "required": ["preset"],
            "additionalProperties": False,
        },
    ]
}


class Publishing(Body, frozen=True, kw_only=True):
    """The draft is put in force. `notify`: those who cross a threshold by it are told of, as if
    something had happened. `draft` is the revision that was looked at: another one is refused."""

    notify: bool = False
    note: Annotated[str, Meta(max_length=1_000, description="Why; kept with the version.")] = ""
    draft: Annotated[str, Meta(pattern="^([0-9a-f]{16})?$")] = ""


class Checked(Shape, frozen=True, kw_only=True):
    """Whether a document can be used, and everything that is wrong with it."""

    valid: bool
    errors: list[RuleProblem]


class SchemaOfRules(Shape, frozen=True, kw_only=True, omit_defaults=True):
    """A JSON Schema."""

    schema: str = msgspec.field(name="$schema")
    title: str
    ref: str | UnsetType = msgspec.field(name="$ref", default=msgspec.UNSET)
    defs: dict[str, Any] = msgspec.field(name="$defs", default={})


def components() -> dict[str, Any]:
    """The parts of the document as components of the API's description."""
    text = msgspec.json.encode(json_schema()["$defs"]).decode()
    defs = msgspec.json.decode(text.replace('"#/$defs/', f'"{_REF}{PREFIX}'))
    return {f"{PREFIX}{name}": schema for name, schema in defs.items()}
