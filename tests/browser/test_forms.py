"""Checklist G: form capture."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Lab
from tests.browser.tracker import Row

SENDS = """document.forms[0].addEventListener('submit', (event) => {
  event.preventDefault();
  const body = new URLSearchParams(new FormData(event.target));
  fetch('/api', { method: 'POST', body });
})"""


def form(fields: str, attributes: str = 'id="contact" method="post" action="/thanks"') -> str:
    return f"<form {attributes}>{fields}<button>Send</button></form>"


EMAIL = '<input name="email" type="email">'
CONTACT = form(EMAIL + '<input name="name">')


def fill(page: Page, email: str = "ann@brew.example") -> None:
    page.fill("[name=email]", email)


def submission(lab: Lab) -> Row:
    return lab.row("form_submit")


def test_76_request_submit(lab: Lab) -> None:
    lab.host.page("/", CONTACT)
    page = lab.visit("/")
    fill(page)
    page.evaluate("document.forms[0].requestSubmit()")
    assert submission(lab).form["email"] == "ann@brew.example"


def test_78_a_form_sent_by_fetch_is_an_attempt_and_untouched(lab: Lab) -> None:
    lab.host.page("/", CONTACT)
    page = lab.visit("/")
    page.evaluate(SENDS)
    fill(page)
    page.click("button")
    row = submission(lab)
    assert row["data"]["attempt"] == 1
    lab.until(lambda: lab.host.posted)  # the site hears of it in its own time
    assert [posted.body for posted in lab.host.posted] == [b"email=ann%40brew.example&name="]
    assert len(lab.all_after(page, "form_submit")) == 1


def test_79_a_submit_stopped_by_the_host_is_captured(lab: Lab) -> None:
    stop = "<script>addEventListener('submit', (e) => e.stopImmediatePropagation(), true)</script>"
    lab.host.tag = stop + lab.host.tag
    lab.host.page("/", CONTACT)
    page = lab.visit("/")
    fill(page)
    page.click("button")
    page.wait_for_url("**/thanks")
    assert submission(lab).form["email"] == "ann@brew.example"


def test_80_forms_that_come_later_or_are_replaced(lab: Lab) -> None:
    page = lab.visit("/")
    for email in ("ann@brew.example", "ben@brew.example"):
        page.evaluate("(html) => { document.body.innerHTML = html }", CONTACT)
        page.evaluate("document.forms[0].onsubmit = () => false")
        fill(page, email)
        page.click("button")
    rows = lab.rows("form_submit", 2)
    assert [row.form["email"] for row in rows] == ["ann@brew.example", "ben@brew.example"]


def test_81_a_controlled_form_has_the_right_values(lab: Lab) -> None:
    """As React does it: the value lives in state, is written back, and cleared on submit."""
    lab.host.page("/", form('<input id="email" type="email">', 'id="contact"'))
    page = lab.visit("/")
    page.evaluate(
        """() => {
          const input = document.querySelector('input');
          let state = '';
          input.oninput = () => { state = input.value.trim(); input.value = state };
          document.addEventListener('submit', async (event) => {
            event.preventDefault();
            input.value = '';
            await fetch('/api', { method: 'POST', body: JSON.stringify({ email: state }) });
          });
        }"""
    )
    page.locator("input").press_sequentially("ann@brew.example")
    page.click("button")
    assert submission(lab).form == {"email": "ann@brew.example"}


SHADOW = """(html) => {
  const attach = (parent, html) => {
    const host = document.createElement('div');
    parent.append(host);
    const root = host.attachShadow({ mode: 'open' });
    root.innerHTML = html;
    return root;
  };
  window.root = attach(document.body, '<section></section>');
  window.inner = attach(root.querySelector('section'), html);
}"""


def test_84_inputs_named_like_properties_of_the_form(lab: Lab) -> None:
    names = ("id", "name", "action", "submit", "elements", "method", "target", "length")
    fields = "".join(f'<input name="{name}" value="{name} x">' for name in names)
    lab.host.page("/", form(EMAIL + fields))
    page = lab.visit("/")
    fill(page)
    page.click("button")
    row = submission(lab)
    assert row["data"]["form"] == "contact"
    assert row.form == {"email": "ann@brew.example"} | {name: f"{name} x" for name in names}


def test_85_an_invalid_form_is_nothing_unless_the_page_says_so(lab: Lab) -> None:
    required = '<input name="email" type="email" required><input name="name" value="Ann">'
    lab.host.page("/", form(required))
    lab.host.page("/free", form(required, 'id="contact" novalidate method="post" action="/thanks"'))
    lab.host.page("/button", form(required).replace("<button>", "<button formnovalidate>"))
    page = lab.visit("/")
    page.click("button")
    assert lab.all_after(page, "form_submit") == []
    for path in ("/free", "/button"):
        lab.visit(path, page)
        page.click("button")
        page.wait_for_url("**/thanks")
    assert [row.form for row in lab.rows("form_submit", 2)] == [{"name": "Ann"}] * 2


SECRET_FIELDS = """
<input name="email"><input name="company" value="Brew">
<input name="a1" type="password" value="leak-a">
<input name="a2" type="password" value="leak-b" id="shown">
<input name="a3" type="hidden" value="leak-c"><input name="a4" type="file">
<input name="a5" autocomplete="cc-number" value="leak-d">
<input name="a6" autocomplete="one-time-code" value="leak-e">
<input name="a7" autocomplete="current-password" value="leak-f">
<input name="card_no" value="leak-g"><input name="cvv" value="leak-h">
<input name="userSsn" value="leak-i"><input name="iban" value="leak-j">
<input name="otp" value="leak-k"><input name="api_token" value="leak-l">
<input name="csrf" value="leak-m"><input name="note" value="pay with 4111 1111-1111 1111 please">
<div data-hr-ignore><input name="a8" value="leak-n"></div>
<input name="a9" value="leak-o" data-hr-ignore><div contenteditable>leak-p</div>
<input name="order" value="4111111111111112"><input name="tel" type="tel" value="+4915123456789">
"""


def test_86_what_must_never_be_sent_is_not(lab: Lab) -> None:
    lab.host.page("/", form(SECRET_FIELDS))
    page = lab.visit("/")
    fill(page)
    page.focus("#shown")
    page.evaluate("document.querySelector('#shown').type = 'text'")
    page.click("button")
    assert submission(lab).form["email"] == "ann@brew.example"
    wire = str(lab.sent())
    assert "leak" not in wire
    assert "4111 1111" not in wire
    assert {event["y"] for event in lab.sent()} >= {"form_submit"}
    sent: dict[str, Any] = next(e["d"]["fields"] for e in lab.sent() if e["y"] == "form_submit")
    assert sorted(sent) == ["company", "email", "order", "tel"]


def test_86_a_mark_reaches_into_shadow_roots(lab: Lab) -> None:
    page = lab.visit("/")
    page.evaluate(SHADOW, CONTACT)
    page.evaluate("root.host.setAttribute('data-hr-ignore', '')")
    page.locator("[name=email]").fill("ann@brew.example")
    page.locator("button").click()
    page.wait_for_url("**/thanks")
    lab.settle(page)
    assert lab.all_after(page, "form_submit") == []
    assert "brew" not in str(lab.sent())


def test_87_nothing_is_sent_while_typing_even_if_the_page_reads_the_form(lab: Lab) -> None:
    """A draft saved with every key press builds the form's data, too."""
    lab.host.page("/", CONTACT)
    page = lab.visit("/")
    page.evaluate("document.forms[0].oninput = () => new FormData(document.forms[0])")
    page.locator("[name=email]").press_sequentially("half-typed@brew.ex")
    lab.all_after(page)
    assert "half" not in str(lab.sent())


