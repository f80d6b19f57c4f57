"""Live and Settings in a browser: what happens shows by itself, an invitation works by copying."""

import re

import httpx2
from playwright.sync_api import Browser, expect

from tests.browser.desk.desk import Desk


def visit(desk: Desk, email: str, name: str) -> None:
    """A form sent without a script, as a visitor's browser does."""
    answer = httpx2.post(
        f"{desk.served.url}/f/{desk.api('')['key']}/demo",
        data={"email": email, "name": name},
        headers={
            "Referer": f"{desk.served.demo}/demo",
            "User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36"
            " (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
        },
    )
    assert answer.status_code < 400, answer.text


def test_what_happens_shows_by_itself(desk: Desk) -> None:
    """A form appears without reloading; pausing keeps counting; filters hide; nothing is lost when
    the tab comes back from another page."""
    page = desk.go("/live")
    expect(page.locator("#state")).to_contain_text("the moment it happens")
    events = page.locator("#events > li")
    visit(desk, "lia@brew.example", "Lia <b>Live</b>")
    expect(events.first.locator(".who")).to_have_text("Lia <b>Live</b>")
    expect(events.first).to_contain_text("sent the form demo")
    before = events.count()
    page.get_by_role("button", name="Pause").click()
    visit(desk, "max@brew.example", "Max Malt")
    expect(page.locator("#pause")).to_have_text(re.compile(r"[1-9]\d* new: go on"))
    assert events.count() == before
    page.locator("#pause").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.locator("#events")).to_contain_text("Max Malt")
    page.get_by_label("Page contains").fill("/no-such-page")
    expect(page.locator("#events > li:visible")).to_have_count(0)
    page.get_by_label("Page contains").fill("")
    expect(events.first).to_be_visible()
    desk.check(page)


def test_a_list_at_rest_forgets_who_is_erased(desk: Desk) -> None:
    """Pausing keeps what is shown, but for somebody who is forgotten meanwhile."""
    page = desk.go("/live")
    expect(page.locator("#state")).to_contain_text("the moment it happens")
    visit(desk, "una@brew.example", "Una Gone")
    visit(desk, "kim@brew.example", "Kim Stays")
    expect(page.locator("#events")).to_contain_text("Kim Stays")
    page.get_by_role("button", name="Pause").click()
    una = next(one for one in desk.api("/people?email=una@brew.example")["items"])
    answer = httpx2.delete(
        f"{desk.served.url}/api/v1/sites/1/people/{una['id']}",
        headers={"Authorization": f"Bearer {desk.served.token}"},
    )
    assert answer.status_code == 200, answer.text
    expect(page.locator("#events")).not_to_contain_text("Una Gone")
    page.locator("#pause").click()
    expect(page.locator("#events")).to_contain_text("Kim Stays")
    desk.check(page)


def test_an_invitation_by_its_link(desk: Desk, browser: Browser) -> None:
    """Made by an owner, opened by somebody else, who then sees what a viewer sees."""
    page = desk.go("/settings/members")
    page.get_by_label("E-mail").fill("vera@brew.example")
    page.get_by_role("button", name="Make the invitation").click()
    link = page.locator("#link").inner_text().strip()
    assert "/open/" in link
    other = browser.new_context()
    desk.contexts.append(other)
    theirs = other.new_page()
    theirs.goto(link)
    theirs.get_by_role("button", name="Accept the invitation").click()
    theirs.get_by_label("Your name").fill("Vera")
    expect(theirs.get_by_label("E-mail")).to_have_value("vera@brew.example")
    theirs.get_by_label("Password", exact=True).fill("four unrelated words")
    theirs.get_by_role("button", name="Save and go on").click()
    expect(theirs.get_by_role("heading", name="Today", level=1)).to_be_visible()
    theirs.get_by_role("link", name="Settings").click()
    expect(theirs.get_by_role("heading", name="Where you are signed in")).to_be_visible()
    expect(theirs.get_by_role("link", name="Members")).to_have_count(0)
    desk.go("/settings/members")
    expect(page.locator(".people-lines")).to_contain_text("Vera")
    page.get_by_label("Role of Vera").select_option("marketer")  # saved by itself
    expect(page.get_by_role("status").first).to_contain_text("role was changed")
    page.get_by_text("Remove", exact=True).click()
    page.get_by_role("button", name="Remove Vera").click()
    expect(page.get_by_role("status").first).to_contain_text("closed to them")
    theirs.goto(desk.served.url + "/people")
    expect(theirs.locator("body")).to_contain_text("you are on no site yet".capitalize())
    desk.check(page)


def test_what_follows_is_said_and_shown(desk: Desk) -> None:
    """Another zone: asked first, then derived again, and the figures are there."""
    page = desk.go("/settings")
    page.get_by_label("Time zone").fill("Europe/Berlin")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Zone: days begin at another hour.")).to_be_visible()
    page.get_by_role("button", name="Save it all the same").click()
    expect(page.get_by_text("is derived again now")).to_be_visible()
    expect(page.get_by_label("Time zone")).to_have_value("Europe/Berlin")
    page = desk.go("/people")
    assert page.locator("[data-row]").count() > 0
    desk.check(page)
