"""Checklist E: identity."""

import re
import time

from itsdangerous import URLSafeTimedSerializer

from tests.browser.conftest import Lab
from tests.browser.projected import sessions
from tests.browser.test_shared_laptop import Marketer


def test_57_the_first_visit_makes_one_visitor_and_the_second_page_is_theirs(lab: Lab) -> None:
    page = lab.visit("/one")
    lab.visit("/two", page)
    first, second = lab.rows("page_view", 2)
    assert first["visitor"] == second["visitor"]
    assert re.fullmatch(r"[\w-]{22}", first["visitor"])
    assert first["flags"] & 1
    assert not second["flags"] & 1
    assert sessions(lab) == 1


def test_57_without_local_storage_a_cookie_keeps_the_visitor(lab: Lab) -> None:
    lab.context.add_init_script(
        "Storage.prototype.setItem = () => { throw new DOMException('quota') };"
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no') } })"
    )
    page = lab.visit("/one")
    lab.visit("/two", page)
    first, second = lab.rows("page_view", 2)
    assert first["visitor"] == second["visitor"]
    (cookie,) = lab.context.cookies()
    assert cookie["expires"] - page.evaluate("Date.now() / 1000") <= 395 * 86_400


def test_57_event_ids_sort_by_time_and_never_repeat(lab: Lab) -> None:
    page = lab.visit("/")
    page.evaluate("for (let i = 0; i < 50; i++) handraise('track', 'n' + i)")
    rows = lab.rows("track", 50)
    wire = [event["i"] for event in lab.sent()]
    assert all(re.fullmatch(r"[\w-]{22}", name) for name in wire)
    assert len(set(wire)) == len(wire)
    stored = [row["event_id"] for row in rows]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    order = [[alphabet.index(letter) for letter in name[:8]] for name in stored]
    assert order == sorted(order)


def test_59_identify_joins_the_past_views_to_the_person_once(lab: Lab) -> None:
    marketer = Marketer(lab)
    page = lab.visit("/pricing")
    lab.visit("/docs", page)
    views = lab.rows("page_view", 2)
    page.evaluate("handraise('identify', { email: 'ann@brew.example', traits: { plan: 'pro' } })")
    row = lab.row("identify")
    assert row["data"]["ids"] == {"email": "ann@brew.example"}
    assert row["data"]["traits"] == {"plan": "pro"}
    assert {row["visitor"]} == {view["visitor"] for view in views}
    page.evaluate("handraise('identify', { email: 'ann@brew.example' })")
    lab.rows("identify", 2)
    people = marketer.people()
    assert list(people) == ["ann@brew.example"]
    ann = people["ann@brew.example"]
    assert marketer.pages(ann) == ["/pricing", "/docs"]
    assert ann["page_views"] == 2
    assert len(marketer.get(f"/people/{ann['id']}")["links"]) == 1


def test_59_a_signed_token_is_passed_on_and_never_stored(lab: Lab) -> None:
    page = lab.visit("/app")
    said = {"site": str(lab.site.site_id), "user_id": "U-17", "exp": int(time.time()) + 3_600}
    token = URLSafeTimedSerializer(lab.site.secrets[0], salt="identify").dumps(said)
    page.evaluate("(token) => handraise('identify', { token })", token)
    page.evaluate("(token) => handraise('identify', { token, user_id: 'U-17' })", token)
    for row in lab.rows("identify", 2):
        assert row["data"] == {"ids": {"user_id": "U-17"}, "proven": ["user_id"]}
        assert row["visitor"] == lab.row("page_view")["visitor"]


def test_60_somebody_else_on_the_same_browser_is_a_new_visitor(lab: Lab) -> None:
    page = lab.visit("/")
    for email in ("ann@brew.example", "Ann@brew.example", "ben@brew.example"):
        page.evaluate("(email) => handraise('identify', { email })", email.lower())
    ann, again, ben = lab.rows("identify", 3)
    assert ann["visitor"] == again["visitor"] != ben["visitor"]
    page.wait_for_function("() => !JSON.stringify(localStorage).includes('brew')")


def signed(lab: Lab, **said: str) -> str:
    claims = {"site": str(lab.site.site_id), "exp": int(time.time()) + 3_600} | said
    return URLSafeTimedSerializer(lab.site.secrets[0], salt="identify").dumps(claims)


def test_60_a_token_alone_tells_who_it_is(lab: Lab) -> None:
    page = lab.visit("/app")
    for user in ("U-17", "U-17", "U-18"):
        token = signed(lab, user_id=user, nonce=str(time.monotonic_ns()))
        page.evaluate("(token) => handraise('identify', { token })", token)
    one, again, other = lab.rows("identify", 3)
    assert one["visitor"] == again["visitor"] != other["visitor"]
    assert [row["data"]["ids"]["user_id"] for row in (one, other)] == ["U-17", "U-18"]


def test_57_a_new_key_keeps_the_visitor(lab: Lab) -> None:
    """Also while some pages have the new tag and others the one before."""
    page = lab.visit("/one")
    first = lab.row("page_view")
    before = lab.host.tag
    lab.rotate_key()
    lab.visit("/two", page)
    assert lab.host.tag != before
    new, lab.host.tag = lab.host.tag, before
    lab.visit("/three", page)
    lab.host.tag = new
    lab.visit("/four", page)
    rows = lab.rows("page_view", 4)
    assert {row["visitor"] for row in rows} == {first["visitor"]}
    lab.rotate_key()
    lab.visit("/five", page)
    assert lab.rows("page_view", 5)[4]["visitor"] == first["visitor"]