def test_88_leaving_without_submitting_sends_no_values(lab: Lab) -> None:
    lab.host.page("/", CONTACT + '<a href="/next">away</a>')
    page = lab.visit("/")
    page.evaluate("document.forms[0].oninput = () => new FormData(document.forms[0])")
    fill(page)
    page.evaluate("location.href = '/next'")
    page.wait_for_url("**/next")
    lab.settle(page)
    assert lab.all_after(page, "form_submit") == []
    assert "ann@" not in str(lab.sent())
    assert len(lab.rows("form_start")) == 1


@pytest.mark.parametrize(
    "html",
    [
        form('<input name="q" value="secret words">', 'role="search" action="/find"'),
        form('<input name="q" value="words">', 'action="/search"'),
        form('<input name="q" type="search" value="words">', 'action="/find"'),
        form(EMAIL + '<input name="p" type="password" value="x">', 'action="/enter"'),
        form(EMAIL, 'action="/login" method="post"'),
        form(
            '<input name="user" value="ann"><input type="checkbox" name="stay" checked>'
            '<input type="password" name="p" value="x">',
            'action="/enter"',
        ),
        form('<input name="email" value="a@b.example">', 'action="/checkout" method="post"'),
        f"<div data-hr-ignore>{CONTACT}</div>",
    ],
)
def test_89_search_sign_in_and_payment_are_ignored(lab: Lab, html: str) -> None:
    lab.host.page("/", html)
    page = lab.visit("/")
    page.evaluate("document.forms[0].onsubmit = () => false")
    if page.locator("[name=email]").count():
        fill(page)
    page.click("button")
    assert lab.all_after(page, "form_submit") == []
    assert [e for e in lab.sent() if e["y"].startswith("form")] == []


