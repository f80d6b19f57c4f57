"""The consent table, as far as the browser obeys it (checklist F)."""

import pytest

from tests.browser.conftest import Lab
from tests.browser.test_delivery import FORM, open_with_clock, pass_time

STORAGE = """() => JSON.stringify([localStorage, sessionStorage, document.cookie])"""
NOTHING = '[{},{},""]'
GPC = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { get: () => true })"
DNT = "Object.defineProperty(Navigator.prototype, 'doNotTrack', { get: () => '1' })"


def submit(lab: Lab, path: str = "/") -> None:
    """A visitor who sends the contact form and stays."""
    page = lab.contexts[0].pages[0]
    page.fill("[name=email]", "ann@brew.example")
    page.evaluate("document.forms[0].onsubmit = () => false")
    page.click("button")


def test_65_mode_off_waits_and_keeps_nothing(lab: Lab) -> None:
    lab.configure(consent="off")
    lab.host.page("/", FORM)
    page = lab.visit("/")
    page.evaluate("handraise('track', 'early')")
    submit(lab)
    form = lab.row("form_submit")
    assert form["visitor"] == ""
    assert [event["y"] for event in lab.sent()] == ["form_submit"]
    assert page.evaluate(STORAGE) == NOTHING


def test_66_a_grant_in_mode_off_sends_what_waited_with_its_time(lab: Lab) -> None:
    lab.configure(consent="off")
    page = lab.new_page()
    page.clock.install()
    lab.visit("/", page)
    page.evaluate("handraise('track', 'early')")
    page.clock.run_for(5000)
    page.evaluate("handraise('consent', true, { version: '7' })")
    page.clock.run_for(400)
    views = lab.rows("page_view")
    track, consent = lab.row("track"), lab.row("consent")
    assert track["lag"] >= 5000
    assert consent["data"] == {"state": "granted", "version": "7"}
    assert {row["visitor"] for row in (*views, track, consent)} == {consent["visitor"]}
    assert track["consent"] == 1
    lab.visit("/next", page)
    page.clock.run_for(400)
    assert lab.rows("page_view", 2)[1]["visitor"] == consent["visitor"]


def test_65_mode_ask_sends_without_keeping_anything(lab: Lab) -> None:
    lab.configure(consent="ask")
    page = lab.visit("/one")
    page.evaluate("history.pushState(null, '', '/two')")
    lab.rows("page_view", 2)
    assert page.evaluate(STORAGE) == NOTHING
    first = {request.batch["v"] for request in lab.requests}
    assert {request.batch["c"] for request in lab.requests} == {""}
    lab.visit("/three", page)
    lab.rows("page_view", 3)
    assert len(first) == 1
    assert page.evaluate(STORAGE) == NOTHING
    assert {request.batch["v"] for request in lab.requests} > first


def test_66_a_grant_in_mode_ask_keeps_the_visitor_of_the_page(lab: Lab) -> None:
    lab.configure(consent="ask")
    page = lab.visit("/")
    lab.rows("page_view")
    page.evaluate("handraise('consent', 'granted')")
    granted = lab.row("consent")
    assert lab.requests[0].batch["v"] == granted["visitor"]
    lab.visit("/next", page)
    assert lab.rows("page_view", 2)[1]["visitor"] == granted["visitor"]


def test_67_a_refusal_ends_everything_but_submissions(lab: Lab) -> None:
    lab.host.page("/", FORM)
    page = lab.visit("/")
    visitor = lab.row("page_view")["visitor"]
    page.evaluate("handraise('consent', false)")
    assert lab.row("consent")["visitor"] == visitor
    kept = page.evaluate(STORAGE)
    assert visitor not in kept
    assert "granted" not in kept
    page.evaluate("handraise('track', 'no'); history.pushState(null, '', '/no')")
    page.reload()
    lab.settle(page)
    page.goto(lab.host.origin)
    lab.settle(page)
    submit(lab)
    form = lab.row("form_submit")
    assert (form["visitor"], form["tab"], form["page_view"]) == ("", None, "")
    kinds = [row["kind"] for row in lab.tracker.read(lab.site)]
    assert kinds == ["page_view", "consent", "form_submit"]


