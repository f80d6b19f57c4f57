"""Names are taken out of what others sent; the rest stays as it was."""

import json
from typing import Any

import pytest

from server.web.rewording import without

EMAIL = ("email", "ann@brew.example")


@pytest.mark.parametrize(
    ("name", "data", "left"),
    [
        (
            EMAIL,
            {"ids": {"user_id": "u1", "email": "ann@brew.example"}, "proven": ["user_id", "email"]},
            {"ids": {"user_id": "u1"}, "proven": ["user_id"]},
        ),
        (EMAIL, {"fields": {"email": "Ann@Brew.example", "size": 3}}, {"fields": {"size": 3}}),
        (EMAIL, {"fields": {"message": "write to ANN@brew.example!"}, "form": "x"}, {"form": "x"}),
        (EMAIL, {"traits": {"team": ["ann@brew.example", "ben"]}}, {"traits": {"team": ["ben"]}}),
        (EMAIL, {"ids": {"email": "joann@brew.example"}}, {"ids": {"email": "joann@brew.example"}}),
        (EMAIL, {"name": "ann@brew.example.org"}, {"name": "ann@brew.example.org"}),
        (EMAIL, {"name": "ask ann@brew.example."}, {}),
        (EMAIL, {"traits": {"ann@brew.example": 1, "n": 2}}, {"traits": {"n": 2}}),
        (
            ("phone", "+4915112345678"),
            {"fields": {"phone": 15112345678, "n": 1}},
            {"fields": {"n": 1}},
        ),
        (("user_id", "7"), {"ids": {"user_id": "7"}, "n": "17"}, {"n": "17"}),
        (
            ("phone", "+4915112345678"),
            {"fields": {"phone": "0151 1234-5678", "fax": "0151 1234-5679"}},
            {"fields": {"fax": "0151 1234-5679"}},
        ),
        (("phone", "+4915112345678"), {"fields": {"size": "78"}}, {"fields": {"size": "78"}}),
    ],
)
def test_without_a_name(name: tuple[str, str], data: dict[str, Any], left: dict[str, Any]) -> None:
    """However it is written."""
    assert json.loads(without(json.dumps(data), [name])) == left
