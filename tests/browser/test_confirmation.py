"""Checklist G: what confirms a submission, and what does not."""

import pytest

from tests.browser.conftest import Lab
from tests.browser.test_forms import CONTACT, EMAIL, SENDS, fill, form, submission


def confirmed(lab: Lab) -> None:
    """One submission, and one confirmation of it."""
    sent = submission(lab)
    row = lab.row("form_confirm")
    assert row["data"] == {"of": sent["event_id"]}
    assert row["visitor"] == sent["visitor"]


def test_74_another_page_after_a_submission_confirms_it(lab: Lab) -> None:
    lab.host.page("/", CONTACT + '<a href="/next">on</a>')
    page = lab.visit("/")
    fill(page)
    page.click("button")
    page.wait_for_url("**/thanks")
    confirmed(lab)
    page.goto(lab.host.origin + "/")
    lab.settle(page)
    assert len(lab.all_after(page, "form_confirm")) == 1, "once"


def test_74_the_same_page_again_confirms_nothing(lab: Lab) -> None:
    """The server sends the form back, to be filled in better; then the visitor goes elsewhere."""
    lab.host.page("/ask", form(EMAIL, 'id="contact" method="post"') + '<a href="/next">on</a>')
    page = lab.visit("/ask")
    fill(page)
    with page.expect_navigation():
        page.click("button")
    lab.settle(page)
    page.click("a")
    page.wait_for_url("**/next")
    lab.settle(page)
    assert len(lab.rows("form_submit")) == 1
    assert lab.all_after(page, "form_confirm") == []


@pytest.mark.parametrize(
    "success",
    [
        "document.forms[0].reset()",
        "document.forms[0].remove()",
        "history.pushState(null, '', '/sent')",
        "location.href = '/sent'",
    ],
    ids=["emptied", "gone", "another view", "another page"],
)
def test_78_a_form_sent_by_fetch_is_confirmed_by_what_the_page_does_then(
    lab: Lab, success: str
) -> None:
    lab.host.page("/", CONTACT)
    page = lab.new_page()
    page.clock.install()
    lab.visit("/", page)
    page.evaluate(
        SENDS.replace(
            "{ method: 'POST', body })", f"{{ method: 'POST', body }}).then(() => {{ {success} }})"
        )
    )
    fill(page)
    with page.expect_response("**/api"):
        page.click("button")
    page.clock.run_for(400)
    assert submission(lab)["data"]["attempt"] == 1
    if "href" in success:
        page.wait_for_url("**/sent")
        lab.settle(page)
    page.clock.run_for(5000)
    page.clock.run_for(400)
    confirmed(lab)


def test_78_a_form_that_stays_is_an_attempt_only(lab: Lab) -> None:
    """Shown again with an error, or left by a link: nothing says that it arrived."""
    lab.host.page("/", CONTACT + '<a href="/next">on</a>')
    page = lab.new_page()
    page.clock.install()
    lab.visit("/", page)
    page.evaluate(
        """(html) => document.forms[0].addEventListener('submit', (event) => {
          event.preventDefault();
          document.body.innerHTML = html;
        })""",
        CONTACT + '<a href="/next">on</a>',
    )
    fill(page)
    page.click("button")
    page.clock.run_for(6000)
    page.click("a")
    page.wait_for_url("**/next")
    lab.settle(page)
    page.clock.run_for(400)
    assert submission(lab)["data"]["attempt"] == 1
    page.evaluate("handraise('track', 'end')")
    page.clock.run_for(400)
    assert lab.rows("track")
    assert lab.tracker.read(lab.site, "form_confirm") == []
