"""Checklist A: loading, and staying out of the way of the page."""

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Lab
from tests.browser.host import Page as Plain
from tests.browser.test_delivery import FORM, open_with_clock, pass_time

#: Counts what the widget asks of the network, whatever becomes of it.
COUNTED = """
  window.asked = 0;
  const send = window.fetch;
  window.fetch = (...call) => { asked++; return send(...call); };
"""


def test_02_a_tag_manager_that_evaluates_the_file_is_one_row(lab: Lab) -> None:
    """Then there is no current script, and the tag is found by its address."""
    lab.host.tag = (
        f"<script type='text/later' src='{lab.script}'></script>"
        f"<script>fetch('{lab.script}').then((file) => file.text()).then(eval)</script>"
    )
    page = lab.visit("/")
    assert len(lab.all_after(page, "page_view")) == 1


def test_07_a_fetch_that_throws_loses_nothing(lab: Lab) -> None:
    lab.context.add_init_script(
        """const send = window.fetch;
        window.fetch = () => { window.asked = true; throw new Error('host') };
        window.mend = () => { window.fetch = send; dispatchEvent(new Event('online')) };"""
    )
    page = lab.visit("/")
    page.wait_for_function("window.asked")
    page.evaluate("mend()")
    assert len(lab.rows("page_view")) == 1
    assert len(lab.all_after(page, "page_view")) == 1


@pytest.mark.parametrize("answer", ["nonsense", "nothing"])
def test_07_a_fetch_that_answers_nonsense_harms_nothing(lab: Lab, answer: str) -> None:
    given = {"nonsense": "({ status: 'ok', headers: 7 })", "nothing": "undefined"}[answer]
    lab.context.add_init_script(
        f"""const send = window.fetch;
        window.fetch = () => {{ window.asked = true; return {given} }};
        window.mend = () => {{ window.fetch = send; dispatchEvent(new Event('online')) }};"""
    )
    page = lab.visit("/")
    page.wait_for_function("window.asked")
    page.evaluate("mend()")
    assert len(lab.rows("page_view")) == 1


def test_11_a_policy_without_our_address_costs_five_retries_in_ten_minutes(lab: Lab) -> None:
    policy = f"script-src 'unsafe-eval' {lab.tracker.base}; connect-src 'self'"
    lab.host.page("/", headers={"Content-Security-Policy": policy})
    lab.context.add_init_script(COUNTED)
    page = open_with_clock(lab)
    for _ in range(60):
        pass_time(page, 10_000)
    retries = page.evaluate("asked") - 1
    assert 3 <= retries <= 5
    assert lab.requests == []


def test_12_a_polluted_prototype_and_hostile_natives_harm_nothing(lab: Lab) -> None:
    lab.context.add_init_script(
        """Object.prototype.email = 'polluted';
        Object.prototype.q = 'polluted';
        Array.prototype.extra = () => 'polluted';
        Object.defineProperty(Array.prototype, 'toJSON', { value: () => 'polluted' });"""
    )
    lab.host.page("/", FORM)
    page = lab.visit("/")
    page.fill("[name=email]", "ann@brew.example")
    page.fill("[name=name]", "Ann")
    page.click("button")
    row = lab.row("form_submit")
    assert row.form == {"email": "ann@brew.example", "name": "Ann"}
    assert len(lab.rows("page_view", 2)) == 2


def test_13_a_frame_counts_only_if_the_site_says_so(lab: Lab) -> None:
    lab.host.page("/", "<iframe src='/framed'></iframe>")
    page = lab.visit("/")
    page.frame_locator("iframe").get_by_text("page").wait_for()
    assert [row["url"] for row in lab.all_after(page, "page_view")] == [f"{lab.host.origin}/"]


def test_13_96_a_frame_that_counts_captures_its_forms(lab: Lab) -> None:
    lab.configure({"frames": True})
    lab.host.page("/framed", FORM)
    lab.host.pages["/"] = Plain("<title>top</title><iframe src='/framed'></iframe>")
    page = lab.new_page()
    page.goto(lab.host.origin)
    frame = page.frame_locator("iframe")
    lab.rows("page_view")
    frame.locator("[name=email]").fill("ann@brew.example")
    frame.locator("button").click()
    assert lab.row("form_submit")["url"].endswith("/framed")
    assert page.title() == "top"
    assert page.url == f"{lab.host.origin}/"


