"""Checklist B: page views."""

import pytest

from tests.browser.conftest import Lab
from tests.browser.projected import sessions
from tests.browser.tracker import Row


def paths(lab: Lab, rows: list[Row]) -> list[str]:
    return [row["url"].removeprefix(lab.host.origin) for row in rows]


def test_16_a_full_load_is_one_row_with_everything(lab: Lab) -> None:
    lab.host.page("/welcome", title="Welcome")
    page = lab.visit("/welcome?plan=pro", referer="https://news.example/story")
    rows = lab.all_after(page, "page_view")
    assert len(rows) == 1
    row = rows[0]
    assert row["url"] == f"{lab.host.origin}/welcome?plan=pro"
    assert row["title"] == "Welcome"
    assert row["referrer"] == "https://news.example/story"
    assert row["screen"] == {
        "w": 1280,
        "sc": "l",
        "l": "en-US",
        "z": page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone"),
    }


def test_18_replace_and_push_for_one_route_are_one_row(lab: Lab) -> None:
    page = lab.visit("/")
    page.evaluate(
        """() => {
          history.replaceState({ scroll: 1 }, '', location.href);
          history.pushState({}, '', '/route');
        }"""
    )
    assert paths(lab, lab.rows("page_view", 2)) == ["/", "/route"]
    assert len(lab.all_after(page, "page_view")) == 2


def test_19_a_changed_query_or_hash_is_no_row_by_default(lab: Lab) -> None:
    page = lab.visit("/list")
    page.evaluate("history.replaceState(null, '', '/list?sort=up')")
    page.evaluate("history.replaceState(null, '', '/list?sort=up#end')")
    assert len(lab.all_after(page, "page_view")) == 1


def test_19_a_changed_query_or_hash_is_a_row_with_the_option(lab: Lab) -> None:
    lab.configure({"search": True, "hash": True})
    page = lab.visit("/list")
    page.evaluate("history.replaceState(null, '', '/list?sort=up')")
    assert len(lab.rows("page_view", 2)) == 2
    page.evaluate("history.replaceState(null, '', '/list?sort=up#/end')")
    rows = lab.rows("page_view", 3)
    assert paths(lab, rows) == ["/list", "/list?sort=up", "/list?sort=up#/end"]
    assert len(lab.all_after(page, "page_view")) == 3


def test_21_hash_click_then_back_are_one_row_each(lab: Lab) -> None:
    lab.configure({"hash": True})
    lab.host.page("/", '<a href="#/deep">deep</a>')
    page = lab.visit("/")
    page.click("a")
    lab.rows("page_view", 2)
    page.go_back()
    lab.rows("page_view", 3)
    assert paths(lab, lab.all_after(page, "page_view")) == ["/", "/#/deep", "/"]


def test_22_a_router_with_the_original_push_is_counted(lab: Lab) -> None:
    lab.host.tag = "<script>push = history.pushState.bind(history)</script>" + lab.host.tag
    page = lab.visit("/")
    page.evaluate("push(null, '', '/kept')")
    assert paths(lab, lab.rows("page_view", 2)) == ["/", "/kept"]


def test_22_without_the_navigation_api_the_history_is_wrapped(lab: Lab) -> None:
    lab.context.add_init_script("delete window.navigation")
    page = lab.visit("/")
    page.evaluate("history.pushState(null, '', '/a')")
    page.evaluate("history.replaceState({ x: 1 }, '', '/a?x')")
    lab.rows("page_view", 2)
    page.evaluate("history.replaceState(null, '', '/b')")
    lab.rows("page_view", 3)
    page.go_back()
    lab.rows("page_view", 4)
    found = [path.split("?")[0] for path in paths(lab, lab.all_after(page, "page_view"))]
    assert found == ["/", "/a", "/b", "/"]


def test_08_22_a_frozen_history_goes_on_working(lab: Lab) -> None:
    lab.context.add_init_script("delete window.navigation; Object.freeze(History.prototype)")
    lab.context.add_init_script("Object.freeze(history)")
    page = lab.visit("/")
    page.evaluate("history.pushState(null, '', '/on')")
    assert page.evaluate("location.pathname") == "/on"
    assert paths(lab, lab.all_after(page, "page_view")) == ["/"]


def test_23_a_turbo_visit_with_cached_preview_is_one_row(lab: Lab) -> None:
    """The body is replaced twice, and the scripts in it run again each time."""
    lab.host.page("/", title="One")
    page = lab.visit("/")
    page.evaluate(
        """async (src) => {
          const render = (title) => {
            document.title = title;
            document.body = document.createElement('body');
            const script = document.createElement('script');
            script.src = src;
            document.body.append(script);
            return new Promise((done) => { script.onload = done });
          };
          history.pushState({ turbo: {} }, '', '/two');
          await render('Preview');
          await render('Two');
          history.replaceState({ turbo: { restored: 1 } }, '', '/two');
        }""",
        lab.script,
    )
    assert paths(lab, lab.rows("page_view", 2)) == ["/", "/two"]
    assert len(lab.all_after(page, "page_view")) == 2


