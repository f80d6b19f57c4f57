"""Checklist I: clicks, by the part that only sites which want it load."""

from typing import Any

import pytest
from playwright.sync_api import Page

from server.web.widget import optional_hash
from tests.browser.conftest import Lab
from tests.browser.test_security_headers import HERE, POLICIES, policed

ALL = {"links": True, "downloads": True, "marks": True}
AWAY = "https://elsewhere.example/there"


def clickable(lab: Lab, body: str, own_hosts: tuple[str, ...] = (), **widget: Any) -> Page:
    """A page with this body whose site wants these; nothing outside is ever really asked."""
    lab.configure(widget or ALL, own_hosts=own_hosts)
    lab.host.page("/", body)
    lab.context.route("https://elsewhere.example/**", lambda route: route.fulfill(body="there"))
    page = lab.new_page()
    with page.expect_response(f"**/h/c.{optional_hash()}.js") as got:
        lab.visit("/", page)
    assert got.value.status == 200
    got.value.finished()
    page.evaluate("name => import(name)", got.value.url)  # it has been run when this is answered
    lab.rows("page_view")
    return page


@pytest.mark.parametrize(
    "how",
    [{}, {"button": "middle"}, {"modifiers": ["Control"]}],
    ids=["left", "middle", "ctrl"],
)
def test_100_a_link_that_leads_away_is_one_event(lab: Lab, how: dict[str, Any]) -> None:
    page = clickable(lab, f'<a href="{AWAY}?utm_source=x#part">To  them</a>')
    page.click("a", **how)
    if how:
        lab.until(lambda: len(lab.context.pages) == 2)
        assert len(lab.context.pages) == 2
        assert page.url == lab.host.origin + "/"
    else:
        page.wait_for_url(AWAY + "*")
    row = lab.row("click")
    assert row["data"]["href"] == AWAY
    assert row["data"]["text"] == "To them"
    assert row["page_view"] == lab.row("page_view")["event_id"]


def test_100_the_host_may_stop_the_click_and_a_way_within_is_no_way_out(lab: Lab) -> None:
    links = {
        "out": AWAY,
        "in": "/next",
        "own": "https://shop.brew.example/",
        "other": "//abrew.example",
    }
    page = clickable(
        lab,
        "".join(f'<a id="{name}" href="{to}">{name}</a> ' for name, to in links.items()),
        own_hosts=("brew.example",),
    )
    page.evaluate(
        """addEventListener('click', (event) => {
          event.preventDefault();
          event.stopImmediatePropagation();
        }, true)"""
    )
    page.click("#out", button="right")
    for name in links:
        page.click(f"#{name}")
    assert [row["data"]["text"] for row in lab.all_after(page, "click")] == ["out", "other"]


def test_101_a_child_a_drawing_and_an_address_set_late(lab: Lab) -> None:
    page = clickable(
        lab,
        f'<a id="outer" href="{AWAY}/1"><b><i id="child">deep</i></b></a>'
        '<svg width="50" height="20"><a href="https://elsewhere.example/there/2">'
        '<rect id="drawn" width="50" height="20"/></a></svg>'
        '<a id="late" href="#">late</a><a id="broken" href="https://[">broken</a>'
        '<a id="none">none</a><div id="shadow"></div>',
    )
    page.evaluate(
        """() => {
          addEventListener('click', (event) => event.preventDefault());
          late.onpointerdown = () => (late.href = 'https://elsewhere.example/there/3');
          shadow.attachShadow({ mode: 'open' }).innerHTML =
            '<a href="https://elsewhere.example/there/4"><span id="within">in it</span></a>';
        }"""
    )
    for one in ("#child", "#drawn", "#late", "#broken", "#none", "#within"):
        page.click(one)
    found = [row["data"]["href"] for row in lab.all_after(page, "click")]
    assert found == [f"{AWAY}/{number}" for number in range(1, 5)]