def test_67_a_refusal_holds_under_the_key_before_too(lab: Lab) -> None:
    page = lab.visit("/one")
    first = lab.row("page_view")["visitor"]
    before = lab.host.tag
    lab.rotate_key()
    lab.visit("/two", page)
    lab.rows("page_view", 2)
    page.evaluate("handraise('consent', false)")
    lab.rows("consent")
    lab.host.tag = before
    lab.visit("/three", page)
    page.evaluate("handraise('track', 'refused'); handraise('consent', true)")
    third = lab.rows("page_view", 3)[2]
    assert third["url"].endswith("/three")
    assert third["visitor"] != first
    assert lab.all_after(page, "track") == []


def test_63_the_id_is_given_to_a_callback(lab: Lab) -> None:
    page = lab.visit("/")
    given = page.evaluate("() => new Promise((done) => handraise('id', done))")
    assert given == lab.row("page_view")["visitor"]


def test_64_reset_ends_the_identity(lab: Lab) -> None:
    page = lab.visit("/")
    page.evaluate("handraise('identify', { email: 'ann@brew.example' })")
    page.evaluate("handraise('reset'); handraise('track', 'after')")
    after = lab.row("track")
    assert after["visitor"] != lab.row("identify")["visitor"]
    lab.visit("/next", page)
    assert lab.rows("page_view", 2)[1]["visitor"] == after["visitor"]


STUB = """<script>window.handraise=window.handraise||function(){
(handraise.q=handraise.q||[]).push([Date.now(),...arguments])}</script>"""


def test_04_calls_before_the_widget_keep_their_order_and_times(lab: Lab) -> None:
    early = (
        "<script>for (const n of 'abc') handraise('track', n); madeAt = Date.now();"
        "early = handraise.q.map((call) => call[0])</script>"
    )
    lab.host.tag = STUB + early + lab.host.tag
    page = lab.visit("/")
    rows = lab.rows("track", 3)
    assert [row["data"]["name"] for row in rows] == ["a", "b", "c"]
    made = page.evaluate("madeAt")
    times = [event["t"] for event in lab.sent() if event["y"] == "track"]
    assert times == page.evaluate("early")
    assert made >= times[-1]


def test_05_without_the_widget_the_stub_harms_nothing(lab: Lab) -> None:
    lab.host.tag = STUB + f'<script async src="{lab.tracker.base}/h/nobody.js"></script>'
    page = lab.new_page()
    page.goto(lab.host.origin)
    page.evaluate("handraise('track', 'lost')")
    assert page.evaluate("handraise.q.length") == 1


def test_01_the_plain_file_reads_its_attributes(lab: Lab) -> None:
    key = lab.site.keys[0]
    lab.host.tag = (
        f'<script defer src="{lab.tracker.base}/h.js" data-key="{key}" data-search="1"></script>'
    )
    page = lab.visit("/a")
    page.evaluate("history.pushState(null, '', '/a?b=1')")
    assert len(lab.rows("page_view", 2)) == 2


def test_03_a_second_copy_of_the_tag_does_nothing(lab: Lab) -> None:
    lab.host.tag += lab.host.tag
    page = lab.visit("/")
    assert len(lab.all_after(page, "page_view")) == 1


#: Every property of every prototype and constructor there is, and of the page's own objects.
PROPERTIES = """
  window.properties = () => {
    const found = new Map();
    const note = (name, object) => {
      for (const key of Reflect.ownKeys(object))
        found.set(name + ' ' + String(key), Object.getOwnPropertyDescriptor(object, key));
    };
    for (const name of Object.getOwnPropertyNames(window)) {
      const value = Object.getOwnPropertyDescriptor(window, name).value;
      if (typeof value != 'function') continue;
      note(name, value);
      if (value.prototype) note(name + '.prototype', value.prototype);
    }
    for (const name of ['history', 'navigation', 'navigator', 'document', 'JSON', 'console'])
      note(name, window[name]);
    return found;
  };
  window.changed = () => {
    const same = (a, b) => a && b && Object.keys(a).every((key) => Object.is(a[key], b[key]));
    const now = properties();
    const names = new Set([...before.keys(), ...now.keys()]);
    return [...names].filter((name) => !same(before.get(name), now.get(name)));
  };
  window.names = window.before = null;
  window.before = properties();
  window.names = Object.getOwnPropertyNames(window);
"""


def test_12_one_global_is_added_and_no_prototype_changed(lab: Lab) -> None:
    lab.context.add_init_script(PROPERTIES)
    lab.host.page("/", '<form id="contact"><input name="email" type="email"><button>x</button>')
    page = lab.visit("/")
    assert lab.rows("page_view")
    page.evaluate("document.forms[0].onsubmit = () => false")
    page.fill("[name=email]", "ann@brew.example")
    page.click("button")
    assert lab.rows("form_submit")
    added = page.evaluate(
        "Object.getOwnPropertyNames(window).filter((name) => !names.includes(name))"
    )
    assert added == ["handraise"]
    assert page.evaluate("before.has('History.prototype pushState') && 'navigation' in window")
    assert [name for name in page.evaluate("changed()") if not name.startswith("handraise")] == []
    page.evaluate("Array.prototype.late = 1")
    assert "Array.prototype late" in page.evaluate("changed()"), "the comparison sees it"
