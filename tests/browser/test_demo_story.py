"""The main job as a newcomer meets it: `serve --demo`, a real browser, then CLI, API and page."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser

from tests.browser.serving import Served, serving, until


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path) as running:
        yield running


def test_a_visitor_raises_a_hand(served: Served, browser: Browser) -> None:
    """Home, product, pricing, demo form; then a marketer sees who, what, and why."""
    context = browser.new_context()
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(served.demo)
    page.get_by_role("navigation").first.get_by_role("link", name="Product").first.click()
    page.wait_for_url("**/product")
    with page.expect_response("**/e"):  # a page is read before one goes on
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
