"""The main job as a newcomer meets it: `serve --demo`, a real browser, then CLI, API and page."""

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser

from server.cli.client import answers

READY_S = 30


@dataclass
class Served:
    """What the server printed when it started."""

    url: str
    demo: str
    link: str
    token: str
    data: Path

    def cli(self, *words: str) -> Any:
        """A command's JSON, while the server runs."""
        out = subprocess.run(
            [sys.executable, "-m", "server", "--data", str(self.data), *words, "--json"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        return json.loads(out)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """`handraise serve --demo` on an empty folder."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "server", "serve", "--demo", "--port=0", f"--data={tmp_path}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if "first event" in line:
                break
        find = {
            "url": r"serving\s+(\S+)",
            "demo": r"demo site\s+(\S+)",
            "link": r"your people\s+(\S+)",
            "token": r"(hr_\S+)",
        }
        found = {name: re.search(pattern, printed) for name, pattern in find.items()}
        assert all(found.values()), printed
        assert answers(tmp_path / "handraise.sock")
        values = {name: match[1] for name, match in found.items() if match}
        yield Served(**values, data=tmp_path)
    finally:
        process.terminate()
        process.communicate(timeout=READY_S)
    assert process.returncode == 0


def until(ask: Callable[[], Any], true: Callable[[Any], bool], seconds: float = 10) -> Any:
    """Ask until the answer is right: the one place of this story that waits."""
    late = time.monotonic() + seconds
    while not true(answer := ask()):
        assert time.monotonic() < late, answer
        threading.Event().wait(0.05)
    return answer


def test_a_visitor_raises_a_hand(served: Served, browser: Browser) -> None:
    """Home, product, pricing, demo form; then a marketer sees who, what, and why."""
    context = browser.new_context()
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(served.demo)
    page.get_by_role("navigation").first.get_by_role("link", name="Product").first.click()
    page.wait_for_url("**/product")
    page.goto(f"{served.demo}/pricing")
    page.goto(f"{served.demo}/demo")
    form = page.locator("form#demo")
    form.locator("[name=name]").fill("Ann Lee")
    form.locator("[name=email]").fill("Ann@Brew.example")
    form.locator("[name=company]").fill("Brew & Sons")
    form.locator("[name=job_title]").fill("VP of Marketing")
    for box in form.locator("[type=checkbox]").all():
        box.check()
    form.get_by_role("button").click()
    page.wait_for_url("**/thanks/**")
    assert errors == []

    people = until(lambda: served.cli("people")["items"], lambda found: len(found) == 1)
    ann = people[0]
    assert (ann["name"], ann["email"]) == ("Ann Lee", "ann@brew.example")
    assert ann["stage"] == "mql"
    assert {"pricing_page", "demo_form"} <= set(ann["signals"])

    headers = {"Authorization": f"Bearer {served.token}"}
    with httpx2.Client(base_url=served.url, headers=headers) as api:
        person = api.get(f"/api/v1/sites/1/people/{ann['id']}").json()
        items = api.get(f"/api/v1/sites/1/people/{ann['id']}/timeline").json()["items"]
    points = [round(line["points"] * 1000) for line in person["receipt"]]
    assert sum(points) == round(person["score"] * 1000) > 0
    views = [item["path"] for item in reversed(items) if item["kind"] == "page_view"]
    assert views[:4] == ["/", "/product", "/pricing", "/demo"]
    assert any(item["kind"] == "form_submit" for item in items)

    desk = browser.new_context().new_page()
    desk.goto(served.url)
    assert desk.url.endswith("/sign-in")
    desk.goto(served.link)
    desk.get_by_role("link", name="Later").click()
    desk.get_by_role("link", name="Ann Lee").first.click()
    text = desk.locator("main").inner_text()
    assert "Pricing" in text
    assert "ann@brew.example" in text
    assert desk.goto(served.link).status == 401  # type: ignore[union-attr]
    context.close()
    desk.context.close()
