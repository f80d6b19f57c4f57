"""Checklist D: delivery. Retries run by a clock of the test, so that it does not wait for them."""

import json
from itertools import pairwise

import pytest
from playwright.sync_api import Page

from server.reports.delivery import Delivery, delivery
from tests.browser.conftest import Lab
from tests.browser.host import Page as Plain

#: Tells when the answer to the last request has been read and what follows from it is planned.
ANSWERED = """
  const send = window.fetch;
  let last = Promise.resolve();
  window.fetch = (...call) => {
    const reply = send(...call);
    last = reply.then((answer) => answer.clone().text()).catch(() => 0);
    return reply;
  };
  const turn = () => new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = done;
    port2.postMessage(0);
  });
  window.answered = async () => {
    for (let before; before != last; ) {
      before = last;
      await last;
      for (const _ of 'several') await turn();
    }
  };
"""


SLACK_MS = 1_600  # the page's time goes on in steps until the test sees a request: some too many


def open_with_clock(lab: Lab, path: str = "/") -> Page:
    """A page whose timers only run when the test says so."""
    page = lab.new_page()
    page.add_init_script(ANSWERED)
    page.clock.install()
    lab.visit(path, page)
    return page


def pass_time(page: Page, milliseconds: int) -> None:
    """Time passes, but only after every answer: a slow machine must not look like a long wait."""
    page.evaluate("answered()")
    page.clock.run_for(milliseconds)
    page.evaluate("answered()")


def failures(lab: Lab, page: Page, count: int, step_ms: int = 500, most_ms: int = 120_000) -> None:
    """Let time pass until `count` requests have arrived and are answered."""
    page.evaluate("answered()")
    for _ in range(0, most_ms, step_ms):
        if len(lab.requests) >= count:
            return
        pass_time(page, step_ms)
    raise AssertionError(f"{len(lab.requests)} requests of {count}")


def test_43_an_event_of_a_tab_that_is_closed_is_stored(lab: Lab) -> None:
    page = lab.visit("/")
    page.evaluate("handraise('track', 'last words')")
    page.close()
    assert lab.row("track")["data"]["name"] == "last words"
    assert len(lab.rows("engagement")) == 1


def test_44_two_hundred_events_are_stored_in_few_small_requests(lab: Lab) -> None:
    page = lab.visit("/")
    lab.rows("page_view")
    before = len(lab.requests)
    page.evaluate("for (let i = 0; i < 200; i++) handraise('track', 'n' + i, { i })")
    rows = lab.rows("track", 200)
    assert [row["data"]["name"] for row in rows] == [f"n{i}" for i in range(200)]
    assert len(lab.requests) - before <= 5
    assert max(request.size for request in lab.requests) <= 60_000


def test_44_events_are_numbered_through_within_a_tab(lab: Lab) -> None:
    """What was lost on the way shows as a gap, also from one page to the next."""
    page = lab.visit("/one")
    page.evaluate("for (const n of 'abc') handraise('track', n)")
    lab.visit("/two", page)
    other = lab.visit("/other")
    page.evaluate("handraise('track', 'd')")
    lab.rows("track", 4)
    lab.rows("page_view", 3)
    lab.all_after(other)
    rows = lab.all_after(page)
    tabs: dict[int, list[int]] = {}
    for row in rows:
        tabs.setdefault(row["tab"], []).append(row["q"])
    assert len(tabs) == 2
    for numbers in tabs.values():
        assert sorted(numbers) == list(range(1, len(numbers) + 1))


def test_44_what_got_lost_is_told_by_browser_and_page(lab: Lab) -> None:
    """A batch of two that is refused is dropped; the event after it shows that they were."""
    page = open_with_clock(lab, "/lossy")
    failures(lab, page, 1)
    lab.gate.answers.append(400)
    page.evaluate("for (const n of 'ab') handraise('track', n)")
    failures(lab, page, 2)
    page.evaluate("handraise('track', 'c')")
    failures(lab, page, 3)
    assert lab.row("track")["q"] == 4

    async def told() -> Delivery:
        app = lab.tracker.app
        async with app.database.snapshot() as reader:
            return await delivery(reader, lab.site, app.state.tools.agents)

    found = lab.tracker.do(told())
    assert (found.tabs, found.events, found.missing, found.late) == (1, 2, 2, 0)
    assert [row.missing for row in found.browsers] == [2]
    assert [(row.name, row.missing) for row in found.pages] == [("/lossy", 2)]