def test_96_a_form_in_a_frame_of_another_origin_is_nothing_and_no_error(lab: Lab) -> None:
    """Also where frames count: the page may not look into this one."""
    lab.configure({"frames": True})
    other = lab.host.origin.replace("127.0.0.1", "localhost")
    lab.host.pages["/framed"] = Plain(f"<script>onsubmit = () => false</script>{FORM}")
    lab.host.page("/", f"<iframe src='{other}/framed'></iframe>")
    page = lab.new_page()
    said: list[str] = []
    page.on("console", lambda line: said.append(line.text))
    lab.visit("/", page)
    frame = page.frame_locator("iframe")
    frame.locator("[name=email]").fill("ann@brew.example")
    frame.locator("button").click()
    assert [row["kind"] for row in lab.all_after(page)] == ["page_view"]
    assert "brew" not in str(lab.sent())
    assert said == []


@pytest.mark.parametrize("kind", ["svg", "data"])
def test_14_what_is_no_web_page_is_left_alone(lab: Lab, kind: str) -> None:
    page = lab.new_page()
    if kind == "svg":
        script = f'<script href="{lab.script}"/>'
        svg = f'<svg xmlns="http://www.w3.org/2000/svg">{script}<text>x</text></svg>'
        lab.host.pages["/x.svg"] = Plain(svg, headers={"Content-Type": "image/svg+xml"})
        with page.expect_response("**/h/*"):
            page.goto(lab.host.origin + "/x.svg")
    else:
        page.goto(f"data:text/html,<script src='{lab.script}'></script>")
    lab.visit("/", lab.new_page())
    assert [row["url"] for row in lab.rows("page_view")] == [f"{lab.host.origin}/"]


def test_15_a_listener_of_ours_that_throws_is_not_heard(lab: Lab) -> None:
    lab.host.page("/", FORM)
    page = lab.visit("/")
    lab.rows("page_view")
    page.evaluate(
        """() => {
          const fail = () => { throw new Error('injected') };
          window.seen = 0;
          onerror = () => { seen++ };
          onunhandledrejection = () => { seen++ };
          document.hasFocus = performance.now = fail;
          Event.prototype.composedPath = Element.prototype.closest = fail;
          Element.prototype.getAttribute = Node.prototype.getRootNode = fail;
          JSON.stringify = crypto.getRandomValues = fail;
        }"""
    )
    page.fill("[name=email]", "ann@brew.example")
    page.click("h1, body", position={"x": 1, "y": 1})
    page.evaluate("document.forms[0].onsubmit = () => false")
    page.click("button")
    for event in ("blur", "focus", "scroll", "online", "popstate", "pagehide"):
        page.evaluate("(type) => window.dispatchEvent(new Event(type))", event)
    page.evaluate("handraise('track', 'x'); handraise('nonsense'); handraise('identify')")
    assert page.evaluate("seen") == 0


def listeners(page: Page) -> list[dict[str, object]]:
    found: list[dict[str, object]] = page.evaluate("heard")
    return found


def test_145_no_unload_listener_and_all_are_passive(lab: Lab) -> None:
    lab.context.add_init_script(
        """window.heard = [];
        const add = EventTarget.prototype.addEventListener;
        EventTarget.prototype.addEventListener = function (type, listener, options) {
          if (new Error().stack.includes('/h/'))
            heard.push({ type, passive: options && options.passive });
          return add.call(this, type, listener, options);
        };"""
    )
    page = lab.visit("/")
    lab.rows("page_view")
    types = {one["type"] for one in listeners(page)}
    assert {"scroll", "submit", "pagehide"} <= types
    assert types.isdisjoint({"unload", "beforeunload", "touchstart", "touchmove", "wheel"})
    assert all(one["passive"] for one in listeners(page) if one["type"] != "navigate")


def test_146_a_thousand_page_views_add_no_listener(lab: Lab) -> None:
    lab.context.add_init_script(
        """window.heard = 0;
        const add = EventTarget.prototype.addEventListener;
        EventTarget.prototype.addEventListener = function (...what) {
          heard++;
          return add.apply(this, what);
        };"""
    )
    page = lab.visit("/")
    lab.rows("page_view")
    before = page.evaluate("heard")
    page.evaluate(
        """async () => {
          for (let n = 0; n < 1000; n++)
            await new Promise((done) => {
              navigation.onnavigatesuccess = () => setTimeout(done); // after the widget's look
              history.pushState(null, '', '/' + n);
            });
        }"""
    )
    assert page.evaluate("heard") == before
    lab.until(lambda: len(lab.tracker.read(lab.site, "page_view")) == 1001)
    rows = lab.tracker.read(lab.site, "page_view")
    assert len({row["url"] for row in rows}) == 1001, "they were views"
