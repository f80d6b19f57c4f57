"""What real pages do to a tag: old libraries, long forms, full storages, saved files, outages."""

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Lab
from tests.browser.test_consent import GPC, NOTHING, STORAGE

#: As Prototype.js did it.
TO_JSON = """
Array.prototype.toJSON = function () {
  return '[' + this.map((one) => JSON.stringify(one)).join(', ') + ']';
};
"""
EMAIL = '<input name="email" value="ann@brew.example">'
SEND = "<button>Send</button>"


def form(fields: str, attributes: str = 'action="/thanks" method="post"') -> str:
    return f'<form id="contact" {attributes}>{fields}{SEND}</form>'


def submitted(lab: Lab, body: str, prepare: str = "") -> dict[str, Any]:
    """What is sent of a form, and that it is stored."""
    lab.host.page("/contact", body)
    page = lab.visit("/contact")
    if prepare:
        page.evaluate(prepare)
    page.click("button")
    lab.rows("form_submit")
    sent = {event["i"]: event["d"] for event in lab.sent() if event["y"] == "form_submit"}
    assert len(sent) == 1
    return dict(next(iter(sent.values())))


def test_10_arrays_that_become_text_harm_no_later_page(lab: Lab) -> None:
    """What one page stores the next one reads."""
    lab.context.add_init_script(TO_JSON)
    lab.host.page(
        "/contact",
        form(f'{EMAIL}<label><input type="checkbox" name="terms">I agree</label>'),
    )
    page = lab.visit("/")
    for path in ("/two", "/three"):
        lab.visit(path, page)
    lab.visit("/contact", page)
    page.focus("[name=email]")
    page.keyboard.type("m")
    page.check("[name=terms]")
    page.click("button")
    page.wait_for_url("**/thanks")
    lab.settle(page)
    assert lab.paths(lab.rows("page_view", 5)) == ["/", "/two", "/three", "/contact", "/thanks"]
    assert lab.row("form_submit")["data"]["consent"]["ticked"] == ["terms"]
    assert lab.row("form_start")["data"]["fields"] == ["email", "terms"]


def test_14_a_saved_page_tells_nothing(lab: Lab, tmp_path: Path) -> None:
    saved = tmp_path / "saved.html"
    saved.write_text(f"<script src='{lab.script}'></script>{form(EMAIL)}")
    page = lab.new_page()
    page.goto(saved.as_uri())
    page.evaluate("window.handraise && handraise('track', 'x')")
    page.evaluate("document.forms[0].requestSubmit()")
    other = lab.visit("/")
    assert [row["kind"] for row in lab.all_after(other)] == ["page_view"]
    assert {event.get("u") for event in lab.sent()} == {f"{lab.host.origin}/"}


def test_4_who_has_kept_the_stub_is_still_heard(lab: Lab) -> None:
    stub = (
        "<script>window.handraise=window.handraise||function(){(handraise.q=handraise.q||[])"
        ".push([Date.now(),...arguments])}; const kept = handraise</script>"
    )
    lab.host.page("/", head=stub)
    page = lab.visit("/")
    page.evaluate("kept('track', 'late')")
    assert lab.row("track")["data"]["name"] == "late"


def test_33_excluded_pages_leave_no_gap_and_no_trace(lab: Lab) -> None:
    lab.configure({"exclude": ["/admin*"]})
    page = lab.visit("/one")
    for path in ("/admin/a", "/admin/b", "/two"):
        page.evaluate("(path) => history.pushState(null, '', path)", path)
        page.evaluate("() => new Promise((done) => setTimeout(done))")
    two = lab.rows("page_view", 2)[1]
    rows = lab.all_after(page)
    assert sorted(row["q"] for row in rows) == list(range(1, len(rows) + 1))
    assert two["referrer"] == f"{lab.host.origin}/one"
    assert "admin" not in str(lab.sent())


def test_33_an_excluded_page_confirms_a_form_without_its_name(lab: Lab) -> None:
    lab.configure({"exclude": ["/thanks*"]})
    lab.host.page("/", form(EMAIL))
    page = lab.visit("/")
    page.click("button")
    page.wait_for_url("**/thanks")
    row = lab.row("form_confirm")
    assert row["url"] == f"{lab.host.origin}/"
    assert "thanks" not in str(lab.all_after(page))


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1111 12/27",
        "4111111111111111 123",
        "4111-1111-1111-1111 exp 12 27 cvc 123",
        "order 77 4111 1111 1111 1111 88",
    ],
)
def test_86_a_card_beside_other_numbers_is_not_sent(lab: Lab, text: str) -> None:
    sent = submitted(lab, form(f'{EMAIL}<input name="note" value="{text}">'))
    assert "note" not in sent["fields"]


@pytest.mark.parametrize(
    "text", ["+4915123456789 12", "4111 1111 1111 1112 12/27", "1 2 3 4 5 6 7 8 9", "0" * 25]
)
def test_86_other_numbers_are(lab: Lab, text: str) -> None:
    sent = submitted(lab, form(f'{EMAIL}<input name="note" value="{text}">'))
    assert sent["fields"]["note"] == text


def test_86_89_words_inside_other_words_hide_nothing(lab: Lab) -> None:
    names = ("businessName", "passengers", "footprint", "secretary", "cardiology", "acc-type")
    inputs = "".join(f'<input name="{name}" value="v">' for name in names)
    secrets = ("cardId", "secretAnswer", "userSsn", "smsOtp", "otp_retry", "passCode", "ssn-no")
    inputs += "".join(f'<input name="{name}" value="v">' for name in secrets)
    sent = submitted(lab, form(EMAIL + inputs))
    assert sorted(sent["fields"]) == sorted(["email", *names])


