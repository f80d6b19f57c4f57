"""Checklist C, the part that needs no clock of the server: engagement."""

from tests.browser.conftest import Lab
from tests.browser.test_page_views import HIDDEN

LONG = '<div style="height: 6400px">tall</div>'


def test_35_leaving_tells_the_page_that_is_left(lab: Lab) -> None:
    page = lab.visit("/one")
    lab.rows("page_view")
    page.evaluate("history.pushState(null, '', '/two')")
    lab.rows("page_view", 2)
    page.goto(lab.host.origin + "/three")
    views = lab.rows("page_view", 3)
    left = lab.rows("engagement", 2)
    assert [row["url"] for row in left] == [row["url"] for row in views[:2]]
    assert [row["page_view"] for row in left] == [row["event_id"] for row in views[:2]]


def test_36_time_counts_only_while_seen(lab: Lab) -> None:
    """By a clock of the test: 1 s seen, 2 s hidden, 3 s seen."""
    lab.context.add_init_script(HIDDEN + "hidden = false;")
    page = lab.new_page()
    page.clock.install()
    lab.visit("/", page)
    page.clock.run_for(1000)
    page.evaluate("show(false)")
    page.clock.run_for(2000)
    page.evaluate("show(true)")
    page.clock.run_for(3000)
    page.evaluate("show(false)")
    rows = lab.rows("engagement", 2)
    assert 1000 <= rows[0]["data"]["ms"] <= 2500
    assert 4000 <= rows[1]["data"]["ms"] <= 5700


def test_37_one_departure_is_told_once(lab: Lab) -> None:
    page = lab.visit("/")
    lab.rows("page_view")
    page.goto(lab.host.origin + "/next")
    lab.settle(page)
    lab.rows("page_view", 2)
    assert len(lab.all_after(page, "engagement")) == 1


def test_38_scroll_depth_of_short_long_and_growing_pages(lab: Lab) -> None:
    lab.host.page("/long", LONG)
    lab.host.page("/grows", "short")
    page = lab.visit("/short")
    lab.rows("page_view", 1)
    lab.visit("/long", page)
    lab.rows("page_view", 2)
    page.evaluate("() => new Promise((done) => { onscroll = () => done(); scrollTo(0, 2480) })")
    lab.visit("/grows", page)
    lab.rows("page_view", 3)
    page.evaluate(
        """async (html) => {
          document.body.innerHTML = html;
          for (const _ of 'ab') await new Promise(requestAnimationFrame);
        }""",
        LONG,
    )
    page.evaluate("history.pushState(null, '', '/app')")
    lab.rows("page_view", 4)
    page.evaluate("document.body.innerHTML = ''")
    page.goto(lab.host.origin + "/end")
    short, long, grown, app = (row["data"]["scroll"] for row in lab.rows("engagement", 4))
    assert short == 100
    assert 48 <= long <= 51
    assert 10 <= grown <= 13
    assert app in range(10, 101)
