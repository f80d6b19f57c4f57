"""Checklist G: what the page has marked with `data-hr-form` to be taken for a form."""

import pytest
from playwright.sync_api import Page

from server.model import FormRule
from tests.browser.conftest import Lab
from tests.browser.test_forms import EMAIL, SHADOW, fill, submission
from tests.browser.tracker import Row

SEND = '<button type="button">Send</button>'
NAME = '<input name="name">'
FIELDS = EMAIL + NAME + '<input name="p" type="password"><input name="cvv">'


def container(fields: str = FIELDS, button: str = SEND, marks: str = "=contact") -> str:
    return f"<div data-hr-form{marks}>{fields}{button}</div>"


def visit(lab: Lab, body: str) -> Page:
    """A page with this body, on a site that wants containers."""
    lab.configure({"containers": True})
    lab.host.page("/", body)
    return lab.visit("/")


def submissions(lab: Lab, page: Page) -> list[Row]:
    return lab.all_after(page, "form_submit")


def test_78_a_button_in_a_container_sends_its_fields_once(lab: Lab) -> None:
    page = visit(lab, container())
    fill(page)
    page.fill("[name=name]", "Ann")
    page.fill("[name=p]", "leak-a")
    page.fill("[name=cvv]", "leak-b")
    assert lab.row("form_start")["data"] == {
        "form": "contact",
        "fields": ["email", "name"],
        "unread": ["p:password", "cvv:text"],
    }
    assert "ann@" not in str(lab.sent()), "nothing before the button"
    page.dblclick("button")
    row = submission(lab)
    assert row["data"]["form"] == "contact"
    assert row.form == {"email": "ann@brew.example", "name": "Ann"}
    assert row["data"]["ids"] == {"email": "ann@brew.example"}
    assert row["data"]["attempt"] == 1
    assert len(submissions(lab, page)) == 1
    assert "leak" not in str(lab.sent())
    page.evaluate("history.pushState(null, '', '/thanks')")
    assert lab.row("form_confirm")["data"] == {"of": row["event_id"]}


def test_78_a_container_that_goes_has_arrived_and_one_left_by_a_link_has_not(lab: Lab) -> None:
    page = visit(lab, container() + '<a href="/next">on</a>')
    page.clock.install()
    page.reload()
    lab.settle(page)
    fill(page)
    page.click("button")
    page.click("a")
    page.wait_for_url("**/next")
    page.goto(lab.host.origin + "/")
    lab.settle(page)
    fill(page)
    page.click("button")
    page.evaluate("document.querySelector('[data-hr-form]').remove()")
    page.clock.run_for(5000)
    page.clock.run_for(400)
    sent = lab.rows("form_submit", 2)
    assert lab.row("form_confirm")["data"] == {"of": sent[1]["event_id"]}


@pytest.mark.parametrize(
    ("fields", "button"),
    [
        (EMAIL.replace(">", " required>"), SEND),
        ('<input name="email" type="email" value="half@">', SEND),
        (EMAIL, '<a href="#privacy">read</a>'),
        (EMAIL, "<button data-hr-ignore>Cancel</button>"),
        (f"<p data-hr-ignore>{EMAIL}</p>", SEND),
        (f'<form id="demo" onsubmit="return false">{EMAIL}</form>', SEND),
    ],
    ids=["empty", "invalid", "a link", "ignored button", "ignored field", "a form's own field"],
)
def test_85_a_container_sends_nothing_that_is_not_its_own_and_whole(
    lab: Lab, fields: str, button: str
) -> None:
    page = visit(lab, container(fields, button))
    if "required" not in fields and "value" not in fields:
        fill(page)
    page.click("a,button")
    assert submissions(lab, page) == []
    assert "ann@" not in str(lab.sent())


@pytest.mark.parametrize("button", ["button", "submit"])
def test_91_a_marked_form_is_one_submission_by_either_kind_of_button(lab: Lab, button: str) -> None:
    html = f'<form id="contact" data-hr-form onsubmit="return false">{EMAIL}'
    page = visit(lab, f'{html}<button type="{button}">Send</button></form>')
    fill(page)
    page.click("button")
    (row,) = submissions(lab, page)
    assert (row["data"]["form"], row["data"]["attempt"]) == ("contact", 1)
    assert row.form == {"email": "ann@brew.example"}


def test_82_a_button_in_a_shadow_root_sends_the_container_around_it(lab: Lab) -> None:
    page = visit(lab, container(EMAIL, "<div id=place></div>"))
    page.evaluate(SHADOW.replace("document.body", "document.querySelector('#place')"), SEND)
    fill(page)
    page.locator("button").click()
    assert submission(lab).form == {"email": "ann@brew.example"}


def test_89_containers_and_fields_the_owner_denies_are_not_read(lab: Lab) -> None:
    rules = (FormRule("contact", deny=("name",)), FormRule("demo", purpose="login"))
    lab.configure({"containers": True}, forms=rules)
    other = '<input name="other">'
    lab.host.page("/", container(EMAIL + NAME) + container(other, SEND, "=demo"))
    page = lab.visit("/")
    fill(page)
    page.fill("[name=name]", "Ann")
    page.fill("[name=other]", "ben@brew.example")
    for button in page.locator("button").all():
        button.click()
    (row,) = submissions(lab, page)
    assert row.form == {"email": "ann@brew.example"}
    assert "Ann'" not in str(lab.sent())
    assert "ben@" not in str(lab.sent())


def test_87_without_the_setting_a_container_is_no_form(lab: Lab) -> None:
    lab.configure({"marks": True})
    lab.host.page("/", container())
    page = lab.visit("/")
    fill(page)
    page.click("button")
    assert [event["y"] for event in lab.sent() if event["y"].startswith("form")] == []
    assert submissions(lab, page) == []
    assert "ann@" not in str(lab.sent())