def test_89_forms_and_fields_the_owner_denies_are_not_read(lab: Lab) -> None:
    rules = (
        {"key": "contact", "deny": ("name",)},
        {"key": "demo", "purpose": "login"},
    )
    lab.configure(forms=tuple(type(lab.site.settings.forms[0])(**rule) for rule in rules))
    lab.host.page("/", CONTACT)
    lab.host.page("/demo", form(EMAIL, 'id="demo" method="post" action="/thanks"'))
    page = lab.visit("/demo")
    fill(page)
    page.click("button")
    page.wait_for_url("**/thanks")
    lab.visit("/", page)
    fill(page)
    page.fill("[name=name]", "Ann")
    page.click("button")
    assert submission(lab).form == {"email": "ann@brew.example"}
    assert "Ann'" not in str(lab.sent())


FIELDS = """
<input name="email" value="ann@brew.example"><input name="off" value="x" disabled>
<fieldset disabled><input name="set" value="x"></fieldset>
<input type="checkbox" name="no"><input type="checkbox" name="yes" value="agreed" checked>
<input type="checkbox" name="many" value="one" checked>
<input type="checkbox" name="many" value="two" checked>
<input type="radio" name="size" value="s"><input type="radio" name="size" value="l" checked>
<select name="pick"><option value="1">a<option value="2" selected>b</select>
<select name="multi" multiple><option selected>x<option>y<option selected>z</select>
<textarea name="message">line
two</textarea>
"""


def test_90_what_a_browser_would_send_is_what_is_read(lab: Lab) -> None:
    outside = '<input name="outside" value="far" form="contact">'
    lab.host.page("/", form(FIELDS) + outside)
    page = lab.visit("/")
    page.click("button")
    assert submission(lab).form == {
        "email": "ann@brew.example",
        "yes": "agreed",
        "many": ["one", "two"],
        "size": "l",
        "pick": "2",
        "multi": ["x", "z"],
        "message": "line\ntwo",
        "outside": "far",
    }


def test_91_one_submission_by_two_ways_is_one_row_and_two_are_two(lab: Lab) -> None:
    lab.host.page("/", CONTACT)
    page = lab.new_page()
    page.clock.install()
    lab.visit("/", page)
    page.evaluate(SENDS)
    fill(page)
    page.click("button")
    page.evaluate("new FormData(document.forms[0])")
    page.clock.run_for(2000)
    page.click("button")
    page.clock.run_for(500)
    lab.rows("form_submit", 2)
    assert len(lab.tracker.read(lab.site, "form_submit")) == 2


