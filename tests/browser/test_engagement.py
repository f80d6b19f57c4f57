"""Checklist C: engagement."""

from typing import Any

import pytest

from server.app import now_ms
from tests.browser.conftest import Lab
from tests.browser.projected import sessions
from tests.browser.test_page_views import HIDDEN

LONG = '<div style="height: 6400px">tall</div>'


FOCUS = """
  let focused = true;
  Document.prototype.hasFocus = () => focused;
  window.focusOn = (now) => {
    focused = now;
    dispatchEvent(new Event(now ? 'focus' : 'blur'));
  };
"""


def test_36_time_counts_only_while_seen_and_focused(lab: Lab) -> None:
    """By a clock that stands unless the test says so: each part may add half a second at most."""
    lab.context.add_init_script(HIDDEN + "hidden = false;" + FOCUS)
    page = lab.new_page()
    page.clock.install(time=0)
    page.clock.pause_at(1000)
    lab.visit("/", page)
    page.clock.run_for(1000)
    page.evaluate("show(false)")
    page.clock.run_for(2000)
    page.evaluate("show(true)")
    page.clock.run_for(3000)
    page.evaluate("show(false)")
    rows = lab.rows("engagement", 2)
    first, both = (row["data"]["ms"] for row in rows)
    assert 1000 <= first <= 1500
    assert 3000 <= both - first <= 3500
    page.evaluate("focusOn(false)")
    page.evaluate("show(true)")
    page.clock.run_for(2000)
    page.evaluate("focusOn(true)")
    page.clock.run_for(1000)
    page.evaluate("focusOn(false)")
    page.clock.run_for(4000)
    page.evaluate("show(false)")
    assert 1000 <= lab.rows("engagement", 3)[2]["data"]["ms"] - both <= 1500


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
    page.goto(lab.host.origin + "/end")
    short, long, grown = (row["data"]["scroll"] for row in lab.rows("engagement", 3))
    assert short == 100
    assert 48 <= long <= 51
    assert 10 <= grown <= 13


def test_38_a_change_of_page_in_an_app_begins_at_the_top(lab: Lab) -> None:
    """The depth of the view before is not the next one's, whether that is scrolled or not."""
    lab.host.page("/", LONG)
    page = lab.visit("/")
    lab.rows("page_view", 1)
    scroll = "(to) => new Promise((done) => { onscroll = () => done(); scrollTo(0, to) })"
    page.evaluate(scroll, 4000)
    page.evaluate("history.pushState(null, '', '/unmoved')")
    lab.rows("page_view", 2)
    page.evaluate("history.pushState(null, '', '/app')")
    lab.rows("page_view", 3)
    page.evaluate(scroll, 0)
    page.goto(lab.host.origin + "/end")
    deep, _, app = (row["data"]["scroll"] for row in lab.rows("engagement", 3))
    assert 72 <= deep <= 75
    assert 10 <= app <= 13


def test_39_after_half_an_hour_a_page_view_opens_a_session_and_reading_alone_does_not(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = lab.visit("/")
    lab.rows("page_view")
    monkeypatch.setattr(lab.tracker.app.state, "clock", lambda: now_ms() + 31 * 60_000)
    page.evaluate("dispatchEvent(new Event('pagehide'))")
    lab.rows("engagement")
    assert sessions(lab) == 1
    page.evaluate("history.pushState(null, '', '/later')")
    lab.rows("page_view", 2)
    page.evaluate("dispatchEvent(new Event('pagehide'))")
    lab.rows("engagement", 1, lambda row: row["url"].endswith("/later"))
    assert sessions(lab) == 2
    spent: dict[str, int] = {}
    for row in lab.tracker.read(lab.site, "engagement"):
        spent[row["url"]] = max(spent.get(row["url"], 0), row["data"]["ms"])
    assert 0 < sum(spent.values()) <= page.evaluate("performance.now()")


def test_40_no_handler_of_ours_forces_a_layout(lab: Lab) -> None:
    """By the browser's own trace: no layout is begun by a line of our file."""
    lab.host.page("/", LONG)
    page = lab.visit("/")
    lab.rows("page_view")
    trace: list[dict[str, Any]] = []
    ended: list[object] = []

    def end(done: object) -> None:
        ended.append(done)

    session = lab.context.new_cdp_session(page)
    session.on("Tracing.dataCollected", lambda part: trace.extend(part["value"]))
    session.on("Tracing.tracingComplete", end)
    categories = "devtools.timeline,disabled-by-default-devtools.timeline.stack"
    session.send("Tracing.start", {"categories": categories, "transferMode": "ReportEvents"})
    page.evaluate(
        """async () => {
          const grow = () => document.body.append(document.createElement('p'));
          const frame = () => new Promise(requestAnimationFrame);
          for (const place of [100, 2000, 4000]) { grow(); scrollTo(0, place); await frame() }
          for (const type of ['blur', 'focus']) { grow(); dispatchEvent(new Event(type)) }
          grow();
          history.pushState(null, '', '/next');
          await frame();
          grow();
          document.body.offsetHeight; // forced by the page: the trace must show it
        }"""
    )
    lab.rows("page_view", 2)
    session.send("Tracing.end")
    for _ in range(100):
        if ended:
            break
        page.wait_for_timeout(30)
    layouts = [str(one) for one in trace if one["name"] in {"Layout", "UpdateLayoutTree"}]
    forced = [one for one in layouts if "stackTrace" in one]
    assert forced, "the one of the page"
    assert [one for one in forced if "/h/" in one] == []
