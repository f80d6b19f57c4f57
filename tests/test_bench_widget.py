"""The widget's bench runs, and sees a script that is heavy."""

import re
import subprocess
import sys

import pytest

from tests.bench.widget_page import Vitals
from tests.bench.widget_speed import ARMS, compared
from tests.browser.engines import find_chromium

#: What the heavy script does for sure: it moves the page by 300 px and holds a click for 150 ms.
LEAST_SHIFT, LEAST_WAIT = 0.1, 150


@pytest.mark.slow
@pytest.mark.skipif(not find_chromium(), reason="NOT RUN: no Chromium to weigh the widget in")
def test_the_widget_is_weighed_in_a_browser() -> None:
    """That the heavy script stands out is for an idle machine to say (`compared`); here it is only
    seen, with what it costs at least."""
    command = [sys.executable, "-m", "tests.bench", "--quick", "--only", "widget"]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=110).stdout
    for row in ("widget runs, at ¼ speed", "LCP with it, more", "heap after 1,000"):
        assert row in told
    lines = [line for line in told.splitlines() if "a heavy script" in line]
    found = [re.search(r"\| ([\d.,]+) \([^|]*: it is seen", line) for line in lines]
    _, shift, wait = (float(one[1].replace(",", "")) for one in found if one)
    assert shift >= LEAST_SHIFT
    assert wait >= LEAST_WAIT


LIGHT = [Vitals(400 + noise, 0.002, 40 + noise) for noise in (0, 10, 20, 30)]
HEAVY = [Vitals(900, 0.3, 200)] * 4


@pytest.mark.parametrize(
    ("widget", "heavy", "met"),
    [
        (LIGHT, HEAVY, [True] * 6),
        (HEAVY, HEAVY, [False, True] * 3),  # a widget as heavy as the control
        (LIGHT, LIGHT, [True, False] * 3),  # a control that nobody would see
    ],
)
def test_what_is_beyond_the_noise(
    widget: list[Vitals], heavy: list[Vitals], met: list[bool]
) -> None:
    rows = compared(dict(zip(ARMS, (LIGHT, widget, heavy), strict=True)))
    assert [row.verdict() == "met" for row in rows] == met