def test_92_long_and_many_fields_are_cut_and_flagged(lab: Lab) -> None:
    many = "".join(f'<input name="f{n}" value="{n}">' for n in range(60))
    lab.host.page("/", form(EMAIL + '<input name="name"><textarea name="message"></textarea>'))
    lab.host.page("/many", form(EMAIL + many))
    lab.host.page("/big", form(EMAIL + '<textarea name="m"></textarea>' * 9))
    page = lab.visit("/")
    fill(page)
    page.fill("[name=name]", "n" * 1500)
    page.fill("[name=message]", "é" * 9000)
    page.click("button")
    page.wait_for_url("**/thanks")
    row = submission(lab)
    assert (len(row.form["name"]), len(row.form["message"])) == (1000, 8000)
    assert row["flags"] & 512
    lab.visit("/many", page)
    fill(page)
    page.click("button")
    assert len(lab.rows("form_submit", 2)[1].form) == 50
    lab.visit("/big", page)
    fill(page)
    page.evaluate(
        "for (const t of document.querySelectorAll('textarea')) t.value = '語'.repeat(2000)"
    )
    page.click("button")
    big = lab.rows("form_submit", 3)[2]
    assert big.form["email"] == "ann@brew.example"
    assert len(str(big.form["m"]).encode()) <= 24_500


def test_94_the_host_sees_the_same_with_and_without_the_widget(lab: Lab) -> None:
    order = """<script>
      seen = [];
      addEventListener('submit', (e) => seen.push('window ' + e.defaultPrevented), true);
      addEventListener('formdata', (e) => { seen.push('data'); e.formData.append('x', 1) });
    </script>"""
    script = """<script>document.forms[0].addEventListener('submit', (e) => {
      seen.push('form ' + e.defaultPrevented);
      document.forms[0].action = '/thanks?' + seen.join();
    })</script>"""
    seen = []
    for tag in ("", lab.host.tag):
        lab.host.tag = order + tag
        lab.host.page("/", CONTACT + script)
        page = lab.new_page()
        page.goto(lab.host.origin)
        if tag:
            lab.settle(page)
        fill(page)
        page.click("button")
        page.wait_for_url("**/thanks*")
        posted = lab.host.posted[-1]
        seen.append((posted.path, posted.body, posted.headers["content-type"]))
    assert seen[0] == seen[1]


def test_95_only_a_whole_address_is_linked(lab: Lab) -> None:
    lab.host.page("/", CONTACT.replace('type="email"', ""))
    page = lab.visit("/")
    fill(page, "a@b")
    page.click("button")
    page.wait_for_url("**/thanks")
    assert not submission(lab)["data"].get("ids")
    lab.visit("/", page)
    fill(page)
    page.click("button")
    rows = lab.rows("form_submit", 2)
    assert rows[1]["data"]["ids"] == {"email": "ann@brew.example"}


def test_119_a_submission_carries_its_consent_proof(lab: Lab) -> None:
    box = '<label><input type="checkbox" name="news"> Write to me</label>'
    attributes = 'id="contact" method="post" action="/thanks" data-consent-version="3"'
    lab.host.page("/", form(EMAIL + box, attributes))
    lab.host.page("/other", form(EMAIL + box.replace("Write", "Talk"), attributes))
    page = lab.visit("/")
    proofs = []
    for count, path in enumerate(("/", "/other"), 1):
        lab.visit(path, page)
        fill(page)
        page.check("[name=news]")
        page.click("button")
        page.wait_for_url("**/thanks")
        data = lab.rows("form_submit", count)[-1]["data"]
        assert data["consent"]["ticked"] == ["news"]
        assert data["consent"]["version"] == "3"
        proofs.append((data["consent"]["text"], data["fv"]))
    assert proofs[0][0] != proofs[1][0], "another text"
    assert proofs[0][1] == proofs[1][1], "the same fields"
