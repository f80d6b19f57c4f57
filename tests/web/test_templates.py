"""The filters of the pages: numbers as people read them."""

import pytest

from server.web.pages.templates import Templates, signed, tenths


@pytest.mark.parametrize(
    ("points", "shown"),
    [
        (12.345, "+12.3"),
        (12.35, "+12.4"),
        (12.05, "+12.1"),  # halves up, by the digits that are written
        (12.0, "+12"),
        (12, "+12"),
        (9.96, "+10"),
        (100.0, "+100"),
        (-7.25, "−7.3"),
        (-50.0, "−50"),
        (0.04, "0"),
        (-0.04, "0"),
        (0.0, "0"),
        (1234.5, "+1234.5"),
    ],
)
def test_points_of_a_line(points: float, shown: str) -> None:
    assert tenths(points) == shown


@pytest.mark.parametrize(
    ("points", "shown"),
    [
        (12.345, ' title="+12.345 points"'),
        (-0.04, ' title="−0.04 points"'),
        (12.3, ""),
        (5.0, ""),
        (0.0, ""),
    ],
)
def test_exact_points_are_a_title_where_they_differ(points: float, shown: str) -> None:
    parts = Templates().environment.get_template("parts.html").module
    assert parts.exact(points) == shown  # type: ignore[attr-defined]
    assert shown == "" or signed(points) in shown
