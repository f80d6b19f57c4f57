"""Typed structs as the JSON document and the JSON Schema that `reading` understands."""

from typing import Any

import msgspec
from msgspec import inspect


def written(wanted: inspect.Type, value: Any) -> Any:
    """A value as plain data, decimals where the type is thousandths; defaults are left out."""
    if isinstance(wanted, inspect.Metadata):
        if (wanted.extra_json_schema or {}).get("milli"):
            return value // 1_000 if value % 1_000 == 0 else value / 1_000
        wanted = wanted.type
    if isinstance(wanted, inspect.UnionType):
        left = [one for one in wanted.types if not isinstance(one, inspect.NoneType)]
        mine = [one for one in left if _is_of(one, value)] or left
        return written(mine[0], value) if len(mine) == 1 else _plain(value)
    if isinstance(wanted, inspect.VarTupleType):
        return [written(wanted.item_type, one) for one in value]
    if isinstance(wanted, inspect.StructType):
        found = {wanted.tag_field: wanted.tag} if wanted.tag_field else {}
        for field in wanted.fields:
            one = getattr(value, field.name)
            if field.required or one != field.default:
                found[field.encode_name] = written(field.type, one)
        return found
    return value


def _plain(value: Any) -> Any:
    """A plain value or a list of them: whole numbers are written in one way."""
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_of(wanted: inspect.Type, value: Any) -> bool:
    return isinstance(wanted, inspect.StructType) and type(value) is wanted.cls


def schema_of(wanted: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a type, with decimals where the type is thousandths."""
    schema = _decimals(msgspec.json.schema(wanted))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _decimals(node: Any) -> Any:
    if isinstance(node, list):
        return [_decimals(one) for one in node]
    if not isinstance(node, dict):
        return node
    found = {name: _decimals(one) for name, one in node.items() if name != "milli"}
    if node.get("milli") is True:
        found["type"] = "number"
    if isinstance(found.get("description"), str):
        found["description"] = " ".join(found["description"].split())
    return found
