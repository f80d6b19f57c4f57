"""Checklist 24 and 80 by htmx itself, the file our own pages are served with."""

from pathlib import Path

from tests.browser.conftest import Lab
from tests.browser.host import Page as Plain

HTMX = (Path(__file__).parents[2] / "server/static/vendor/htmx-4.0.1.min.js").read_text("utf-8")


def test_24_an_htmx_boosted_link_and_a_pushed_url_are_one_row_each(lab: Lab) -> None:
    """By htmx itself, which swaps the body's content, sets the title and pushes the address."""
    lab.host.pages["/htmx.js"] = Plain(HTMX, headers={"Content-Type": "text/javascript"})
    lab.host.page(
        "/",
        '<a href="/boosted" hx-boost="true">boosted</a>',
        head='<script src="/htmx.js"></script>',
    )
    lab.host.page("/boosted", '<button hx-get="/part" hx-target="#into">get</button><p id="into">')
    lab.host.pages["/part"] = Plain("<b>part</b>", headers={"HX-Push-Url": "/pushed"})
    page = lab.visit("/")
    lab.rows("page_view")
    page.evaluate("window.same = true")
    page.click("a")
    lab.rows("page_view", 2)
    page.click("button")
    page.locator("#into b").wait_for()
    lab.rows("page_view", 3)
    rows = lab.all_after(page, "page_view")
    assert lab.paths(rows) == ["/", "/boosted", "/pushed"]
    assert rows[1]["title"] == "/boosted"
    assert page.evaluate("window.same") is True
    page.go_back()
    lab.rows("page_view", 4)
    assert lab.paths(lab.all_after(page, "page_view"))[3:] == ["/boosted"]


def test_80_a_form_that_htmx_sends_and_replaces(lab: Lab) -> None:
    """By htmx itself: the same form again, as after an error, and once more."""
    lab.host.pages["/htmx.js"] = Plain(HTMX, headers={"Content-Type": "text/javascript"})
    again = '<form id="contact" hx-post="/again" hx-swap="outerHTML">' + (
        '<input name="email" type="email"><button>Send</button></form>'
    )
    lab.host.pages["/again"] = Plain(again)
    lab.host.page("/", again, head='<script src="/htmx.js"></script>')
    page = lab.visit("/")
    for email in ("ann@brew.example", "ben@brew.example"):
        page.evaluate("document.forms[0].old = true")
        page.fill("[name=email]", email)
        page.click("button")
        page.wait_for_function("() => document.forms[0] && !document.forms[0].old")
    rows = lab.rows("form_submit", 2)
    assert [row.form["email"] for row in rows] == ["ann@brew.example", "ben@brew.example"]
    assert [one.path for one in lab.host.posted] == ["/again", "/again"]