def test_45_three_failures_are_retried_later_and_later_and_stored_once(lab: Lab) -> None:
    lab.gate.answers.extend([500, 503, 500])
    page = open_with_clock(lab)
    waits = []
    for count in (1, 2, 3, 4):
        before = page.evaluate("Date.now()")
        failures(lab, page, count)
        waits.append(page.evaluate("Date.now()") - before)
    step = 600  # the clock goes in steps of half a second: a wait may begin before it is measured
    assert 3000 - step <= waits[1] <= 6000
    assert 9000 - step <= waits[2] <= 15_000
    assert 27_000 - step <= waits[3] <= 42_000
    assert len(lab.rows("page_view")) == 1
    pass_time(page, 120_000)
    assert len(lab.requests) == 4, "silence after success"


@pytest.mark.parametrize(("chance", "wait"), [(0, 3000), (0.99, 4485)])
def test_45_the_delay_is_jittered(lab: Lab, chance: float, wait: int) -> None:
    lab.context.add_init_script(f"Math.random = () => {chance}")
    lab.gate.answers.append(500)
    page = open_with_clock(lab)
    failures(lab, page, 1, 100)
    before = page.evaluate("Date.now()")
    failures(lab, page, 2, 100)
    assert (
        wait - 500 <= page.evaluate("Date.now()") - before <= wait + 1400
    )  # the clock goes in steps


def test_46_a_refused_batch_is_dropped(lab: Lab) -> None:
    lab.gate.answers.append(400)
    page = open_with_clock(lab)
    failures(lab, page, 1)
    pass_time(page, 120_000)
    assert len(lab.requests) == 1
    assert lab.tracker.read(lab.site) == []


def test_47_retry_after_is_honoured(lab: Lab) -> None:
    lab.gate.answers.append((429, {"Retry-After": "20"}))
    page = open_with_clock(lab)
    failures(lab, page, 1)
    pass_time(page, 20_000 - SLACK_MS)
    assert len(lab.requests) == 1
    failures(lab, page, 2)
    assert len(lab.rows("page_view")) == 1


@pytest.mark.parametrize("word", ["Wed, 21 Oct 2026 07:28:00 GMT", "soon", "-5", "99999999999"])
def test_47_a_retry_after_that_is_no_time_to_wait_makes_no_storm(lab: Lab, word: str) -> None:
    lab.gate.answers.extend([(503, {"Retry-After": word})] * 60)
    page = open_with_clock(lab)
    failures(lab, page, 1)
    pass_time(page, 3_000 - SLACK_MS)
    assert len(lab.requests) == 1
    if not word.startswith("9"):
        failures(lab, page, 2, most_ms=5_000)
        pass_time(page, 9_000 - SLACK_MS)
        assert len(lab.requests) == 2


def test_48_what_happens_offline_arrives_later_with_its_times(lab: Lab) -> None:
    page = open_with_clock(lab)
    failures(lab, page, 1)
    lab.context.set_offline(True)
    for path in ("/a", "/b", "/c"):
        page.evaluate("(path) => history.pushState(null, '', path)", path)
        pass_time(page, 3000)
    pass_time(page, 1000)
    lab.context.set_offline(False)
    rows = lab.rows("page_view", 4)
    times = [row["at"] for row in rows[1:]]
    assert [row["url"][-2:] for row in rows[1:]] == ["/a", "/b", "/c"]
    gaps = [after - before for before, after in pairwise(times)]
    assert all(2900 <= gap <= 3900 for gap in gaps), gaps
    assert rows[3]["lag"] >= 3500


