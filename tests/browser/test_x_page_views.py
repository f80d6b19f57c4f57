"""Checklist B in every engine: applications, hidden tabs, the back/forward cache."""

import pytest

from tests.browser.conftest import Either
from tests.browser.firefox import FirefoxPage, FirefoxVisitor
from tests.browser.serving import until
from tests.browser.test_page_views import HIDDEN

#: Whether a batch of the page has its answer: what is under way is not listed.
ANSWERED = "performance.getEntriesByType('resource').some((one) => one.name.endsWith('/e'))"


def test_17_a_push_is_one_row_with_the_title_set_later(either: Either) -> None:
    page = either.visit("/")
    either.rows("page_view", 1)  # its batch has left: the title is read when the next one leaves
    page.evaluate(
        """() => {
          history.pushState(null, '', '/next');
          setTimeout(() => { document.title = 'Next, at last' }, 100);
        }"""
    )
    rows = either.rows("page_view", 2)
    assert either.paths(either.all_after(page, "page_view")) == ["/", "/next"]
    assert rows[1]["title"] == "Next, at last"


def test_20_back_and_forward_in_an_app_are_one_row_each(either: Either) -> None:
    page = either.visit("/")
    page.evaluate("history.pushState(null, '', '/two')")
    either.rows("page_view", 2)
    page.back()
    either.rows("page_view", 3)
    page.forward()
    either.rows("page_view", 4)
    assert either.paths(either.all_after(page, "page_view")) == ["/", "/two", "/", "/two"]


def test_26_a_background_tab_is_no_row_until_it_is_seen(either: Either) -> None:
    either.host.tag = f"<script>{HIDDEN}</script>{either.host.tag}"
    page = either.visit("/")
    assert either.requests == []
    assert page.evaluate("localStorage.length + document.cookie.length") == 0
    page.evaluate("show(true)")
    assert len(either.rows("page_view")) == 1
    page.evaluate("show(false)")
    page.evaluate("show(true)")
    assert len(either.all_after(page, "page_view")) == 1


@pytest.mark.parametrize("engine", ["firefox"], indirect=True)
def test_26_a_tab_really_behind_another_is_no_row_until_it_is_seen(either: Either) -> None:
    """Playwright's Chromium takes every tab for the one in front, so this is Firefox's alone."""
    page, visitor = either.page, either.visitor
    assert isinstance(page, FirefoxPage)
    assert isinstance(visitor, FirefoxVisitor)
    visitor.new_page()
    either.visit("/")
    assert page.evaluate("document.visibilityState") == "hidden"
    assert page.evaluate("localStorage.length + document.cookie.length") == 0
    assert either.requests == []
    page.show()
    assert len(either.rows("page_view")) == 1
    assert len(either.all_after(page, "page_view")) == 1


def test_28_back_from_the_cache_is_a_new_row_marked_restored(either: Either) -> None:
    note = "addEventListener('pageshow', (event) => { window.restored = event.persisted })"
    either.host.tag = f"<script>{note}</script>{either.host.tag}"
    page = either.visit("/one")
    either.rows("page_view")
    until(lambda: page.evaluate(ANSWERED), bool)  # a page with requests open is not kept
    either.visit("/two")
    either.rows("page_view", 2)
    until(lambda: page.evaluate(ANSWERED), bool)
    page.back()
    rows = either.rows("page_view", 3)
    assert page.evaluate("window.restored") is True
    assert either.paths(rows) == ["/one", "/two", "/one"]
    assert [row["flags"] & 128 for row in rows] == [0, 0, 128]
    page.evaluate("handraise('track', 'back')")
    assert either.row("track")["page_view"] == rows[2]["event_id"] != rows[0]["event_id"]
    assert len(either.all_after(page, "page_view")) == 3
