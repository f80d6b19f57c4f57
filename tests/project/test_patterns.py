"""A star is any run of characters, and nothing else is special."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.project.patterns import fits


@pytest.mark.parametrize(
    ("pattern", "text", "fit"),
    [
        ("", "", True),
        ("", "a", False),
        ("*", "", True),
        ("**", "any\nthing", True),
        ("/demo*", "/demo", True),
        ("/demo*", "/demos/1", True),
        ("/demo*", "/a/demo", False),
        ("*.pdf", "/a.pdf", True),
        ("*.pdf", "/aXpdf", False),
        ("/a/*/z", "/a/b/c/z", True),
        ("/a/*/z", "/a/z", False),
        ("ab*ba", "aba", False),
        ("*a*b*", "xaxbx", True),
        ("*a*b*", "xbxax", False),
        ("Demo", "demo", False),
    ],
)
def test_a_pattern(pattern: str, text: str, fit: bool) -> None:
    assert fits(pattern, text) is fit


@given(st.text("ab*.", max_size=8), st.text("ab.", max_size=10))
def test_it_is_what_a_regular_expression_would_say(pattern: str, text: str) -> None:
    same = re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)
    assert fits(pattern, text) is (same.fullmatch(text) is not None)


def test_many_stars_do_not_take_for_ever() -> None:
    assert not fits("*a" * 50 + "*b", "a" * 100_000)