@pytest.mark.parametrize(
    ("attributes", "taken"),
    [
        ('action="/payment-solutions/#form" method="post"', True),
        ('action="/web-designing/" method="post"', True),
        ('action="/market-research/" method="post"', True),
        ('action="/job-search/" method="post"', True),
        ('action="/catalog-inquiry" method="post"', True),
        ('action="/search"', False),
        ('action="/en/search/results" method="get"', False),
        ('action="/login" method="post"', False),
        ('action="/shop/checkout?step=1" method="post"', False),
        ('action="/payment" method="post"', False),
    ],
)
def test_89_pages_about_payment_or_research_have_forms_too(
    lab: Lab, attributes: str, taken: bool
) -> None:
    lab.host.page("/contact", form(EMAIL, attributes))
    page = lab.visit("/contact")
    lab.rows("page_view")
    page.evaluate("document.forms[0].addEventListener('submit', (e) => e.preventDefault())")
    page.click("button")
    assert bool(lab.all_after(page, "form_submit")) is taken


def test_92_what_does_not_fit_is_told_and_the_rest_still_sent(lab: Lab) -> None:
    """Three full text areas in front of the address, in three bytes a character."""
    areas = "".join(f'<textarea name="m{n}"></textarea>' for n in range(4))
    sent = submitted(
        lab,
        form(areas + EMAIL),
        "for (const t of document.querySelectorAll('textarea')) t.value = '語'.repeat(4000)",
    )
    assert sorted(sent["fields"]) == ["email", "m0"]
    row = lab.row("form_submit")
    assert row.form["email"] == "ann@brew.example"
    assert row["flags"] & 512


def test_52_page_after_page_of_an_outage_keeps_a_hundred(lab: Lab) -> None:
    lab.gate.answers.extend([503] * 400)
    page = lab.new_page()
    for number in range(4):
        lab.visit(f"/{number}", page)
        page.evaluate("for (let n = 0; n < 40; n++) handraise('track', 'n' + n)")
    lab.visit("/last", page)
    count = page.evaluate(
        """() => Object.keys(localStorage).map((key) => localStorage[key])
          .filter((text) => text[0] == '[').flatMap((text) => JSON.parse(text)).length"""
    )
    assert 90 <= count <= 102  # the page's own view, and its end, come after the cut


def test_49_a_reload_while_an_answer_is_waited_for_loses_no_view(lab: Lab) -> None:
    """The second page has taken the first one's view over, and is left before any answer."""
    lab.gate.answers.extend([503] * 2)
    page = lab.visit("/one")
    page.wait_for_function(
        "() => Object.keys(localStorage).some((k) => localStorage[k].includes('page_view'))"
    )
    page.evaluate("window.stop()")
    lab.context.route("**/e", lambda _: None)  # never answered
    lab.visit("/two", page)
    kept = page.evaluate("JSON.stringify(localStorage)")
    assert "/one" in kept
    lab.context.unroute("**/e")
    lab.gate.answers.clear()
    lab.visit("/three", page)
    assert sorted(lab.paths(lab.rows("page_view", 3))) == ["/one", "/three", "/two"]


def test_9_a_full_storage_leaves_nothing_stale(lab: Lab) -> None:
    """What no longer fits goes into a cookie, and nothing older stands before it."""
    lab.configure(consent="ask")
    page = lab.visit("/")
    page.evaluate(
        """() => {
          const fill = (size) => {
            try { for (let n = 0; ; n++) localStorage['x' + size + n] = 'x'.repeat(size); } catch {}
          };
          localStorage['handraise.' + handraise.key] = '';
          for (const size of [1e6, 1e4, 100, 10, 1]) fill(size);
        }"""
    )
    page.evaluate("handraise('consent', true)")
    lab.rows("consent")
    lab.visit("/two", page)
    views = lab.rows("page_view", 2)
    assert views[-1]["consent"] == 1
    assert len({row["visitor"] for row in lab.rows("consent") + views[-1:]}) == 1


def test_68_an_objection_may_be_counted_without_anybody(lab: Lab) -> None:
    """A view is stored as a view and nobody's: no visitor, tab, device or place."""
    lab.configure(count_refused=True)
    lab.context.add_init_script(GPC)
    page = lab.visit("/pricing")
    row = lab.row("page_view")
    assert (row["visitor"], row["tab"], row["flags"] & 32) == ("", None, 32)
    assert row["url"].endswith("/pricing")
    assert page.evaluate(STORAGE) == NOTHING
    page.evaluate("handraise('consent', false)")
    lab.visit("/two", page)
    assert [one["d"].get("state") for one in lab.sent() if one["y"] == "consent"] == ["denied"]
    assert lab.paths(lab.rows("page_view")) == ["/pricing"]


def test_86_what_is_never_read_is_told_by_its_name(lab: Lab) -> None:
    """For the owner, who sees in the preview what the tag leaves alone and why."""
    secrets = '<input name="pw" type="password"><input name="csrf" type="hidden" value="leak">'
    lab.host.page("/", form(f'{EMAIL}<input name="a"><input name="b">{secrets}'))
    page = lab.visit("/")
    page.focus("[name=email]")
    page.keyboard.type("m")
    row = lab.row("form_start")
    assert row["data"]["fields"] == ["email", "a", "b"]
    assert row["data"]["unread"] == ["pw:password", "csrf:hidden"]
    assert "leak" not in str(lab.sent())
