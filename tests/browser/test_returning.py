"""Checklist 58, 61, 62: a visitor who lost their id, or comes from another domain of the site."""

import threading
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page

from server.web.marks import LIFE_MS
from tests.browser.conftest import Lab

STORAGE = "() => JSON.stringify([localStorage, sessionStorage])"


def same_origin(lab: Lab, context: BrowserContext | None = None, page: Page | None = None) -> Page:
    """A page on the server's own origin, as behind a path proxy; all else there is the server."""
    context = context or lab.context
    html = f'<!doctype html><title>shop</title><script src="/h/{lab.site.keys[0]}.js"></script>'
    context.route(
        lambda url: urlsplit(url).path.startswith("/shop"),
        lambda route: route.fulfill(body=html, content_type="text/html"),
    )
    page = page or lab.new_page(context)
    page.goto(lab.tracker.base + "/shop")
    lab.settle(page)
    return page


def refuse(page: Page) -> str:
    """The `Set-Cookie` of the answer to a refusal; an earlier answer may still be under way."""
    with page.expect_response(lambda one: "denied" in (one.request.post_data or "")) as got:
        page.evaluate("handraise('consent', false)")
    return got.value.header_value("set-cookie") or ""


def lose(page: Page) -> None:
    """What scripts of the page's origin have stored is gone; no page of it is open then."""
    page.goto(page.url.replace("/shop", "/livez"))
    page.evaluate("localStorage.clear(); sessionStorage.clear()")


def test_58_a_cookie_of_the_server_brings_a_lost_id_back(lab: Lab) -> None:
    page = same_origin(lab)
    visitor = lab.row("page_view")["visitor"]
    lab.until(lab.context.cookies)
    (cookie,) = lab.context.cookies()
    assert cookie["httpOnly"]
    assert (cookie["name"], cookie["value"]) == (f"hr{lab.site.site_id}", visitor)
    assert cookie["expires"] - page.evaluate("Date.now() / 1000") <= 395 * 86_400
    page.evaluate("localStorage.clear(); sessionStorage.clear()")
    page.reload()
    lab.settle(page)
    page.evaluate("handraise('track', 'early')")
    assert {row["visitor"] for row in lab.rows("page_view", 2)} == {visitor}
    assert {row["visitor"] for row in lab.rows("track")} == {visitor}
    page.wait_for_function(f"() => JSON.stringify(localStorage).includes('{visitor}')")
    page.evaluate("handraise('track', 'later')")
    assert lab.rows("track", 2)[1]["visitor"] == visitor
    assert not lab.rows("page_view", 2)[1]["flags"] & 1


def test_58_a_reset_is_mirrored_and_a_refusal_takes_the_cookie_away(lab: Lab) -> None:
    page = same_origin(lab)
    visitor = lab.row("page_view")["visitor"]
    page.evaluate("handraise('reset'); handraise('track', 'new')")
    other = lab.row("track")["visitor"]
    assert other != visitor
    lab.until(lambda: lab.context.cookies()[0]["value"] == other)
    assert lab.context.cookies()[0]["value"] == other
    page.evaluate("handraise('consent', false)")
    assert lab.rows("consent")
    lab.until(lambda: not lab.context.cookies())
    assert lab.context.cookies() == []


@pytest.mark.parametrize(
    ("widget", "mode"), [({}, "on"), ({}, "off"), ({"tcf": True}, "on")], ids=["on", "off", "tcf"]
)
def test_58_a_refusal_ends_the_cookie_also_where_the_page_waits(
    lab: Lab, widget: dict[str, bool], mode: str
) -> None:
    lab.configure(widget, consent=mode)
    page = same_origin(lab)
    page.evaluate("handraise('consent', true); handraise('track', 'x')")
    lab.until(lab.context.cookies)
    assert len(lab.context.cookies()) == 1
    lose(page)
    page.goto(lab.tracker.base + "/shop")
    lab.settle(page)
    if mode == "on" and not widget:
        lab.rows("page_view", 2)
    assert "Max-Age=0" in refuse(page)
    lab.until(lambda: not lab.context.cookies())
    assert lab.context.cookies() == []
    denied = [row["data"]["state"] for row in lab.tracker.read(lab.site, "consent")][1:]
    assert denied == (["denied"] if mode == "on" and not widget else []), "nobody is made for it"