def test_49_the_queue_survives_a_reload_and_nothing_is_stored_twice(lab: Lab) -> None:
    lab.gate.answers.extend([503] * 20)
    page = lab.visit("/one")
    page.evaluate("handraise('track', 'kept')")
    page.wait_for_function(
        "() => Object.keys(localStorage).some((k) => localStorage[k].includes('page_view'))"
    )
    page.reload()
    lab.settle(page)
    lab.gate.answers.clear()
    page.reload()
    lab.settle(page)
    assert lab.row("track")["data"]["name"] == "kept"
    rows = lab.rows("page_view", 3)
    assert len(rows) == 3
    assert len({row["event_id"] for row in lab.all_after(page)}) == len(lab.all_after(page))


def test_50_the_same_batch_twice_is_stored_once(lab: Lab) -> None:
    page = lab.visit("/")
    lab.rows("page_view")
    batch = lab.requests[0].batch
    answer = page.evaluate(
        """([url, body]) => fetch(url, { method: 'POST', body }).then((reply) => reply.json())""",
        [lab.tracker.base + "/e", json.dumps(batch)],
    )
    assert answer["duplicates"] == len(batch["e"])
    assert len(lab.all_after(page, "page_view")) == 1


def test_51_two_tabs_share_a_stored_queue_without_loss(lab: Lab) -> None:
    lab.gate.answers.extend([503] * 40)
    tabs = [lab.visit("/one"), lab.visit("/two")]
    for number, tab in enumerate(tabs):
        tab.evaluate("(n) => handraise('track', 'tab ' + n)", number)
        tab.wait_for_function(
            "(n) => JSON.stringify(localStorage).split('page_view').length > n + 1", arg=number
        )
    for tab in tabs:
        tab.close()
    lab.gate.answers.clear()
    page = lab.visit("/three")
    rows = lab.rows("track", 2)
    assert sorted(row["data"]["name"] for row in rows) == ["tab 0", "tab 1"]
    assert len(lab.all_after(page, "page_view")) == 3


def test_51_no_event_overtakes_the_page_view_it_happened_on(lab: Lab) -> None:
    """An answer to what an earlier page left comes while the view still waits for its title."""
    lab.host.pages["/blank"] = Plain("<p>no tag</p>")
    page = lab.new_page()
    page.goto(lab.host.origin + "/blank")
    page.evaluate(
        """(name) => {
          const e = { i: 'E'.repeat(22), y: 'track', t: Date.now(), q: 1, d: { name: 'left' } };
          const v = `"v":"${'B'.repeat(22)}",`;
          localStorage[name + '0.5'] = JSON.stringify([{ e, v }]);
        }""",
        "handraise." + lab.site.keys[0],
    )
    lab.context.add_init_script(
        """const original = window.fetch;
        window.fetch = (...call) => {
          window.fetch = original;
          const reply = original(...call);
          reply.then(() => handraise('track', 'early'));
          return reply;
        };"""
    )
    lab.visit("/", page)
    lab.rows("track", 2)
    assert [event["y"] for event in lab.sent()] == ["track", "page_view", "track"]


def test_52_at_most_a_hundred_events_are_kept_and_forms_longest(lab: Lab) -> None:
    lab.host.page("/", FORM)
    lab.gate.answers.extend([503] * 40)
    page = open_with_clock(lab)
    failures(lab, page, 1)
    page.fill("[name=email]", "ann@brew.example")
    page.evaluate("document.forms[0].onsubmit = () => false")
    page.click("button")
    page.evaluate("for (let n = 0; n < 130; n++) handraise('page')")
    stored = page.evaluate(
        """() => Object.keys(localStorage).map((key) => localStorage[key])
          .filter((text) => text[0] == '[').flatMap((text) => JSON.parse(text))"""
    )
    kinds = [one["e"]["y"] for one in stored]
    assert len(stored) == 100
    assert kinds.count("form_submit") == 1
    numbers = [one["e"]["q"] for one in stored if one["e"]["y"] == "page_view"]
    assert numbers == sorted(numbers)
    assert numbers[0] > 20, "the oldest were dropped"


