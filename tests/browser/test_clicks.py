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
        "www": "https://brew.example/",
        "own": "https://shop.tea.example/",
        "other": "//abrew.example",
        "apex": "https://tea.example/",
        "sub": "https://shop.brew.example/",
    }
    page = clickable(
        lab,
        "".join(f'<a id="{name}" href="{to}">{name}</a> ' for name, to in links.items()),
        own_hosts=("www.brew.example", "*.tea.example"),
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
    assert [row["data"]["text"] for row in lab.all_after(page, "click")] == [
        "out",
        "other",
        "apex",
        "sub",
    ], "by the rule that the server has for referrers"


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


@pytest.mark.parametrize("whole", [False, True], ids=["without the address", "with it"])
def test_104_a_marked_link_keeps_the_address_to_itself_too(lab: Lab, whole: bool) -> None:
    mail = '<a id="{}" {} href="MailTo:ann@brew.example"><b>ann@brew.example</b></a>'
    page = clickable(
        lab,
        mail.format("itself", 'data-hr-event="mail"')
        + f'<div data-hr-event="card"><p id="words">Ask</p>{mail.format("within", "")}</div>',
        marks=True,
        addresses=whole,
    )
    page.evaluate("addEventListener('click', (event) => event.preventDefault())")
    for one in ("#itself b", "#words", "#within"):
        page.click(one)
    found = [row["data"].get("text", "") for row in lab.rows("click", 3)]
    address = "ann@brew.example"
    assert found == ([address, "Ask" + address, address] if whole else ["", "Ask", ""])
    assert whole or address not in str(lab.sent())


def test_103_what_is_private_within_is_left_out_of_the_text(lab: Lab) -> None:
    page = clickable(
        lab,
        """<div data-hr-event="card"><p id="in">Hello
          <i>there</i></p><p data-hr-ignore>Ann Smith, <b>12 Secret Road</b></p><!-- no -->
          <object data="/none"></object> end</div>""",
    )
    page.click("#in")
    assert lab.row("click")["data"]["text"] == "Hello there end"
    assert "Secret" not in str(lab.sent())


@pytest.mark.parametrize("where", ["#words", "#box"])
def test_103_a_click_on_a_label_is_one_click(lab: Lab, where: str) -> None:
    """The browser clicks on what the label is of, too, and that click comes by the label again."""
    page = clickable(
        lab,
        '<label data-hr-event="news"><input id="box" type="checkbox"><i id="words">News</i></label>'
        '<label for="far"><i id="plain">Far</i></label><input id="far" type="checkbox"'
        ' data-hr-event="far">',
    )
    page.click(where)
    assert page.is_checked("#box")
    assert len(lab.all_after(page, "click")) == 1
    page.click("#plain")
    page.click("#box")
    names = [row["data"]["name"] for row in lab.all_after(page, "click")]
    assert names == ["news", "far", "news"], "the next click counts again"


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