def test_58_an_id_found_again_is_not_lost_to_a_page_left_at_once(lab: Lab) -> None:
    page = same_origin(lab)
    visitor = lab.row("page_view")["visitor"]
    lab.until(lab.context.cookies)
    lose(page)
    page.goto(lab.tracker.base + "/shop2")
    page.goto(lab.tracker.base + "/shop3")
    lab.settle(page)
    assert {row["visitor"] for row in lab.rows("page_view", 3)} == {visitor}
    page.wait_for_function(f"() => JSON.stringify(localStorage).includes('{visitor}')")
    page.goto(lab.tracker.base + "/shop4")
    assert {row["visitor"] for row in lab.rows("page_view", 4)} == {visitor}
    assert [cookie["value"] for cookie in lab.context.cookies()] == [visitor]


def test_59_who_comes_after_a_reset_is_not_made_who_was_before(lab: Lab) -> None:
    """The answer that gives a lost id back arrives when the page already goes on as another."""
    page = same_origin(lab)
    visitor = lab.row("page_view")["visitor"]
    lab.until(lab.context.cookies)
    lose(page)
    lab.gate.hold = threading.Event()
    page.goto(lab.tracker.base + "/shop59")
    lab.settle(page)
    lab.until(lambda: any(event.get("u", "").endswith("/shop59") for event in lab.sent()))
    page.evaluate("handraise('track', 'ann'); handraise('reset'); handraise('track', 'bob')")
    page.evaluate("handraise('id', (id) => (window.bob = id))")
    with page.expect_response("**/e"):
        lab.gate.hold.set()
    by = {row["data"]["name"]: row["visitor"] for row in lab.rows("track", 2)}
    assert by == {"ann": visitor, "bob": page.evaluate("bob")}
    assert by["bob"] != visitor
    assert page.evaluate("(handraise('id', (id) => (window.now = id)), now == bob)")


def test_58_a_lost_id_is_found_again_also_where_the_page_ends_it_at_once(lab: Lab) -> None:
    """The first request leaves when the page goes on as another already: it is the lost one's."""
    page = same_origin(lab)
    visitor = lab.row("page_view")["visitor"]
    lab.until(lab.context.cookies)
    lose(page)
    lab.context.add_init_script(
        """addEventListener('DOMContentLoaded', () => {
          handraise('track', 'ann');
          handraise('reset');
          handraise('track', 'bob');
        })"""
    )
    page.goto(lab.tracker.base + "/shop58")
    lab.settle(page)
    by = {row["data"]["name"]: row["visitor"] for row in lab.rows("track", 2)}
    assert by["ann"] == visitor
    assert by["bob"] not in {visitor, ""}
    assert {row["visitor"] for row in lab.rows("page_view", 2)} == {visitor}
    flags = [row["flags"] & 1 for row in lab.rows("track", 2)]
    assert flags == [0, 0], "one is found again, the other is no loss"
    lab.until(lambda: lab.context.cookies()[0]["value"] == by["bob"])
    assert lab.context.cookies()[0]["value"] == by["bob"]


@pytest.mark.parametrize("name", ["ann", "bob"])
def test_59_somebody_else_is_noticed_after_an_id_was_found_again(lab: Lab, name: str) -> None:
    page = same_origin(lab)
    visitor = lab.row("page_view")["visitor"]
    lab.until(lab.context.cookies)
    lose(page)
    lab.gate.hold = threading.Event()
    page.goto(lab.tracker.base + "/shop")
    lab.settle(page)
    page.evaluate("handraise('identify', { email: 'ann@brew.example' })")
    lab.gate.hold.set()
    page.wait_for_function(f"() => JSON.stringify(localStorage).includes('{visitor}')")
    page.evaluate("(name) => handraise('identify', { email: name + '@brew.example' })", name)
    ann, then = (row["visitor"] for row in lab.rows("identify", 2))
    assert ann == visitor
    assert (then == visitor) == (name == "ann")