def test_52_after_three_days_nothing_is_kept(lab: Lab) -> None:
    lab.host.pages["/blank"] = Plain("<p>no tag</p>")
    page = lab.new_page()
    page.goto(lab.host.origin + "/blank")
    page.evaluate(
        """(name) => {
          const one = (word, age) => ({
            e: { i: (word + 'A'.repeat(22)).slice(0, 22), y: 'track', t: Date.now() - age, q: 1,
                 d: { name: word } },
            v: `"v":"${'B'.repeat(22)}",`,
          });
          const kept = [one('old', 3 * 864e5 + 1e4), one('new', 5e3)];
          localStorage[name + '0.5'] = JSON.stringify(kept);
          localStorage[name + '0.7'] = 'broken';
        }""",
        "handraise." + lab.site.keys[0],
    )
    lab.visit("/", page)
    assert lab.row("track")["data"]["name"] == "new"
    assert [row["data"]["name"] for row in lab.all_after(page, "track")] == ["new"]


def test_53_no_preflight_is_ever_made(lab: Lab) -> None:
    page = lab.visit("/")
    page.evaluate("handraise('track', 'x')")
    lab.rows("track")
    assert {request.method for request in lab.gate.requests} == {"POST"}


def test_54_a_wrong_clock_is_corrected(lab: Lab) -> None:
    """The truth is the browser's other clock, which the page's `Date` has no part in."""
    lab.context.add_init_script("const now = Date.now; Date.now = () => now() - 7.2e6")
    page = lab.visit("/")
    truth = "performance.timeOrigin + performance.now()"
    assert page.evaluate(f"{truth} - Date.now()") > 7_000_000
    began = page.evaluate("performance.timeOrigin")
    made = page.evaluate(f"handraise('track', 'x'), {truth}")
    assert abs(lab.row("page_view")["at"] - began) < 2000
    assert abs(lab.row("track")["at"] - made) < 2000
    assert lab.row("track")["lag"] < 2000


def test_55_any_text_survives_and_a_lone_surrogate_harms_nothing(lab: Lab) -> None:
    lab.host.page("/", FORM, title="مرحبا 🙂")
    page = lab.visit("/")
    page.fill("[name=email]", "ann@brew.example")
    page.fill("[name=name]", "Ann 🙂 עברית")
    page.evaluate("document.querySelector('[name=company]').value = 'A\\ud800B'")
    page.click("button")
    form = lab.row("form_submit").form
    assert lab.row("page_view", lambda row: "🙂" in row["title"])
    assert form["name"].startswith("Ann 🙂")
    assert "עברית" in form["name"]
    assert form["company"].startswith("A")


def test_56_without_beacon_and_keepalive_events_arrive(lab: Lab) -> None:
    lab.context.add_init_script(
        """delete Navigator.prototype.sendBeacon;
        const original = window.fetch;
        window.fetch = (url, { keepalive, ...rest }) => original(url, rest);"""
    )
    lab.visit("/")
    assert len(lab.rows("page_view")) == 1


def test_56_a_fetch_that_throws_is_replaced_by_a_beacon_at_the_end(lab: Lab) -> None:
    lab.context.add_init_script("window.fetch = () => { throw new Error('host') }")
    page = lab.visit("/")
    page.goto("about:blank")
    assert len(lab.rows("page_view")) == 1


def test_09_with_storage_forbidden_events_arrive_and_keep_their_visitor(lab: Lab) -> None:
    lab.context.add_init_script(
        """for (const name of ['localStorage', 'sessionStorage'])
          Object.defineProperty(window, name, { get() { throw new DOMException('no') } });
        Object.defineProperty(Document.prototype, 'cookie', {
          get() { throw new DOMException('no') }, set() { throw new DOMException('no') },
        });"""
    )
    page = lab.visit("/")
    page.evaluate("handraise('track', 'still')")
    track = lab.row("track")
    assert track["visitor"] == lab.row("page_view")["visitor"]


def test_10_a_changed_array_to_json_harms_nothing(lab: Lab) -> None:
    lab.context.add_init_script("Array.prototype.toJSON = function () { return 'broken' }")
    lab.visit("/")
    assert len(lab.rows("page_view")) == 1


FORM = """<form id="contact" action="/thanks" method="post">
  <input name="email" type="email"><input name="name"><input name="company">
  <button>Send</button></form>"""
