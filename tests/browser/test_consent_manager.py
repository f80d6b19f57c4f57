"""Checklist 70 and 72: a consent manager that speaks TCF, and forms of who has not consented."""

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Lab
from tests.browser.test_consent import NOTHING, STORAGE

#: As managers leave it in the head: who listens is told now and at every change.
MANAGER = """<script>
  window.heard = [];
  window.tell = (given, eventStatus = 'useractioncomplete', more = {}) => {
    window.state = { eventStatus, gdprApplies: true, tcfPolicyVersion: 5,
      purpose: { consents: { 1: given } }, ...more };
    heard.forEach((take) => take(state, true));
  };
  window.__tcfapi = (command, version, take) => {
    if (command == 'addEventListener' && version == 2) heard.push(take), take(state, true);
  };
  tell(false, 'cmpuishown');
</script>"""


def managed(lab: Lab, head: str = MANAGER, mode: str = "on") -> Page:
    lab.configure({"tcf": True}, consent=mode)
    lab.host.page("/", "<h1>page</h1>", head=head)
    page = lab.visit("/")
    if head:
        page.wait_for_function("() => heard.length")
    return page


def test_70_nothing_is_sent_before_the_manager_has_an_answer(lab: Lab) -> None:
    page = managed(lab)
    page.evaluate("handraise('track', 'early')")
    assert page.evaluate(STORAGE) == NOTHING
    assert lab.sent() == []
    page.evaluate("tell(true, 'tcloaded')")
    view, consent = lab.row("page_view"), lab.row("consent")
    assert lab.row("track")["visitor"] == view["visitor"] == consent["visitor"]
    assert consent["data"] == {"state": "granted", "text": "tcf", "version": "5"}


def test_70_no_to_purpose_one_is_a_refusal_and_a_change_is_obeyed(lab: Lab) -> None:
    page = managed(lab)
    page.evaluate("tell(false)")
    page.wait_for_function("() => JSON.stringify(localStorage).includes('denied')")
    assert lab.sent() == []
    began = page.evaluate("tell(true), Date.now()")
    lab.rows("page_view")
    visitor = lab.row("page_view")["visitor"]
    assert page.evaluate("Date.now()") - began < 1_000 + 2_000  # with a machine shared with others
    page.evaluate("tell(false); handraise('track', 'after')")
    states = [row["data"]["state"] for row in lab.rows("consent", 2)]
    assert states == ["granted", "denied"]
    kept = page.evaluate(STORAGE)
    assert "denied" in kept
    assert visitor not in kept
    assert lab.tracker.read(lab.site, "track") == []


def test_70_a_manager_that_comes_late_or_has_nothing_to_ask(lab: Lab) -> None:
    page = managed(lab, head="")
    page.evaluate(
        """() => (window.__tcfapi = (_command, _version, take) =>
          take({ gdprApplies: false, eventStatus: 'tcloaded', tcfPolicyVersion: 5 }, true))"""
    )
    assert lab.row("page_view")["visitor"]


@pytest.mark.parametrize("mode", ["on", "ask", "off"])
def test_72_a_form_without_consent_is_stored_alone_with_its_proof(lab: Lab, mode: str) -> None:
    lab.configure(consent=mode)
    lab.host.page(
        "/",
        '<form id="contact" data-consent-version="2026-11"><input name="email" type="email">'
        '<label><input type="checkbox" name="terms"> I agree to be called</label>'
        "<button>Send</button></form>",
    )
    page = lab.visit("/")
    page.evaluate("handraise('consent', false)")
    page.evaluate("document.forms[0].onsubmit = () => false")
    page.fill("[name=email]", "ann@brew.example")
    page.check("[name=terms]")
    page.click("button")
    form = lab.row("form_submit")
    assert form.form["email"] == "ann@brew.example"
    proof = form["data"]["consent"]
    assert (proof["ticked"], proof["version"]) == (["terms"], "2026-11")
    assert proof["text"]
    assert (form["visitor"], form["tab"], form["page_view"], form["screen"]) == ("", None, "", {})
    after = [row["kind"] for row in lab.tracker.read(lab.site) if row["seq"] >= form["seq"]]
    assert after == ["form_submit"]
    kept = page.evaluate(STORAGE)
    assert kept.count('"') == NOTHING.count('"') + 4, "the word denied, under one name"
    assert "ann@" not in kept
