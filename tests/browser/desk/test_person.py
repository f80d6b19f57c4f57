"""A person's page in a real browser: what a key may not do, and ways that lead back."""

import re

from playwright.sync_api import expect

from tests.browser.desk.desk import Desk


def test_a_stage_is_moved_by_its_button_only(desk: Desk) -> None:
    """An arrow key on the focused choice saves nothing."""
    page = desk.page
    person = desk.api("/people?limit=1")["items"][0]
    desk.go(f"/people/{person['id']}")
    page.get_by_label("Stage").focus()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_label("Stage")).not_to_have_value(person["stage"])
    desk.go(f"/people/{person['id']}")
    expect(page.get_by_label("Stage")).to_have_value(person["stage"])
    assert desk.api(f"/people/{person['id']}")["stage"] == person["stage"]


def test_two_taken_apart_are_both_found_again(desk: Desk) -> None:
    """In the browser that saw them merged, which keeps what it was told to keep."""
    page = desk.page
    one, other = (row["id"] for row in desk.api("/people?limit=2")["items"])
    desk.go(f"/people/{one}")
    page.get_by_label("Same person as").fill(other)
    page.get_by_role("button", name="Look at both").click()
    page.get_by_role("button", name="Yes, make them one").click()
    expect(page.get_by_role("status")).to_contain_text("one person now")
    kept = re.search(r"/people/(p\d+)", page.url)
    assert kept
    gone = other if kept[1] == one else one
    desk.go(f"/people/{gone}")
    assert f"/people/{kept[1]}" in page.url
    page.get_by_role("button", name="Take apart again").click()
    expect(page.get_by_role("status")).to_contain_text("Taken apart")
    desk.go(f"/people/{gone}")
    assert f"/people/{gone}" in page.url


def test_one_stays_where_one_was(desk: Desk) -> None:
    """Saving far down the page keeps the place and the button; the way back keeps the filter."""
    page = desk.page
    desk.go("/people?min_score=1")
    page.locator("tbody tr, [data-row]").first.get_by_role("link").first.click()
    expect(page.get_by_role("link", name="← People")).to_have_attribute(
        "href", "/people?min_score=1"
    )
    page.get_by_label("A note").fill("Rang at ten.")
    page.get_by_role("button", name="Save the note").click()
    expect(page.get_by_role("status")).to_be_in_viewport()
    expect(page.get_by_role("button", name="Save the note")).to_be_focused()
    assert page.evaluate("scrollY") > 0
