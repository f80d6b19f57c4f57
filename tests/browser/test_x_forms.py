"""Checklist G in every engine: forms that the page submits in its own ways."""

import threading

import pytest

from tests.browser.conftest import Either
from tests.browser.test_forms import CONTACT, EMAIL, SHADOW, form

ANN = "ann@brew.example"


def sent(either: Either, how: str) -> None:
    """What was sent is a row. A script's submission without a click is told from a draft by the
    Navigation API alone: an engine without it (Firefox before 147) must take none for the other."""
    if how == "script" and not either.page.evaluate("() => 'navigation' in self"):
        assert either.all_after(either.page, "form_submit") == []
    else:
        assert either.row("form_submit").form["email"] == ANN


@pytest.mark.parametrize("method", ["post", "get"])
def test_74_a_native_submit_is_a_row_with_its_fields(either: Either, method: str) -> None:
    either.host.page("/", form(EMAIL, f'id="contact" method="{method}" action="/thanks"'))
    page = either.visit("/")
    page.type("[name=email]", ANN)
    page.click("button")
    either.arrive("/thanks")
    row = either.row("form_submit")
    assert row.form == {"email": ANN}
    assert row["data"]["form"] == "contact"
    assert not row["data"].get("attempt")
    assert row["url"] == f"{either.host.origin}/"
    assert row["page_view"] == either.rows("page_view")[0]["event_id"]
    start = either.row("form_start")
    assert start["data"] == {"form": "contact", "fields": ["email"]}


@pytest.mark.parametrize("how", ["click", "script"])
def test_75_form_submit_by_script(either: Either, how: str) -> None:
    link = '<a href="#" onclick="document.forms[0].submit()">send</a>'
    either.host.page("/", CONTACT.replace("<button>Send</button>", "") + link)
    page = either.visit("/")
    page.type("[name=email]", ANN)
    if how == "click":
        page.click("a")
    else:
        page.evaluate("void setTimeout(() => document.forms[0].submit(), 1)")
    either.arrive("/thanks")
    sent(either, how)


def test_77_the_enter_key(either: Either) -> None:
    either.host.page("/", CONTACT)
    page = either.visit("/")
    page.type("[name=email]", ANN)
    page.press("Enter")
    assert either.row("form_submit").form["email"] == ANN


@pytest.mark.parametrize("how", ["button", "script"])
@pytest.mark.parametrize("depth", ["82 one shadow root", "83 nested"])
def test_82_83_forms_in_shadow_roots(either: Either, how: str, depth: str) -> None:
    page = either.visit("/")
    page.evaluate(SHADOW, CONTACT)
    if depth == "82 one shadow root":
        page.evaluate("(html) => { root.innerHTML = html; inner = root }", CONTACT)
    page.type("[name=email]", ANN)
    if how == "button":
        page.click("button")
    else:
        page.evaluate("void inner.querySelector('form').submit()")
    either.arrive("/thanks")
    sent(either, how)


def test_93_a_submission_with_a_slow_endpoint_is_stored(either: Either) -> None:
    either.gate.hold = threading.Event()
    either.host.page("/", CONTACT)
    page = either.visit("/")
    page.type("[name=email]", ANN)
    page.click("button")
    either.arrive("/thanks")
    either.gate.hold.set()
    assert either.row("form_submit").form["email"] == ANN
    assert len(either.all_after(page, "form_submit")) == 1
