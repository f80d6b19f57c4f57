"""The OpenAPI 3.1 document, made from the route table and the types: it cannot say anything else
than the program does."""

import re
from typing import Any

import msgspec
from msgspec import Struct

from server import __version__
from server.reports import shapes
from server.reports.conflict_shapes import Conflicts
from server.reports.erasure_shapes import ErasureStarted
from server.reports.people_shapes import Everybody, People
from server.reports.rulesets import Rulesets
from server.web.bodies import Problem
from server.web.decision_bodies import Later
from server.web.destination_bodies import Deliveries
from server.web.member_bodies import Audit
from server.web.operations import CSV, EVENTS, JSON, NDJSON, Operation
from server.web.problems import TYPE as PROBLEM
from server.web.queries import NoQuery
from server.web.ruleset_bodies import components as ruleset_components

REF = "#/components/schemas/{name}"
PATH_IDS = {
    "site_id": ("A site's id.", "^[1-9][0-9]{0,14}$", "1"),
    "person_id": ("A person's id.", "^p[1-9][0-9]{0,17}$", "p57"),
    "visitor_id": ("A visitor's id.", "^v[1-9][0-9]{0,17}$", "v12"),
    "token_id": ("A token's id.", "^t[1-9][0-9]{0,17}$", "t3"),
    "user_id": ("A user's id.", "^u[1-9][0-9]{0,17}$", "u3"),
    "sign_in_id": ("A sign-in, as the list names it.", "^[0-9a-f]{16}$", "0123456789abcdef"),
    "event_id": ("The id of an event, as on the timeline.", "^e[1-9][0-9]{0,17}$", "e91"),
    "note_id": ("A note's id.", "^e[1-9][0-9]{0,17}$", "e91"),
    "version": ("The number of a version.", "^[1-9][0-9]{0,8}$", "3"),
    "preset": ("A preset's name.", "^[a-z][a-z0-9_]{0,39}$", "seed"),
    "erasure_id": ("An erasure's id.", "^[rw][1-9][0-9]{0,17}$", "r3"),
    "segment_id": ("A segment's id.", "^g[1-9][0-9]{0,17}$", "g3"),
    "destination_id": ("A destination's id.", "^d[1-9][0-9]{0,17}$", "d3"),
    "conflict_id": ("A conflict's id.", "^x[1-9][0-9]{0,17}-[a-z_]{1,40}$", "x57-quarantined"),
}
PAGED = {People, Everybody, shapes.Visitors, shapes.Timeline, shapes.Signals, Conflicts, Deliveries}
PAGED |= {Audit, Rulesets}
ERRORS = {
    308: "The person was merged into another: see Location.",
    400: "A parameter, an id or the body does not fit; the detail names it.",
    401: "No valid token.",
    403: "The token's scope does not allow this.",
    404: "Not there, or not this caller's.",
    409: "The change contradicts what is stored.",
    413: "The body is too large.",
    503: "Try again after Retry-After seconds.",
}


def document(operations: list[Operation], base_url: str) -> dict[str, Any]:
    """The whole document."""
    types = [Problem, Later, ErasureStarted, *_types(operations)]
    _, schemas = msgspec.json.schema_components(types, ref_template=REF)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Handraise",
            "version": __version__,
            "summary": "People, timelines and scores with their receipts.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": base_url or "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of one site: `handraise token add`.",
                }
            },
            "schemas": schemas | ruleset_components(),
        },
    }


def _types(operations: list[Operation]) -> list[type[Struct]]:
    found: dict[type[Struct], None] = {}
    for operation in operations:
        for one in (operation.answer, operation.body):
            if one is not None:
                found[one] = None
    return list(found)


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation.path), *_query_parameters(operation.query)],
        "responses": _responses(operation),
    }
    if operation.scope:
        described["description"] = f"Needs a token of this site with the scope `{operation.scope}`."
    schema: dict[str, Any] = {"type": "object", "description": operation.free_body}
    if operation.free_schema is not None:
        schema = {**operation.free_schema, "description": operation.free_body}
    if operation.body is not None:
        schema = {"$ref": REF.format(name=operation.body.__name__)}
    if operation.body is not None or operation.free_body:
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
    return described


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PATH_IDS[name][0],
            "schema": {"type": "string", "pattern": PATH_IDS[name][1]},
            "example": PATH_IDS[name][2],
        }
        for name in re.findall(r"{(\w+)}", path)
    ]


def _query_parameters(query: type[Struct]) -> list[dict[str, Any]]:
    if query is NoQuery:
        return []
    _, schemas = msgspec.json.schema_components([query], ref_template=REF)
    found = []
    for name, schema in schemas[query.__name__]["properties"].items():
        parameter = {"name": name, "in": "query", "required": False, "schema": schema}
        if "description" in schema:
            parameter["description"] = schema["description"]
        if schema.get("default") == "":
            del schema["default"]
        found.append(parameter)
    return found


def _responses(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {str(operation.status): _success(operation)}
    if operation.decides:
        found["202"] = {
            "description": "Decided, and in the log; what follows from it is not to be seen yet.",
            "content": {JSON: {"schema": {"$ref": REF.format(name=Later.__name__)}}},
        }
    if operation.erases:
        found["202"] = {
            "description": "Asked for, and sure to be finished; the id tells how far it is.",
            "content": {JSON: {"schema": {"$ref": REF.format(name=ErasureStarted.__name__)}}},
        }
    for status in _errors(operation):
        schema = {"$ref": REF.format(name=Problem.__name__)}
        answer: dict[str, Any] = {
            "description": ERRORS[status],
            "content": {PROBLEM: {"schema": schema}},
        }
        header = {308: "Location", 401: "WWW-Authenticate", 503: "Retry-After"}.get(status)
        if header:
            answer["headers"] = {header: {"schema": {"type": "string"}}}
        found[str(status)] = answer
    return found


def _errors(operation: Operation) -> list[int]:
    errors = [400, 401, 403, 404, 503]
    if "{person_id}" in operation.path:
        errors.append(308)
    if operation.method != "GET":
        errors += [409, 413]
    return sorted(errors)


def _success(operation: Operation) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": operation.summary}
    if operation.media == CSV:
        text = {"type": "string", "description": "A line of heads, then a line for each."}
        answer["content"] = {CSV: {"schema": text}}
    if operation.answer is None:
        return answer
    schema: dict[str, Any] = {"$ref": REF.format(name=operation.answer.__name__)}
    if operation.media == EVENTS:
        schema = {
            "type": "string",
            "description": "Each `data` is one `LiveEvent`; the event `now` is a `Now`, `reset`"
            " makes void what was shown before. The id of an event goes into `Last-Event-ID`.",
        }
    if operation.media == NDJSON:
        schema = {"type": "string", "description": "One `LogEntry` a line."}
    answer["content"] = {operation.media: {"schema": schema}}
    if operation.answer in PAGED:
        answer["headers"] = {
            "Link": {
                "description": 'The next page, as `rel="next"` (RFC 8288).',
                "schema": {"type": "string"},
            }
        }
    return answer