def test_67_a_refusal_removes_what_waits_to_be_sent(lab: Lab) -> None:
    """The endpoint is down, so that events are kept; once it is back, none of them goes."""
    lab.host.page("/", FORM)
    lab.gate.answers.extend([503] * 20)
    page = lab.visit("/")
    page.evaluate("handraise('track', 'secret plan')")
    page.wait_for_function("() => JSON.stringify(localStorage).includes('secret plan')")
    visitor = page.evaluate("() => new Promise((done) => handraise('id', done))")
    lab.until(lambda: lab.requests)
    page.evaluate("handraise('consent', false)")
    kept = page.evaluate(STORAGE)
    assert "secret plan" not in kept
    assert "page_view" not in kept
    assert visitor not in kept
    lab.until(lambda: len(lab.requests) > 1)
    lab.gate.answers.clear()
    page.reload()
    lab.settle(page)
    submit(lab)
    lab.rows("form_submit")
    stored = [row["kind"] for row in lab.tracker.read(lab.site)]
    assert [kind for kind in stored if kind != "consent"] == ["form_submit"]


def test_67_a_refusal_before_the_widget_leaves_no_trace(lab: Lab) -> None:
    lab.host.tag = (
        "<script>handraise = () => 0; handraise.q = [[Date.now(), 'consent', false]]</script>"
        + lab.host.tag
    )
    page = lab.visit("/")
    page.evaluate("handraise('consent', true)")
    rows = lab.rows("consent", 1, lambda row: row["data"]["state"] == "granted")
    assert rows
    assert len(lab.rows("page_view")) == 1


@pytest.mark.parametrize("signal", [GPC, DNT], ids=["gpc", "dnt"])
def test_68_69_a_privacy_signal_means_submissions_only(lab: Lab, signal: str) -> None:
    lab.context.add_init_script(signal)
    lab.host.page("/", FORM)
    page = lab.visit("/")
    submit(lab)
    assert lab.row("form_submit")["visitor"] == ""
    assert [event["y"] for event in lab.sent()] == ["form_submit"]
    assert page.evaluate(STORAGE) == NOTHING
    page.evaluate("handraise('consent', true)")
    assert lab.row("page_view")["visitor"]


def test_68_a_site_may_decide_not_to_honour_the_signal(lab: Lab) -> None:
    lab.configure(honour_gpc=False)
    lab.context.add_init_script(GPC)
    lab.visit("/")
    assert lab.row("page_view")["flags"] & 4


SPIED = """
  window.written = [];
  for (const name of ['localStorage', 'sessionStorage']) {
    const real = window[name];
    const note = (key) => written.push(name + ' ' + String(key));
    const spy = new Proxy(real, {
      set: (_, key, value) => { note(key); real[key] = value; return true },
      get: (_, key) => {
        if (key == 'setItem') note(key);
        const found = real[key];
        return typeof found == 'function' ? found.bind(real) : found;
      },
    });
    Object.defineProperty(window, name, { get: () => spy });
  }
  const { get, set } = Object.getOwnPropertyDescriptor(Document.prototype, 'cookie');
  Object.defineProperty(Document.prototype, 'cookie', {
    get() { return get.call(this) },
    set(text) { written.push('cookie'); set.call(this, text) },
  });
"""


@pytest.mark.parametrize("mode", ["ask", "on"])
def test_71_cookieless_nothing_is_ever_written(lab: Lab, mode: str) -> None:
    """The spy is sound: without the mode it sees what is written."""
    lab.configure(consent=mode)
    lab.context.add_init_script(SPIED)
    lab.host.page("/", FORM)
    page = lab.visit("/")
    page.evaluate("handraise('identify', { email: 'ann@brew.example' }); handraise('reset')")
    page.evaluate("handraise('id', () => 0); handraise('track', 'x')")
    submit(lab)
    page.evaluate("history.pushState(null, '', '/two'); dispatchEvent(new Event('pagehide'))")
    assert lab.rows("form_submit")
    assert len(lab.rows("page_view", 2)) == 2
    assert bool(page.evaluate("written.length")) is (mode == "on")
    assert (page.evaluate(STORAGE) == NOTHING) is (mode == "ask")


def test_73_after_a_refusal_nothing_wakes_up(lab: Lab) -> None:
    page = open_with_clock(lab)
    pass_time(page, 400)
    lab.rows("page_view")
    page.evaluate("handraise('consent', false)")
    pass_time(page, 1000)
    assert lab.rows("consent")
    asked = len(lab.requests)
    page.evaluate(
        """() => {
          window.planned = 0;
          for (const name of ['setTimeout', 'setInterval', 'requestAnimationFrame']) {
            const plan = window[name];
            window[name] = (...what) => { planned++; return plan(...what) };
          }
        }"""
    )
    pass_time(page, 600_000)
    assert page.evaluate("planned") == 0
    assert len(lab.requests) == asked