@pytest.mark.parametrize("mode", ["ask", "off"])
def test_58_without_consent_there_is_no_cookie(lab: Lab, mode: str) -> None:
    lab.configure(consent=mode)
    page = same_origin(lab)
    page.evaluate("handraise('track', 'x')")
    if mode == "ask":
        assert lab.rows("page_view")
    page.evaluate("handraise('consent', true)")
    visitor = lab.row("consent")["visitor"]
    sent = [request.batch["c"] for request in lab.requests]
    assert sent[-1] == "granted"
    lab.until(lab.context.cookies)
    assert [cookie["value"] for cookie in lab.context.cookies()] == [visitor]


def test_58_another_origin_gets_no_cookie(lab: Lab) -> None:
    """Asked of the answer itself: no browser would keep a cookie of another origin's answer."""
    page = lab.new_page()
    with page.expect_response("**/e") as far:
        lab.visit("/", page)
    assert far.value.status == 202
    assert far.value.header_value("set-cookie") is None
    near = lab.new_page(lab.new_visitor())
    with near.expect_response("**/e") as got:
        same_origin(lab, near.context, near)
    assert "HttpOnly" in (got.value.header_value("set-cookie") or "")


# ------------------------------------------------------------ another domain


def two_domains(lab: Lab, path: str = "/there?a=1&b=%20#part") -> tuple[Page, str]:
    """A page with a link to the site's other domain, which is here under another name."""
    lab.configure({"handover": True}, own_hosts=("localhost", "127.0.0.1"))
    other = lab.host.origin.replace("127.0.0.1", "localhost")
    lab.host.page(
        "/",
        f'<a id="own" href="{other}{path}">shop</a> <a id="else" href="https://elsewhere.example">x</a>',
    )
    page = lab.visit("/")
    lab.rows("page_view")
    return page, other


def hover(page: Page, link: str = "#own") -> None:
    """Until a mark has come."""
    with page.expect_response("**/h/mark") as got:
        page.hover(link)
    assert got.value.ok
    got.value.finished()
    page.evaluate("() => new Promise((done) => setTimeout(done))")


def test_61_a_link_to_another_domain_of_the_site_takes_the_visitor_along(lab: Lab) -> None:
    page, other = two_domains(lab)
    visitor = lab.row("page_view")["visitor"]
    page.mouse.move(0, 300)
    page.wait_for_function(
        "() => performance.getEntriesByType('resource').some(one => /.h.c[.]/.test(one.name))"
    )
    hover(page)
    before = page.get_attribute("#own", "href")
    page.click("#own")
    page.wait_for_url(f"{other}/there?a=1&b=%20#part")
    views = lab.rows("page_view", 2)
    assert {row["visitor"] for row in views} == {visitor}
    assert [row["url"] for row in views] == [lab.host.origin + "/", other + "/there?a=1&b=%20"]
    assert "_hr=" in lab.host.got[-1] or "_hr=" in lab.host.got[-2]
    assert "_hr" not in str([dict(row) for row in lab.tracker.read(lab.site)])
    page.wait_for_function(f"() => JSON.stringify(localStorage).includes('{visitor}')")
    page.evaluate("handraise('track', 'there')")
    assert lab.row("track")["visitor"] == visitor
    assert before == f"{other}/there?a=1&b=%20#part"


def test_61_the_link_itself_stays_and_others_are_untouched(lab: Lab) -> None:
    page, other = two_domains(lab, "/there")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(
        """() => {
          window.seen = [];
          for (const link of document.links)
            new MutationObserver(() => seen.push(link.id + ' ' + link.href))
              .observe(link, { attributes: true });
        }"""
    )
    page.hover("#else")
    page.evaluate("document.querySelector('#else').onclick = () => false")
    page.click("#else")
    assert not [url for url in asked if url.endswith("/h/mark")]
    hover(page)
    page.click("#own", modifiers=["Control"])
    page.wait_for_function("() => seen.length == 2")
    assert page.get_attribute("#own", "href") == other + "/there"
    assert all(one.startswith("own ") for one in page.evaluate("seen"))


