"""The days these pages are for: a marketer's morning, by keys, and an owner's first hour."""

import csv
import io
import re
from pathlib import Path

import httpx2
from playwright.sync_api import Browser, Page, expect

from tests.browser.desk.desk import Desk, opened
from tests.browser.serving import Served, until

EMAIL, PASSWORD = "grace@office.example", "four unrelated words"


def sign_up(page: Page) -> None:
    page.get_by_label("Your name").fill("Grace")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Save and go on").click()


def receipt_adds_up(page: Page) -> None:
    expect(page.locator(".receipt .number").last).to_be_visible()
    cells = page.locator(".receipt .number").all_inner_texts()
    *lines, total = [
        round(float(text.replace("−", "-").replace("+", "")) * 1000)
        for text in cells
        if re.search(r"\d", text)
    ]
    assert lines
    assert sum(lines) == total


def test_a_marketers_morning(desk: Desk) -> None:
    """Sign in, Today, the hottest person, why, a stage, a segment, a file."""
    page = desk.page
    desk.go("/welcome")
    sign_up(page)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Today", level=1)).to_be_visible()
    expect(page.locator("figure.chart canvas")).to_be_visible()
    hottest = page.locator(".hot li").first
    name = hottest.get_by_role("link").first.inner_text()
    assert re.search(r"\+\d", hottest.locator(".why").inner_text())
    hottest.get_by_role("link").first.click()

    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    receipt_adds_up(page)
    page.get_by_label("Stage").select_option("opportunity")
    page.get_by_role("button", name="Move").click()
    expect(page.get_by_role("status")).to_contain_text("stage was moved")
    expect(page.get_by_label("Stage")).to_have_value("opportunity")
    page.get_by_label("Tags to add").fill("called, warm")
    page.get_by_label("Tags to add").press("Enter")
    expect(page.get_by_role("button", name="Remove the tag warm")).to_be_visible()
    page.get_by_label("A note").fill("Rang at nine; wants an offer.")
    page.get_by_role("button", name="Save the note").click()
    expect(page.locator(".notes")).to_contain_text("Grace")

    page.get_by_role("link", name="People", exact=True).click()
    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("Opportunity", exact=True).check()
    page.get_by_label("Tag", exact=True).fill("warm")
    page.get_by_role("button", name="Show").first.click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_text("Save as segment").click()
    page.get_by_label("Name").fill("To call")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("To call")
    expect(page.locator(".lead")).to_contain_text("stage is opportunity")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="CSV").click()
    text = Path(waiting.value.path()).read_text("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["Name"] for row in rows] == [name]
    desk.check(page)


def test_a_morning_by_keys_alone(desk: Desk) -> None:
    """Search, lists, pages, help and a decision without a pointer."""
    page = desk.go("/")
    keys = page.keyboard
    keys.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    keys.press("j")
    keys.press("j")
    second = page.locator(".hot li").nth(1).get_by_role("link").first
    expect(second).to_be_focused()
    keys.press("k")
    expect(page.locator(".hot li").first.get_by_role("link").first).to_be_focused()
    name = page.locator(".hot li").first.get_by_role("link").first.inner_text()
    keys.press("Enter")
    page.wait_for_url("**/people/p*")
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    page.get_by_label("Tags to add").focus()
    keys.type("by key")
    keys.press("Enter")
    expect(page.get_by_role("button", name="Remove the tag by key")).to_be_visible()
    keys.press("g")
    keys.press("p")
    page.wait_for_url("**/people")
    keys.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    keys.type(name)
    keys.press("Enter")
    page.wait_for_url("**/people?q=**")
    expect(page.locator("tbody tr").first).to_contain_text(name)
    keys.press("j")
    keys.press("Enter")
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    keys.press("g")
    keys.press("t")
    expect(page.get_by_role("heading", name="Today", level=1)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()


def test_an_owners_first_hour(empty: Served, browser: Browser) -> None:
    """The sign-in page names the link; the page Install turns green by the first page view."""
    stranger = browser.new_context().new_page()
    stranger.goto(empty.url)
    assert stranger.url == f"{empty.url}/sign-in"
    expect(stranger.get_by_text("one-time link in its terminal")).to_be_visible()
    with opened(empty, browser) as desk:
        page = desk.page
        expect(page.get_by_role("heading", name="Welcome")).to_be_visible()
        sign_up(page)
        page.get_by_role("link", name="Install", exact=True).click()
        expect(page.get_by_text("Waiting for the first event")).to_be_visible()
        expect(page.get_by_text("No page has asked for the tag yet")).to_be_visible()
        typo = {"Referer": "https://brew.example/"}
        httpx2.get(f"{empty.url}/h/k0000.js", headers=typo)
        expect(page.get_by_text("asks for the key k0000, which no site has")).to_be_visible()
        tag = page.locator("#tag").inner_text()
        assert tag.startswith("<script async src=")

        stranger.goto(f"{empty.demo}/pricing")
        expect(page.get_by_text("It works: received from")).to_be_visible()
        expect(page.locator("#status")).to_contain_text("/pricing")
        stranger.goto(f"{empty.demo}/demo")
        form = stranger.locator("form#demo")
        form.locator("[name=name]").fill("Ann Lee")
        form.locator("[name=email]").fill("ann@brew.example")
        form.locator("[name=company]").fill("Brew & Sons")
        form.locator("[name=job_title]").fill("VP of Marketing")
        for box in form.locator("[type=checkbox]").all():
            box.check()
        form.get_by_role("button").click()
        stranger.wait_for_url("**/thanks/**")
        until(lambda: empty.cli("people")["items"], lambda found: len(found) == 1)
        page.get_by_role("link", name="Today", exact=True).click()
        first = page.locator(".hot li").first
        expect(first).to_contain_text("Ann Lee")
        first.get_by_role("link").first.click()
        receipt_adds_up(page)
    stranger.context.close()
