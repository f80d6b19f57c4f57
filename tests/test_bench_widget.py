"""The widget's bench runs, and sees a script that is heavy."""

import subprocess
import sys

import pytest

from tests.browser.engines import find_chromium

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not find_chromium(), reason="NOT RUN: no Chromium to weigh the widget in")
def test_the_widget_is_weighed_in_a_browser() -> None:
    command = [sys.executable, "-m", "tests.bench", "--quick", "--only", "widget"]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=110).stdout
    for row in ("widget runs, at ¼ speed", "LCP with it, more", "heap after 1,000"):
        assert row in told
    seen = [line for line in told.splitlines() if "a heavy script" in line]
    assert "| met" in seen[1], "a layout that shifts is seen"
    assert "| met" in seen[2], "a slow handler is seen"