def test_61_a_page_that_cancels_the_click_never_sees_a_mark(lab: Lab) -> None:
    page, other = two_domains(lab, "/there")
    page.evaluate(
        """() => {
          window.copied = [];
          window.seen = 0;
          const link = document.querySelector('#own');
          new MutationObserver(() => seen++).observe(link, { attributes: true });
          for (const target of [link, document, window])
            target.addEventListener('click', (event) => copied.push(link.href));
          addEventListener('click', (event) => event.preventDefault());
        }"""
    )
    page.mouse.move(0, 300)
    page.wait_for_function(
        "() => performance.getEntriesByType('resource').some(one => /.h.c[.]/.test(one.name))"
    )
    hover(page)
    page.click("#own")
    page.evaluate("() => new Promise((done) => setTimeout(done))")
    assert page.evaluate("copied") == [other + "/there"] * 3
    assert page.evaluate("seen") == 0


@pytest.mark.parametrize("origin", ["https://evil.example", "null", ""])
def test_62_a_page_that_is_not_the_site_s_gets_no_mark(lab: Lab, origin: str) -> None:
    page, _ = two_domains(lab)
    body = {"k": lab.site.keys[0], "v": lab.row("page_view")["visitor"]}
    headers = {"Origin": origin} if origin else {}
    answer = page.request.post(lab.tracker.base + "/h/mark", data=body, headers=headers)
    assert answer.status == 403
    assert "own hosts" in answer.json()["detail"]


def strange(lab: Lab) -> tuple[str, str]:
    """Good, but in a link of a stranger, who has said to be a page of the site."""
    mark, other = marked(lab)
    return mark, other


def marked(lab: Lab) -> tuple[str, str]:
    """A good mark of a visitor, and the other domain."""
    page, other = two_domains(lab)
    visitor = lab.row("page_view")["visitor"]
    body = {"k": lab.site.keys[0], "v": visitor}
    headers = {"Origin": lab.host.origin}
    answer = page.request.post(lab.tracker.base + "/h/mark", data=body, headers=headers)
    return answer.json()["m"], other


def forged(lab: Lab) -> tuple[str, str]:
    mark, other = marked(lab)
    number, sign = mark.split(".")
    return f"{number}.{'B' if sign[0] == 'A' else 'A'}{sign[1:]}", other


def expired(lab: Lab) -> tuple[str, str]:
    _, other = marked(lab)
    state = lab.tracker.app.state
    late = state.clock() - LIFE_MS
    visitor = lab.row("page_view")["visitor"]
    return state.marks.make(lab.site.site_id, visitor, "127.0.0.1", late), other


def used(lab: Lab) -> tuple[str, str]:
    mark, other = marked(lab)
    elsewhere = lab.new_visitor()
    lab.visit("/", lab.new_page(elsewhere))
    page = lab.new_page(elsewhere)
    page.goto(f"{other}/first?_hr={mark}", referer=lab.host.origin + "/")
    first = lab.rows("page_view", 3)
    assert first[2]["visitor"] == first[0]["visitor"], "the mark was good once"
    return mark, other


@pytest.mark.parametrize(
    "make", [forged, expired, used, strange], ids=lambda make: str(make.__name__)
)
def test_62_a_mark_that_is_not_good_is_a_new_visitor(
    lab: Lab, make: Callable[[Lab], tuple[str, str]]
) -> None:
    mark, other = make(lab)
    before = {row["visitor"] for row in lab.rows("page_view")}
    page = lab.new_page(lab.new_visitor())
    come_from = "https://evil.example" if make is strange else lab.host.origin
    page.goto(f"{other}/there?_hr={mark}&a=1", referer=come_from + "/")
    page.wait_for_url(f"{other}/there?a=1")
    (view,) = lab.rows("page_view", 1, lambda row: "/there" in row["url"])
    assert view["visitor"] not in before
    assert view["flags"] & 1
    assert view["url"] == f"{other}/there?a=1"


def test_62_who_is_known_there_already_stays_themselves(lab: Lab) -> None:
    mark, other = marked(lab)
    page = lab.new_page(lab.new_visitor())
    page.goto(f"{other}/first")
    (first,) = lab.rows("page_view", 1, lambda row: "/first" in row["url"])
    page.goto(f"{other}/second?_hr={mark}", referer=lab.host.origin + "/")
    (second,) = lab.rows("page_view", 1, lambda row: "/second" in row["url"])
    assert second["visitor"] == first["visitor"]