def test_102_a_file_is_a_download_and_the_browser_still_gets_it(lab: Lab) -> None:
    page = clickable(
        lab,
        '<a id="pdf" href="/guide.PDF?v=2">Guide</a><a id="named" href="/made" download="x.bin">'
        "Made</a>" + f'<a id="away" href="{AWAY}/list.pdf">List</a>',
    )
    for link in ("#pdf", "#named"):
        page.evaluate(
            "(id) => document.querySelector(id).setAttribute('download', 'file.pdf')", link
        )
        with page.expect_download() as got:
            page.click(link)
        assert got.value.suggested_filename
    page.click("#away", modifiers=["Control"])
    downloads = [row["data"] for row in lab.rows("download", 2)]
    assert [one["href"] for one in downloads] == [
        lab.host.origin + "/guide.PDF?v=2",
        lab.host.origin + "/made",
    ]
    assert [one["text"] for one in downloads] == ["Guide", "Made"]
    assert [row["data"]["href"] for row in lab.rows("click")] == [AWAY + "/list.pdf"]


def test_102_an_extension_alone_makes_a_download(lab: Lab) -> None:
    page = clickable(lab, '<a href="/guide.pdf">Guide</a>', downloads=True)
    page.click("a")
    page.wait_for_url("**/guide.pdf")
    assert lab.row("download")["data"]["href"] == lab.host.origin + "/guide.pdf"


def test_103_a_mark_comes_before_a_way_out_and_that_before_a_download(lab: Lab) -> None:
    page = clickable(
        lab,
        '<button id="plain" data-hr-event="try">Try it</button>'
        f'<a id="both" data-hr-event="buy" href="{AWAY}/list.pdf"><b id="child">Buy</b></a>'
        '<div data-hr-event="card"><p id="inside">words</p></div><div id="later"></div>'
        '<p data-hr-ignore><button id="private" data-hr-event="no">No</button></p>',
    )
    page.evaluate(
        """() => {
          addEventListener('click', (event) => event.preventDefault());
          later.innerHTML = '<button id="dynamic" data-hr-event="new">New</button>';
        }"""
    )
    for one in ("#plain", "#child", "#inside", "#dynamic", "#private"):
        page.click(one)
    found = [row["data"] for row in lab.all_after(page, "click")]
    assert [one["name"] for one in found] == ["try", "buy", "card", "new"]
    assert [one.get("href") for one in found] == [None, AWAY + "/list.pdf", None, None]
    assert [one["text"] for one in found] == ["Try it", "Buy", "words", "New"]
    assert lab.tracker.read(lab.site, "download") == []


@pytest.mark.parametrize("whole", [False, True], ids=["without the address", "with it"])
def test_104_mail_and_telephone_links(lab: Lab, whole: bool) -> None:
    page = clickable(
        lab,
        '<a id="mail" href="mailto:ann@brew.example?subject=Hi">ann@brew.example</a>'
        '<a id="tel" href="tel:+4930123456">Call</a>',
        links=True,
        addresses=whole,
    )
    page.evaluate("addEventListener('click', (event) => event.preventDefault())")
    page.click("#mail")
    page.click("#tel")
    found = [row["data"]["href"] for row in lab.rows("click", 2)]
    assert found == (
        ["mailto:ann@brew.example", "tel:+4930123456"] if whole else ["mailto:", "tel:"]
    )
    if not whole:
        assert "ann@" not in str(lab.sent())


@pytest.mark.parametrize("number", POLICIES)
def test_130_131_132_133_134_135_the_optional_part_keeps_a_strict_policy(
    lab: Lab, number: str
) -> None:
    lab.configure(ALL)
    page = policed(
        lab, {"Content-Security-Policy": POLICIES[number].replace(HERE, lab.tracker.base)}
    )
    button = "document.body.insertAdjacentElement('beforeend', document.createElement('button'))"
    page.evaluate(button + ".setAttribute('data-hr-event', 'try')")
    page.wait_for_function(
        "() => (document.querySelector('button').click(), performance"
        ".getEntriesByType('resource').some((one) => /[/]h[/]c[.]/.test(one.name)))"
    )
    page.evaluate("document.querySelector('button').click()")
    assert lab.rows("click")[0]["data"]["name"] == "try"
    assert page.evaluate("violations") == []


def test_100_without_the_setting_nothing_more_is_loaded(lab: Lab) -> None:
    lab.configure({"search": True})
    lab.host.page("/", f'<a href="{AWAY}">a</a>')
    asked: list[str] = []
    page = lab.new_page()
    page.on("request", lambda request: asked.append(request.url))
    lab.visit("/", page)
    page.evaluate("addEventListener('click', (event) => event.preventDefault())")
    page.click("a")
    assert lab.all_after(page, "click") == []
    assert not [url for url in asked if "/h/c." in url]