def test_25_a_client_router_that_swaps_the_document_is_one_row_with_the_new_title(
    lab: Lab,
) -> None:
    """Livewire and Astro fetch the page, push its address, then replace head and body."""
    lab.host.page("/shop", title="Shop")
    page = lab.visit("/")
    lab.rows("page_view")
    page.evaluate(
        """async () => {
          const text = await (await fetch('/shop')).text();
          history.pushState({ index: 1 }, '', '/shop');
          await new Promise((done) => setTimeout(done, 20));
          const next = new DOMParser().parseFromString(text, 'text/html');
          document.head.replaceWith(next.head);
          document.body.replaceWith(next.body);
          history.replaceState({ index: 1, scrollY: 0 }, '', '/shop');
        }"""
    )
    lab.rows("page_view", 2)
    rows = lab.all_after(page, "page_view")
    assert paths(lab, rows) == ["/", "/shop"]
    assert rows[1]["title"] == "Shop"


HIDDEN = """
  let hidden = true;
  Object.defineProperty(Document.prototype, 'hidden', { get: () => hidden });
  Object.defineProperty(Document.prototype, 'visibilityState', {
    get: () => (hidden ? 'hidden' : 'visible'),
  });
  window.show = (now) => {
    hidden = !now;
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
  };
"""


def test_27_a_prerendered_page_leaves_no_trace_until_it_is_shown(lab: Lab) -> None:
    lab.context.add_init_script(
        """let ahead = true;
        Object.defineProperty(Document.prototype, 'prerendering', { get: () => ahead });
        window.activate = () => {
          ahead = false;
          document.dispatchEvent(new Event('prerenderingchange'));
        };"""
    )
    page = lab.visit("/")
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    assert page.evaluate("document.cookie") == ""
    assert lab.requests == []
    page.evaluate("activate()")
    assert len(lab.rows("page_view")) == 1
    assert len(lab.all_after(page, "page_view")) == 1


def test_29_a_reload_is_one_row_of_the_same_session(lab: Lab) -> None:
    page = lab.visit("/")
    lab.rows("page_view")
    page.reload()
    lab.settle(page)
    first, second = lab.rows("page_view", 2)
    assert first["visitor"] == second["visitor"]
    assert first["tab"] == second["tab"]
    assert len(lab.all_after(page, "page_view")) == 2
    assert sessions(lab) == 1


@pytest.mark.parametrize("refresh", [False, True], ids=["server", "meta refresh"])
def test_30_redirects_are_one_row_for_the_last_page(lab: Lab, refresh: bool) -> None:
    """The server's; and a page that sends on by itself, which has no tag."""
    lab.host.page("/old", to="/older")
    lab.host.page("/older", to="" if refresh else "/new")
    if refresh:
        lab.host.pages["/older"].html = '<meta http-equiv="refresh" content="0;url=/new">'
    page = lab.new_page()
    page.goto(lab.host.origin + "/old")
    page.wait_for_url("**/new")
    lab.settle(page)
    assert paths(lab, lab.all_after(page, "page_view")) == ["/new"]


def test_31_the_outside_referrer_counts_once(lab: Lab) -> None:
    page = lab.visit("/", referer="https://search.example/")
    page.evaluate("history.pushState(null, '', '/a')")
    lab.rows("page_view", 2)
    page.evaluate("history.pushState(null, '', '/b')")
    rows = lab.rows("page_view", 3)
    assert [row["referrer"] for row in rows] == [
        "https://search.example/",
        f"{lab.host.origin}/",
        f"{lab.host.origin}/a",
    ]


def test_32_campaigns_are_kept_and_secrets_are_not(lab: Lab) -> None:
    lab.visit("/?utm_source=Mail&gclid=abc&email=ann%40brew.example&token=s3cret&page=2#t=s3cret")
    row = lab.row("page_view")
    assert row["url"] == f"{lab.host.origin}/?page=2"
    assert row["campaign"]["source"] == "Mail"
    assert "brew" not in str(row)
    assert "s3cret" not in str(row)


def test_33_excluded_paths_leave_nothing(lab: Lab) -> None:
    lab.configure({"exclude": ["/admin*", "/cart"]})
    page = lab.visit("/admin/users")
    page.evaluate("history.pushState(null, '', '/cart')")
    page.evaluate("history.pushState(null, '', '/admin')")
    page.evaluate("() => new Promise((done) => setTimeout(done))")
    page.evaluate("history.pushState(null, '', '/carton')")
    assert paths(lab, lab.rows("page_view")) == ["/carton"]
    assert [row["kind"] for row in lab.all_after(page)] == ["page_view"]


def test_34_manual_mode_begins_with_the_first_call(lab: Lab) -> None:
    lab.configure({"manual": True})
    page = lab.visit("/start")
    page.evaluate("history.pushState(null, '', '/other')")
    page.evaluate("handraise('page', '/virtual?x=1', 'Virtual')")
    row = lab.row("page_view")
    assert (row["url"], row["title"]) == (f"{lab.host.origin}/virtual?x=1", "Virtual")
    page.evaluate("handraise('page')")
    lab.rows("page_view", 2)
    left = lab.row("engagement")
    assert left["url"].endswith("/virtual?x=1")
    assert left["page_view"] == row["event_id"]
