"""The document of the API says what the table of routes says."""

import re
from typing import Any

from server.web.openapi import document
from server.web.routes import operations


async def nothing(request: Any) -> Any:
    raise AssertionError(request)


DOCUMENT = document(operations(nothing), "")


def test_every_route_is_documented_once() -> None:
    """Operation ids are unique and stable names; every path parameter is described."""
    table = operations(nothing)
    names = [operation.name for operation in table]
    assert len(set(names)) == len(names)
    for operation in table:
        assert re.fullmatch(r"[a-z][A-Za-z]+", operation.name)
        described = DOCUMENT["paths"][operation.path][operation.method.lower()]
        assert described["operationId"] == operation.name
        assert {p["name"] for p in described["parameters"] if p["in"] == "path"} == set(
            re.findall(r"{(\w+)}", operation.path)
        )
        for status, answer in described["responses"].items():
            if int(status) >= 300:
                assert list(answer["content"]) == ["application/problem+json"]
    assert DOCUMENT["openapi"] == "3.1.0"
